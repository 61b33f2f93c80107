//! What must be rebuilt, and when: derived from the facts alone, never from the clock.
//!
//! Of every managed image's state it writes `rebuildState`, all but its `attempts`. Each verb that
//! changes a fact ends with it, so what is derived always fits the facts beside it, and running it
//! twice changes nothing.
//!
//! ```text
//! history of a base, what the image holds of it   -> a reason: from, to, since
//! the reasons, delay, settle, maxWait, spread     -> eligibleAt, deadline
//! attempts                                        -> a later time, or held
//! who publishes which base                        -> waitingFor, cycles
//! ```

use crate::diagnostic::Diagnostics;
use crate::dockerfile::platform::Platform;
use crate::factory::Factory;
use crate::images::{Enrolment, Enrolments};
use crate::name;
use crate::sorted::{sort_by, SortedMap};
use crate::state::facts::{self, Attempt, Seen, Use};
use crate::state::records::{change, full_repository, Changes, Records};
use crate::time::{Time, DAY};
use crate::tree::Tree;
use crate::yaml::{Map, Value};

/// How many entries of a history stay in any case.
pub(crate) const HISTORY: usize = 50;

/// What `decide` writes, in the order of the file; `attempts` is a fact, and stands last.
const KEYS: &[&str] = &[
    "status",
    "pendingRebuild",
    "cause",
    "key",
    "reasons",
    "driftSince",
    "eligibleAt",
    "deadline",
    "waitingFor",
    "attempts",
];

/// Brings `rebuildState` of every managed image into line with the facts; gives the changed files.
///
/// # Errors
/// What is wrong with the factory's files.
pub fn decide(tree: &Tree, now: Time) -> Result<Changes, Diagnostics> {
    change(tree, now, &mut |_, _| {})
}

/// The same, in state that changes.
pub(crate) fn derive(records: &mut Records<'_>, factory: &Factory) {
    prune(records);
    let mut derived = Vec::new();
    {
        let fleet = Fleet::of(records, factory);
        for (at, image) in fleet.images.iter().enumerate() {
            derived.push((image.name.to_owned(), image.rebuild_state(&fleet.waiting_for(at))));
        }
    }
    for (name, state) in derived {
        let Some(document) = records.images.get_mut(&name) else { continue };
        let mut written = match document.get("rebuildState") {
            Some(Value::Map(old)) if is_derived(old, &state) => continue,
            Some(Value::Map(old)) => old.clone(),
            _ => Map::default(),
        };
        for key in KEYS {
            if *key != "attempts" {
                written.remove(key);
            }
        }
        written.0.extend(state.0);
        written.order(KEYS);
        document.set("rebuildState", Value::Map(written));
    }
}

/// Whether what is derived stands there already.
fn is_derived(old: &Map, state: &Map) -> bool {
    KEYS.iter().all(|key| *key == "attempts" || old.get(key) == state.get(key))
}

/// The managed images that have state, and how they are built on one another.
pub(crate) struct Fleet<'a> {
    pub images: Vec<Image<'a>>,
    /// By image, those of the fleet that publish a base image of it.
    parents: Vec<Vec<usize>>,
    /// By image, when the news of it comes: the smallest `eligibleAt` that makes it be rebuilt.
    comes: Vec<Option<Time>>,
    /// The groups of images that are built on one another.
    pub cycles: Vec<Vec<usize>>,
}

/// An image and what follows for it.
pub(crate) struct Image<'a> {
    pub name: &'a str,
    document: &'a Map,
    pub auto_rebuild: bool,
    attempts: Vec<Attempt<'a>>,
    pub reasons: Vec<Reason<'a>>,
    /// `None` where there is no reason.
    times: Option<Times>,
    pub status: Status,
    /// The cycle that it is on, for people.
    pub cycle: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Status {
    Monitoring,
    Pending,
    Held,
}

/// A base image whose newest content the image lacks.
pub(crate) struct Reason<'a> {
    pub base: &'a str,
    pub from: &'a str,
    pub to: &'a str,
    pub since: Time,
}

struct Times {
    drift_since: Time,
    eligible_at: Time,
    deadline: Time,
}

/// A base image.
struct Base<'a> {
    history: Vec<Seen<'a>>,
    /// The managed image that publishes it.
    publisher: Option<&'a str>,
    /// The delay of its own entry in images.yaml, in seconds.
    delay: Option<u64>,
}

/// What images.yaml and factory.yaml say of one image; times in seconds.
pub(crate) struct Policy<'a> {
    delay: Option<u64>,
    factory_delay: u64,
    settle: u64,
    max_wait: u64,
    offset: u64,
    pub auto_rebuild: bool,
    roles: &'a [String],
    pub platforms: Vec<String>,
}

impl<'a> Policy<'a> {
    pub fn of(enrolment: &'a Enrolment, factory: &'a Factory) -> Self {
        let written = enrolment.build.as_ref().map(|build| &build.platforms).filter(|list| !list.is_empty());
        let builder = Platform { os: "linux".into(), architecture: "amd64".into(), ..Platform::default() };
        let normal = |text: &String| match Platform::parse(text, &builder) {
            Some(platform) => platform.normalized().short(),
            None => text.clone(),
        };
        Policy {
            delay: enrolment.rebuild_delay.map(|delay| delay.seconds()),
            factory_delay: factory.rebuild_delay.seconds(),
            settle: enrolment.settle.unwrap_or(factory.settle).seconds(),
            max_wait: enrolment.max_wait.unwrap_or(factory.max_wait).seconds(),
            offset: match factory.spread.seconds() {
                0 => 0,
                spread => name::hash(&enrolment.name) % spread,
            },
            auto_rebuild: enrolment.auto_rebuild.unwrap_or(factory.auto_rebuild),
            roles: enrolment.roles.as_deref().unwrap_or(&factory.roles),
            platforms: written.unwrap_or(&factory.platforms).iter().map(normal).collect(),
        }
    }

    /// Whether a change of this base image is a reason to rebuild.
    pub fn counts(&self, base: &Use<'_>) -> bool {
        !base.pinned
            && !base.name.is_empty()
            && base.roles.iter().any(|role| self.roles.iter().any(|r| r == role))
    }
}

/// Who publishes a base image: the managed image of its name, else of its repository.
pub(crate) struct Publishers<'a> {
    enrolments: &'a Enrolments,
    by_repository: SortedMap<&'a str>,
}

impl<'a> Publishers<'a> {
    pub fn of(enrolments: &'a Enrolments) -> Self {
        let mut by_repository = SortedMap::new();
        for (name, enrolment) in enrolments {
            if enrolment.build.is_some() {
                by_repository.get_or_insert_with(enrolment.image.name(), || name.as_str());
            }
        }
        Publishers { enrolments, by_repository }
    }

    pub fn publisher(&self, base: &str, document: Option<&Map>) -> Option<&'a str> {
        match self.enrolments.get(base) {
            Some(enrolment) if enrolment.build.is_some() => Some(&enrolment.name),
            _ => self.by_repository.get(&full_repository(document?)?).copied(),
        }
    }
}

/// The delay of a base image's own entry in images.yaml: the one of its name, else the one that
/// watches its tag.
struct Delays<'a> {
    enrolments: &'a Enrolments,
    /// By repository and tag, in seconds.
    by_tag: SortedMap<u64>,
}

impl<'a> Delays<'a> {
    fn of(enrolments: &'a Enrolments) -> Self {
        let mut by_tag = SortedMap::new();
        for enrolment in enrolments.values().filter(|enrolment| enrolment.build.is_none()) {
            let tag = enrolment.watch.allow_tags.as_ref().and_then(|tags| tags.value.literal.as_deref());
            if let (Some(tag), Some(delay)) = (tag, enrolment.rebuild_delay) {
                let key = format!("{}:{tag}", enrolment.image.name());
                by_tag.get_or_insert_with(key, || delay.seconds());
            }
        }
        Delays { enrolments, by_tag }
    }

    fn of_base(&self, name: &str, document: &Map) -> Option<u64> {
        if let Some(enrolment) = self.enrolments.get(name) {
            return enrolment.rebuild_delay.map(|delay| delay.seconds());
        }
        let key = format!("{}:{}", full_repository(document)?, facts::text(document, "tag")?);
        self.by_tag.get(&key).copied()
    }
}

impl<'a> Fleet<'a> {
    /// Derives everything but `waitingFor` of each image.
    pub fn of(records: &'a Records<'_>, factory: &'a Factory) -> Self {
        let publishers = Publishers::of(records.enrolments);
        let delays = Delays::of(records.enrolments);
        let mut bases: SortedMap<Base<'a>> = SortedMap::new();
        for (name, document) in &records.base_images {
            bases.insert(
                name,
                Base {
                    history: facts::history(document),
                    publisher: publishers.publisher(name, Some(document)),
                    delay: delays.of_base(name, document),
                },
            );
        }
        let mut images = Vec::new();
        let mut publish: Vec<Vec<&str>> = Vec::new();
        for (name, enrolment) in records.enrolments {
            let Some(document) = records.images.get(name) else { continue };
            if enrolment.build.is_none() || facts::text(document, "discoveryStatus") == Some("external") {
                continue;
            }
            let policy = Policy::of(enrolment, factory);
            let mut image = Image {
                name,
                document,
                auto_rebuild: policy.auto_rebuild,
                attempts: facts::attempts(document),
                reasons: Vec::new(),
                times: None,
                status: Status::Monitoring,
                cycle: None,
            };
            let uses: Vec<Use<'_>> =
                facts::uses(document).into_iter().filter(|base| policy.counts(base)).collect();
            let parent = |base: &Use<'_>| match bases.get(base.name) {
                Some(base) => base.publisher,
                None => publishers.publisher(base.name, None),
            };
            publish.push(uses.iter().filter_map(parent).collect());
            let last_built = facts::text(document, "lastBuilt").and_then(Time::parse);
            for base in &uses {
                let history = bases.get(base.name).map_or(&[][..], |base| &base.history);
                image.reasons.extend(reason(base, history, &policy.platforms, last_built));
            }
            image.times = image.times(&bases, &policy);
            image.status = image.status();
            images.push(image);
        }
        // They stand in the order of their names.
        let at = |name: &str| images.binary_search_by(|image: &Image<'_>| image.name.cmp(name)).ok();
        let known = |names: Vec<&str>| {
            let mut found: Vec<usize> = names.into_iter().filter_map(at).collect();
            sort_by(&mut found, usize::cmp);
            found.dedup();
            found
        };
        let parents: Vec<Vec<usize>> = publish.into_iter().map(known).collect();
        let mut fleet = Fleet { comes: vec![None; images.len()], images, parents, cycles: Vec::new() };
        for group in groups(&fleet.parents) {
            fleet.settle_group(group);
        }
        fleet
    }

    /// Groups come with parents first: so what comes of an image's parents is known before.
    fn settle_group(&mut self, mut group: Vec<usize>) {
        let is_cycle = group.len() > 1 || self.parents[group[0]].contains(&group[0]);
        if is_cycle {
            sort_by(&mut group, usize::cmp);
            let path: Vec<&str> =
                path_back(group[0], &group, &self.parents).iter().map(|at| self.images[*at].name).collect();
            let cycle = path.join(" -> ");
            for at in &group {
                let image = &mut self.images[*at];
                if image.status == Status::Pending {
                    image.status = Status::Held;
                }
                image.cycle = Some(cycle.clone());
            }
            self.cycles.push(group);
            return;
        }
        let image = &self.images[group[0]];
        if !image.auto_rebuild {
            return;
        }
        self.comes[group[0]] = match &image.times {
            Some(times) if image.status == Status::Pending => Some(times.eligible_at),
            _ => self.parents[group[0]].iter().filter_map(|parent| self.comes[*parent]).min(),
        };
    }

    /// The managed parents that are to be rebuilt before this one, by name.
    pub fn waiting_for(&self, at: usize) -> Vec<&'a str> {
        let Some(times) = &self.images[at].times else { return Vec::new() };
        let is_first = |parent: &&usize| {
            **parent != at && self.comes[**parent].is_some_and(|comes| comes <= times.deadline)
        };
        self.parents[at].iter().filter(is_first).map(|parent| self.images[*parent].name).collect()
    }
}

/// Why an image must be rebuilt for one of its base images, if it must.
fn reason<'a>(
    base: &Use<'a>,
    history: &[Seen<'a>],
    platforms: &[String],
    last_built: Option<Time>,
) -> Option<Reason<'a>> {
    let from = base.holds?;
    let held = content_of(history, from);
    let known = history.iter().rposition(|entry| {
        entry.digest == from || held.is_some_and(|held| entry.is_same(&held.content, platforms))
    });
    let after = history.iter().skip(known.map_or(0, |at| at + 1));
    let change: Vec<&Seen<'a>> = after.filter(|entry| entry.is_complete(platforms)).collect();
    let (first, last) = (change.first()?, change.last()?);
    let since = match known {
        Some(_) => first.seen,
        // The history never saw it: what came after the image was made is news to it.
        None => {
            let is_later = |entry: &&&Seen<'_>| last_built.is_none_or(|built| entry.seen > built);
            change.iter().find(is_later).unwrap_or(last).seen
        }
    };
    Some(Reason { base: base.name, from, to: newest(&change, platforms), since })
}

/// The newest entry of a digest.
pub(crate) fn content_of<'h, 'a>(history: &'h [Seen<'a>], digest: &str) -> Option<&'h Seen<'a>> {
    history.iter().rfind(|entry| entry.digest == digest)
}

/// The first digest of the last run of equal content.
pub(crate) fn newest<'a>(entries: &[&Seen<'a>], platforms: &[String]) -> &'a str {
    let mut at = entries.len() - 1;
    while at > 0 && entries[at - 1].is_same(&entries[at].content, platforms) {
        at -= 1;
    }
    entries[at].digest
}

impl Image<'_> {
    fn times(&self, bases: &SortedMap<Base<'_>>, policy: &Policy<'_>) -> Option<Times> {
        let drift_since = self.reasons.iter().map(|reason| reason.since).min()?;
        let delayed = self.reasons.iter().map(|reason| {
            let base = bases.get(reason.base);
            let delay = match base.and_then(|base| base.publisher) {
                Some(_) => 0,
                None => policy.delay.or(base.and_then(|base| base.delay)).unwrap_or(policy.factory_delay),
            };
            reason.since.plus(delay)
        });
        let start = delayed.min()?.plus(policy.offset);
        let mut changes = Vec::new();
        for reason in &self.reasons {
            let mut before: Option<&Seen<'_>> = None;
            let is_complete = |entry: &&Seen<'_>| entry.is_complete(&policy.platforms);
            let history = bases.get(reason.base).map_or(&[][..], |base| &base.history);
            for entry in history.iter().filter(is_complete) {
                let is_change =
                    before.is_some_and(|before| !before.is_same(&entry.content, &policy.platforms));
                if is_change && entry.seen >= drift_since {
                    changes.push(entry.seen);
                }
                before = Some(entry);
            }
        }
        sort_by(&mut changes, Time::cmp);
        let mut eligible_at = start;
        for change in changes {
            if change <= eligible_at {
                eligible_at = eligible_at.max(change.plus(policy.settle));
            }
        }
        let mut deadline = start.plus(policy.max_wait);
        eligible_at = eligible_at.min(deadline);

        let is_bad = |attempt: &&Attempt<'_>| {
            matches!(attempt.outcome, "stale" | "failed" | "unpublished") && attempt.at >= drift_since
        };
        let in_a_row = self.attempts.iter().rev().take_while(is_bad).count();
        if in_a_row > 0 {
            // A day, two, four, then a week.
            let wait = [1, 2, 4, 7][in_a_row.min(4) - 1] * DAY.unsigned_abs();
            let floor = self.attempts[self.attempts.len() - 1].at.plus(wait);
            eligible_at = eligible_at.max(floor);
            deadline = deadline.max(floor);
        }
        Some(Times { drift_since, eligible_at, deadline })
    }

    /// `eligibleAt` and `deadline`, where there is a reason.
    pub fn window(&self) -> Option<(Time, Time)> {
        self.times.as_ref().map(|times| (times.eligible_at, times.deadline))
    }

    /// Without regard to cycles.
    fn status(&self) -> Status {
        if self.reasons.is_empty() {
            return Status::Monitoring;
        }
        let Some(last) = self.attempts.last() else { return Status::Pending };
        let was_target = |reason: &Reason<'_>| last.targets.contains(&(reason.base, reason.to));
        let is_same_image = last.image == facts::text(self.document, "currentDigest");
        if last.outcome != "fresh" && is_same_image && self.reasons.iter().all(was_target) {
            Status::Held
        } else {
            Status::Pending
        }
    }

    /// All of `rebuildState` but the attempts.
    fn rebuild_state(&self, waiting_for: &[&str]) -> Map {
        let mut state = Map::default();
        let status = match self.status {
            Status::Monitoring => "monitoring",
            Status::Pending => "pending",
            Status::Held => "held",
        };
        state.set("status", Value::string(status));
        state.set("pendingRebuild", Value::boolean(self.times.is_some()));
        let Some(times) = &self.times else { return state };
        if self.status == Status::Held {
            let cause = match (&self.cycle, self.attempts.last()) {
                (Some(cycle), _) => format!("these images are built on one another: {cycle}"),
                (None, Some(last)) => match last.cause {
                    Some(cause) => cause.to_owned(),
                    None => format!("the attempt {} ended {}", last.key, last.outcome),
                },
                (None, None) => String::new(),
            };
            state.set("cause", Value::String(cause));
        }
        let last = self.attempts.iter().filter_map(|attempt| attempt.number(self.name)).max().unwrap_or(0);
        state.set("key", Value::String(format!("{}-{}", self.name, last + 1)));
        let reasons = self.reasons.iter().map(|reason| {
            let mut map = Map::default();
            map.set("base", Value::string(reason.base));
            map.set("from", Value::string(reason.from));
            map.set("to", Value::string(reason.to));
            map.set("since", Value::String(reason.since.to_string()));
            Value::Map(map)
        });
        state.set("reasons", Value::List(reasons.collect()));
        let named = [
            ("driftSince", times.drift_since),
            ("eligibleAt", times.eligible_at),
            ("deadline", times.deadline),
        ];
        for (key, time) in named {
            state.set(key, Value::String(time.to_string()));
        }
        state.set("waitingFor", Value::strings(waiting_for.iter().copied()));
        state
    }
}

/// The groups of images that can be reached from one another, parents before their children
/// (Tarjan's strongly connected components, without recursion).
fn groups(parents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let mut order = vec![NEW; parents.len()];
    let mut low = vec![0; parents.len()];
    let mut is_open = vec![false; parents.len()];
    let (mut open, mut path, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let mut count = 0;
    for start in 0..parents.len() {
        if order[start] != NEW {
            continue;
        }
        path.push((start, 0));
        while let Some((at, next)) = path.pop() {
            if next == 0 {
                order[at] = count;
                low[at] = count;
                count += 1;
                open.push(at);
                is_open[at] = true;
            }
            if let Some(&parent) = parents[at].get(next) {
                path.push((at, next + 1));
                if order[parent] == NEW {
                    path.push((parent, 0));
                } else if is_open[parent] {
                    low[at] = low[at].min(order[parent]);
                }
                continue;
            }
            if let Some(&(child, _)) = path.last() {
                low[child] = low[child].min(low[at]);
            }
            if low[at] == order[at] {
                let from = open.iter().rposition(|image| *image == at).unwrap_or(0);
                let group = open.split_off(from);
                for image in &group {
                    is_open[*image] = false;
                }
                groups.push(group);
            }
        }
    }
    groups
}

/// A shortest way from an image over parents of its group, which is in order, back to it.
fn path_back(start: usize, group: &[usize], parents: &[Vec<usize>]) -> Vec<usize> {
    let mut came_from: Vec<Option<usize>> = vec![None; group.len()];
    let mut reached = vec![start];
    let mut next = 0;
    while next < reached.len() {
        let at = reached[next];
        next += 1;
        for parent in &parents[at] {
            let Ok(place) = group.binary_search(parent) else { continue };
            if came_from[place].is_none() {
                came_from[place] = Some(at);
                reached.push(*parent);
            }
        }
    }
    let mut path = vec![start];
    let mut at = start;
    while let Some(before) = group.binary_search(&at).ok().and_then(|place| came_from[place]) {
        path.push(before);
        at = before;
        if at == start {
            break;
        }
    }
    path.reverse();
    path
}

/// Shortens the histories that grew too long. The newest entries stay, what an image holds with the
/// entry after it, and the first entry after a dependent image was built.
fn prune(records: &mut Records<'_>) {
    let is_long = |base: &Map| {
        base.get("updateHistory").and_then(Value::as_list).is_some_and(|list| list.len() > HISTORY)
    };
    let long: Vec<String> =
        records.base_images.iter().filter(|(_, base)| is_long(base)).map(|(name, _)| name.clone()).collect();
    for name in long {
        let Some(base) = records.base_images.get(&name) else { continue };
        let history = facts::history(base);
        let list = base.get("updateHistory").and_then(Value::as_list).unwrap_or_default();
        if history.len() != list.len() {
            continue;
        }
        let mut keep = vec![false; history.len()];
        keep[history.len() - HISTORY..].fill(true);
        let dependents = base.get("dependentImages").and_then(Value::as_list).unwrap_or_default();
        for image in dependents.iter().filter_map(|image| records.images.get(image.as_str()?)) {
            for base in facts::uses(image).iter().filter(|base| base.name == name) {
                for (at, _) in
                    history.iter().enumerate().filter(|(_, entry)| Some(entry.digest) == base.holds)
                {
                    keep[at] = true;
                    keep[(at + 1).min(history.len() - 1)] = true;
                }
                let built = facts::text(image, "lastBuilt").and_then(Time::parse);
                if let Some(at) =
                    history.iter().position(|entry| built.is_none_or(|built| entry.seen > built))
                {
                    keep[at] = true;
                }
            }
        }
        let kept =
            list.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(entry, _)| entry.clone()).collect();
        if let Some(base) = records.base_images.get_mut(&name) {
            base.set("updateHistory", Value::List(kept));
        }
    }
}

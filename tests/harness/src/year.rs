//! A simulated year of a fleet: base images that move in the rhythms of real ones, CI that rebuilds,
//! and who decides when. The factory decides by the core's own functions, called as its Jobs call
//! them; three simpler policies decide beside it, in the same world.
//!
//! ```text
//! world    pushes of base images, from a seed; each rebuild takes what is newest when it begins
//! factory  a Warehouse polls   -> observe     -> state -> due? -> a run -> look around, prove -> state
//!          what a run published is polled, too, by the images that are built on it
//! others   every push rebuilds; every push restarts the delay; once a week whatever happened
//! ```
//!
//! Each team has a folder of its own, as a fleet of this size would be kept. Nobody else builds, and
//! no run fails: what failures do is shown by random worlds (`plugin/tests/machine`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use image_factory::abi::{Answer, Fetched, Request, ABI_VERSION};
use image_factory::analyze::live;
use image_factory::look::{Held, Look, Run};
use image_factory::name;
use image_factory::reference::ImageReference;
use image_factory::sorted::SortedMap;
use image_factory::state::Changes;
use image_factory::time::Time;
use image_factory::tree::Tree;
use image_factory::yaml::{self, Map, Source, Value};
use image_factory::{observe, prove};

use crate::{Sources, MAX_ROUNDS};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-01-05T00:00:00Z
const START: i64 = 1_767_571_200;

/// How long a run takes.
const BUILD: i64 = 30 * MINUTE;
/// How often the wait step and the Warehouses of published images look (factory.yaml's defaults).
const POLL: i64 = 15 * MINUTE;
/// The delay of all images: factory.yaml's default.
const DELAY: i64 = 7 * DAY;
/// Delay, the longest wait for a release to settle, a day until it is seen, and one for the run.
const STARVED: i64 = DELAY + 3 * DAY;

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// How large the fleet is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Folders that share nothing.
    pub teams: usize,
    /// Managed images of a team; every tenth publishes a base image that the four after it use.
    pub images: usize,
    /// Base images of others, of a team.
    pub bases: usize,
    /// How long it runs.
    pub days: i64,
    /// Another one is another year.
    pub seed: u64,
}

/// Who decides when an image is rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The factory, with its defaults.
    Factory,
    /// Whoever hears of a push rebuilds at once.
    EveryPush,
    /// Each push starts the delay anew.
    RestartedDelay,
    /// Once a week.
    WeeklyCron,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Managed images.
    pub images: usize,
    /// Pushes of base images of others.
    pub pushes: usize,
    /// Runs.
    pub rebuilds: usize,
    /// Runs that brought no new content of any base image.
    pub redundant: usize,
    /// Images that lacked new content for more than ten days.
    pub starved: usize,
    /// Of each new content of a base image on an image's platforms, the seconds until a published
    /// image held it or newer content; sorted.
    pub waits: Vec<i64>,
}

impl Figures {
    /// The wait that so many percent do not exceed, in seconds.
    pub fn wait(&self, percent: usize) -> i64 {
        let at = (self.waits.len() * percent).div_ceil(100).max(1) - 1;
        self.waits.get(at).copied().unwrap_or_default()
    }

    fn add(&mut self, other: Figures) {
        self.images += other.images;
        self.pushes += other.pushes;
        self.rebuilds += other.rebuilds;
        self.redundant += other.redundant;
        self.starved += other.starved;
        self.waits.extend(other.waits);
        self.waits.sort_unstable();
    }
}

/// Plays the year of each team, and adds up.
pub fn play(size: &Size, policy: Policy) -> Figures {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(size.teams);
    let teams = |worker: usize| {
        let mut sum = Figures::default();
        for team in (worker..size.teams).step_by(workers) {
            sum.add(Team::new(size, team).play(policy, size.days));
        }
        sum
    };
    let mut sum = Figures::default();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || teams(worker))).collect();
        for worker in running {
            sum.add(worker.join().expect("a year comes to its end"));
        }
    });
    sum
}

/// A small generator of random numbers (SplitMix64): the same seed is the same year everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) % below.unsigned_abs()).expect("it is below a positive number")
    }
}

/// What stood under a tag for a while.
#[derive(Clone, Debug)]
struct Release {
    at: i64,
    digest: String,
    /// By platform, in the order of [`PLATFORMS`].
    content: [u64; 2],
}

/// A managed image.
struct App {
    /// What it is built on: base images of others by number, then those that images publish.
    uses: Vec<usize>,
    /// On the first of them, or on all.
    platforms: usize,
    publishes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Push(usize),
    Poll(usize),
    Turn(usize),
    Built(usize),
}

/// A team's world.
struct Team {
    apps: Vec<App>,
    /// How many base images are others'.
    bases: usize,
    /// The releases to come, by base image.
    coming: Vec<Vec<Release>>,
    /// Those that are out, by base image: others', then our own.
    live: Vec<Vec<Release>>,
    /// By image and base image, the release that it holds.
    held: Vec<Vec<usize>>,
    /// By image, the releases that the run under way took.
    building: Vec<Option<(i64, Vec<usize>)>>,
    /// By image, when it is due; for [`Policy::EveryPush`] whether a push came during a run.
    due: Vec<Option<i64>>,
    events: BinaryHeap<Reverse<(i64, usize, Event)>>,
    count: usize,
    random: Random,
    figures: Figures,
    is_starved: Vec<bool>,
}

impl Team {
    fn new(size: &Size, team: usize) -> Team {
        let mut random = Random(size.seed.wrapping_mul(1_000_003).wrapping_add(team as u64));
        let mut apps = Vec::new();
        for image in 0..size.images {
            let first = random.next(size.bases as i64) as usize;
            let second = random.next(size.bases as i64) as usize;
            let platform = size.bases + image / 10 * 10;
            let mut uses = match image % 10 {
                0 => vec![first],
                1..=4 => vec![platform, first],
                _ => vec![first, second],
            };
            uses.dedup();
            apps.push(App {
                uses,
                platforms: 1 + usize::from(image % 3 == 0 || image % 10 == 0),
                publishes: image % 10 == 0,
            });
        }
        let coming: Vec<Vec<Release>> =
            (0..size.bases).map(|base| releases(team * size.bases + base, size.days, &mut random)).collect();
        let live = (0..size.bases + size.images)
            .map(|subject| {
                vec![Release { at: START, digest: digest(1_000_000 + subject, 0), content: [0; 2] }]
            })
            .collect();
        Team {
            bases: size.bases,
            live,
            held: apps.iter().map(|app| vec![0; app.uses.len()]).collect(),
            building: vec![None; size.images],
            due: vec![None; size.images],
            events: BinaryHeap::new(),
            count: 0,
            random,
            figures: Figures {
                images: size.images,
                pushes: coming.iter().map(Vec::len).sum(),
                ..Figures::default()
            },
            is_starved: vec![false; size.images],
            coming,
            apps,
        }
    }

    fn at(&mut self, time: i64, event: Event) {
        self.count += 1;
        self.events.push(Reverse((time, self.count, event)));
    }

    fn play(mut self, policy: Policy, days: i64) -> Figures {
        let end = START + days * DAY;
        for base in 0..self.bases {
            for at in self.coming[base].iter().map(|release| release.at).collect::<Vec<_>>() {
                self.at(at, Event::Push(base));
            }
        }
        let mut factory =
            (policy == Policy::Factory).then(|| Factory::new(&self.apps, self.bases, &self.live));
        for base in (0..self.bases).filter(|_| policy == Policy::Factory) {
            // Warehouses drift apart.
            let first = START + self.random.next(DAY);
            (0..days).for_each(|day| self.at(first + day * DAY, Event::Poll(base)));
        }
        for image in (0..self.apps.len()).filter(|_| policy == Policy::WeeklyCron) {
            let first = START + self.random.next(7 * DAY);
            (0..days / 7).for_each(|week| self.at(first + week * 7 * DAY, Event::Turn(image)));
        }
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            if now > end {
                break;
            }
            match event {
                Event::Push(base) => {
                    let release = self.coming[base].remove(0);
                    self.live[base].push(release);
                    self.pushed(policy, base, now);
                }
                Event::Poll(base) => {
                    let factory = factory.as_mut().expect("only the factory polls");
                    let turns =
                        factory.observe(base, self.live[base].last().expect("it began with one"), now);
                    self.turns(turns, now);
                }
                Event::Turn(image) => {
                    let is_due = match (policy, &mut factory) {
                        (_, Some(factory)) => self.building[image].is_none() && factory.dispatch(image, now),
                        (Policy::RestartedDelay, _) => self.due[image] == Some(now),
                        _ => true,
                    };
                    if self.building[image].is_some() {
                        self.due[image] = Some(now);
                    } else if is_due {
                        self.due[image] = None;
                        let newest = self.apps[image].uses.iter().map(|base| self.live[*base].len() - 1);
                        self.building[image] = Some((now, newest.collect()));
                        self.at(now + BUILD, Event::Built(image));
                    }
                }
                Event::Built(image) => {
                    let began = self.built(image, now);
                    if self.apps[image].publishes {
                        self.pushed(policy, self.bases + image, now);
                    }
                    if let Some(factory) = &mut factory {
                        let turns = factory.prove(
                            image,
                            &self.apps[image],
                            &self.live,
                            &self.held[image],
                            began,
                            now,
                        );
                        self.turns(turns, now);
                    } else if policy == Policy::EveryPush && self.due[image].is_some() {
                        self.at(now, Event::Turn(image));
                    }
                }
            }
        }
        self.end(end)
    }

    /// A tag moved.
    fn pushed(&mut self, policy: Policy, base: usize, now: i64) {
        let users: Vec<usize> =
            (0..self.apps.len()).filter(|image| self.apps[*image].uses.contains(&base)).collect();
        match policy {
            Policy::Factory if base >= self.bases => self.at(next_poll(now), Event::Poll(base)),
            Policy::Factory | Policy::WeeklyCron => {}
            Policy::EveryPush => users.into_iter().for_each(|image| self.at(now, Event::Turn(image))),
            Policy::RestartedDelay => {
                for image in users {
                    self.due[image] = Some(now + DELAY);
                    self.at(now + DELAY, Event::Turn(image));
                }
            }
        }
    }

    fn turns(&mut self, turns: Vec<(usize, i64)>, now: i64) {
        for (image, due) in turns {
            self.at(next_poll(due.max(now)), Event::Turn(image));
        }
    }

    /// A run ended, and its image is published; when it began.
    fn built(&mut self, image: usize, now: i64) -> i64 {
        let (began, took) = self.building[image].take().expect("a run that ends began");
        let mut met = 0;
        for (at, base) in self.apps[image].uses.clone().into_iter().enumerate() {
            let changes = self.changes(image, base, self.held[image][at], took[at]);
            met += changes.len();
            for change in changes {
                self.wait(image, now - change);
                self.figures.waits.push(now - change);
            }
        }
        self.figures.rebuilds += 1;
        self.figures.redundant += usize::from(met == 0);
        let own = &mut self.live[self.bases + image];
        let version = own.len();
        // A run that brought nothing new makes the same content again.
        let before = own[version - 1].content;
        let content = if met == 0 { before } else { before.map(|content| content + 1) };
        own.push(Release { at: now, digest: digest(2_000_000 + image, version), content });
        self.held[image] = took;
        began
    }

    /// When content came that an image lacks, after one release of a base image up to another.
    fn changes(&self, image: usize, base: usize, after: usize, until: usize) -> Vec<i64> {
        let platforms = self.apps[image].platforms;
        let releases = &self.live[base][after..=until];
        let is_change = |pair: &&[Release]| pair[0].content[..platforms] != pair[1].content[..platforms];
        releases.windows(2).filter(is_change).map(|pair| pair[1].at).collect()
    }

    fn wait(&mut self, image: usize, seconds: i64) {
        self.is_starved[image] |= seconds > STARVED;
    }

    /// What is still missing at the end counts, too, where it took too long.
    fn end(mut self, end: i64) -> Figures {
        for image in 0..self.apps.len() {
            for (at, base) in self.apps[image].uses.clone().into_iter().enumerate() {
                for change in self.changes(image, base, self.held[image][at], self.live[base].len() - 1) {
                    self.wait(image, end - change);
                }
            }
        }
        self.figures.starved = self.is_starved.iter().filter(|is| **is).count();
        self.figures.waits.sort_unstable();
        self.figures
    }
}

fn next_poll(at: i64) -> i64 {
    at + (POLL - at % POLL) % POLL
}

fn digest(subject: usize, version: usize) -> String {
    format!("sha256:{subject:08x}{version:056x}")
}

/// The releases of a base image: of ten, one moves daily, one is made anew each night and differs
/// every third, four move weekly, three monthly, and one comes every four weeks as five pushes within
/// twelve hours, platform by platform (docker-library/official-images #18385).
fn releases(number: usize, days: i64, random: &mut Random) -> Vec<Release> {
    let (platform, both) = ([1, 0], [1, 1]);
    let pushes: (i64, &[(i64, [u64; 2])]) = match number % 10 {
        0 => (1, &[(0, both)]),
        1 => (1, &[(0, [0, 0])]),
        2..=5 => (7, &[(0, both)]),
        6..=8 => (30, &[(0, both)]),
        _ => (
            28,
            &[
                (0, platform),
                (2 * HOUR, [0, 1]),
                (5 * HOUR, [0, 0]),
                (9 * HOUR, platform),
                (12 * HOUR, [0, 1]),
            ],
        ),
    };
    let (every, parts) = pushes;
    let mut releases = Vec::new();
    let mut content = [0; 2];
    let first = START + DAY + random.next(every * DAY);
    for (nth, day) in (0..days).step_by(usize::try_from(every).expect("days are few")).enumerate() {
        for (after, change) in parts {
            // People and pipelines are not punctual.
            let at = first + day * DAY + after + random.next(HOUR);
            let change = if number % 10 == 1 && nth % 3 == 0 { both } else { *change };
            content = [content[0] + change[0], content[1] + change[1]];
            releases.push(Release { at, digest: digest(number, releases.len() + 1), content });
        }
    }
    releases
}

/// A team's folder, and the Jobs that work on it.
struct Factory {
    tree: Tree,
    /// How many base images are others'.
    bases: usize,
    /// By base image, its name in state.
    names: Vec<String>,
    /// By base image, the digest that was seen last.
    seen: Vec<String>,
    /// By image, the key of the run under way.
    keys: Vec<Option<String>>,
}

/// What the wait step reads of an image.
struct Pending {
    key: String,
    eligible_at: i64,
    deadline: i64,
    is_waiting: bool,
}

impl Factory {
    fn new(apps: &[App], bases: usize, live: &[Vec<Release>]) -> Factory {
        let reference = |subject: usize| match subject.checked_sub(bases) {
            None => format!("base-{subject}:1"),
            Some(image) => format!("ghcr.io/acme/app-{image}:1"),
        };
        let name_of = |subject: usize| {
            name::of_base_image(&ImageReference::parse(&reference(subject)).expect("it is a reference"))
        };
        let mut sources = Sources::default();
        let mut enrolments = String::new();
        for (image, app) in apps.iter().enumerate() {
            let mut dockerfile = format!("FROM {}\n", reference(app.uses[0]));
            for base in &app.uses[1..] {
                dockerfile += &format!("COPY --from={} /a /a\n", reference(*base));
            }
            sources.0.insert(format!("acme/app-{image}/Dockerfile"), dockerfile);
            enrolments += &format!(
                "- name: app-{image}\n  registry: ghcr.io\n  repository: acme/app-{image}\n  autoRebuild: true\n  \
                 source: {{provider: github, repo: acme/app-{image}, branch: main, workflow: build.yml, platforms: [{}]}}\n",
                PLATFORMS[..app.platforms].join(", ")
            );
        }
        let mut factory = Factory {
            tree: Tree::default(),
            bases,
            names: (0..bases + apps.len()).map(name_of).collect(),
            seen: vec![String::new(); bases + apps.len()],
            keys: vec![None; apps.len()],
        };
        factory.tree.insert("images.yaml", enrolments);
        factory.reconcile(&sources);
        for (subject, releases) in live.iter().enumerate() {
            factory.observe(subject, &releases[0], START);
        }
        for (image, app) in apps.iter().enumerate() {
            let held = vec![0; app.uses.len()];
            let look = factory.look(image, app, live, &held);
            factory.write(live::apply(&factory.tree, &format!("app-{image}"), &look, Time(START)));
        }
        factory
    }

    fn reconcile(&mut self, sources: &Sources) {
        let mut request = Request {
            abi: ABI_VERSION,
            verb: "reconcile".to_owned(),
            args: serde_json::json!({}),
            now: Time(START).to_string(),
            tree: self.tree.clone(),
            fetched: Fetched::default(),
        };
        for _ in 0..MAX_ROUNDS {
            let asked = serde_json::to_vec(&request).expect("a request is plain data");
            let answer: Answer =
                serde_json::from_slice(&image_factory::abi::answer(&asked)).expect("an answer is JSON");
            let Some(needs) = answer.needs else {
                assert_eq!((answer.exit, &answer.diagnostics), (0, &Vec::new()));
                for (path, text) in answer.files {
                    self.tree.insert(path, text.expect("nothing leaves"));
                }
                return;
            };
            request.fetched.git.extend(needs.git.iter().map(|need| sources.fetch(need)));
        }
        panic!("reconcile asks for ever more");
    }

    /// Writes what a Job found; gives the images whose state changed, with the time when each is due.
    fn write(
        &mut self,
        changes: Result<Changes, image_factory::diagnostic::Diagnostics>,
    ) -> Vec<(usize, i64)> {
        let mut turns = Vec::new();
        for (path, text) in changes.unwrap_or_else(|found| panic!("{:?}", found.0)) {
            let image = path.strip_prefix("state/images/app-").and_then(|name| name.strip_suffix(".yaml"));
            let image = image.map(|number| number.parse().expect("images have numbers"));
            self.tree.insert(path, text.expect("nothing leaves"));
            if let Some((image, pending)) = image.and_then(|image| Some((image, self.pending(image)?))) {
                turns.push((image, if pending.is_waiting { pending.deadline } else { pending.eligible_at }));
            }
        }
        turns
    }

    /// A Job looks at a base image; one that is as it was changes nothing.
    fn observe(&mut self, subject: usize, newest: &Release, now: i64) -> Vec<(usize, i64)> {
        if !self.is_news(subject, newest) {
            return Vec::new();
        }
        self.write(observe::apply(&self.tree, &self.names[subject], &look(newest), Time(now)))
    }

    /// Whether the factory watches a base image and saw another release of it last; now it saw this.
    fn is_news(&mut self, subject: usize, newest: &Release) -> bool {
        let path = format!("state/base-images/{}.yaml", self.names[subject]);
        let is_news = self.seen[subject] != newest.digest && self.tree.text(&path).is_some();
        if is_news {
            self.seen[subject].clone_from(&newest.digest);
        }
        is_news
    }

    /// The Job after a run looks at the image, at its base images and at the one that it publishes.
    fn prove(
        &mut self,
        image: usize,
        app: &App,
        live: &[Vec<Release>],
        held: &[usize],
        began: i64,
        now: i64,
    ) -> Vec<(usize, i64)> {
        let mut bases = SortedMap::new();
        for subject in app.uses.iter().copied().chain([self.bases + image]) {
            let newest = live[subject].last().expect("it began with one");
            if self.is_news(subject, newest) {
                bases.insert(self.names[subject].as_str(), look(newest));
            }
        }
        let name = format!("app-{image}");
        let key = self.keys[image].take().expect("a run that ends was dispatched");
        let url = Some(format!("https://github.com/acme/{name}/actions/runs/1"));
        let run = Run { key, began: Time(began), succeeded: true, url, ..Run::default() };
        let look = self.look(image, app, live, held);
        self.write(prove::apply(&self.tree, &name, Some(&run), &bases, Some(&look), Time(now)))
    }

    /// An image as its registry and its provenance show it.
    fn look(&self, image: usize, app: &App, live: &[Vec<Release>], held: &[usize]) -> Look {
        let newest = live[self.bases + image].last().expect("it began with one");
        let mut look = Look { made: Some(Time(newest.at)), ..look(newest) };
        for (base, held) in app.uses.iter().zip(held) {
            let digest = live[*base][*held].digest.clone();
            let held = Held { digest, evidence: "provenance", other: None };
            look.holds.insert(self.names[*base].as_str(), held);
        }
        look
    }

    /// Begins a run where the wait step lets it pass; its key goes along.
    fn dispatch(&mut self, image: usize, now: i64) -> bool {
        let is_due =
            |pending: &Pending| now >= pending.deadline || now >= pending.eligible_at && !pending.is_waiting;
        self.keys[image] = self.pending(image).filter(is_due).map(|pending| pending.key);
        self.keys[image].is_some()
    }

    /// `None` where there is nothing to do.
    fn pending(&self, image: usize) -> Option<Pending> {
        let path = format!("state/images/app-{image}.yaml");
        let text = self.tree.text(&path)?;
        let document = yaml::parse(Source { file: &path, text }).expect("state is YAML")?.to_value();
        let state = document.as_map()?.get("rebuildState")?.as_map()?;
        let text = |key| text_of(state, key);
        let time = |key| text(key).and_then(Time::parse).map(|time| time.0);
        if text("status") != Some("pending") {
            return None;
        }
        Some(Pending {
            key: text("key")?.to_owned(),
            eligible_at: time("eligibleAt")?,
            deadline: time("deadline")?,
            is_waiting: state.get("waitingFor").and_then(Value::as_list).is_some_and(|list| !list.is_empty()),
        })
    }
}

fn text_of<'m>(map: &'m Map, key: &str) -> Option<&'m str> {
    map.get(key).and_then(Value::as_str)
}

fn look(release: &Release) -> Look {
    let mut look = Look { digest: release.digest.clone(), ..Look::default() };
    for (platform, content) in PLATFORMS.iter().zip(release.content) {
        look.content.insert(*platform, format!("sha256:{content:064x}"));
    }
    look
}

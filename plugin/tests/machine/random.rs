//! Random worlds: base images that move platform by platform, builds that fail and lie, Jobs that
//! are lost, late or doubled, people who edit; and what must hold of them all.

use std::collections::BTreeMap;

use image_factory::look::{Look, Run};
use image_factory::name;
use image_factory::reference::ImageReference;
use image_factory::sorted::SortedMap;
use image_factory::time::Time;
use image_factory::yaml::Value;
use proptest::prelude::*;

use super::world::{built, get, list, look, run, World, DAY, HOUR, START};

const BASES: usize = 2;
const IMAGES: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Event {
    Push(usize, Push),
    /// A Job looks at a base image; twice if it was asked twice.
    Observe(usize, bool),
    /// A Job looked, and its push comes later.
    LookAndStall(usize),
    PushTheStalled,
    /// A developer's own build.
    Develop(usize, Build),
    /// A Job looks at a published image.
    Analyze(usize),
    /// The rebuild Stage gets its turn; the Job that proves it may be lost.
    Turn(usize, Build, bool),
    Wait(i64),
    Edit(usize, usize),
    Dockerfile(usize, usize, bool),
    Remove(usize),
    Enrol(usize),
    Reconcile,
    Sweep,
}

#[derive(Clone, Copy, Debug)]
enum Push {
    New,
    SameContent,
    OnePlatform,
    WithoutArm,
    Back,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Build {
    Good,
    Fails,
    /// It succeeds, and publishes an image on the base images of before.
    Lies,
    /// It succeeds, and publishes nothing.
    PublishesNothing,
}

fn event() -> impl Strategy<Value = Event> {
    use prop::sample::select;
    let push = select(vec![
        Push::New,
        Push::New,
        Push::New,
        Push::SameContent,
        Push::OnePlatform,
        Push::WithoutArm,
        Push::Back,
    ]);
    let build = || {
        select(vec![
            Build::Good,
            Build::Good,
            Build::Good,
            Build::Fails,
            Build::Lies,
            Build::PublishesNothing,
        ])
    };
    let (base, image) = (0..BASES, || 0..IMAGES);
    prop_oneof![
        4 => (base.clone(), push).prop_map(|(base, push)| Event::Push(base, push)),
        4 => (0..BASES + IMAGES, any::<bool>()).prop_map(|(base, twice)| Event::Observe(base, twice)),
        1 => base.prop_map(Event::LookAndStall),
        1 => Just(Event::PushTheStalled),
        1 => (image(), build()).prop_map(|(image, build)| Event::Develop(image, build)),
        2 => image().prop_map(Event::Analyze),
        6 => (image(), build(), any::<bool>()).prop_map(|(image, build, lost)| Event::Turn(image, build, lost)),
        4 => (1..72_i64).prop_map(Event::Wait),
        1 => (image(), 0..4_usize).prop_map(|(image, policy)| Event::Edit(image, policy)),
        1 => (image(), 0..6_usize, any::<bool>()).prop_map(|(image, file, lost)| Event::Dockerfile(image, file, lost)),
        1 => image().prop_map(Event::Remove),
        1 => image().prop_map(Event::Enrol),
        1 => Just(Event::Reconcile),
        1 => Just(Event::Sweep),
    ]
}

/// What is true, whatever state says.
struct Truth {
    world: World,
    /// What each base image's tag names, newest last, by its name in state.
    live: BTreeMap<String, Vec<Look>>,
    images: Vec<Image>,
    runs: Vec<(Run, usize, bool)>,
    stalled: Vec<(String, Look, i64)>,
    count: usize,
}

#[derive(Clone)]
struct Image {
    enrolled: bool,
    policy: usize,
    file: usize,
    /// What its tag names, and what that was built on.
    published: Option<Look>,
}

fn base_name(at: usize) -> String {
    name::of_base_image(&ImageReference::parse(&reference(at)).expect("it is a reference"))
}

fn reference(at: usize) -> String {
    if at < BASES {
        format!("base-{at}:1")
    } else {
        format!("ghcr.io/acme/app-{}:1", at - BASES)
    }
}

/// The base images of an image: one or two, those of our own among them.
fn uses(image: usize, file: usize) -> Vec<usize> {
    let all = BASES + image;
    let first = (image * 7 + file) % all;
    let second = (image * 3 + file / 2 + 1) % all;
    if first == second || file.is_multiple_of(3) {
        vec![first]
    } else {
        vec![first, second]
    }
}

impl Truth {
    fn new() -> Truth {
        let image = Image { enrolled: true, policy: 0, file: 0, published: None };
        let mut truth = Truth {
            world: World::new(""),
            live: BTreeMap::new(),
            images: (0..IMAGES).map(|file| Image { file, ..image.clone() }).collect(),
            runs: Vec::new(),
            stalled: Vec::new(),
            count: 0,
        };
        for base in 0..BASES {
            truth.push(base, Push::New);
        }
        for image in 0..IMAGES {
            truth.write_dockerfile(image);
            truth.build(image, Build::Good);
        }
        truth.write_images();
        truth.world.reconcile();
        truth.sweep();
        truth
    }

    fn write_images(&mut self) {
        let mut text =
            "- name: other\n  registry: docker.io\n  repository: library/other\n  allowTags: ^1$\n"
                .to_owned();
        for (at, image) in self.images.iter().enumerate().filter(|(_, image)| image.enrolled) {
            let policy = [
                "  rebuildDelay: 1d\n  autoRebuild: true\n",
                "  rebuildDelay: 0\n  settle: 2h\n  maxWait: 6h\n  autoRebuild: true\n",
                "  autoRebuild: false\n",
                "  rebuildDelay: 3d\n  roles: [final]\n  autoRebuild: true\n",
            ][image.policy];
            text += &format!(
                "- name: app-{at}\n  registry: ghcr.io\n  repository: acme/app-{at}\n  source: {{provider: github, \
                 repo: acme/app-{at}, branch: main, workflow: b.yml, platforms: [linux/amd64, linux/arm64]}}\n{policy}"
            );
        }
        self.world.tree.insert("images.yaml", text);
    }

    fn write_dockerfile(&mut self, image: usize) {
        let uses = uses(image, self.images[image].file);
        let mut text = format!("FROM {}\n", reference(uses[0]));
        for base in &uses[1..] {
            text += &format!("COPY --from={} /a /a\n", reference(*base));
        }
        self.world.dockerfile(&format!("acme/app-{image}"), &text);
    }

    fn push(&mut self, base: usize, push: Push) {
        self.count += 1;
        let digest = format!("{}@{}", base_name(base), self.count);
        let history = self.live.entry(base_name(base)).or_default();
        let of = |look: Option<&Look>, platform: &str| {
            look.and_then(|look| look.content.get(platform)).cloned().unwrap_or_default()
        };
        let (amd, arm) = (of(history.last(), "linux/amd64"), of(history.last(), "linux/arm64"));
        let new = match push {
            Push::New => look(&digest, &digest, &digest),
            Push::SameContent => look(&digest, &amd, &arm),
            Push::OnePlatform => look(&digest, &digest, &arm),
            Push::WithoutArm => look(&digest, &digest, ""),
            Push::Back if history.len() > 1 => history[history.len() - 2].clone(),
            Push::Back => return,
        };
        history.push(new);
    }

    fn live(&self, base: usize) -> Option<Look> {
        self.live.get(&base_name(base))?.last().cloned()
    }

    /// Whether CI succeeds.
    fn build(&mut self, image: usize, build: Build) -> bool {
        if build == Build::Fails {
            return false;
        }
        if build == Build::PublishesNothing {
            return true;
        }
        let mut holds: Vec<(String, String)> = Vec::new();
        for base in uses(image, self.images[image].file) {
            let Some(live) = self.live(base) else { continue };
            if live.content.len() < 2 {
                // A platform of the image is missing.
                return false;
            }
            let before =
                self.images[image].published.as_ref().and_then(|old| old.holds.get(&base_name(base)));
            let digest = match before {
                Some(held) if build == Build::Lies => held.digest.clone(),
                _ => live.digest,
            };
            holds.push((base_name(base), digest));
        }
        self.count += 1;
        let digest = format!("app-{image}@{}", self.count);
        let holds: Vec<(&str, &str)> =
            holds.iter().map(|(base, digest)| (base.as_str(), digest.as_str())).collect();
        let published = built(&digest, self.world.now, &holds);
        self.live.entry(base_name(BASES + image)).or_default().push(look(&digest, &digest, &digest));
        self.images[image].published = Some(published);
        true
    }

    /// A Job that looks at an image looks at its base images and at the one it publishes, too.
    fn look_at_image(&mut self, image: usize) -> Option<Look> {
        for base in uses(image, self.images[image].file).into_iter().chain([BASES + image]) {
            if let Some(look) = self.live(base) {
                self.world.observe(&base_name(base), &look);
            }
        }
        self.images[image].published.clone()
    }

    fn is_auto(&self, image: usize) -> bool {
        self.images[image].enrolled && self.images[image].policy != 2
    }

    fn has_state(&self, image: usize) -> bool {
        self.world.tree.text(&format!("state/images/app-{image}.yaml")).is_some()
    }

    /// Whether Kargo would dispatch now.
    fn is_due(&self, image: usize) -> bool {
        let name = format!("app-{image}");
        self.is_auto(image)
            && self.has_state(image)
            && self.world.status(&name) == "pending"
            && (self.world.now >= self.world.time(&name, "deadline")
                || self.world.now >= self.world.time(&name, "eligibleAt")
                    && self.world.waiting_for(&name).is_empty())
    }

    /// The rebuild Stage's turn: find, dispatch, follow; then the Job that proves it.
    fn turn(&mut self, image: usize, build: Build, lost: bool) {
        if !self.is_due(image) {
            return;
        }
        let name = format!("app-{image}");
        let key = get(&self.world.rebuild_state(&name), "key").expect("a pending image has a key").to_owned();
        let found = self.runs.iter().position(|(run, of, _)| run.key == key && *of == image);
        let at = match found {
            Some(at) => at,
            None => {
                let began = self.world.now;
                self.world.wait(HOUR / 2);
                let ok = self.build(image, build);
                self.world.wait(HOUR / 2);
                self.runs.push((run(&key, began, ok), image, false));
                self.runs.len() - 1
            }
        };
        assert!(!self.runs[at].2, "{key} is recorded, and asked for again");
        if lost {
            return;
        }
        self.runs[at].2 = true;
        let look = self.look_at_image(image).unwrap_or_default();
        let run = self.runs[at].0.clone();
        self.world.prove(&name, &run, &look);
    }

    fn sweep(&mut self) {
        self.world.reconcile();
        let mut bases = SortedMap::new();
        for base in 0..BASES + IMAGES {
            if let Some(look) = self.live(base) {
                bases.insert(base_name(base), look);
            }
        }
        let mut images = SortedMap::new();
        for (at, image) in self.images.iter().enumerate() {
            if let Some(look) = &image.published {
                images.insert(format!("app-{at}"), look.clone());
            }
        }
        self.world.sweep(&bases, &images);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Push(base, push) => self.push(base, push),
            Event::Observe(base, twice) => {
                let Some(look) = self.live(base) else { return };
                // What people edited meanwhile counts from the next Job on.
                let before = self.world.derived().rebuild_states();
                self.world.observe(&base_name(base), &look);
                if twice {
                    self.world.wait(60);
                    self.world.observe(&base_name(base), &look);
                    assert_eq!(self.world.changed, Vec::<String>::new(), "the second look finds the same");
                }
                self.stays_due(&before);
            }
            Event::LookAndStall(base) => {
                if let Some(look) = self.live(base) {
                    self.stalled.push((base_name(base), look, self.world.now));
                }
            }
            Event::PushTheStalled => {
                if let Some((base, look, at)) = self.stalled.pop() {
                    self.world.observe_at(&base, &look, at);
                }
            }
            Event::Develop(image, build) => drop(self.build(image, build)),
            Event::Analyze(image) => {
                if let Some(look) = self.look_at_image(image) {
                    self.world.look_at_image(&format!("app-{image}"), &look);
                }
            }
            Event::Turn(image, build, lost) => self.turn(image, build, lost),
            Event::Wait(hours) => self.world.wait(hours * HOUR),
            Event::Edit(image, policy) => {
                self.images[image].policy = policy;
                self.write_images();
            }
            Event::Dockerfile(image, file, lost) => {
                self.images[image].file = file;
                self.write_dockerfile(image);
                if !lost && self.images[image].enrolled {
                    self.world.analyze(&format!("app-{image}"));
                }
            }
            Event::Remove(image) => {
                self.images[image].enrolled = false;
                self.write_images();
            }
            Event::Enrol(image) => {
                self.images[image].enrolled = true;
                self.write_images();
            }
            Event::Reconcile => self.world.reconcile(),
            Event::Sweep => self.sweep(),
        }
    }

    /// A change that is seen after `eligibleAt` never moves it later.
    fn stays_due(&self, before: &[(String, image_factory::yaml::Map)]) {
        for (name, old) in before {
            let new = self.world.rebuild_state(name);
            let (old_due, new_due) = (get(old, "eligibleAt"), get(&new, "eligibleAt"));
            let (Some(old_due), Some(new_due)) =
                (old_due.and_then(Time::parse), new_due.and_then(Time::parse))
            else {
                continue;
            };
            let bases = |state| -> Vec<String> {
                list(state, "reasons")
                    .iter()
                    .filter_map(|reason| get(reason, "base").map(str::to_owned))
                    .collect()
            };
            let is_more = bases(old).iter().all(|base| bases(&new).contains(base));
            if is_more && get(old, "driftSince") == get(&new, "driftSince") && old_due.0 < self.world.now {
                assert!(new_due <= old_due, "{name} was due at {old_due} and is now due at {new_due}");
            }
        }
    }

    /// Events stop, runs succeed, the sweep comes daily; until nobody is due any more.
    fn settle(&mut self) {
        for image in 0..IMAGES {
            self.images[image].enrolled = true;
        }
        for base in 0..BASES {
            self.push(base, Push::New);
        }
        self.write_images();
        self.world.reconcile();
        for image in 0..IMAGES {
            self.world.analyze(&format!("app-{image}"));
        }
        for day in 0..40 {
            let is_pending =
                |image| self.is_auto(image) && self.world.status(&format!("app-{image}")) == "pending";
            if day > 1 && !(0..IMAGES).any(is_pending) {
                return;
            }
            self.world.wait(DAY);
            self.sweep();
            // Within a day each gets its turn as often as there are waves.
            for _ in 0..IMAGES {
                for image in 0..IMAGES {
                    self.turn(image, Build::Good, false);
                }
            }
        }
    }

    /// Of each image, whether it is at rest for a good reason.
    fn at_rest(&self) {
        for image in (0..IMAGES).filter(|image| self.is_auto(*image)) {
            let name = format!("app-{image}");
            let state = self.world.rebuild_state(&name);
            match get(&state, "status") {
                Some("monitoring") => {
                    for edge in list(&self.world.image(&name), "bases") {
                        let roles = edge.get("roles").and_then(Value::as_list).unwrap_or_default().to_vec();
                        let counts =
                            self.images[image].policy != 3 || roles.contains(&Value::string("final"));
                        let base = get(&edge, "name").expect("each has a name").to_owned();
                        let newest = self.live[&base].last().expect("it was pushed");
                        let held = get(&edge, "holds").expect("it was seen");
                        let content = |digest: &str| {
                            let looks = self.live[&base].iter();
                            looks.clone().find(|look| look.digest == digest).map(|look| look.content.clone())
                        };
                        if counts {
                            assert_eq!(
                                content(held),
                                Some(newest.content.clone()),
                                "{name} holds the newest {base}"
                            );
                        }
                    }
                }
                Some("held") => {
                    let outcomes = self.world.outcomes(&name);
                    assert_ne!(outcomes.last().map(String::as_str), Some("fresh"), "{name}: {state:?}");
                }
                status => panic!("{name} is {status:?} for ever: {state:?}"),
            }
        }
    }
}

/// Few by default, since each world takes its time; `PROPTEST_CASES` says how many.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 24 };
    ProptestConfig { cases, max_shrink_iters: 400, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_lost_and_all_comes_to_rest(events in prop::collection::vec(event(), 1..50)) {
        let mut truth = Truth::new();
        for event in events {
            truth.happen(event);
        }
        truth.settle();
        truth.at_rest();
        let runs = truth.runs.len();
        for _ in 0..3 {
            truth.world.wait(DAY);
            truth.sweep();
            assert_eq!(truth.world.changed, ["state/sweep.yaml"], "there is nothing more to say");
            for image in 0..IMAGES {
                truth.turn(image, Build::Good, false);
            }
        }
        assert_eq!(truth.runs.len(), runs, "and nothing more to do");
        let mut keys: Vec<(usize, String)> = truth.runs.iter().map(|(run, of, _)| (*of, run.key.clone())).collect();
        keys.sort();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count, "one run a key");
    }

    /// Looks at different base images commute, and of one the later wins, whichever is pushed last.
    #[test]
    fn the_order_of_pushes_does_not_matter(order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let start = Truth::new().world;
        let looks: Vec<(String, Look, i64)> = (0..8)
            .map(|at| {
                let digest = format!("new-{at}");
                (base_name(at % BASES), look(&digest, &digest, &digest), start.now + 600 * (at as i64 + 1))
            })
            .collect();
        let pushed = |order: &[usize]| {
            let mut world = start.clone();
            for at in order {
                let (base, look, at) = &looks[*at];
                world.observe_at(base, look, *at);
            }
            world.tree.0.into_iter().map(|(path, file)| {
                let text = format!("{file:?}");
                let at = text.find("lastChecked").unwrap_or(text.len());
                (path, text[..at].to_owned(), text.get(at + 40..).unwrap_or_default().to_owned())
            }).collect::<Vec<_>>()
        };
        let in_order: Vec<usize> = (0..8).collect();
        prop_assert_eq!(pushed(&order), pushed(&in_order));
    }
}

#[test]
fn the_worlds_show_something() {
    let mut truth = Truth::new();
    assert_eq!(truth.world.now, START);
    truth.push(0, Push::New);
    truth.settle();
    assert!(truth.runs.len() >= IMAGES, "{} runs", truth.runs.len());
}

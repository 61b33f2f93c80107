//! A factory's folder, its sources, and the functions that change its state, one call each.

use image_factory::abi::{Answer, Fetched, Request, ABI_VERSION};
use image_factory::analyze::live;
use image_factory::decide::decide;
use image_factory::diagnostic::Diagnostics;
use image_factory::look::{Held, Look, Run};
use image_factory::sorted::SortedMap;
use image_factory::state::Changes;
use image_factory::time::Time;
use image_factory::tree::Tree;
use image_factory::yaml::{self, Map, Source, Value};
use image_factory::{observe, prove, sweep};
use image_factory_harness::registry::Documents;
use image_factory_harness::{Sources, MAX_ROUNDS};

pub const HOUR: i64 = 3600;
pub const DAY: i64 = 24 * HOUR;
/// 2026-01-05T00:00:00Z
pub const START: i64 = 1_767_571_200;

#[derive(Clone, Default)]
pub struct World {
    pub tree: Tree,
    pub sources: Sources,
    pub registry: Documents,
    pub now: i64,
    /// The files that the last call changed.
    pub changed: Vec<String>,
}

impl World {
    pub fn new(images: &str) -> World {
        let mut world = World { now: START, ..World::default() };
        world.tree.insert("images.yaml", images);
        world
    }

    pub fn dockerfile(&mut self, repository: &str, text: &str) {
        self.sources.0.insert(format!("{repository}/Dockerfile"), text);
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now += seconds;
    }

    /// Asks a verb, fetches what it needs, and writes what it answers.
    pub fn ask(&mut self, verb: &str, args: serde_json::Value) -> Answer {
        let answer = self.reply(verb, args.clone());
        self.write(answer.files.clone().into_iter());
        let again = self.reply(verb, args);
        assert!(again.files.is_empty(), "{verb} twice changes {:?}", again.files.keys().collect::<Vec<_>>());
        answer
    }

    fn reply(&self, verb: &str, args: serde_json::Value) -> Answer {
        let mut request = Request {
            abi: ABI_VERSION,
            verb: verb.to_owned(),
            args,
            now: Time(self.now).to_string(),
            tree: self.tree.clone(),
            fetched: Fetched::default(),
        };
        for _ in 0..MAX_ROUNDS {
            let asked = serde_json::to_vec(&request).expect("a request is plain data");
            let answer = image_factory::abi::answer(&asked);
            let answer: Answer = serde_json::from_slice(&answer).expect("an answer is JSON");
            match answer.needs {
                Some(needs) => {
                    request.fetched.git.extend(needs.git.iter().map(|need| self.sources.fetch(need)));
                    self.registry.answer(&needs.registry, &mut request.fetched);
                }
                None => return answer,
            }
        }
        panic!("{verb} asks for ever more");
    }

    pub fn reconcile(&mut self) {
        self.ask("reconcile", serde_json::json!({}));
    }

    pub fn analyze(&mut self, image: &str) -> Answer {
        self.ask("analyze", serde_json::json!({"images": [image]}))
    }

    fn write(&mut self, files: impl Iterator<Item = (String, Option<String>)>) {
        self.changed.clear();
        for (path, text) in files {
            self.changed.push(path.clone());
            match text {
                Some(text) => self.tree.insert(path, text),
                None => drop(self.tree.0.remove(&path)),
            }
        }
    }

    /// Applies a function twice: the second time it changes nothing.
    fn apply(&mut self, function: impl Fn(&Tree) -> Result<Changes, Diagnostics>) {
        let changes = function(&self.tree).unwrap_or_else(|found| panic!("{:?}", found.0));
        self.write(changes.into_iter());
        let again = function(&self.tree).expect("its own state is good");
        assert!(again.is_empty(), "twice is not once: {again:?}");
        self.check();
    }

    pub fn observe_at(&mut self, base: &str, look: &Look, at: i64) {
        self.apply(|tree| observe::apply(tree, base, look, Time(at)));
    }

    pub fn observe(&mut self, base: &str, look: &Look) {
        self.observe_at(base, look, self.now);
    }

    pub fn look_at_image(&mut self, image: &str, look: &Look) {
        let at = self.now;
        self.apply(|tree| live::apply(tree, image, look, Time(at)));
    }

    pub fn prove(&mut self, image: &str, run: &Run, look: &Look) {
        let at = self.now;
        self.apply(|tree| prove::apply(tree, image, Some(run), &SortedMap::new(), Some(look), Time(at)));
    }

    pub fn sweep(&mut self, bases: &SortedMap<Look>, images: &SortedMap<Look>) {
        let at = self.now;
        self.apply(|tree| sweep::apply(tree, bases, images, Time(at)));
    }

    /// The same, and what follows from images.yaml as it is now.
    pub fn derived(&self) -> World {
        let mut world = self.clone();
        world.apply(|tree| decide(tree, Time(self.now)));
        world
    }

    /// What must hold of any state.
    fn check(&self) {
        for (name, state) in self.rebuild_states() {
            let time = |key| get(&state, key).and_then(Time::parse);
            match get(&state, "status") {
                Some("monitoring") => assert_eq!(get(&state, "pendingRebuild"), Some("false"), "{name}"),
                Some("pending" | "held") => {
                    let (drift, eligible, deadline) =
                        (time("driftSince"), time("eligibleAt"), time("deadline"));
                    assert!(
                        drift.is_some() && drift <= eligible && eligible <= deadline,
                        "{name}: {state:?}"
                    );
                    assert!(get(&state, "key").is_some(), "{name}: {state:?}");
                    let has_cause = get(&state, "cause").is_some_and(|cause| !cause.is_empty());
                    assert_eq!(has_cause, get(&state, "status") == Some("held"), "{name}: {state:?}");
                }
                other => panic!("{name} is {other:?}"),
            }
        }
    }

    pub fn document(&self, path: &str) -> Option<Map> {
        let text = self.tree.text(path)?;
        let node = yaml::parse(Source { file: path, text }).expect("it is YAML")?;
        node.to_value().as_map().cloned()
    }

    pub fn image(&self, name: &str) -> Map {
        self.document(&format!("state/images/{name}.yaml")).unwrap_or_else(|| panic!("{name} has no state"))
    }

    pub fn base(&self, name: &str) -> Map {
        self.document(&format!("state/base-images/{name}.yaml"))
            .unwrap_or_else(|| panic!("{name} has no state"))
    }

    pub fn rebuild_state(&self, name: &str) -> Map {
        self.image(name).get("rebuildState").and_then(Value::as_map).cloned().unwrap_or_default()
    }

    pub fn rebuild_states(&self) -> Vec<(String, Map)> {
        let names = self.tree.below("state/images").map(|(path, _)| path.to_owned());
        let names = names
            .filter_map(|path| Some(path.strip_prefix("state/images/")?.strip_suffix(".yaml")?.to_owned()));
        names
            .map(|name| (name.clone(), self.rebuild_state(&name)))
            .filter(|(_, map)| !map.0.is_empty())
            .collect()
    }

    pub fn status(&self, name: &str) -> String {
        get(&self.rebuild_state(name), "status").unwrap_or("none").to_owned()
    }

    pub fn time(&self, name: &str, key: &str) -> i64 {
        let state = self.rebuild_state(name);
        get(&state, key).and_then(Time::parse).unwrap_or_else(|| panic!("{name} has no {key}: {state:?}")).0
    }

    /// The reasons as `base: from -> to`.
    pub fn reasons(&self, name: &str) -> Vec<String> {
        let state = self.rebuild_state(name);
        list(&state, "reasons")
            .iter()
            .map(|reason| {
                let part = |key| get(reason, key).unwrap_or_default().to_owned();
                format!("{}: {} -> {}", part("base"), part("from"), part("to"))
            })
            .collect()
    }

    pub fn waiting_for(&self, name: &str) -> Vec<String> {
        let state = self.rebuild_state(name);
        let parents = state.get("waitingFor").and_then(Value::as_list).unwrap_or_default();
        parents.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub fn outcomes(&self, name: &str) -> Vec<String> {
        let state = self.rebuild_state(name);
        list(&state, "attempts")
            .iter()
            .filter_map(|attempt| get(attempt, "outcome"))
            .map(str::to_owned)
            .collect()
    }

    /// What the image holds of a base image, and how that is known.
    pub fn holds(&self, name: &str, base: &str) -> (Option<String>, Option<String>) {
        let image = self.image(name);
        let edge = list(&image, "bases").into_iter().find(|edge| get(edge, "name") == Some(base));
        let edge = edge.unwrap_or_else(|| panic!("{name} is not built on {base}"));
        (get(&edge, "holds").map(str::to_owned), get(&edge, "evidence").map(str::to_owned))
    }
}

pub fn get<'m>(map: &'m Map, key: &str) -> Option<&'m str> {
    map.get(key).and_then(Value::as_str)
}

pub fn list(map: &Map, key: &str) -> Vec<Map> {
    let items = map.get(key).and_then(Value::as_list).unwrap_or_default();
    items.iter().filter_map(Value::as_map).cloned().collect()
}

/// A look: a digest, and content on linux/amd64 and linux/arm64; an empty one is a platform less.
pub fn look(digest: &str, amd64: &str, arm64: &str) -> Look {
    let mut look = Look { digest: digest.to_owned(), ..Look::default() };
    for (platform, hash) in [("linux/amd64", amd64), ("linux/arm64", arm64)] {
        if !hash.is_empty() {
            look.content.insert(platform, hash.to_owned());
        }
    }
    look
}

/// A look at an image: its digest, when it was made, and what its provenance says it was built on.
pub fn built(digest: &str, made: i64, holds: &[(&str, &str)]) -> Look {
    let mut look = look(digest, digest, digest);
    look.made = Some(Time(made));
    for (base, digest) in holds {
        let held = Held { digest: (*digest).to_owned(), evidence: "provenance", other: None };
        look.holds.insert(*base, held);
    }
    look
}

pub fn run(key: &str, began: i64, succeeded: bool) -> Run {
    let url = Some("https://github.com/acme/web/actions/runs/43".to_owned());
    Run { key: key.to_owned(), began: Time(began), succeeded, url, ..Run::default() }
}

//! `what-if`: who would be rebuilt if a base image moved now, when, and in which wave.
//!
//! It plays the state machine on: the base image gets new content, whoever may go first is rebuilt
//! at its time and publishes new content, and so on until nobody is left. Nothing is written.

use crate::abi::{Answer, Arguments, Request};
use crate::decide::{self, Fleet, Policy, Publishers, Status};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::factory::Factory;
use crate::fields::nearest;
use crate::look::Look;
use crate::observe::{self, each_base, hold};
use crate::reference::ImageReference;
use crate::sorted::{SortedMap, SortedSet};
use crate::state::facts::{self, text};
use crate::state::records::{full_repository, names, Files, Records};
use crate::state::State;
use crate::status::to_json;
use crate::time::Time;
use crate::yaml::{Map, Value};

/// The arguments of `what-if`.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The base image, by its name in state or as a Dockerfile names it.
    pub base: String,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        Args { base: arguments.text("base").unwrap_or_default() }
    }
}

/// Says what would follow from a change of a base image.
pub fn what_if(request: &Request, args: &Args) -> Answer {
    let (Files { factory, enrolments, state }, now, mut found) =
        match Files::of(request, Diagnostics::default()) {
            Ok(files) => files,
            Err(refusal) => return *refusal,
        };
    let mut records = Records::new(&request.tree, &state, &enrolments, &request.now);
    let Some(base) = find(&records, &args.base) else {
        found.push(unknown(&state, &args.base));
        return Answer { diagnostics: found.0, exit: 2, ..Answer::default() };
    };
    let output = Play::start(&mut records, &factory, &base, now).play();
    Answer { output: Some(to_json(&output)), diagnostics: found.0, ..Answer::default() }
}

/// The base image of a name, else of a reference.
fn find(records: &Records<'_>, base: &str) -> Option<String> {
    if records.base_images.contains_key(base) {
        return Some(base.to_owned());
    }
    let reference = ImageReference::parse(base).ok()?;
    let tag = reference.tag().unwrap_or("latest");
    let is_it = |document: &Map| {
        full_repository(document).as_ref() == Some(&reference.name()) && text(document, "tag") == Some(tag)
    };
    records.base_images.iter().find(|(_, document)| is_it(document)).map(|(name, _)| name.clone())
}

fn unknown(state: &State<'_>, base: &str) -> Diagnostic {
    let error = Diagnostic::error("IF0542", format!("no image is built on `{base}`, as far as state knows"));
    match nearest(base, state.base_images.keys().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `--base {near}`?")),
        None => match state.base_images.keys().next() {
            Some(first) => error.hint(format!("give a name of state/base-images, as `--base {first}`")),
            None => error.hint("no base image is known yet: run `image-factory analyze --all` first"),
        },
    }
}

/// The state as it goes on.
struct Play<'p, 'r> {
    records: &'p mut Records<'r>,
    factory: &'p Factory,
    base: &'p str,
    now: Time,
    /// All that any image is built for.
    platforms: Vec<String>,
    /// By image, the base images that it publishes.
    published: SortedMap<Vec<String>>,
    /// The base images that moved.
    moved: SortedSet,
    /// How many contents were made up.
    count: u32,
    rows: Vec<Value>,
}

impl<'p, 'r> Play<'p, 'r> {
    fn start(records: &'p mut Records<'r>, factory: &'p Factory, base: &'p str, now: Time) -> Self {
        let mut platforms = SortedSet::new();
        for enrolment in records.enrolments.values() {
            platforms.extend(Policy::of(enrolment, factory).platforms);
        }
        let publishers = Publishers::of(records.enrolments);
        let mut published: SortedMap<Vec<String>> = SortedMap::new();
        let mut unseen = Vec::new();
        for (name, document) in &records.base_images {
            if let Some(image) = publishers.publisher(name, Some(document)) {
                published.get_or_insert_with(image, Vec::new).push(name.clone());
            }
            if facts::history(document).is_empty() {
                unseen.push(name.clone());
            }
        }
        let platforms = platforms.into_iter().collect();
        let (moved, rows) = (SortedSet::new(), Vec::new());
        let mut play = Play { records, factory, base, now, platforms, published, moved, count: 0, rows };
        // What nobody looked at yet is what the images hold.
        for name in unseen {
            play.move_base(&name, Time(now.0 - 1));
        }
        play.moved = SortedSet::new();
        play.unaffected();
        play.move_base(base, now);
        play
    }

    /// Gives a base image content that it never had.
    fn move_base(&mut self, name: &str, at: Time) {
        self.count += 1;
        let digest = format!("what-if-{}", self.count);
        let mut look = Look { digest: digest.clone(), ..Look::default() };
        for platform in &self.platforms {
            look.content.insert(platform, digest.clone());
        }
        observe::add_look(self.records, name, &look, at);
        self.moved.insert(name);
    }

    /// Names the images on whose Dockerfile the change has no effect.
    fn unaffected(&mut self) {
        let document = self.records.base_images.get(self.base);
        for name in names(document.and_then(|document| document.get("dependentImages"))) {
            let (Some(enrolment), Some(image)) =
                (self.records.enrolments.get(&name), self.records.images.get(&name))
            else {
                continue;
            };
            let policy = Policy::of(enrolment, self.factory);
            let uses = facts::uses(image);
            let Some(edge) = uses.iter().find(|edge| edge.name == self.base) else { continue };
            let why = if edge.pinned {
                "it pins the base image by digest"
            } else if !policy.counts(edge) {
                "it uses the base image in roles that do not count"
            } else if edge.holds.is_none() {
                "what it holds is not known yet"
            } else {
                continue;
            };
            self.rows.push(row(None, &name, "unaffected", &[], why));
        }
    }

    /// Rebuilds wave after wave.
    fn play(mut self) -> Value {
        let mut wave = 0;
        loop {
            decide::derive(self.records, self.factory);
            let mut ready = Vec::new();
            let mut stuck = Vec::new();
            let fleet = Fleet::of(self.records, self.factory);
            for (at, image) in fleet.images.iter().enumerate() {
                let moved: Vec<&str> = image
                    .reasons
                    .iter()
                    .map(|reason| reason.base)
                    .filter(|base| self.moved.contains(base))
                    .collect();
                let Some((eligible, deadline)) = image.window().filter(|_| !moved.is_empty()) else {
                    continue;
                };
                let times = [("notBefore", eligible), ("deadline", deadline)];
                let why = moved.join(", ");
                if image.status == Status::Held {
                    stuck.push(row(None, image.name, "held", &[], &why));
                } else if !image.auto_rebuild {
                    stuck.push(row(None, image.name, "person", &times, &why));
                } else if fleet.waiting_for(at).is_empty() {
                    let row = row(Some(wave + 1), image.name, "rebuilt", &times, &why);
                    ready.push((image.name.to_owned(), eligible.max(self.now), row));
                }
            }
            // Each image can be rebuilt once for each way that leads to it, and cycles are held.
            if ready.is_empty() || wave > self.records.enrolments.len() {
                self.rows.extend(stuck);
                let mut output = Map::default();
                output.set("base", Value::string(self.base));
                output.set("now", Value::String(self.now.to_string()));
                output.set("images", Value::List(self.rows));
                return Value::Map(output);
            }
            wave += 1;
            for (name, at, row) in ready {
                self.rows.push(row);
                self.rebuild(&name, at);
            }
        }
    }

    fn rebuild(&mut self, name: &str, at: Time) {
        let Records { images, base_images, .. } = &mut *self.records;
        if let Some(image) = images.get_mut(name) {
            each_base(image, |edge| {
                let base = text(edge, "name").and_then(|base| base_images.get(base));
                let newest = base.and_then(|base| text(base, "currentDigest"));
                if newest.is_some() {
                    hold(edge, newest, "assumed");
                }
            });
        }
        for base in self.published.get(name).cloned().unwrap_or_default() {
            self.move_base(&base, at);
        }
    }
}

fn row(wave: Option<usize>, image: &str, what: &str, times: &[(&str, Time)], why: &str) -> Value {
    let mut row = Map::default();
    let wave = wave.and_then(|wave| i64::try_from(wave).ok());
    row.set("wave", wave.map_or(Value::Null, Value::number));
    row.set("image", Value::string(image));
    row.set("what", Value::string(what));
    for (key, time) in times {
        row.set(key, Value::String(time.to_string()));
    }
    row.set("why", Value::string(why));
    Value::Map(row)
}

//! `status`: each image and base image, fresh, pending until, due, waiting for, held and why.
//!
//! It reads the facts and derives the rest anew, so it is right of a checkout whose last commit
//! was made by hand, too.

use crate::abi::{Answer, Arguments, Request};
use crate::decide::{self, Policy, Publishers};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::factory::Factory;
use crate::images::Enrolment;
use crate::state::facts::{self, text};
use crate::state::records::{Files, Records};
use crate::state::{self, sweep};
use crate::time::Time;
use crate::yaml::{Map, Value};

/// The arguments of `status`: none yet.
#[derive(Clone, Debug, Default)]
pub struct Args {}

impl Args {
    pub(crate) fn read(_: &mut Arguments<'_>) -> Self {
        Args {}
    }
}

/// Says how every image and base image is.
pub fn status(request: &Request, _: &Args) -> Answer {
    let mut found = Diagnostics::default();
    let last_sweep = sweep::read(&request.tree, &mut found);
    let (Files { factory, enrolments, state }, now, mut found) = match Files::of(request, found) {
        Ok(files) => files,
        Err(refusal) => return *refusal,
    };
    let mut records = Records::new(&request.tree, &state, &enrolments, &request.now);
    decide::derive(&mut records, &factory);

    let mut output = Map::default();
    output.set("now", Value::string(&request.now));
    output.set("lastSweep", last_sweep.map_or(Value::Null, |time| Value::String(time.to_string())));
    if let Some(last) = last_sweep.filter(|last| now > last.plus(2 * factory.intervals.sweep.seconds())) {
        let message = format!("the last sweep was at {last}, more than two intervals ago");
        let hint = "look at the Stage `sweep`; `image-factory sweep` does the same by hand";
        found.push(Diagnostic::warning("IF0541", message).in_file(sweep::PATH).hint(hint));
    }
    let publishers = Publishers::of(&enrolments);
    let images = enrolments.values().map(|enrolment| {
        let row = image(&records, enrolment, &factory, now);
        late(&row, &factory, now, &mut found);
        Value::Map(row)
    });
    output.set("images", Value::List(images.collect()));
    let bases = records.base_images.iter().map(|(name, document)| {
        let publisher = publishers.publisher(name, Some(document));
        let mut row = Map::default();
        row.set("name", Value::string(name));
        row.set("image", copy(document, "fullImage"));
        for key in ["currentDigest", "lastUpdated", "dependentImages"] {
            row.set(key, copy(document, key));
        }
        row.set("publishedBy", publisher.map_or(Value::Null, Value::string));
        Value::Map(row)
    });
    output.set("bases", Value::List(bases.collect()));
    found.sort();
    let output = Some(to_json(&Value::Map(output)));
    Answer { output, diagnostics: found.0, ..Answer::default() }
}

fn copy(map: &Map, key: &str) -> Value {
    map.get(key).cloned().unwrap_or(Value::Null)
}

/// One image: what is derived of it, its status in a word, until when, and why.
fn image(records: &Records<'_>, enrolment: &Enrolment, factory: &Factory, now: Time) -> Map {
    let mut row = Map::default();
    row.set("name", Value::string(&enrolment.name));
    row.set("kind", Value::string(if enrolment.build.is_some() { "managed" } else { "external" }));
    let document = records.images.get(&enrolment.name);
    let empty = Map::default();
    let document = document.unwrap_or(&empty);
    row.set("currentVersion", copy(document, "currentVersion"));
    row.set("currentDigest", copy(document, "currentDigest"));
    if enrolment.build.is_none() {
        row.set("status", Value::string("external"));
        return row;
    }
    let policy = Policy::of(enrolment, factory);
    row.set("autoRebuild", Value::boolean(policy.auto_rebuild));
    let derived = match document.get("rebuildState") {
        Some(Value::Map(map)) => map,
        _ => &empty,
    };
    let mut notes = Vec::new();
    let (status, until) = match text(derived, "status") {
        None => ("new", None),
        Some("held") => {
            notes.extend(text(derived, "cause").map(str::to_owned));
            ("held", None)
        }
        Some("pending") => pending(derived, now),
        Some(_) => ("fresh", None),
    };
    let mut is_unknown = false;
    let mut bases = Vec::new();
    for (base, written) in
        facts::uses(document).into_iter().zip(document.get("bases").into_iter().flat_map(items))
    {
        bases.push(written.clone());
        let name = if base.name.is_empty() {
            written.as_map().and_then(|map| text(map, "reference")).unwrap_or_default()
        } else {
            base.name
        };
        if base.pinned {
            notes.push(format!("{name} is pinned by its digest: a rebuild does not pick up a newer one"));
        } else if policy.counts(&base) && base.holds.is_none() {
            is_unknown = true;
            notes.push(format!("what it holds of {name} is not known yet"));
        } else if policy.counts(&base) && base.evidence == Some("assumed") {
            notes.push(format!("what it holds of {name} is assumed"));
        }
    }
    for reason in derived.get("reasons").into_iter().flat_map(items).filter_map(Value::as_map) {
        let (base, since) =
            (text(reason, "base").unwrap_or_default(), text(reason, "since").unwrap_or_default());
        notes.insert(0, format!("{base} moved at {since}"));
    }
    if matches!(status, "pending" | "waiting" | "due") && !policy.auto_rebuild {
        notes.push("a person starts it: autoRebuild is off".to_owned());
    } else if factory.paused && matches!(status, "pending" | "waiting" | "due") {
        notes.push("a person starts it: factory.yaml says `paused`".to_owned());
    }
    if let Some(error) = document.get("discoveryError").and_then(Value::as_map) {
        notes.push(format!("its Dockerfile: {}", text(error, "message").unwrap_or_default()));
    }
    let status = if status == "fresh" && is_unknown { "unknown" } else { status };
    row.set("status", Value::string(status));
    row.set("until", until.map_or(Value::Null, Value::string));
    row.set("why", Value::strings(notes));
    for key in ["key", "reasons", "driftSince", "eligibleAt", "deadline", "waitingFor"] {
        if let Some(value) = derived.get(key) {
            row.set(key, value.clone());
        }
    }
    row.set("bases", Value::List(bases));
    row
}

fn items(value: &Value) -> &[Value] {
    value.as_list().unwrap_or_default()
}

/// A pending image: the word for it, and when that ends at the latest.
fn pending(derived: &Map, now: Time) -> (&'static str, Option<&str>) {
    let (eligible, deadline) = (text(derived, "eligibleAt"), text(derived, "deadline"));
    let is_over = |time: Option<&str>| time.and_then(Time::parse).is_some_and(|time| now >= time);
    let waits = derived.get("waitingFor").is_some_and(|parents| !items(parents).is_empty());
    if is_over(deadline) || is_over(eligible) && !waits {
        ("due", None)
    } else if waits {
        ("waiting", deadline)
    } else {
        ("pending", eligible)
    }
}

/// Warns of an image that is due by more than a poll: nobody waits for it, or Kargo is down. Without
/// Stages nobody would.
fn late(row: &Map, factory: &Factory, now: Time, found: &mut Diagnostics) {
    let auto_rebuild = text(row, "autoRebuild") == Some("true");
    if text(row, "status") != Some("due") || !auto_rebuild || factory.paused || !factory.pipelines {
        return;
    }
    let waits = row.get("waitingFor").is_some_and(|parents| !items(parents).is_empty());
    let Some(due) = text(row, if waits { "deadline" } else { "eligibleAt" }).and_then(Time::parse) else {
        return;
    };
    if now <= due.plus(factory.poll_interval.seconds()) {
        return;
    }
    let name = text(row, "name").unwrap_or_default();
    let message = format!("`{name}` is due since {due}, and nothing was dispatched");
    // Kargo promotes no Freight again whose Promotion ended other than well (seen on Kargo 1.11.2).
    let hint = format!(
        "if no Promotion of `rebuild-{name}` waits, delete the ended one and refresh the Stage:\n  \
         kubectl --namespace {project} delete promotion $(kubectl --namespace {project} get stage rebuild-{name} --output jsonpath='{{.status.lastPromotion.name}}')\n  \
         kubectl --namespace {project} annotate stage rebuild-{name} --overwrite kargo.akuity.io/refresh={now}",
        project = factory.project,
    );
    found.push(
        Diagnostic::warning("IF0540", message).in_file(&format!("{}/{name}.yaml", state::IMAGES)).hint(hint),
    );
}

/// The same as JSON.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null => Json::Null,
        Value::Plain(text) => match (text.as_str(), text.parse::<i64>()) {
            ("true", _) => Json::Bool(true),
            ("false", _) => Json::Bool(false),
            (_, Ok(number)) => Json::from(number),
            (text, _) => Json::String(text.to_owned()),
        },
        Value::String(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(map) => {
            let mut object = serde_json::Map::new();
            for (key, value) in &map.0 {
                object.insert(key.clone(), to_json(value));
            }
            Json::Object(object)
        }
    }
}

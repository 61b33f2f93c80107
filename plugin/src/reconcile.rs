//! `reconcile`: images.yaml into state. What is new is analyzed, what changed is copied, what left
//! goes to the archive, what came back is restored.

use crate::abi::{Answer, Arguments, GitNeed, Needs, Request};
use crate::analyze::record::enrollment;
use crate::analyze::{self, jobs, missing, record_all};
use crate::diagnostic::Diagnostics;
use crate::factory::Factory;
use crate::images::Enrolment;
use crate::look::finish;
use crate::state;
use crate::state::facts::text;
use crate::state::records::{same, Files, Records};
use crate::yaml::{Map, Value};

/// What an enrolment may say otherwise without a look at its Dockerfile.
const POLICY: [&str; 6] = ["autoRebuild", "interval", "maxWait", "owner", "rebuildDelay", "settle"];

/// The arguments of `reconcile`: none.
#[derive(Clone, Debug, Default)]
pub struct Args {}

impl Args {
    pub(crate) fn read(_: &mut Arguments<'_>) -> Self {
        Args {}
    }
}

/// Brings state into line with images.yaml.
pub fn reconcile(request: &Request, _: &Args) -> Answer {
    let (Files { factory, enrolments, state }, _, mut found) =
        match Files::of(request, Diagnostics::default()) {
            Ok(files) => files,
            Err(refusal) => return *refusal,
        };
    let mut records = Records::new(&request.tree, &state, &enrolments, &request.now);
    let (git, messages, exit) = self::enrolments(&mut records, request, &factory, &mut found);
    if !git.is_empty() {
        return Answer { needs: Some(Needs { git, ..Needs::default() }), ..Answer::default() };
    }
    finish(records, &factory, messages, found, Diagnostics::default(), exit)
}

/// Brings enrolments into state; gives what must be fetched first, or a line for each change and
/// the exit code.
pub(crate) fn enrolments(
    records: &mut Records<'_>,
    request: &Request,
    factory: &Factory,
    found: &mut Diagnostics,
) -> (Vec<GitNeed>, Vec<String>, u8) {
    let mut chosen = Vec::new();
    let mut to_look_at = Vec::new();
    let enrolments = records.enrolments;
    for enrolment in enrolments.values() {
        match change(records, enrolment) {
            Change::Nothing => {}
            Change::Policy => chosen.push(enrolment),
            Change::Source => {
                chosen.push(enrolment);
                to_look_at.push(enrolment);
            }
        }
    }
    let args = analyze::Args::default();
    let jobs = jobs(&to_look_at, &args, factory);
    let needs = missing(&jobs, request);
    if !needs.is_empty() {
        return (needs, Vec::new(), 0);
    }
    let (mut messages, exit) = record_all(records, &chosen, &jobs, request, &args, factory, found);
    messages.extend(records.archive_removed());
    records.relate(true);
    (Vec::new(), messages, exit)
}

/// What of an enrolment is not in state yet.
enum Change {
    Nothing,
    Policy,
    /// It was never looked at, or its Dockerfile may be another.
    Source,
}

fn change(records: &Records<'_>, enrolment: &Enrolment) -> Change {
    let Some(image) = records.images.get(&enrolment.name) else { return Change::Source };
    let was_external = text(image, "discoveryStatus") == Some("external");
    if was_external == enrolment.build.is_some() {
        return Change::Source;
    }
    let empty = Map::default();
    let before = image.get("enrollment").and_then(Value::as_map).unwrap_or(&empty).clone();
    let Value::Map(after) = enrollment(&enrolment.written) else { return Change::Source };
    if same(&before, &after, &[]) && (!was_external || is_watched(image, enrolment)) {
        Change::Nothing
    } else if same(&before, &after, &POLICY) {
        Change::Policy
    } else {
        Change::Source
    }
}

/// Whether an external image's state watches what images.yaml says.
fn is_watched(image: &Map, enrolment: &Enrolment) -> bool {
    let written = enrolment.written.as_map();
    let is_same = |key: &&str| {
        let value = |map: &Map| map.get(key).filter(|value| **value != Value::Null).cloned();
        written.and_then(value) == value(image)
    };
    !enrolment.watch.is_given() || state::records::WATCH_KEYS.iter().all(is_same)
}

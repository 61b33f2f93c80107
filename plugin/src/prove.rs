//! `prove`: whether a run brought what it was for.
//!
//! ```text
//! failed       the run failed, or was never accepted
//! unpublished  it succeeded, a reason is left, and the image was made before it began; said only once
//!              Kargo had the time to see what it published, which may have a tag that nobody knows yet
//! unproven     nothing says what the image holds of a base image
//! fresh        of each base image with a reason it holds the newest content since the run began
//! stale        the rest
//! ```

use crate::abi::{Answer, Arguments, Request};
use crate::analyze::live;
use crate::decide::{self, Fleet, Policy};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::factory::Factory;
use crate::look::{with_looks, Look, Looker, Run};
use crate::observe;
use crate::runs;
use crate::sorted::SortedMap;
use crate::state::facts::{self, text, Seen};
use crate::state::records::{change, Changes, Records};
use crate::time::Time;
use crate::tree::Tree;
use crate::yaml::{Map, Value};

/// How many attempts stay, beside the last one with a number.
const ATTEMPTS: usize = 10;
/// How many seconds an image may take from the end of its run until a Job looks at it, beside the
/// interval of its Warehouse: the spread of intervals, Kargo's queues, a registry that is slow to list.
const PUBLISHING: u64 = 15 * 60;

/// The arguments of `prove`.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The image, by name.
    pub image: String,
    /// The tag that it was published under, if that is known.
    pub tag: Option<String>,
    /// The run to prove; where there is none, the look alone counts.
    pub run: Option<Run>,
    /// Whether to ask CI for runs that are not recorded yet, where none is told.
    pub runs: bool,
    began: Option<String>,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        let mut args = Args {
            image: arguments.text("image").unwrap_or_default(),
            tag: arguments.text("tag"),
            runs: arguments.flag("runs"),
            ..Args::default()
        };
        args.began = arguments.text("began");
        let run = Run {
            key: arguments.text("key").unwrap_or_default(),
            by: arguments.text("by"),
            began: args.began.as_deref().and_then(Time::parse).unwrap_or_default(),
            ended: arguments.text("ended").as_deref().and_then(Time::parse),
            succeeded: arguments.flag("succeeded"),
            url: arguments.text("run"),
            unkeyed: arguments.flag("unkeyed"),
        };
        args.run = Some(run).filter(|run| !run.key.is_empty());
        args
    }
}

/// Looks at an image after a run, and writes down what came of it.
pub fn prove(request: &Request, args: &Args) -> Answer {
    let name = args.image.as_str();
    with_looks(request, &mut |records, factory, looker, now| {
        let is_managed = records.enrolments.get(name).is_some_and(|enrolment| enrolment.build.is_some());
        let problem = if !is_managed || !records.images.contains_key(name) {
            Some(("IF0544", format!("`{name}` is no managed image with state")))
        } else if args.run.is_some() && args.began.as_deref().and_then(Time::parse).is_none() {
            Some(("IF0545", "the time when the run began is missing, or is none".to_owned()))
        } else {
            None
        };
        if let Some((code, message)) = problem {
            let hint = "write `--image NAME`, and with a run `--key KEY --began 2026-01-05T10:00:00Z`";
            looker.found.push(Diagnostic::error(code, message).hint(hint));
            looker.exit = 2;
            return;
        }
        let look = live::look_around(records, factory, looker, name, args.tag.as_deref(), now);
        // A run that is told and recorded already is no news: CI may know of another.
        let attempts = records.images.get(name).map(facts::attempts).unwrap_or_default();
        let is_news = |run: &&Run| !args.runs || attempts.iter().all(|attempt| attempt.key != run.key);
        let mut runs: Vec<Run> = args.run.iter().filter(is_news).cloned().collect();
        if args.runs && runs.is_empty() {
            match unrecorded(records, looker, name) {
                Some(found) => runs = found,
                // The look counts, whatever CI says.
                None if looker.needs.is_empty() && looker.ci.is_empty() => {
                    return add_run(records, factory, name, None, look.as_ref(), now);
                }
                None => return,
            }
        }
        // Without a look nothing is said of a run: the image may be there, and nobody saw it.
        if looker.exit > 0 {
            return;
        }
        add_run(records, factory, name, None, look.as_ref(), now);
        for run in &runs {
            if let Some(until) = awaited(records, factory, name, run, look.as_ref(), now) {
                // What was asked for later would hide this one from the next look.
                let message = format!("`{name}` was built for {}, but not published yet", run.key);
                let hint = format!("run again; from {until} on it counts as unpublished");
                looker.found.push(Diagnostic::warning("IF0546", message).hint(hint));
                looker.exit = 3;
                return;
            }
            add_run(records, factory, name, Some(run), look.as_ref(), now);
            let tried = records.images.get(name).map(facts::attempts).unwrap_or_default();
            if let Some(last) = tried.last().filter(|last| run.key == last.key) {
                looker.messages.push(format!("{name}: {} ended {}", last.key, last.outcome));
            }
        }
    })
}

/// Until when the image that a run built may still come; `None` where it is there, or is given up.
fn awaited(
    records: &Records<'_>,
    factory: &Factory,
    name: &str,
    run: &Run,
    look: Option<&Look>,
    now: Time,
) -> Option<Time> {
    let registry = records.enrolments.get(name)?.image.registry();
    let interval = factory.interval(registry, factory.intervals.built);
    let until = run.ended?.plus(interval.seconds()).plus(PUBLISHING);
    let is_news = facts::attempts(records.images.get(name)?).iter().all(|attempt| attempt.key != run.key);
    let outcome = attempt(records, factory, name, run, look, now)?;
    (is_news && now < until && text(&outcome, "outcome") == Some("unpublished")).then_some(until)
}

/// The runs of an image that ended and are no attempt yet; `None` where they must be fetched first,
/// or can't be.
fn unrecorded(records: &Records<'_>, looker: &mut Looker<'_>, name: &str) -> Option<Vec<Run>> {
    let build = records.enrolments.get(name)?.build.as_ref()?;
    let image = records.images.get(name)?;
    let attempts = facts::attempts(image);
    let enrolled = text(image, "enrolledAt").and_then(Time::parse);
    let since = attempts.last().map(|last| last.at).or(enrolled).unwrap_or_default();
    let mut runs = runs::of_image(looker, name, build, since)?;
    runs.retain(|run| attempts.iter().all(|attempt| attempt.key != run.key));
    Some(runs)
}

/// Writes down what looks at base images, by name, and at an image found, made at `at`, and the run
/// that it is to prove. A run whose key is recorded already is proved.
///
/// # Errors
/// What is wrong with the factory's files.
pub fn apply(
    tree: &Tree,
    name: &str,
    run: Option<&Run>,
    bases: &SortedMap<Look>,
    look: Option<&Look>,
    at: Time,
) -> Result<Changes, Diagnostics> {
    change(tree, at, &mut |records, factory| {
        observe::add_looks(records, bases, at);
        add_run(records, factory, name, run, look, at);
    })
}

/// The same, in state that changes.
pub(crate) fn add_run(
    records: &mut Records<'_>,
    factory: &Factory,
    name: &str,
    run: Option<&Run>,
    look: Option<&Look>,
    at: Time,
) {
    if let Some(look) = look {
        live::add_look(records, name, look, at);
    }
    let (Some(run), Some(image)) = (run, records.images.get(name)) else { return };
    if facts::attempts(image).iter().any(|attempt| attempt.key == run.key) {
        return;
    }
    let Some(attempt) = attempt(records, factory, name, run, look, at) else { return };
    let Some(image) = records.images.get_mut(name) else { return };
    let mut state = match image.get("rebuildState") {
        Some(Value::Map(state)) => state.clone(),
        _ => Map::default(),
    };
    let mut list = state.get("attempts").and_then(Value::as_list).unwrap_or_default().to_vec();
    list.push(Value::Map(attempt));
    state.set("attempts", Value::List(list));
    image.set("rebuildState", Value::Map(state));
    let attempts = facts::attempts(image);
    let last = attempts.iter().filter_map(|attempt| attempt.number(name)).max();
    let is_kept: Vec<bool> = attempts
        .iter()
        .enumerate()
        .map(|(at, attempt)| {
            at + ATTEMPTS >= attempts.len() || last.is_some() && attempt.number(name) == last
        })
        .collect();
    if let Some((_, Value::Map(state))) = image.0.iter_mut().find(|(key, _)| key == "rebuildState") {
        if let Some((_, Value::List(list))) = state.0.iter_mut().find(|(key, _)| key == "attempts") {
            let mut kept = is_kept.iter();
            list.retain(|_| kept.next().copied().unwrap_or(true));
        }
    }
}

/// The attempt that a run was.
fn attempt(
    records: &Records<'_>,
    factory: &Factory,
    name: &str,
    run: &Run,
    look: Option<&Look>,
    at: Time,
) -> Option<Map> {
    let policy = Policy::of(records.enrolments.get(name)?, factory);
    let platforms = &policy.platforms;
    let image = records.images.get(name)?;
    let fleet = Fleet::of(records, factory);
    let left = &fleet.images.iter().find(|image| image.name == name)?.reasons;

    // What was newest of each base image when the run began; the first entry where all came later.
    let mut targets = Map::default();
    let mut evidence: Vec<&str> = Vec::new();
    for base in facts::uses(image).iter().filter(|base| policy.counts(base)) {
        let history = records.base_images.get(base.name).map(facts::history).unwrap_or_default();
        let complete: Vec<&Seen<'_>> = history.iter().filter(|entry| entry.is_complete(platforms)).collect();
        let until = complete.iter().filter(|entry| entry.seen <= run.began).count().max(1);
        let Some(seen) = complete.get(..until) else { continue };
        targets.set(base.name, Value::string(decide::newest(seen, platforms)));
        evidence.extend(base.evidence);
    }
    let is_assumed = evidence.contains(&"assumed");
    let was_newest = |base: &str, from: &str| {
        let history = records.base_images.get(base).map(facts::history).unwrap_or_default();
        let held = decide::content_of(&history, from)?;
        let mut complete = history.iter().filter(|entry| entry.is_complete(platforms)).peekable();
        while let Some(entry) = complete.next() {
            let is_over = complete.peek().is_some_and(|next| next.seen < run.began);
            if entry.is_same(&held.content, platforms) && !is_over {
                return Some(true);
            }
        }
        Some(false)
    };
    let was_newest: Vec<Option<bool>> =
        left.iter().map(|reason| was_newest(reason.base, reason.from)).collect();
    // Another tag is no digest that somebody missed.
    let is_other = left.iter().any(|reason| {
        look.and_then(|look| look.holds.get(reason.base)).is_some_and(|held| held.other.is_some())
    });
    let built = text(image, "lastBuilt").and_then(Time::parse);
    let outcome = if !run.succeeded {
        "failed"
    } else if !left.is_empty() && built.is_none_or(|built| built < run.began) {
        "unpublished"
    } else if is_assumed {
        "unproven"
    } else if was_newest.iter().all(|newest| *newest == Some(true)) {
        "fresh"
    } else if was_newest.contains(&None) && !is_other {
        "unproven"
    } else {
        "stale"
    };

    let run_name = match run.url.as_deref() {
        Some(url) => format!("run {}", url.rsplit('/').next().unwrap_or(url)),
        None => "the run".to_owned(),
    };
    let cause = match (outcome, left.first()) {
        ("failed", _) if run.url.is_none() => Some("the run was never accepted".to_owned()),
        ("failed", _) => Some(format!("{run_name} failed")),
        ("unpublished", _) => Some(format!("{run_name} succeeded, but it published no newer image")),
        ("unproven", _) => {
            Some(format!("{run_name} succeeded, but nothing says what the image was built on"))
        }
        ("stale", Some(reason)) => {
            let held = look.and_then(|look| look.holds.get(reason.base));
            let what = held.map_or("assumed", |held| held.evidence);
            Some(match held.and_then(|held| held.other.as_ref()) {
                Some(other) => format!(
                    "{run_name} succeeded, but the image was built on {other} ({what}): did a build argument say so?"
                ),
                None => format!(
                    "{run_name} succeeded, but the image still holds {} ({what}): was the base pulled?",
                    reason.from
                ),
            })
        }
        _ => None,
    };
    let mut attempt = Map::default();
    attempt.set("key", Value::string(&run.key));
    attempt.set("at", Value::String(at.to_string()));
    attempt.set("targets", Value::Map(targets));
    attempt.set("image", image.get("currentDigest").cloned().unwrap_or(Value::Null));
    attempt.set("outcome", Value::string(outcome));
    let weakest = ["assumed", "layers", "label", "annotation", "provenance"];
    let pairs = [
        ("evidence", weakest.into_iter().find(|name| evidence.contains(name))),
        ("cause", cause.as_deref()),
        ("run", run.url.as_deref()),
        ("by", run.by.as_deref()),
    ];
    for (key, value) in pairs {
        if let Some(value) = value {
            attempt.set(key, Value::string(value));
        }
    }
    if run.unkeyed {
        attempt.set("unkeyed", Value::boolean(true));
    }
    Some(attempt)
}

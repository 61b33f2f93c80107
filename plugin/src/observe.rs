//! `observe`: a look at a base image into its history, at an external one into its state.

use crate::abi::{Answer, Arguments, Request};
use crate::analyze::live;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::look::{with_looks, Look};
use crate::sorted::{sort_by, SortedMap};
use crate::state::facts::{self, text};
use crate::state::records::{change, names, Changes, Records};
use crate::time::Time;
use crate::tree::Tree;
use crate::yaml::{Map, Value};

/// The arguments of `observe`.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The base image or external image, by its name in state.
    pub name: String,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        Args { name: arguments.text("name").unwrap_or_default() }
    }
}

/// Looks at a base image or an external image.
pub fn observe(request: &Request, args: &Args) -> Answer {
    let name = args.name.as_str();
    with_looks(request, &mut |records, factory, looker, now| {
        if records.base_images.contains_key(name) {
            if let Some(look) = looker.base(records, factory, name) {
                looker.messages.push(format!("{name}: {}", look.digest));
                add_look(records, name, &look, now);
            }
        } else if records.enrolments.get(name).is_some_and(|enrolment| enrolment.build.is_none()) {
            if let Some(look) = looker.external(records, name) {
                looker.messages.push(format!("{name}: {}", look.digest));
                live::add_look(records, name, &look, now);
            }
        } else {
            let message = format!("`{name}` is no base image in state, and no external image");
            let hint = "give one of the names in state/base-images, or of an image without `source`";
            looker.found.push(Diagnostic::error("IF0543", message).hint(hint));
            looker.exit = 2;
        }
    })
}

/// Puts a look at a base image, made at `at`, into its history.
///
/// It takes its place by its time, so of two looks the later wins, whichever is pushed last; next
/// to an equal digest it adds nothing. The first digest of all is what the images built on it are
/// assumed to hold.
///
/// # Errors
/// What is wrong with the factory's files.
pub fn apply(tree: &Tree, base: &str, look: &Look, at: Time) -> Result<Changes, Diagnostics> {
    change(tree, at, &mut |records, _| add_look(records, base, look, at))
}

/// The same of many, in state that changes, all made at `at`.
pub(crate) fn add_looks(records: &mut Records<'_>, looks: &SortedMap<Look>, at: Time) {
    for (name, look) in looks {
        add_look(records, name, look, at);
    }
}

/// The same, in state that changes.
pub(crate) fn add_look(records: &mut Records<'_>, base: &str, look: &Look, at: Time) {
    let Some(document) = records.base_images.get_mut(base) else { return };
    let history = facts::history(document);
    let is_first = history.is_empty();
    let place = history.iter().rposition(|entry| entry.seen <= at).map_or(0, |before| before + 1);
    if place > 0 && history[place - 1].digest == look.digest {
        return add_platforms(document, place - 1, look);
    }
    let is_next = history.get(place).is_some_and(|next| next.digest == look.digest);
    let mut list = document.get("updateHistory").and_then(Value::as_list).unwrap_or_default().to_vec();
    if is_next {
        // It was there already when this look was made.
        if let Some(Value::Map(entry)) = list.get_mut(place) {
            entry.set("seen", Value::String(at.to_string()));
        }
    } else {
        list.insert(place.min(list.len()), Value::Map(entry(look, at)));
    }
    let digest = |at: usize| {
        let entry = list.len().checked_sub(at).and_then(|at| list.get(at)).and_then(Value::as_map);
        entry.and_then(|entry| entry.get("digest")).cloned()
    };
    let (current, mut previous) = (digest(1), digest(2));
    if is_first {
        // State of before there were histories.
        previous = document.get("currentDigest").filter(|old| Some(*old) != current.as_ref()).cloned();
    }
    let updated = list.last().and_then(Value::as_map).and_then(|entry| entry.get("seen")).cloned();
    for (key, value) in [("currentDigest", current), ("previousDigest", previous), ("lastUpdated", updated)] {
        document.set(key, value.unwrap_or(Value::Null));
    }
    document.set("updateHistory", Value::List(list));
    if !is_first {
        return;
    }
    for name in names(document.get("dependentImages")) {
        let Some(image) = records.images.get_mut(&name) else { continue };
        each_base(image, |edge| {
            if text(edge, "name") == Some(base) && text(edge, "holds").is_none() {
                hold(edge, Some(&look.digest), "assumed");
            }
        });
    }
}

/// What one digest is never changes, but an earlier look may have been at fewer platforms.
fn add_platforms(document: &mut Map, at: usize, look: &Look) {
    let Some((_, Value::List(list))) = document.0.iter_mut().find(|(key, _)| key == "updateHistory") else {
        return;
    };
    let Some(Value::Map(entry)) = list.get_mut(at) else { return };
    let mut content = match entry.get("content") {
        Some(Value::Map(content)) => content.clone(),
        _ => Map::default(),
    };
    for (platform, hash) in &look.content {
        content.set_if_absent(platform, Value::string(hash));
    }
    if !content.0.is_empty() {
        sort_by(&mut content.0, |(a, _), (b, _)| a.cmp(b));
        entry.set("content", Value::Map(content));
    }
}

fn entry(look: &Look, at: Time) -> Map {
    let mut content = Map::default();
    for (platform, hash) in &look.content {
        content.set(platform, Value::string(hash));
    }
    let mut entry = Map::default();
    entry.set("digest", Value::string(&look.digest));
    entry.set("seen", Value::String(at.to_string()));
    entry.set("content", Value::Map(content));
    entry
}

/// Changes each of an image's `bases`.
pub(crate) fn each_base(image: &mut Map, mut change: impl FnMut(&mut Map)) {
    let Some((_, Value::List(list))) = image.0.iter_mut().find(|(key, _)| key == "bases") else { return };
    for base in list {
        if let Value::Map(base) = base {
            change(base);
        }
    }
}

/// Writes down what an image holds of a base image.
pub(crate) fn hold(edge: &mut Map, digest: Option<&str>, evidence: &str) {
    match digest {
        Some(digest) => {
            edge.set("holds", Value::string(digest));
            edge.set("evidence", Value::string(evidence));
        }
        None => {
            edge.set("holds", Value::Null);
            edge.remove("evidence");
        }
    }
}

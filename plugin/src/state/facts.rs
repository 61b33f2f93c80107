//! The facts that rebuilds follow from, as they stand in state.
//!
//! ```yaml
//! # state/base-images/NAME.yaml, in the order seen; the first is the baseline
//! updateHistory:
//!   - {digest: sha256:…, seen: "2026-01-05T10:02:00Z", content: {linux/amd64: sha256:…}}
//! # state/images/NAME.yaml
//! bases:
//!   - {name: node-22, roles: [final], holds: sha256:…, evidence: provenance}
//! rebuildState:
//!   attempts:
//!     - {key: web-17, at: "2026-01-19T06:41:00Z", targets: {node-22: sha256:…}, image: sha256:…, outcome: fresh}
//! ```
//!
//! The checks below are made once, where state is read, and have places; the views are taken of
//! documents as they change, and leave out what the checks would refuse.

use crate::fields::Fields;
use crate::time::Time;
use crate::yaml::{Content, Map, Node, Scalar, Value};

/// An entry of a base image's `updateHistory`.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub digest: &'a str,
    pub seen: Time,
    /// By platform, a hash of what an image built on it takes over.
    pub content: Vec<(&'a str, &'a str)>,
}

impl Seen<'_> {
    /// Whether it has all of these platforms.
    pub fn is_complete(&self, platforms: &[String]) -> bool {
        platforms.iter().all(|platform| of_platform(&self.content, platform).is_some())
    }

    /// Whether both have the same content on those of the platforms that both have, at least one.
    pub fn is_same(&self, content: &[(&str, &str)], platforms: &[String]) -> bool {
        let mut some = false;
        for platform in platforms {
            let both = (of_platform(&self.content, platform), of_platform(content, platform));
            if let (Some(this), Some(other)) = both {
                if this != other {
                    return false;
                }
                some = true;
            }
        }
        some
    }
}

fn of_platform<'a>(content: &[(&str, &'a str)], platform: &str) -> Option<&'a str> {
    content.iter().find(|(name, _)| *name == platform).map(|(_, hash)| *hash)
}

/// A base image as a Dockerfile uses it.
#[derive(Clone, Debug)]
pub(crate) struct Use<'a> {
    /// Its file in state/base-images; empty where only a digest is named.
    pub name: &'a str,
    pub roles: Vec<&'a str>,
    pub pinned: bool,
    pub holds: Option<&'a str>,
    pub evidence: Option<&'a str>,
}

/// An entry of `rebuildState.attempts`.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    pub key: &'a str,
    pub at: Time,
    /// By base image, the digest that was newest when the run began.
    pub targets: Vec<(&'a str, &'a str)>,
    /// The digest that the image had after it.
    pub image: Option<&'a str>,
    pub outcome: &'a str,
    pub cause: Option<&'a str>,
    /// A person's: its key is no number of ours.
    pub by_person: bool,
}

impl Attempt<'_> {
    /// The number in its key, `17` of `web-17`; a person's has none.
    pub fn number(&self, image: &str) -> Option<u64> {
        let number = self.key.strip_prefix(image)?.strip_prefix('-')?;
        number.parse().ok().filter(|_| !self.by_person)
    }
}

/// The text of a key; `None` where it is absent, null, a list or a map.
pub(crate) fn text<'m>(map: &'m Map, key: &str) -> Option<&'m str> {
    map.get(key).and_then(Value::as_str)
}

fn maps<'m>(map: &'m Map, key: &str) -> impl Iterator<Item = &'m Map> {
    map.get(key).and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_map)
}

fn texts<'m>(map: &'m Map, key: &str) -> Vec<(&'m str, &'m str)> {
    let entries = map.get(key).and_then(Value::as_map).map(|map| map.0.as_slice()).unwrap_or_default();
    entries.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
}

fn is_true(map: &Map, key: &str) -> bool {
    text(map, key) == Some("true")
}

/// The history of a base image's document.
pub(crate) fn history(base: &Map) -> Vec<Seen<'_>> {
    let seen = |entry| {
        let time = Time::parse(text(entry, "seen")?)?;
        Some(Seen { digest: text(entry, "digest")?, seen: time, content: texts(entry, "content") })
    };
    maps(base, "updateHistory").filter_map(seen).collect()
}

/// The base images of an image's document.
pub(crate) fn uses(image: &Map) -> Vec<Use<'_>> {
    maps(image, "bases").map(one_use).collect()
}

fn one_use(base: &Map) -> Use<'_> {
    let roles = base.get("roles").and_then(Value::as_list).unwrap_or_default();
    Use {
        name: text(base, "name").unwrap_or_default(),
        roles: roles.iter().filter_map(Value::as_str).collect(),
        pinned: is_true(base, "pinned"),
        holds: text(base, "holds"),
        evidence: text(base, "evidence"),
    }
}

/// What was tried for an image, oldest first.
pub(crate) fn attempts(image: &Map) -> Vec<Attempt<'_>> {
    let Some(state) = image.get("rebuildState").and_then(Value::as_map) else { return Vec::new() };
    let attempt = |attempt| {
        Some(Attempt {
            key: text(attempt, "key")?,
            at: Time::parse(text(attempt, "at")?)?,
            targets: texts(attempt, "targets"),
            image: text(attempt, "image"),
            outcome: text(attempt, "outcome")?,
            cause: text(attempt, "cause"),
            by_person: text(attempt, "by").is_some(),
        })
    };
    maps(state, "attempts").filter_map(attempt).collect()
}

/// Checks `updateHistory`: times are times, and stand in order.
pub(super) fn check_history(fields: &mut Fields<'_, '_>) {
    let mut last = None;
    each(fields, "updateHistory", "an entry of `updateHistory`", |entry| {
        required(entry, "digest", "sha256:…");
        texts_at(entry, "content");
        let Some(time) = time(entry, "seen", true) else { return };
        if last.is_some_and(|last| time < last) {
            let place = entry.key_place("seen").unwrap_or(entry.place());
            let error = entry.source().error("IF0407", place, "this was seen before the entry above it");
            entry.found.push(error.hint("keep `updateHistory` in the order of `seen`"));
        }
        last = Some(time);
    });
}

/// Checks `bases` and `rebuildState.attempts`.
pub(super) fn check_image(fields: &mut Fields<'_, '_>) {
    time(fields, "lastBuilt", false);
    time(fields, "currentSeen", false);
    each(fields, "bases", "an entry of `bases`", |base| {
        for key in ["name", "reference", "holds", "evidence"] {
            base.scalar(key);
        }
        match base.node("roles").map(|node| &node.content) {
            Some(Content::List(items)) if items.iter().all(is_text) => {}
            _ => drop(base.strings("roles")),
        }
        base.boolean("pinned");
    });
    let Some(node) = fields.node("rebuildState") else { return };
    let source = fields.source();
    let Some(mut state) = Fields::of(source, node, "`rebuildState`", fields.found) else { return };
    each(&mut state, "attempts", "an attempt", |attempt| {
        required(attempt, "key", "web-1");
        required(attempt, "outcome", "fresh");
        texts_at(attempt, "targets");
        for key in ["image", "cause", "by"] {
            attempt.scalar(key);
        }
        time(attempt, "at", true);
    });
}

/// Histories are long: what is as it should be is not copied to see that.
fn is_text(node: &Node<'_>) -> bool {
    matches!(&node.content, Content::Scalar(scalar) if !scalar.is_null())
}

fn required<'n, 'a>(fields: &mut Fields<'n, 'a>, key: &'static str, example: &str) -> Option<&'n Scalar<'a>> {
    match fields.node(key).map(|node| &node.content) {
        Some(Content::Scalar(scalar)) if !scalar.text.is_empty() => Some(scalar),
        _ => {
            fields.required_string(key, example);
            None
        }
    }
}

fn texts_at(fields: &mut Fields<'_, '_>, key: &'static str) {
    match fields.node(key).map(|node| &node.content) {
        Some(Content::Map(entries)) if entries.iter().all(|(_, node)| is_text(node)) => {}
        _ => drop(fields.string_map(key)),
    }
}

/// Checks each map of a list.
fn each(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    what: &'static str,
    mut check: impl FnMut(&mut Fields<'_, '_>),
) {
    let Some(node) = fields.node(key) else { return };
    let Content::List(items) = &node.content else { return fields.wrong_type(key, "a list", node) };
    let source = fields.source();
    for item in items {
        if let Some(mut fields) = Fields::of(source, item, what, fields.found) {
            check(&mut fields);
        }
    }
}

/// A time; what is none is reported.
pub(super) fn time(fields: &mut Fields<'_, '_>, key: &'static str, is_required: bool) -> Option<Time> {
    const EXAMPLE: &str = "\"2026-01-05T10:00:00Z\"";
    let scalar = if is_required { required(fields, key, EXAMPLE)? } else { fields.scalar(key)?.0 };
    let time = Time::parse(&scalar.text);
    if time.is_none() {
        let place = fields.node(key).map_or(fields.place(), |node| node.place);
        let message = format!("`{key}` is not a time: `{}`", scalar.text);
        let error = fields.source().error("IF0406", place, message);
        fields.found.push(error.hint(format!("write it as `{key}: {EXAMPLE}`")));
    }
    time
}

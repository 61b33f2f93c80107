//! A look at a published image: its digest, when it was made, what it holds of its base images.

use crate::diagnostic::Diagnostics;
use crate::factory::Factory;
use crate::look::{around, Look, Looker};
use crate::observe::{self, each_base, hold};
use crate::state::facts::{self, text};
use crate::state::records::{change, Changes, Records};
use crate::time::Time;
use crate::tree::Tree;
use crate::yaml::Value;

/// Writes down what a look at an image, made at `at`, found; an older look than the last that found
/// another digest is dropped.
///
/// Where nothing says what a new image was built on, it is assumed to hold what was newest when it
/// was made: whoever looks at an image looks at its base images, too.
///
/// # Errors
/// What is wrong with the factory's files.
pub fn apply(tree: &Tree, name: &str, look: &Look, at: Time) -> Result<Changes, Diagnostics> {
    change(tree, at, &mut |records, _| add_look(records, name, look, at))
}

/// Looks at an image of ours, at its base images and at those that it publishes: so nobody hears of
/// the image before the news of what it publishes.
pub(crate) fn look_around(
    records: &mut Records<'_>,
    factory: &Factory,
    looker: &mut Looker<'_>,
    name: &str,
    tag: Option<&str>,
    at: Time,
) -> Option<Look> {
    let (bases, published) = around(records, name);
    for base in bases.iter().chain(&published) {
        if let Some(look) = looker.base(records, factory, base) {
            observe::add_look(records, base, &look, at);
        }
    }
    looker.image(records, factory, name, tag)
}

/// The same as [`apply`], in state that changes.
pub(crate) fn add_look(records: &mut Records<'_>, name: &str, look: &Look, at: Time) {
    let Records { images, base_images, .. } = records;
    let Some(image) = images.get_mut(name) else { return };
    let seen = text(image, "currentSeen").and_then(Time::parse);
    if seen.is_some_and(|seen| at < seen) {
        return;
    }
    let is_new = text(image, "currentDigest") != Some(&look.digest);
    let made = look.made.unwrap_or(at);
    if is_new {
        image.set("currentDigest", Value::string(&look.digest));
        image.set("lastBuilt", Value::String(made.to_string()));
        image.set("currentSeen", Value::String(at.to_string()));
    }
    if let Some(version) = &look.version {
        image.set("currentVersion", Value::string(version));
    }
    each_base(image, |edge| {
        let Some(base) = text(edge, "name").map(str::to_owned) else { return };
        if let Some(held) = look.holds.get(&base) {
            hold(edge, Some(&held.digest), held.evidence);
        } else if is_new {
            let history = base_images.get(&base).map(facts::history).unwrap_or_default();
            let newest = history.iter().rfind(|entry| entry.seen <= made).or(history.first());
            hold(edge, newest.map(|entry| entry.digest), "assumed");
        }
    });
}

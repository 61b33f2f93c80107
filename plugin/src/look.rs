//! What a look at the live world found, as `observe`, `prove`, `reconcile` and `sweep` take it.

mod looker;

use crate::abi::{Answer, Needs, Request};
use crate::decide;
use crate::diagnostic::Diagnostics;
use crate::factory::Factory;
use crate::live::{self, BaseLook, Live};
use crate::reference::ImageReference;
use crate::sorted::SortedMap;
use crate::state::facts::{self, Seen, Use};
use crate::state::records::{Files, Records};
use crate::time::Time;

pub(crate) use looker::{around, Looker};

/// What stood under a tag in its registry at one moment.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The digest of the tag.
    pub digest: String,
    /// By platform, a hash of what an image built on it takes over: layer diff IDs and run
    /// configuration, without timestamps. Attestation manifests are left out.
    pub content: SortedMap<String>,
    /// When it was made, as its configuration says; repeatable builds do not say it.
    pub made: Option<Time>,
    /// The tag, where one was picked among several.
    pub version: Option<String>,
    /// What it was built on, by the name of the base image, as far as something says so.
    pub holds: SortedMap<Held>,
}

/// What an image was built on, and what says so.
#[derive(Clone, Debug)]
pub struct Held {
    /// The digest of the base image.
    pub digest: String,
    /// `provenance`, `annotation`, `label` or `layers`, the best first.
    pub evidence: &'static str,
    /// Another tag of the repository that was used in its place.
    pub other: Option<String>,
}

/// Reads a factory, lets a verb look and change state, asks for what is missing yet, and derives
/// what follows. What is looked at is of `now`.
pub(crate) fn with_looks(
    request: &Request,
    verb: &mut dyn FnMut(&mut Records<'_>, &Factory, &mut Looker<'_>, Time),
) -> Answer {
    let (Files { factory, enrolments, state }, now, found) = match Files::of(request, Diagnostics::default())
    {
        Ok(files) => files,
        Err(refusal) => return *refusal,
    };
    let mut records = Records::new(&request.tree, &state, &enrolments, &request.now);
    let mut looker = Looker::new(&request.fetched);
    verb(&mut records, &factory, &mut looker, now);
    let Looker { needs: registry, ci, messages, found: more, exit, .. } = looker;
    let needs = Needs { registry, ci, ..Needs::default() };
    if !needs.is_empty() {
        return Answer { needs: Some(needs), ..Answer::default() };
    }
    finish(records, &factory, messages, found, more, exit)
}

/// Derives what follows, and says of which images the status changed.
pub(crate) fn finish(
    mut records: Records<'_>,
    factory: &Factory,
    mut messages: Vec<String>,
    mut found: Diagnostics,
    more: Diagnostics,
    exit: u8,
) -> Answer {
    found.extend(more);
    found.sort();
    let before = statuses(&records);
    decide::derive(&mut records, factory);
    for (name, line) in statuses(&records) {
        if before.get(&name) != Some(&line) {
            messages.push(format!("{name}: {line}"));
        }
    }
    Answer { files: records.changes(), messages, diagnostics: found.0, exit, ..Answer::default() }
}

/// By image, its status in a line.
fn statuses(records: &Records<'_>) -> SortedMap<String> {
    let mut statuses = SortedMap::new();
    for (name, image) in &records.images {
        let Some(state) = image.get("rebuildState").and_then(|state| state.as_map()) else { continue };
        let part = |key| facts::text(state, key).unwrap_or_default();
        statuses.insert(
            name,
            match part("status") {
                "pending" => format!("pending, not before {}", part("eligibleAt")),
                "held" => format!("held, {}", part("cause")),
                status => status.to_owned(),
            },
        );
    }
    statuses
}

impl Look {
    /// What a registry said of an image.
    pub(crate) fn of(live: &Live) -> Look {
        let mut content = SortedMap::new();
        for (platform, hash) in live.content() {
            content.insert(platform, hash.to_owned());
        }
        Look { digest: live.digest.clone(), content, made: live.created(), ..Look::default() }
    }
}

/// What an image holds of a base image, as far as it says so. Where its platforms were built on
/// different ones, it is the one that was seen first, and before all one that never was.
pub(crate) fn held(
    image: &Live,
    base: &Use<'_>,
    reference: &ImageReference,
    history: &[Seen<'_>],
    looks: &[&Live],
    platforms: &[String],
) -> Option<Held> {
    let is_final = base.roles.contains(&"final");
    let place = |digest: &str| history.iter().rposition(|entry| entry.digest == digest);
    let mut first: Option<(Option<usize>, live::Held)> = None;
    for held in live::holds(image, &BaseLook { reference, is_final, looks }) {
        let at = place(&held.digest);
        let is_first = first.as_ref().is_none_or(|(first, _)| at < *first);
        if platforms.contains(&held.platform) && is_first {
            first = Some((at, held));
        }
    }
    match first {
        Some((_, held)) => Some(Held { digest: held.digest, evidence: held.evidence.name(), other: None }),
        None => another_tag(image, reference),
    }
}

/// Provenance that names the repository under another tag only.
fn another_tag(image: &Live, reference: &ImageReference) -> Option<Held> {
    let mut materials = image.platforms.values().flat_map(|image| &image.materials);
    let material = materials.find(|material| material.name == reference.name())?;
    let tag = material.tag.as_deref()?;
    let other = ImageReference::parse(&format!("{}:{tag}", material.name)).ok()?.familiar();
    Some(Held { digest: material.digest.clone(), evidence: "provenance", other: Some(other) })
}

/// A run of CI that ended, or that its API never accepted.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// What its name carries: `web-17`, or the name of a person's Promotion.
    pub key: String,
    /// Who asked for it, if a person did.
    pub by: Option<String>,
    /// When it was asked for.
    pub began: Time,
    /// When it ended, if that is known.
    pub ended: Option<Time>,
    /// Whether it ended well.
    pub succeeded: bool,
    /// Its URL; `None` where it was never accepted.
    pub url: Option<String>,
    /// Whether its API refused the inputs, so that it carries no key.
    pub unkeyed: bool,
}

//! Asks registries, through the host, for no more than the look needs: a digest first, and the
//! rest only where that moved.

use super::{held, Look};
use crate::abi::{CiNeed, Fetched, Reason, RegistryNeed};
use crate::decide::Policy;
use crate::diagnostic::Diagnostics;
use crate::factory::Factory;
use crate::images::Watch;
use crate::live::{self, Live, Stop, Want};
use crate::reference::ImageReference;
use crate::sorted::SortedSet;
use crate::state::facts::{self, text};
use crate::state::records::{full_repository, names, Records};
use crate::warehouse::{selection, Strategy};
use crate::yaml::Map;

/// Looks at one thing after the other, and gathers what must be fetched first.
pub(crate) struct Looker<'r> {
    pub fetched: &'r Fetched,
    pub needs: Vec<RegistryNeed>,
    /// What CI is asked.
    pub ci: Vec<CiNeed>,
    /// What people are told, a line each.
    pub messages: Vec<String>,
    pub found: Diagnostics,
    /// 3 where another try can help, 1 where somebody has to change something.
    pub exit: u8,
}

impl<'r> Looker<'r> {
    pub fn new(fetched: &'r Fetched) -> Self {
        Looker {
            fetched,
            needs: Vec::new(),
            ci: Vec::new(),
            messages: Vec::new(),
            found: Diagnostics::default(),
            exit: 0,
        }
    }

    fn or_stop<T>(&mut self, image: &ImageReference, result: Result<T, Stop>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Stop::Wait) => None,
            Err(Stop::Trouble(trouble)) => {
                let diagnostic = trouble.diagnostic(image);
                if !self.found.0.contains(&diagnostic) {
                    self.found.push(diagnostic);
                }
                self.exit = self.exit.max(trouble.exit());
                None
            }
        }
    }

    /// The digest that an image's tag has now.
    pub fn digest(&mut self, image: &ImageReference) -> Option<String> {
        let digest = live::digest(self.fetched, image, &mut self.needs);
        self.or_stop(image, digest)
    }

    fn live(&mut self, image: &ImageReference, platforms: &[String], provenance: bool) -> Option<Live> {
        let want = Want { reference: image, platforms, provenance };
        let live = live::look(self.fetched, &want, &mut self.needs);
        self.or_stop(image, live)
    }

    /// A base image; `None` where it is as it was, must be fetched first, or can't be.
    pub fn base(&mut self, records: &Records<'_>, factory: &Factory, name: &str) -> Option<Look> {
        let document = records.base_images.get(name)?;
        let reference = reference_of(document)?;
        let digest = self.digest(&reference)?;
        let platforms = platforms(records, factory, document);
        let history = facts::history(document);
        let is_known = |entry: &facts::Seen<'_>| entry.digest == digest && entry.is_complete(&platforms);
        if history.last().is_some_and(is_known) {
            return None;
        }
        self.live(&reference, &platforms, false).map(|live| Look::of(&live))
    }

    /// An external image that is watched under one tag; `None` where it is as it was, must be fetched
    /// first, or can't be. Which of several tags Kargo picks, only Kargo knows.
    pub fn external(&mut self, records: &Records<'_>, name: &str) -> Option<Look> {
        let enrolment = records.enrolments.get(name)?;
        let document = records.images.get(name)?;
        let tag = one_tag(&enrolment.watch)?;
        let reference = ImageReference::parse(&format!("{}:{tag}", enrolment.image.name())).ok()?;
        let digest = self.digest(&reference)?;
        let is_known = text(document, "currentDigest") == Some(&digest);
        (!is_known).then(|| Look { digest, ..Look::default() })
    }

    /// A published image of ours; `None` where it is as it was, must be fetched first, or can't be.
    ///
    /// Whose look this is looks at its base images and at those that it publishes, too: [`around`].
    pub fn image(
        &mut self,
        records: &Records<'_>,
        factory: &Factory,
        name: &str,
        tag: Option<&str>,
    ) -> Option<Look> {
        let enrolment = records.enrolments.get(name)?;
        let document = records.images.get(name)?;
        let of_a_base = || {
            around(records, name)
                .1
                .into_iter()
                .find_map(|base| text(records.base_images.get(&base)?, "tag").map(str::to_owned))
        };
        let is_unseen = tag.is_none() && text(document, "currentDigest").is_none();
        let tag = tag
            .map(str::to_owned)
            .or_else(|| one_tag(&enrolment.build.as_ref()?.published))
            .or_else(|| text(document, "currentVersion").map(str::to_owned))
            .or_else(of_a_base)?;
        let reference = ImageReference::parse(&format!("{}:{tag}", enrolment.image.name())).ok()?;
        let digest = match live::digest(self.fetched, &reference, &mut self.needs) {
            // Nobody has built it yet.
            Err(Stop::Trouble(trouble)) if is_unseen && trouble.reason == Reason::Missing => return None,
            digest => self.or_stop(&reference, digest)?,
        };
        let uses = facts::uses(document);
        let is_said =
            |base: &facts::Use<'_>| base.pinned || base.evidence.is_some_and(|said| said != "assumed");
        if text(document, "currentDigest") == Some(&digest) && uses.iter().all(is_said) {
            return None;
        }
        let platforms = Policy::of(enrolment, factory).platforms;
        let live = self.live(&reference, &platforms, true);
        if live.is_none() && text(document, "currentDigest").is_none() {
            // Nothing is known yet, so the layers are probably needed: the host's rounds are few.
            for base in uses.iter().filter(|base| !base.pinned) {
                if let Some(reference) = records.base_images.get(base.name).and_then(reference_of) {
                    self.live(&reference, &platforms, false);
                }
            }
        }
        let live = live?;
        let mut look = Look { version: Some(tag), ..Look::of(&live) };
        for base in uses.iter().filter(|base| !base.pinned) {
            let Some(document) = records.base_images.get(base.name) else { continue };
            let Some(reference) = reference_of(document) else { continue };
            let history = facts::history(document);
            let is_seen = |digest: &str| history.iter().any(|entry| entry.digest == digest);
            let mut found = held(&live, base, &reference, &history, &[], &platforms);
            if found.as_ref().is_none_or(|held| held.other.is_some() || !is_seen(&held.digest)) {
                // Its layers may say more, or that the digest is one platform's.
                let layers = self.live(&reference, &platforms, false);
                if let Some(layers) = &layers {
                    found = held(&live, base, &reference, &history, &[layers], &platforms);
                }
            }
            if let Some(found) = found {
                look.holds.insert(base.name, found);
            }
        }
        Some(look)
    }
}

/// The tag of a watch that follows the digest of one.
fn one_tag(watch: &Watch) -> Option<String> {
    let selection = selection(watch).ok().filter(|selection| selection.strategy == Strategy::Digest)?;
    selection.constraint
}

/// The reference of a base image in state.
fn reference_of(document: &Map) -> Option<ImageReference> {
    ImageReference::parse(&format!("{}:{}", full_repository(document)?, text(document, "tag")?)).ok()
}

/// The base images of an image, and those that it publishes.
pub(crate) fn around(records: &Records<'_>, name: &str) -> (Vec<String>, Vec<String>) {
    let uses = records.images.get(name).map(facts::uses).unwrap_or_default();
    let bases = uses.iter().filter(|base| !base.pinned && !base.name.is_empty());
    let bases = bases.map(|base| base.name.to_owned()).collect();
    let Some(enrolment) = records.enrolments.get(name) else { return (bases, Vec::new()) };
    let mut published = records.of_repository(&enrolment.image.name());
    if records.base_images.contains_key(name) && !published.iter().any(|base| base == name) {
        published.push(name.to_owned());
    }
    (bases, published)
}

/// What the images on a base image are built for; more would be more pulls.
fn platforms(records: &Records<'_>, factory: &Factory, base: &Map) -> Vec<String> {
    let mut platforms = SortedSet::new();
    for name in names(base.get("dependentImages")) {
        if let Some(enrolment) = records.enrolments.get(&name) {
            platforms.extend(Policy::of(enrolment, factory).platforms);
        }
    }
    platforms.into_iter().collect()
}

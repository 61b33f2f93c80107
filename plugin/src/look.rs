//! What a look at the live world found, as `observe`, `prove`, `reconcile` and `sweep` take it.

use crate::sorted::SortedMap;
use crate::time::Time;

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

/// A run of CI that ended, or that its API never accepted.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// What its name carries: `web-17`, or the name of a person's Promotion.
    pub key: String,
    /// Who asked for it, if a person did.
    pub by: Option<String>,
    /// When it was asked for.
    pub began: Time,
    /// Whether it ended well.
    pub succeeded: bool,
    /// Its URL; `None` where it was never accepted.
    pub url: Option<String>,
    /// Whether its API refused the inputs, so that it carries no key.
    pub unkeyed: bool,
}

//! Kargo's Warehouse, in Kargo's spelling.
//!
//! Objects are canonical: what Kargo's webhook would add is spelled out, so Argo CD sees no drift
//! (read in Kargo 1.11.2, `pkg/webhook/kubernetes/warehouse`, and seen on a running one).

use crate::abi::Manifest;

use crate::duration::Duration;
use crate::fields::Spanned;
use crate::go_regex::GoRegex;
use crate::images::Watch;
use crate::manifest::{Head, Object, Render};
use crate::reference::is_tag;
use crate::yaml::Place;

/// How Kargo picks an image among a repository's tags (`imageSelectionStrategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The digest behind one mutable tag.
    Digest,
    /// The tag that sorts last.
    Lexical,
    /// The image that was built last.
    NewestBuild,
    /// The highest semantic version.
    SemVer,
}

impl Strategy {
    /// All, in alphabetical order.
    pub const ALL: [Strategy; 4] =
        [Strategy::Digest, Strategy::Lexical, Strategy::NewestBuild, Strategy::SemVer];

    /// Its spelling, the same in images.yaml, state and Kargo.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Digest => "Digest",
            Strategy::Lexical => "Lexical",
            Strategy::NewestBuild => "NewestBuild",
            Strategy::SemVer => "SemVer",
        }
    }

    /// From its spelling.
    pub fn parse(text: &str) -> Option<Strategy> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == text)
    }
}

/// `allowTags`: a regular expression that Go reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPattern {
    /// As written.
    pub text: String,
    /// The one tag it matches, if it matches exactly one.
    pub literal: Option<String>,
}

impl TagPattern {
    /// What we need to know of an expression.
    pub fn new(regex: &GoRegex) -> Self {
        TagPattern { text: regex.as_str().to_owned(), literal: regex.literal() }
    }
}

/// What a Warehouse selects: a [`Watch`] in today's Kargo's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The strategy.
    pub strategy: Strategy,
    /// The tag (Digest) or the version range (SemVer).
    pub constraint: Option<String>,
    /// A regular expression that tags must match.
    pub pattern: Option<String>,
}

/// A [`Watch`] that Kargo would accept and then fail on.
#[derive(Clone, Debug)]
pub struct SelectionError {
    /// The diagnostic's code.
    pub code: &'static str,
    /// Where, if one value is to blame.
    pub place: Option<Place>,
    /// What.
    pub message: String,
    /// The remedy.
    pub hint: String,
}

/// Translates what images.yaml and state say into what Kargo discovers with.
///
/// A pattern that matches exactly one tag becomes Digest on that tag: one manifest request a poll,
/// never cached by tag, and a moved tag always makes Freight (Kargo 1.11.2,
/// `pkg/image/digest_selector.go`). `allowTags` itself fails discovery since 1.11.
///
/// # Errors
/// Digest without a single tag, a version range that is none, or a tag that is none.
pub fn selection(watch: &Watch) -> Result<Selection, SelectionError> {
    let literal = watch.allow_tags.as_ref().and_then(|pattern| pattern.value.literal.clone());
    let pattern = watch.allow_tags.as_ref().map(|pattern| pattern.value.text.clone());
    let constraint = watch.constraint.clone();
    match watch.strategy.as_ref().map(|strategy| strategy.value) {
        Some(Strategy::Digest) => match (constraint, literal) {
            (Some(tag), _) => digest(tag),
            (None, Some(tag)) => {
                Ok(Selection { strategy: Strategy::Digest, constraint: Some(tag), pattern: None })
            }
            (None, None) if !watch.is_given() => {
                Ok(Selection { strategy: Strategy::Digest, constraint: None, pattern: None })
            }
            (None, None) => Err(SelectionError {
                code: "IF0218",
                place: watch.allow_tags.as_ref().map(|pattern| pattern.place),
                message:
                    "imageSelectionStrategy `Digest` follows one tag, and this pattern is not the name of one"
                        .into(),
                hint: "write `constraint: TAG`, or anchor and escape the pattern: `^22\\.04$`".into(),
            }),
        },
        None | Some(Strategy::Lexical | Strategy::NewestBuild) if literal.is_some() => {
            Ok(Selection { strategy: Strategy::Digest, constraint: literal, pattern: None })
        }
        Some(strategy @ (Strategy::Lexical | Strategy::NewestBuild)) => {
            Ok(Selection { strategy, constraint: None, pattern })
        }
        None | Some(Strategy::SemVer) => {
            if let Some(range) = &constraint {
                semver_range(range)?;
            }
            Ok(Selection { strategy: Strategy::SemVer, constraint: constraint.map(|c| c.value), pattern })
        }
    }
}

fn digest(tag: Spanned<String>) -> Result<Selection, SelectionError> {
    if is_tag(&tag.value) {
        return Ok(Selection { strategy: Strategy::Digest, constraint: Some(tag.value), pattern: None });
    }
    Err(SelectionError {
        code: "IF0218",
        place: Some(tag.place),
        message: format!(
            "with imageSelectionStrategy `Digest` `constraint` is a tag, and `{}` is none",
            tag.value
        ),
        hint: "write the tag as it stands in the registry, for example `constraint: 22-bookworm-slim`".into(),
    })
}

/// Checks a range as Masterminds/semver v3.4 reads it, which Kargo's webhook does too.
fn semver_range(range: &Spanned<String>) -> Result<(), SelectionError> {
    let is_good = range.value.split("||").all(|alternative| {
        let parts = alternative.replace(" - ", " ").replace(',', " ");
        let mut any = false;
        let mut words = parts.split_whitespace().peekable();
        while let Some(word) = words.next() {
            let version = word.trim_start_matches(['=', '!', '<', '>', '~', '^']);
            let operator = &word[..word.len() - version.len()];
            let known = ["", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"].contains(&operator);
            // An operator may stand apart from its version: `>= 1.2`.
            let version = if version.is_empty() { words.next().unwrap_or_default() } else { version };
            if !known || !is_partial_version(version) {
                return false;
            }
            any = true;
        }
        any
    });
    if is_good {
        return Ok(());
    }
    Err(SelectionError {
        code: "IF0218",
        place: Some(range.place),
        message: format!("`constraint` is not a range of semantic versions: `{}`", range.value),
        hint: "write for example `constraint: ^1.2.0` or `constraint: \">=1.2.0 <2.0.0\"`; for one tag set `imageSelectionStrategy: Digest`".into(),
    })
}

fn is_partial_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, metadata) = text.split_once('+').unwrap_or((text, "0"));
    let (core, prerelease) = text.split_once('-').unwrap_or((text, "0"));
    let is_identifiers = |text: &str| {
        text.split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    let is_number = |part: &str| {
        matches!(part, "x" | "X" | "*") || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    core.split('.').count() <= 3
        && core.split('.').all(is_number)
        && is_identifiers(prerelease)
        && is_identifiers(metadata)
}

/// A Kargo minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KargoVersion(pub u32, pub u32);

impl KargoVersion {
    /// The newest that this was tried on.
    pub const NEWEST: KargoVersion = KargoVersion(1, 11);
    /// The oldest that has `constraint`.
    pub const OLDEST: KargoVersion = KargoVersion(1, 7);
    /// The oldest that the Stages of the loop were tried on.
    pub const PIPELINES: KargoVersion = KargoVersion(1, 11);

    /// From `1.11`, `v1.11` or `1.11.2`.
    pub fn parse(text: &str) -> Option<KargoVersion> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts = text.split('.').map(|part| {
            let is_number = !part.is_empty() && part.len() < 5 && part.bytes().all(|b| b.is_ascii_digit());
            if is_number {
                part.parse().ok()
            } else {
                None
            }
        });
        let version = KargoVersion(parts.next()??, parts.next()??);
        parts.all(|part: Option<u32>| part.is_some()).then_some(version)
    }
}

/// What varies between Warehouses that watch an image.
pub(crate) struct Image<'a> {
    /// The repository, in the one spelling that Freight's identity depends on.
    pub repo_url: &'a str,
    /// What to select.
    pub selection: &'a Selection,
    /// How many references each poll looks at. Only the first becomes Freight, and each further one
    /// costs registry requests (Kargo's default is 20).
    pub discovery_limit: &'a str,
    /// How often to look.
    pub interval: Duration,
    /// Whether the registry's certificate goes unchecked.
    pub insecure: bool,
    /// The Kargo that is written for.
    pub kargo: KargoVersion,
}

/// The Warehouse of an image.
pub(crate) fn of_image(render: &Render<'_>, head: &Head<'_>, image: &Image<'_>) -> Manifest {
    let mut object = begin(render, head, image.interval);
    object.open("image", '{');
    if let Some(pattern) = &image.selection.pattern {
        // Kargo 1.9 and newer.
        if image.kargo >= KargoVersion(1, 9) {
            object.open("allowTagsRegexes", '[');
            object.text_item(pattern);
            object.close(']');
        } else {
            object.text("allowTags", pattern);
        }
    }
    object.optional("constraint", image.selection.constraint.as_deref());
    object.raw("discoveryLimit", image.discovery_limit);
    object.text("imageSelectionStrategy", image.selection.strategy.name());
    if image.insecure {
        object.raw("insecureSkipTLSVerify", "true");
    }
    object.text("repoURL", image.repo_url);
    object.raw("strictSemvers", "true");
    object.close('}');
    object.close('}');
    object.close(']');
    object.finish()
}

/// What varies between Warehouses that watch a git repository.
pub(crate) struct Git<'a> {
    /// Its URL, in one spelling.
    pub url: &'a str,
    /// The branch; empty for the repository's default one.
    pub branch: &'a str,
    /// Files, and folders with all in them.
    pub paths: &'a [String],
    /// How often to look.
    pub interval: Duration,
}

/// The Warehouse of some paths of a git repository: the newest commit that touched one is Freight.
pub(crate) fn of_git(render: &Render<'_>, head: &Head<'_>, git: &Git<'_>) -> Manifest {
    let mut object = begin(render, head, git.interval);
    object.open("git", '{');
    object.optional("branch", Some(git.branch).filter(|branch| !branch.is_empty()));
    object.text("commitSelectionStrategy", "NewestFromBranch");
    object.raw("discoveryLimit", "1");
    object.open("includePaths", '[');
    for path in git.paths {
        object.text_item(path);
    }
    object.close(']');
    object.text("repoURL", git.url);
    object.raw("strictSemvers", "true");
    object.close('}');
    object.close('}');
    object.close(']');
    object.finish()
}

fn begin(render: &Render<'_>, head: &Head<'_>, interval: Duration) -> Object {
    let mut object = Object::begin(render, head);
    object.text("freightCreationPolicy", "Automatic");
    object.text("interval", &interval.to_go());
    object.optional("shard", render.shard);
    object.open("subscriptions", '[');
    object.item();
    object
}

/// The page of a repository, where its registry has one.
pub(crate) fn link(repo_url: &str) -> Option<String> {
    let (registry, repository) = repo_url.split_once('/')?;
    Some(match (registry, repository.strip_prefix("library/")) {
        ("docker.io", Some(official)) => format!("https://hub.docker.com/_/{official}"),
        ("docker.io", None) => format!("https://hub.docker.com/r/{repository}"),
        ("quay.io", _) => format!("https://quay.io/repository/{repository}"),
        ("ghcr.io" | "gcr.io" | "registry.k8s.io", _) => format!("https://{repo_url}"),
        _ => return None,
    })
}

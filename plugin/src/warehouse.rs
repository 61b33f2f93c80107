//! Kargo's Warehouse, in Kargo's spelling.
//!
//! Objects are canonical: what Kargo's webhook would add is spelled out, so Argo CD sees no drift
//! (read in Kargo 1.11.2, `pkg/webhook/kubernetes/warehouse`, and seen on a running one).

use serde::Serialize;

use crate::fields::Spanned;
use crate::go_regex::GoRegex;
use crate::images::Watch;
use crate::reference::is_tag;
use crate::yaml::Place;

/// How Kargo picks an image among a repository's tags (`imageSelectionStrategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

/// A Warehouse, ready to print; the order of fields is the order of keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warehouse<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    name: &'a str,
    namespace: &'a str,
    labels: Labels<'a>,
    annotations: Annotations<'a>,
}

#[derive(Debug, Serialize)]
struct Labels<'a> {
    #[serde(rename = "app.kubernetes.io/managed-by")]
    managed_by: &'static str,
    #[serde(rename = "image-factory.dev/kind")]
    kind: &'a str,
}

#[derive(Debug, Serialize)]
struct Annotations<'a> {
    #[serde(rename = "image-factory.dev/module", skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    #[serde(rename = "kargo.akuity.io/description")]
    description: String,
    #[serde(rename = "link.argocd.argoproj.io/registry", skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    freight_creation_policy: &'static str,
    interval: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<&'a str>,
    subscriptions: [Subscription<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Subscription<'a> {
    image: ImageSubscription<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageSubscription<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_tags: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_tags_regexes: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraint: Option<&'a str>,
    discovery_limit: u8,
    image_selection_strategy: Strategy,
    #[serde(rename = "insecureSkipTLSVerify", skip_serializing_if = "std::ops::Not::not")]
    insecure_skip_tls_verify: bool,
    #[serde(rename = "repoURL")]
    repo_url: &'a str,
    strict_semvers: bool,
}

/// What varies between Warehouses.
pub struct Parts<'a> {
    /// The object's name.
    pub name: &'a str,
    /// The Kargo Project.
    pub namespace: &'a str,
    /// `base` or `external`.
    pub kind: &'a str,
    /// The pin of the module in factory.yaml.
    pub module: Option<&'a str>,
    /// A line for people.
    pub description: String,
    /// The repository, in the one spelling that Freight's identity depends on.
    pub repo_url: &'a str,
    /// What to select.
    pub selection: &'a Selection,
    /// How often to look, as a Go duration.
    pub interval: String,
    /// The controller that handles it, if not the default one.
    pub shard: Option<&'a str>,
    /// Whether the registry's certificate goes unchecked.
    pub insecure: bool,
    /// The Kargo that is written for.
    pub kargo: KargoVersion,
}

/// A Kargo minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KargoVersion(pub u32, pub u32);

impl KargoVersion {
    /// The newest that this was tried on.
    pub const NEWEST: KargoVersion = KargoVersion(1, 11);
    /// The oldest that has `constraint`.
    pub const OLDEST: KargoVersion = KargoVersion(1, 7);

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

    /// Whether subscriptions have `allowTagsRegexes` (1.9 and newer).
    fn has_regex_list(self) -> bool {
        self >= KargoVersion(1, 9)
    }
}

impl<'a> Warehouse<'a> {
    /// The Warehouse of one image.
    pub fn new(parts: Parts<'a>) -> Self {
        let Parts { selection, kargo, .. } = parts;
        let pattern = selection.pattern.as_deref();
        // Only the first reference becomes Freight; each further one costs registry requests at
        // every poll, but for Digest, which makes one anyway (Kargo's default is 20).
        let discovery_limit = if selection.strategy == Strategy::Digest { 20 } else { 5 };
        Warehouse {
            api_version: "kargo.akuity.io/v1alpha1",
            kind: "Warehouse",
            metadata: Metadata {
                name: parts.name,
                namespace: parts.namespace,
                labels: Labels { managed_by: "image-factory", kind: parts.kind },
                annotations: Annotations {
                    module: parts.module,
                    description: parts.description,
                    link: link(parts.repo_url),
                },
            },
            spec: Spec {
                freight_creation_policy: "Automatic",
                interval: parts.interval,
                shard: parts.shard,
                subscriptions: [Subscription {
                    image: ImageSubscription {
                        allow_tags: pattern.filter(|_| !kargo.has_regex_list()),
                        allow_tags_regexes: pattern
                            .filter(|_| kargo.has_regex_list())
                            .map(|pattern| [pattern]),
                        constraint: selection.constraint.as_deref(),
                        discovery_limit,
                        image_selection_strategy: selection.strategy,
                        insecure_skip_tls_verify: parts.insecure,
                        repo_url: parts.repo_url,
                        strict_semvers: true,
                    },
                }],
            },
        }
    }
}

/// The page of a repository, where its registry has one.
fn link(repo_url: &str) -> Option<String> {
    let (registry, repository) = repo_url.split_once('/')?;
    Some(match (registry, repository.strip_prefix("library/")) {
        ("docker.io", Some(official)) => format!("https://hub.docker.com/_/{official}"),
        ("docker.io", None) => format!("https://hub.docker.com/r/{repository}"),
        ("quay.io", _) => format!("https://quay.io/repository/{repository}"),
        ("ghcr.io" | "gcr.io" | "registry.k8s.io", _) => format!("https://{repo_url}"),
        _ => return None,
    })
}

//! The envelope: one JSON request in, one JSON answer out, the same in every host.
//!
//! ```text
//! {"abi":1,"verb":"generate","args":{…},"now":"2026-01-05T10:00:00Z","tree":{"images.yaml":"…"},"fetched":{}}
//! {"files":{…},"manifests":[…],"diagnostics":[…]}        or        {"needs":{"git":[…]}}
//! ```
//!
//! An answer with `needs` asks the host to fetch and to send the same request again with the
//! results under `fetched`; a host does so a bounded number of times.

mod about;
#[cfg(all(target_family = "wasm", any(feature = "module", feature = "bindgen")))]
mod allocator;
mod arguments;
#[cfg(feature = "bindgen")]
mod bindgen;
mod envelope;
#[cfg(feature = "module")]
mod extism;
#[cfg(feature = "module")]
mod plain;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, Value};

use crate::diagnostic::Diagnostic;
use crate::sorted::SortedMap;
use crate::tree::Tree;
use crate::{
    analyze, bases, check, generate, live, observe, prove, reconcile, reference, status, sweep, what_if,
};

pub use arguments::Arguments;
pub use envelope::diagnostics;

/// The version of the envelope; a module refuses another one.
pub const ABI_VERSION: u32 = 1;

/// The longest request in bytes: fifty times what a factory of 2,000 images takes.
///
/// Reading one takes a few times its length, and without a bound the module's memory would end, which
/// is a trap and not an answer.
pub const MAX_REQUEST: usize = 80_000_000;

/// What a host asks; only `abi` must be given.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Request {
    /// [`ABI_VERSION`].
    pub abi: u32,
    /// One of [`VERBS`].
    pub verb: String,
    /// The verb's own arguments, as its module documents them.
    pub args: Value,
    /// The time, RFC 3339 in UTC to the second; the core has no clock.
    pub now: String,
    /// The factory's folder: images.yaml, factory.yaml, state/**.
    pub tree: Tree,
    /// What earlier answers asked for.
    pub fetched: Fetched,
}

/// What the core asks the host to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Files of git repositories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub git: Vec<GitNeed>,
    /// Documents of registries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registry: Vec<RegistryNeed>,
    /// Answers of the CI that builds images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ci: Vec<CiNeed>,
}

/// One question to the API of CI. Where the API is, and who asks, is the host's to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CiNeed {
    /// `github` or `gitlab`.
    pub provider: String,
    /// What follows the API's URL: `/repos/acme/web/actions/workflows/build.yml/runs?per_page=100`.
    pub path: String,
}

impl Needs {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.git.is_empty() && self.registry.is_empty() && self.ci.is_empty()
    }
}

/// Files of one repository at one reference: one fetch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GitNeed {
    /// Anything that `git fetch` understands.
    pub url: String,
    /// A branch, tag or commit; empty for the remote's HEAD.
    pub reference: String,
    /// Paths from the repository's root.
    pub paths: Vec<String>,
}

/// One document of a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RegistryNeed {
    /// Registry and repository, with a tag or a digest: `docker.io/library/node:22`.
    pub image: String,
    /// What of it.
    pub kind: RegistryKind,
}

/// A kind of document, as the distribution specification (1.1, "Endpoints") knows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryKind {
    /// The digest that a tag has now, and no text; most registries count this as no pull.
    #[default]
    Head,
    /// An index or a manifest.
    Manifest,
    /// Anything else, by its digest: a configuration or a statement.
    Blob,
}

/// What the host fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// One for each [`GitNeed`], found by `url` and `reference`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub git: Vec<GitFetched>,
    /// One for each [`RegistryNeed`], found by `image` and `kind`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub registry: Vec<RegistryFetched>,
    /// One for each [`CiNeed`], found by `provider` and `path`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ci: Vec<CiFetched>,
}

/// The answer to one [`CiNeed`]: a text, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CiFetched {
    /// As asked.
    pub provider: String,
    /// As asked.
    pub path: String,
    /// The API's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why it is not there, with no credential in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who can do something about the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// The answer to one [`RegistryNeed`]: a digest, for all but `head` a text, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RegistryFetched {
    /// As asked.
    pub image: String,
    /// As asked.
    pub kind: RegistryKind,
    /// Of the text; the host has compared it with the one that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The registry's `Content-Type`.
    #[serde(rename = "mediaType", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The document as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why it is not there, with no credential in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who can do something about the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Why a registry or CI gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The network, a time limit, an answer that a working registry does not give: try again.
    Unreachable,
    /// It counts requests, and these were too many: try again, later.
    Limited,
    /// It wants credentials, or others.
    Denied,
    /// There is no such repository, tag or document.
    Missing,
    /// What is there cannot be read as an image, whoever asks.
    Refused,
}

/// The answer to one [`GitNeed`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GitFetched {
    /// As asked.
    pub url: String,
    /// As asked.
    pub reference: String,
    /// The commit it resolved to; `None` where the fetch failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The text of each asked path; `None` where the commit has no such file.
    pub files: SortedMap<Option<String>>,
    /// Why the fetch failed, in git's words, with no credential in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the core answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// Set where the host must fetch something first; all else is then empty.
    pub needs: Option<Needs>,
    /// Changed files by path in the tree; `None` deletes one.
    pub files: SortedMap<Option<String>>,
    /// Kubernetes objects, in the order to print; kept as text, so that a host that only passes them
    /// on need not build them.
    pub manifests: Vec<Manifest>,
    /// What a verb prints that is neither a file nor a manifest (`bases`, `reference`, `about`).
    pub output: Option<Value>,
    /// Sorted by place; with an error among them there are no manifests.
    pub diagnostics: Vec<Diagnostic>,
    /// What people are told of the work done, a line each (`analyze`: one an image).
    pub messages: Vec<String>,
    /// The exit code that a command line should end with (ARCHITECTURE.md, "Exit codes").
    pub exit: u8,
}

impl Default for Answer {
    /// Nothing at all. A call, not code at each place that builds an answer: it is a tenth of a kilobyte.
    #[inline(never)]
    fn default() -> Self {
        Answer {
            needs: None,
            files: SortedMap::new(),
            manifests: Vec::new(),
            output: None,
            diagnostics: Vec::new(),
            messages: Vec::new(),
            exit: 0,
        }
    }
}

/// One Kubernetes object as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest(pub String);

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|json| Manifest(String::from(Box::<str>::from(json))))
    }
}

/// The verbs this module answers, in the order that `about` lists them.
pub const VERBS: &[&str] = &[
    "about",
    "analyze",
    "bases",
    "check",
    "generate",
    "look",
    "observe",
    "prove",
    "reconcile",
    "reference",
    "status",
    "sweep",
    "what-if",
];

/// Answers one request: the whole module, whatever the shell around it.
///
/// It never fails: what is wrong with the request itself becomes an answer with a diagnostic.
pub fn answer(request: &[u8]) -> Vec<u8> {
    answer_verb("", request)
}

/// The same for a host that calls one export a verb: a request without a verb gets this one.
pub fn answer_verb(verb: &str, request: &[u8]) -> Vec<u8> {
    let answer = match parse(request) {
        Ok(mut request) => {
            if request.verb.is_empty() {
                verb.clone_into(&mut request.verb);
            }
            dispatch(&request)
        }
        Err(diagnostic) => Answer { diagnostics: vec![diagnostic], exit: 70, ..Answer::default() },
    };
    answer.print().into_bytes()
}

fn parse(request: &[u8]) -> Result<Request, Diagnostic> {
    if request.len() > MAX_REQUEST {
        return Err(too_large());
    }
    let text = std::str::from_utf8(request)
        .map_err(|error| Diagnostic::error("IF0001", format!("the request is not UTF-8: {error}")))?;
    let request = Request::parse(text).map_err(|error| {
        Diagnostic::error("IF0002", format!("the request is not the envelope of ABI {ABI_VERSION}: {error}"))
    })?;
    if request.abi != ABI_VERSION {
        return Err(Diagnostic::error(
            "IF0003",
            format!("the request is for ABI {}, this module speaks ABI {ABI_VERSION}", request.abi),
        ));
    }
    Ok(request)
}

#[cold]
fn too_large() -> Diagnostic {
    Diagnostic::error("IF0007", format!("the request is longer than {MAX_REQUEST} bytes"))
}

/// The answer to a request that is too long to be taken in.
#[cfg(feature = "module")]
fn refused_as_too_large() -> Vec<u8> {
    let answer = Answer { diagnostics: vec![too_large()], exit: 70, ..Answer::default() };
    answer.print().into_bytes()
}

fn dispatch(request: &Request) -> Answer {
    match request.verb.as_str() {
        "about" => about::about(),
        "analyze" => with_args(request, analyze::Args::read, analyze::analyze),
        "bases" => with_args(request, bases::Args::read, bases::bases),
        "check" => with_args(request, check::Args::read, check::check),
        "generate" => with_args(request, generate::Args::read, generate::generate),
        "look" => with_args(request, live::Args::read, live::show),
        "observe" => with_args(request, observe::Args::read, observe::observe),
        "prove" => with_args(request, prove::Args::read, prove::prove),
        "reconcile" => with_args(request, reconcile::Args::read, reconcile::reconcile),
        "reference" => with_args(request, reference::Args::read, reference::reference),
        "status" => with_args(request, status::Args::read, status::status),
        "sweep" => with_args(request, sweep::Args::read, sweep::sweep),
        "what-if" => with_args(request, what_if::Args::read, what_if::what_if),
        verb => Answer {
            diagnostics: vec![Diagnostic::error("IF0004", format!("unknown verb `{verb}`"))
                .hint(format!("this module knows {}", VERBS.join(", ")))],
            exit: 2,
            ..Answer::default()
        },
    }
}

/// Runs a verb with its arguments; absent arguments are the defaults.
fn with_args<A>(
    request: &Request,
    read: fn(&mut Arguments<'_>) -> A,
    verb: fn(&Request, &A) -> Answer,
) -> Answer {
    let mut arguments = Arguments::of(&request.args);
    let args = read(&mut arguments);
    match arguments.finish() {
        Ok(()) => verb(request, &args),
        Err(problem) => wrong_arguments(&request.verb, &problem),
    }
}

#[cold]
#[inline(never)]
fn wrong_arguments(verb: &str, problem: &str) -> Answer {
    let diagnostic = Diagnostic::error("IF0005", format!("the arguments of `{verb}`: {problem}"));
    Answer { diagnostics: vec![diagnostic], exit: 70, ..Answer::default() }
}

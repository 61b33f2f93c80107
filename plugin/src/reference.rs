//! Image references: `[registry/]repository[:tag][@digest]`.
//!
//! ```text
//! node:22                    docker.io/library/node:22
//! ghcr.io/acme/web           ghcr.io/acme/web:latest
//! alpine:3@sha256:…          docker.io/library/alpine:3@sha256:…
//! ```
//!
//! The grammar and the completion are those of github.com/distribution/reference v0.6.0
//! (`ParseNormalizedNamed`, `TagNameOnly`, `FamiliarString`) with go-digest v1.0.0 for digests,
//! which BuildKit, containerd and Kargo all use.

use std::fmt;

use serde_json::json;

use crate::abi::{Answer, Request};
use crate::diagnostic::Diagnostic;

/// The registry of a reference that names none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// The longest repository, in bytes; the registry does not count.
pub const MAX_REPOSITORY: usize = 255;

/// One image reference, completed with its registry; made only by parsing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing stands where the reference should be.
    #[error("an image reference cannot be empty")]
    Empty,
    /// The text does not have the form of a reference.
    #[error("`{0}` is not an image reference")]
    Invalid(String),
    /// The repository has an upper-case letter.
    #[error("the repository `{0}` must be lower case")]
    UppercaseRepository(String),
    /// 64 hex digits, which engines take for an image's id.
    #[error("`{0}` looks like an image id, not a name")]
    ImageId(String),
    /// The repository is longer than [`MAX_REPOSITORY`] bytes.
    #[error("the repository has {0} bytes, more than {MAX_REPOSITORY}")]
    TooLong(usize),
    /// A digest of an algorithm that registries don't use.
    #[error("the digest algorithm `{0}` is not supported")]
    DigestAlgorithm(String),
    /// A digest with too few or too many hex digits.
    #[error("a {algorithm} digest has {expected} hex digits, not {actual}")]
    DigestLength {
        /// `sha256`, `sha384` or `sha512`.
        algorithm: String,
        /// How many hex digits it must have.
        expected: usize,
        /// How many it has.
        actual: usize,
    },
    /// A digest with upper-case hex digits.
    #[error("the digest `{0}` must be lower case")]
    UppercaseDigest(String),
}

impl ReferenceError {
    /// The diagnostic's code.
    pub fn code(&self) -> &'static str {
        match self {
            ReferenceError::Empty => "IF0801",
            ReferenceError::Invalid(_) => "IF0802",
            ReferenceError::UppercaseRepository(_) => "IF0803",
            ReferenceError::ImageId(_) => "IF0804",
            ReferenceError::TooLong(_) => "IF0805",
            ReferenceError::DigestAlgorithm(_) => "IF0806",
            ReferenceError::DigestLength { .. } => "IF0807",
            ReferenceError::UppercaseDigest(_) => "IF0808",
        }
    }

    /// Something to type, where the remedy is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            ReferenceError::Empty => "write it as `node:22` or `ghcr.io/acme/web:1.4`".to_owned(),
            ReferenceError::Invalid(text) => return hint_for_invalid(text),
            ReferenceError::UppercaseRepository(repository) => {
                format!(
                    "write `{}`",
                    repository.strip_prefix("library/").unwrap_or(repository).to_lowercase()
                )
            }
            ReferenceError::ImageId(_) => {
                "write `repository@sha256:…` to name an image by its digest".to_owned()
            }
            ReferenceError::TooLong(_) => return None,
            ReferenceError::DigestAlgorithm(_) => "use `sha256`, `sha384` or `sha512`".to_owned(),
            ReferenceError::DigestLength { .. } => {
                "copy the whole digest, as `docker buildx imagetools inspect` prints it".to_owned()
            }
            ReferenceError::UppercaseDigest(digest) => format!("write `{}`", digest.to_lowercase()),
        })
    }

    /// The error as a diagnostic without a place.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.code(), self.to_string());
        match self.hint() {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }
}

fn hint_for_invalid(text: &str) -> Option<String> {
    if let Some((_, rest)) = text.split_once("://") {
        return Some(format!("leave the scheme out: `{rest}`"));
    }
    if let Some(name) = text.strip_suffix(':') {
        return Some(format!("give it a tag, as in `{name}:latest`, or leave the colon out"));
    }
    if text.contains("@sha256:") {
        return Some("a digest has 64 hex digits and stands last, after the tag".to_owned());
    }
    None
}

impl ImageReference {
    /// Reads a reference and completes it with `docker.io` and `library/` where they are left out.
    ///
    /// # Errors
    ///
    /// A [`ReferenceError`] exactly where `ParseNormalizedNamed` of distribution/reference v0.6.0 has one.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64 && text.bytes().all(is_lower_hex) {
            return Err(ReferenceError::ImageId(text.to_owned()));
        }
        let (registry, remainder) = split_registry(text);
        let untagged = remainder.split(':').next().unwrap_or_default();
        if has_upper_case(untagged) {
            return Err(ReferenceError::UppercaseRepository(untagged.to_owned()));
        }
        let invalid = || ReferenceError::Invalid(text.to_owned());
        let (named, digest) = match remainder.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (remainder.as_str(), None),
        };
        let (path, tag) = match named.rfind(':') {
            Some(colon) => (&named[..colon], Some(&named[colon + 1..])),
            None => (named, None),
        };
        let known_registry = is_registry(registry);
        // A first part with `_` is no host name; the grammar then reads it as part of the path.
        let readable = known_registry || is_path_component(registry);
        if !readable
            || !path.split('/').all(is_path_component)
            || !tag.is_none_or(is_tag)
            || !digest.is_none_or(is_digest_shaped)
        {
            return Err(invalid());
        }
        let (registry, repository) = if known_registry {
            (registry.to_owned(), path.to_owned())
        } else {
            (String::new(), format!("{registry}/{path}"))
        };
        if repository.len() > MAX_REPOSITORY {
            return Err(ReferenceError::TooLong(repository.len()));
        }
        if let Some(digest) = digest {
            check_digest(digest)?;
        }
        Ok(ImageReference {
            registry,
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The registry's host and port, as `docker.io`; empty only for oddities such as `a_b.com/c`,
    /// whose first part is no host name.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry, as `library/node`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, where one is written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest with its algorithm, where one is written.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Registry and repository, as `docker.io/library/node`.
    pub fn name(&self) -> String {
        if self.registry.is_empty() {
            self.repository.clone()
        } else {
            format!("{}/{}", self.registry, self.repository)
        }
    }

    /// The whole reference, with `:latest` where it has neither tag nor digest.
    pub fn normalized(&self) -> String {
        let mut text = self.name();
        if self.tag.is_none() && self.digest.is_none() {
            text.push_str(":latest");
        }
        self.push_tag_and_digest(&mut text);
        text
    }

    /// The reference as people write it: without `docker.io/` and a one-part `library/`.
    pub fn familiar(&self) -> String {
        let mut text = if self.registry == DEFAULT_REGISTRY {
            match self.repository.strip_prefix("library/") {
                Some(name) if !name.contains('/') => name.to_owned(),
                _ => self.repository.clone(),
            }
        } else {
            self.name()
        };
        self.push_tag_and_digest(&mut text);
        text
    }

    /// The same with the tag `latest` where it has neither tag nor digest.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    fn push_tag_and_digest(&self, text: &mut String) {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest);
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.normalized())
    }
}

/// What stands before the first `/` is a registry if it looks like a host; otherwise all is the
/// path on docker.io.
fn split_registry(text: &str) -> (&str, String) {
    let Some((first, rest)) = text.split_once('/') else {
        return (DEFAULT_REGISTRY, format!("library/{text}"));
    };
    let (registry, rest) = if first == "localhost" || first.contains(['.', ':']) || has_upper_case(first) {
        (if first == "index.docker.io" { DEFAULT_REGISTRY } else { first }, rest)
    } else {
        (DEFAULT_REGISTRY, text)
    };
    if registry == DEFAULT_REGISTRY && !rest.contains('/') {
        (registry, format!("library/{rest}"))
    } else {
        (registry, rest.to_owned())
    }
}

/// Whether lower-casing would change the text, as Go's `strings.ToLower` does it.
fn has_upper_case(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte.is_ascii_uppercase());
    }
    text.chars().any(|c| !c.to_lowercase().eq([c]))
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn is_registry(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else { return false };
        if address.is_empty() || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
            return false;
        }
        match after.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if after.is_empty() => (None, None),
            None => return false,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        }
    };
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    host.is_none_or(|host| host.split('.').all(is_label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let word = bytes[at..].iter().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
        if word == 0 {
            return false;
        }
        at += word;
        at += match &bytes[at..] {
            [] => return true,
            [b'.', ..] => 1,
            [b'_', b'_', ..] => 2,
            [b'_', ..] => 1,
            [b'-', ..] => bytes[at..].iter().take_while(|b| **b == b'-').count(),
            _ => return false,
        };
    }
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(|first| word(*first))
        && bytes.iter().all(|byte| word(*byte) || matches!(byte, b'.' | b'-'))
}

/// `algorithm:hex`, with at least 32 hex digits, whatever the algorithm.
fn is_digest_shaped(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    hex.len() >= 32
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        && algorithm.split(['-', '_', '+', '.']).all(|part| {
            part.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

fn check_digest(digest: &str) -> Result<(), ReferenceError> {
    let (algorithm, hex) = digest.split_once(':').unwrap_or((digest, ""));
    let expected = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(ReferenceError::DigestAlgorithm(algorithm.to_owned())),
    };
    if hex.len() != expected {
        let algorithm = algorithm.to_owned();
        return Err(ReferenceError::DigestLength { algorithm, expected, actual: hex.len() });
    }
    if !hex.bytes().all(is_lower_hex) {
        return Err(ReferenceError::UppercaseDigest(digest.to_owned()));
    }
    Ok(())
}

/// The arguments of the verb `reference`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    references: Vec<String>,
}

/// The verb `reference`: the parts of each reference, or why it is none.
///
/// `args` is `{"references":["node:22"]}`; the output has one object for each, in order, with
/// `normalized`, `registry`, `repository`, `tag`, `digest` and `familiar`, or with `error`. The
/// exit code is 1 where any is an error.
pub fn reference(request: &Request) -> Answer {
    let arguments: Arguments = match serde_json::from_value(request.args.clone()) {
        Ok(arguments) => arguments,
        Err(error) => return Answer::bad_arguments("reference", &error),
    };
    let mut exit = 0;
    let output: Vec<_> = arguments
        .references
        .iter()
        .map(|text| match ImageReference::parse(text) {
            Ok(reference) => json!({
                "normalized": reference.normalized(),
                "registry": reference.registry(),
                "repository": reference.repository(),
                "tag": reference.tag(),
                "digest": reference.digest(),
                "familiar": reference.familiar(),
            }),
            Err(error) => {
                exit = 1;
                let mut description = json!({"code": error.code(), "message": error.to_string()});
                if let Some(hint) = error.hint() {
                    description["hint"] = hint.into();
                }
                json!({ "error": description })
            }
        })
        .collect();
    Answer { output: Some(output.into()), exit, ..Answer::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case of `tests/references/cases.json`; the verdicts are distribution/reference's.
    #[test]
    fn agrees_with_the_reference_library() {
        #[derive(serde::Deserialize)]
        struct Case {
            reference: String,
            normalized: Option<String>,
            registry: Option<String>,
            repository: Option<String>,
        }
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/references/cases.json")).expect("our own file");
        assert!(cases.len() >= 73);
        for case in cases {
            let parsed = ImageReference::parse(&case.reference).ok();
            let shown = parsed.as_ref().map(|reference| {
                (reference.normalized(), reference.registry().to_owned(), reference.repository().to_owned())
            });
            let expected = case.normalized.map(|normalized| {
                (normalized, case.registry.unwrap_or_default(), case.repository.unwrap_or_default())
            });
            assert_eq!(shown, expected, "{}", case.reference);
        }
    }

    fn check_err(text: &str, expected: ReferenceError) {
        assert_eq!(ImageReference::parse(text), Err(expected));
    }

    #[test]
    fn says_what_is_wrong() {
        check_err("", ReferenceError::Empty);
        check_err("alpine:", ReferenceError::Invalid("alpine:".into()));
        check_err("ghcr.io/Acme/web", ReferenceError::UppercaseRepository("Acme/web".into()));
        check_err("https://ghcr.io/a", ReferenceError::Invalid("https://ghcr.io/a".into()));
        let digest = format!("md5:{}", "a".repeat(32));
        check_err(&format!("a@{digest}"), ReferenceError::DigestAlgorithm("md5".into()));
        let upper = format!("sha256:{}", "A".repeat(64));
        check_err(&format!("a@{upper}"), ReferenceError::UppercaseDigest(upper));
        check_err(
            &format!("a@sha256:{}", "a".repeat(63)),
            ReferenceError::DigestLength { algorithm: "sha256".into(), expected: 64, actual: 63 },
        );
        check_err(&format!("x.io/{}", "a".repeat(256)), ReferenceError::TooLong(256));
        check_err(&"a".repeat(64), ReferenceError::ImageId("a".repeat(64)));
    }

    #[test]
    fn hints_can_be_typed() {
        let hint = |text: &str| ImageReference::parse(text).expect_err("it is wrong").hint();
        assert_eq!(hint("https://ghcr.io/a/b").as_deref(), Some("leave the scheme out: `ghcr.io/a/b`"));
        assert_eq!(hint("Alpine").as_deref(), Some("write `alpine`"));
        assert!(hint("alpine:").expect("a hint").contains("`alpine:latest`"));
    }

    #[test]
    fn familiar_forms_are_short() {
        let check = |text: &str, familiar: &str| {
            assert_eq!(ImageReference::parse(text).expect("valid").familiar(), familiar);
        };
        check("docker.io/library/node:22", "node:22");
        check("docker.io/acme/web", "acme/web");
        check("docker.io/library/a/b", "library/a/b");
        check("ghcr.io/library/node:22", "ghcr.io/library/node:22");
    }

    proptest::proptest! {
        #[test]
        fn printing_and_parsing_gives_it_back(text in "[a-zA-Z0-9._:/@\\[\\]-]{0,40}") {
            if let Ok(reference) = ImageReference::parse(&text) {
                let tagged = reference.clone().tagged();
                proptest::prop_assert_eq!(ImageReference::parse(&reference.normalized()), Ok(tagged));
                // An empty registry is not printed, so only a real one survives the familiar form.
                if !reference.registry().is_empty() {
                    proptest::prop_assert_eq!(ImageReference::parse(&reference.familiar()), Ok(reference));
                }
            }
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,80}") {
            let _ = ImageReference::parse(&text);
        }
    }
}

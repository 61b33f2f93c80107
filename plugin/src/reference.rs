//! Image references: what they name, in one spelling.
//!
//! ```text
//! reference = [ domain "/" ] path [ ":" tag ] [ "@" digest ]
//! domain    = ( label *( "." label ) / "[" IPv6 "]" ) [ ":" port ]
//! path      = component *( "/" component )
//! component = 1*( a-z / 0-9 ) joined by "." , "_" , "__" or any number of "-"
//! tag       = ( letter / digit / "_" ) up to 127 more of them, "." or "-"
//! digest    = ( "sha256" / "sha384" / "sha512" ) ":" lower-case hex
//! ```
//!
//! The rules, and their order, are those of distribution/reference 0.6.0 (`normalize.go`,
//! `reference.go`, `regexp.go`) and go-digest 1.0.0, which BuildKit 0.26 resolves with.

use std::borrow::Cow;
use std::fmt;

use crate::abi::{Answer, Arguments, Request};
use crate::diagnostic::Diagnostic;
use crate::json::{self, object};
use crate::scan;

/// Where a name without a domain is.
const DEFAULT_DOMAIN: &str = "docker.io";
/// The longest path, in bytes; the domain does not count.
const MAX_PATH: usize = 255;

/// A reference to an image, made only by parsing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing is there.
    #[error("the reference is empty")]
    Empty,
    /// Not the grammar above.
    #[error("invalid reference format")]
    InvalidFormat,
    /// Upper-case letters in the repository; the field holds it.
    #[error("the repository `{0}` must be in lower case")]
    UppercaseRepository(String),
    /// 64 hex digits alone, which would read as an image's ID.
    #[error("64 hex digits alone are an image ID, not a reference")]
    HexadecimalName,
    /// More than 255 bytes after the domain.
    #[error("the repository has more than {MAX_PATH} bytes")]
    NameTooLong,
    /// Right algorithm and length, but not lower-case hex; or not `algorithm:hex` at all.
    #[error("the digest is not in lower-case hexadecimal digits")]
    DigestFormat,
    /// Not as many digits as the algorithm has.
    #[error("the digest has not as many digits as its algorithm asks for")]
    DigestLength,
    /// Neither sha256, sha384 nor sha512.
    #[error("the digest's algorithm is none of sha256, sha384 and sha512")]
    DigestAlgorithm,
}

impl ReferenceError {
    /// The diagnostic's code.
    pub fn code(&self) -> &'static str {
        match self {
            ReferenceError::Empty => "IF0801",
            ReferenceError::InvalidFormat => "IF0802",
            ReferenceError::UppercaseRepository(_) => "IF0803",
            ReferenceError::HexadecimalName => "IF0804",
            ReferenceError::NameTooLong => "IF0805",
            ReferenceError::DigestAlgorithm => "IF0806",
            ReferenceError::DigestLength => "IF0807",
            ReferenceError::DigestFormat => "IF0808",
        }
    }

    /// Something to type instead.
    pub fn hint(&self, text: &str) -> String {
        let lower = text.to_ascii_lowercase();
        match self {
            ReferenceError::UppercaseRepository(_) if ImageReference::parse(&lower).is_ok() => {
                format!("write `{lower}`")
            }
            ReferenceError::InvalidFormat if text.contains("://") => {
                "leave the scheme out: `ghcr.io/acme/web:1.4`".to_owned()
            }
            ReferenceError::HexadecimalName => {
                "write the repository and `@sha256:` before the digits".to_owned()
            }
            ReferenceError::DigestFormat | ReferenceError::DigestLength | ReferenceError::DigestAlgorithm => {
                "a digest is `sha256:` and 64 hex digits in lower case".to_owned()
            }
            _ => "a reference looks like `node:22` or `ghcr.io/acme/web:1.4`".to_owned(),
        }
    }
}

impl ImageReference {
    /// Reads a reference as people write it.
    ///
    /// # Errors
    /// The first rule that it breaks, in the order in which the reference library looks.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(ReferenceError::HexadecimalName);
        }
        let (domain, remainder) = split_domain(text);
        let before_tag = scan::split_once(&remainder, b':').map_or(&*remainder, |(before, _)| before);
        if before_tag.chars().any(char::is_uppercase) {
            return Err(ReferenceError::UppercaseRepository(before_tag.to_owned()));
        }

        let (rest, digest) = match scan::split_once(&remainder, b'@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (&*remainder, None),
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (path, tag) = match scan::split_once(&rest[last..], b':') {
            Some((name, tag)) => (&rest[..last + name.len()], Some(tag)),
            None => (rest, None),
        };
        let is_path = path.as_bytes().split(|byte| *byte == b'/').all(is_component);
        // A first part that is no domain, like `a_b.com`, is then part of the path.
        let (registry, repository) = match (is_path, is_domain(domain), is_component(domain.as_bytes())) {
            (true, true, _) => (domain.to_owned(), path.to_owned()),
            (true, false, true) => (String::new(), format!("{domain}/{path}")),
            _ => return Err(ReferenceError::InvalidFormat),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) || digest.is_some_and(|digest| !is_digest_shaped(digest)) {
            return Err(ReferenceError::InvalidFormat);
        }
        if repository.len() > MAX_PATH {
            return Err(ReferenceError::NameTooLong);
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

    /// The registry's host: `docker.io`. Empty only for the odd name whose first part looks like a
    /// domain and is none (`a_b.com/c`).
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry: `library/node`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one is written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is written.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Registry and repository: `docker.io/library/node`.
    pub fn name(&self) -> String {
        self.name_parts().concat()
    }

    fn name_parts(&self) -> [&str; 3] {
        let slash = if self.registry.is_empty() { "" } else { "/" };
        [&self.registry, slash, &self.repository]
    }

    /// All of it, with `latest` where neither tag nor digest is written.
    pub fn normalized(&self) -> String {
        let latest = (self.tag.is_none() && self.digest.is_none()).then_some("latest");
        self.with_tag_and_digest(self.name_parts(), latest)
    }

    fn with_tag_and_digest(&self, [registry, slash, path]: [&str; 3], tag: Option<&str>) -> String {
        let (colon, tag) = self.tag.as_deref().or(tag).map_or(("", ""), |tag| (":", tag));
        let (at, digest) = self.digest.as_deref().map_or(("", ""), |digest| ("@", digest));
        [registry, slash, path, colon, tag, at, digest].concat()
    }

    /// As people write it: without `docker.io` and a single `library/`.
    pub fn familiar(&self) -> String {
        if self.registry != DEFAULT_DOMAIN {
            return self.to_string();
        }
        let official = self.repository.strip_prefix("library/").filter(|rest| !rest.contains('/'));
        self.with_tag_and_digest(["", "", official.unwrap_or(&self.repository)], None)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_tag_and_digest(self.name_parts(), None))
    }
}

/// Domain and remainder (`normalize.go`, `splitDockerDomain`).
fn split_domain(text: &str) -> (&str, Cow<'_, str>) {
    let (domain, remainder) = match scan::split_once(text, b'/') {
        None => (DEFAULT_DOMAIN, text),
        Some(("index.docker.io", rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (first, rest),
        Some((first, rest)) if first.chars().any(char::is_uppercase) => (first, rest),
        Some(_) => (DEFAULT_DOMAIN, text),
    };
    if domain == DEFAULT_DOMAIN && !remainder.contains('/') {
        return (domain, Cow::Owned(["library/", remainder].concat()));
    }
    (domain, Cow::Borrowed(remainder))
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match (text.strip_prefix('['), text.rsplit_once(':')) {
        (Some(rest), _) => {
            let Some((address, after)) = rest.split_once(']') else { return false };
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            return after.is_empty() || after.strip_prefix(':').is_some_and(is_digits);
        }
        (None, Some((host, port))) => (host, Some(port)),
        (None, None) => (text, None),
    };
    let is_label = |label: &[u8]| {
        !label.is_empty()
            && label.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    host.as_bytes().split(|byte| *byte == b'.').all(is_label) && port.is_none_or(is_digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_component(bytes: &[u8]) -> bool {
    let is_word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends_in_words = bytes.first().is_some_and(is_word) && bytes.last().is_some_and(is_word);
    let mut separators = bytes.split(is_word).filter(|separator| !separator.is_empty());
    ends_in_words
        && separators
            .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

/// Whether a text is a tag (`regexp.go`, `TagRegexp`).
pub fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
        && text.bytes().next().is_some_and(is_word)
}

/// The looser grammar of `regexp.go`, `DigestRegexp`, which is looked at first.
fn is_digest_shaped(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_part)
        && hex.len() >= 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text is a digest that can be checked (go-digest 1.0.0, `Parse`).
pub fn is_digest(text: &str) -> bool {
    text.contains(':')
        && check_digest(text).is_ok()
        && text.bytes().rev().take_while(|b| *b != b':').all(|b| b.is_ascii_hexdigit())
}

fn check_digest(text: &str) -> Result<(), ReferenceError> {
    let (algorithm, hex) = text.split_once(':').unwrap_or((text, ""));
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ if algorithm.bytes().any(|b| b.is_ascii_uppercase()) => return Err(ReferenceError::DigestFormat),
        _ => return Err(ReferenceError::DigestAlgorithm),
    };
    if hex.len() != length {
        return Err(ReferenceError::DigestLength);
    }
    if hex.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceError::DigestFormat);
    }
    Ok(())
}

/// The arguments of the verb `reference`.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The texts to read.
    references: Vec<String>,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        Args { references: arguments.texts("references") }
    }
}

/// The verb `reference`: the parts of each reference, or why it is none.
///
/// The output has one object for each, in order: `normalized`, `registry`, `repository`, `tag`,
/// `digest` and `familiar`, or `error`. The exit code is 1 where any is an error.
pub fn reference(_: &Request, args: &Args) -> Answer {
    let mut answer = Answer::default();
    let output = args.references.iter().map(|text| match ImageReference::parse(text) {
        Ok(found) => object(vec![
            ("normalized", found.normalized().into()),
            ("registry", json::text(found.registry())),
            ("repository", json::text(found.repository())),
            ("tag", json::text(found.tag())),
            ("digest", json::text(found.digest())),
            ("familiar", found.familiar().into()),
        ]),
        Err(error) => {
            let (code, hint) = (error.code(), error.hint(text));
            let message = format!("`{text}`: {error}");
            answer.exit = 1;
            answer.diagnostics.push(Diagnostic::error(code, message.as_str()).hint(hint.as_str()));
            let error = vec![
                ("reference", json::text(text.as_str())),
                ("code", json::text(code)),
                ("message", message.into()),
                ("hint", hint.into()),
            ];
            object(vec![("error", object(error))])
        }
    });
    let output = output.collect::<Vec<_>>();
    Answer { output: Some(output.into()), ..answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case of `tests/references/cases.json`; the verdicts are the reference library's.
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
            let found = ImageReference::parse(&case.reference).ok().map(|found| {
                (found.normalized(), Some(found.registry().to_owned()), Some(found.repository().to_owned()))
            });
            let expected = case.normalized.map(|normalized| (normalized, case.registry, case.repository));
            assert_eq!(found, expected, "{}", case.reference);
        }
    }

    #[test]
    fn the_verb_answers_each_text() {
        let references = Args { references: vec!["node:22".to_owned(), "Node".to_owned()] };
        let request = Request {
            abi: 1,
            verb: "reference".to_owned(),
            args: serde_json::Value::Null,
            now: String::new(),
            tree: Default::default(),
            fetched: Default::default(),
        };
        let answer = reference(&request, &references);
        let output = answer.output.expect("a list");
        assert_eq!(answer.exit, 1);
        assert_eq!(output[0]["normalized"], "docker.io/library/node:22");
        assert_eq!(output[0]["digest"], serde_json::Value::Null);
        assert_eq!(output[1]["error"]["hint"], "write `node`");
    }

    proptest::proptest! {
        #[test]
        fn printing_and_parsing_gives_it_back(text in "[a-zA-Z0-9._:/@\\[\\]-]{0,40}") {
            if let Ok(found) = ImageReference::parse(&text) {
                let again = ImageReference::parse(&found.normalized()).expect("printed by us");
                proptest::prop_assert_eq!(again.normalized(), found.normalized());
                // An empty registry is not printed, so only a real one survives the familiar form.
                if !found.registry().is_empty() {
                    proptest::prop_assert_eq!(ImageReference::parse(&found.familiar()), Ok(found));
                }
            }
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,80}") {
            let _ = ImageReference::parse(&text);
        }
    }

    fn check(text: &str, normalized: &str) {
        assert_eq!(
            ImageReference::parse(text).map(|found| found.normalized()).as_deref(),
            Ok(normalized),
            "{text}"
        );
    }

    fn check_parts(text: &str, registry: &str, repository: &str) {
        let found = ImageReference::parse(text).expect(text);
        assert_eq!((found.registry(), found.repository()), (registry, repository), "{text}");
    }

    fn check_err(text: &str, error: ReferenceError) {
        assert_eq!(ImageReference::parse(text), Err(error), "{text}");
    }

    #[test]
    fn completes_familiar_names() {
        check("node", "docker.io/library/node:latest");
        check("user/img", "docker.io/user/img:latest");
        check("a/b/c", "docker.io/a/b/c:latest");
        check("docker.io/node", "docker.io/library/node:latest");
        check("index.docker.io/library/node:3", "docker.io/library/node:3");
        check("localhost/x", "localhost/x:latest");
        check("localhost:5000", "docker.io/library/localhost:5000");
        check("registry-1.docker.io/library/node", "registry-1.docker.io/library/node:latest");
        check("Docker.io/node", "Docker.io/node:latest");
        check("docker.io:443/node", "docker.io:443/node:latest");
    }

    #[test]
    fn the_first_part_is_a_domain_if_it_looks_like_one() {
        check_parts("Foo/bar", "Foo", "bar");
        check_parts("1.2/x", "1.2", "x");
        check_parts("99/x", "docker.io", "99/x");
        check_parts("[2001:db8::1]:80/x/y", "[2001:db8::1]:80", "x/y");
        check_parts("a_b.com/c", "", "a_b.com/c");
        check_parts("a_b/c", "docker.io", "a_b/c");
        for text in
            ["[]/x", "[fe80::1%eth0]/x", "[::1]:/x", "[::1]x/x", "host:port/x", "a.b./c", "a-.com/b", "h:/x"]
        {
            check_err(text, ReferenceError::InvalidFormat);
        }
    }

    #[test]
    fn separators_join_words() {
        for text in ["a.b", "a_b", "a__b", "a-b", "a-----b"] {
            check(text, &format!("docker.io/library/{text}:latest"));
        }
        for text in
            ["a..b", "a___b", "a.-b", "_a", "a_", "a_/b", "a/b//c", "alpine/", ":3", "a+b", "a b", "a:b:c"]
        {
            check_err(text, ReferenceError::InvalidFormat);
        }
    }

    #[test]
    fn upper_case_is_for_domains_and_tags() {
        check("alpine:Tag_1.2-3", "docker.io/library/alpine:Tag_1.2-3");
        check_err("Foo", ReferenceError::UppercaseRepository("library/Foo".to_owned()));
        check_err("ghcr.io/Owner/repo", ReferenceError::UppercaseRepository("Owner/repo".to_owned()));
        check_err("${IMG}", ReferenceError::UppercaseRepository("library/${IMG}".to_owned()));
    }

    #[test]
    fn digests_are_checked_by_algorithm() {
        let hex = |digit: &str, count: usize| digit.repeat(count);
        for (algorithm, count) in [("sha256", 64), ("sha384", 96), ("sha512", 128)] {
            let text = format!("a:1@{algorithm}:{}", hex("a", count));
            check(&text, &format!("docker.io/library/{text}"));
        }
        check_err(&format!("a@sha256:{}", hex("A", 64)), ReferenceError::DigestFormat);
        check_err(&format!("a:1@SHA256:{}", hex("a", 64)), ReferenceError::DigestFormat);
        check_err(&format!("a@sha256:{}", hex("a", 63)), ReferenceError::DigestLength);
        check_err(&format!("a@md5:{}", hex("a", 32)), ReferenceError::DigestAlgorithm);
        check_err(&format!("a@sha256+b64:{}", hex("a", 64)), ReferenceError::DigestAlgorithm);
        check_err(&format!("a@sha256:{}", hex("a", 31)), ReferenceError::InvalidFormat);
        check_err(&format!("a@sha256:{}:tag", hex("a", 64)), ReferenceError::InvalidFormat);
        check_err(&hex("a", 64), ReferenceError::HexadecimalName);
    }

    #[test]
    fn lengths_are_bounded() {
        let path = |length: usize| format!("x.io/{}/{}", "a".repeat(100), "b".repeat(length - 101));
        check(&path(255), &format!("{}:latest", path(255)));
        check_err(&path(256), ReferenceError::NameTooLong);
        check(&format!("a:{}", "t".repeat(128)), &format!("docker.io/library/a:{}", "t".repeat(128)));
        check_err(&format!("a:{}", "t".repeat(129)), ReferenceError::InvalidFormat);
    }

    #[test]
    fn the_familiar_form_is_what_people_write() {
        for text in ["node", "node:22", "user/img:1", "library/a/b", "ghcr.io/acme/web:1.4"] {
            assert_eq!(ImageReference::parse(text).expect(text).familiar(), text);
        }
        assert_eq!(ImageReference::parse("docker.io/library/node").expect("a reference").familiar(), "node");
    }
}

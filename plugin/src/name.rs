//! Names: of what people enrol, and of the base images that are found.
//!
//! A name is a Kubernetes object name (RFC 1123 subdomain) of at most 63 characters, so it is also
//! a label value and serves Kargo before 1.7, which put Stage names into labels unhashed.

use crate::reference::ImageReference;

/// The longest name, in characters.
pub const MAX_LENGTH: usize = 63;

/// What the names of generated pipeline objects begin with; no image may be enrolled under such a name.
pub const ROLE_PREFIXES: &[&str] =
    &["source-", "built-", "published-", "discover-", "analyze-", "analyzed-", "observe-", "rebuild-"];
/// The names of the pipeline objects that exist once.
pub const ROLE_NAMES: &[&str] = &["factory", "reconcile", "sweep"];

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than [`MAX_LENGTH`] characters.
    #[error("has more than {MAX_LENGTH} characters")]
    TooLong,
    /// Not an RFC 1123 subdomain.
    #[error("is not a DNS name: only `a` to `z`, `0` to `9`, `-` and `.` between them")]
    NotDns,
    /// Begins as the names of generated objects do, or is one.
    #[error("is kept for generated objects")]
    Reserved,
}

/// Checks the name of an enrolment.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(name: &str) -> Result<(), NameError> {
    check_object(name)?;
    if is_reserved(name) {
        return Err(NameError::Reserved);
    }
    Ok(())
}

/// Checks the name of any object of ours.
///
/// # Errors
/// Too long, or not a DNS name.
pub fn check_object(name: &str) -> Result<(), NameError> {
    if !is_dns(name) {
        return Err(NameError::NotDns);
    }
    if name.len() > MAX_LENGTH {
        return Err(NameError::TooLong);
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    ROLE_NAMES.contains(&name) || ROLE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_dns(name: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    })
}

/// The name of the base image that a reference names, its digest left aside.
///
/// `node:22-bookworm-slim` is `node-22-bookworm-slim` and `ghcr.io/acme/base:1.2` is
/// `ghcr.io--acme--base-1.2`: `/` becomes `--` and `:` becomes `-`. Where that could not be read
/// back, or is no name, 8 hex digits of the reference's hash follow, so two references never share
/// a name, and one reference always has the same.
pub fn of_base_image(reference: &ImageReference) -> String {
    let tag = reference.tag().unwrap_or("latest");
    let repository = familiar_repository(reference);
    let whole = format!("{repository}:{tag}");
    let plain = format!("{}-{tag}", repository.replace('/', "--"));
    let is_plain = is_dns(&plain)
        && plain.len() <= MAX_LENGTH
        && !is_reserved(&plain)
        && !ends_like_a_hash(&plain)
        && read_back(&plain).as_deref() == Some(&whole);
    if is_plain {
        plain
    } else {
        with_hash(&plain, &whole)
    }
}

fn familiar_repository(reference: &ImageReference) -> String {
    let familiar = reference.familiar();
    let without_digest = familiar.split('@').next().unwrap_or_default();
    match (reference.tag(), without_digest.rsplit_once(':')) {
        (Some(_), Some((repository, _))) => repository.to_owned(),
        _ => without_digest.to_owned(),
    }
}

/// The reference that a plain name stands for: the tag begins at the first word of the last part
/// that begins with a digit, else at the second word.
fn read_back(name: &str) -> Option<String> {
    let (path, last) = match name.rfind("--") {
        Some(at) => (&name[..at + 2], &name[at + 2..]),
        None => ("", name),
    };
    let dashes = || last.match_indices('-').map(|(at, _)| at);
    let starts_with_digit = |at: &usize| last[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let at = dashes().find(starts_with_digit).or_else(|| dashes().next())?;
    Some(format!("{}{}:{}", path.replace("--", "/"), &last[..at], &last[at + 1..]))
}

fn ends_like_a_hash(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, end)| end.len() == 8 && end.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The name of a pipeline object: the role's prefix and what it is about, cut as all names are.
pub fn with_role(prefix: &str, name: &str) -> String {
    let whole = [prefix, name].concat();
    if whole.len() <= MAX_LENGTH {
        return whole;
    }
    let cut = whole[..MAX_LENGTH - 9].trim_end_matches(['-', '.']);
    format!("{cut}-{:08x}", hash(&whole) >> 32)
}

/// What the names of a branch's pipeline objects have behind their prefix: the last two parts of its
/// repository's URL, for people, and the hash of URL and branch.
pub fn of_source(url: &str, branch: &str) -> String {
    const SHOWN: usize = 40;
    let path = url.trim_end_matches('/').trim_end_matches(".git");
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let mut slashes = path.rmatch_indices(['/', ':']).map(|(at, _)| at);
    let start = slashes.nth(1).map_or(0, |at| at + 1);
    let shown: String = path[start..].chars().take(SHOWN).collect();
    with_hash(&shown, &[url, " ", branch].concat())
}

/// `text` made a name, cut, with 8 hex digits of the hash of `whole` behind it.
fn with_hash(text: &str, whole: &str) -> String {
    let mut name = String::new();
    if is_reserved(text) {
        name.push_str("image-");
    }
    for c in text.chars() {
        let c = c.to_ascii_lowercase();
        let c = if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let joins_badly = c == '.' && name.ends_with(['.', '-']);
        if c == '-' && name.ends_with('.') {
            name.pop();
        }
        if !(joins_badly || name.is_empty() && c == '-') {
            name.push(c);
        }
    }
    name.truncate(MAX_LENGTH - 9);
    let name = name.trim_matches(['-', '.']);
    format!("{name}-{:08x}", hash(whole) >> 32)
}

/// FNV-1a, 64 bits, with a final mix: stable for ever, since names and spreads depend on it.
pub fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The finalizer of MurmurHash3, so that the high bits depend on every input bit.
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_base(reference: &str, name: &str) {
        let reference = ImageReference::parse(reference).expect(reference);
        let found = of_base_image(&reference);
        assert_eq!(found, name);
        assert!(is_dns(&found) && found.len() <= MAX_LENGTH, "{found}");
    }

    #[test]
    fn base_images_are_named_as_people_write_them() {
        check_base("node:22-bookworm-slim", "node-22-bookworm-slim");
        check_base("docker.io/library/node:22-bookworm-slim", "node-22-bookworm-slim");
        check_base("alpine", "alpine-latest");
        check_base("eclipse-temurin:21-jre", "eclipse-temurin-21-jre");
        check_base("debian:bookworm-slim", "debian-bookworm-slim");
        check_base("ghcr.io/acme/base:1.2", "ghcr.io--acme--base-1.2");
        check_base("gcr.io/distroless/static:nonroot", "gcr.io--distroless--static-nonroot");
        let digest = "0123456789abcdef".repeat(4);
        check_base(&format!("node:22@sha256:{digest}"), "node-22");
    }

    #[test]
    fn a_name_that_could_mean_two_references_carries_a_hash() {
        let name = |text: &str| of_base_image(&ImageReference::parse(text).expect(text));
        assert_eq!(name("node-22:slim"), format!("node-22-slim-{:08x}", hash("node-22:slim") >> 32));
        for (a, b) in [
            ("node:22-slim", "node-22:slim"),
            ("a/b-c:1", "a-b/c:1"),
            ("a--b:1", "a/b:1"),
            ("localhost:5000/x:1", "localhost-5000/x:1"),
            ("x:A", "x:a"),
            ("x:1_0", "x:1-0"),
        ] {
            assert_ne!(name(a), name(b));
        }
        assert!(name("x:22-0a1b2c3d").starts_with("x-22-0a1b2c3d-"), "an end like a hash is hashed too");
        assert!(name("source-code:1").starts_with("image-source-code-1-"));
        assert_eq!(name(&format!("{}:1", "a".repeat(80))).len(), MAX_LENGTH);
    }

    #[test]
    fn names_of_pipeline_objects_say_what_they_are_about() {
        assert_eq!(with_role("built-", "web"), "built-web");
        let long = with_role("discover-", &"a.".repeat(31));
        assert!(is_dns(&long) && long.len() <= MAX_LENGTH, "{long}");
        assert_ne!(long, with_role("discover-", &("a.".repeat(30) + "b")));
        let name = of_source("https://github.com/acme/shop.git", "main");
        assert!(name.starts_with("acme-shop-") && name.len() == "acme-shop-".len() + 8, "{name}");
        assert_ne!(name, of_source("https://github.com/acme/shop.git", "next"));
        for url in ["git@host:a", "https://host", "https://host/\u{e9}/x", "ssh://git@host:22/a/b/c.git"] {
            let name = of_source(url, "");
            assert!(is_dns(&name) && name.len() < 50, "{name}");
        }
    }

    #[test]
    fn enrolled_names_are_dns_names_without_a_role() {
        for good in ["a", "backstage", "node-22", "a.b", "0"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "A", "a/b", "..", "a..b", "-a", "a-", "a_b", "a.-b", ".a"] {
            assert_eq!(check(bad), Err(NameError::NotDns), "{bad}");
        }
        assert_eq!(check(&"a".repeat(64)), Err(NameError::TooLong));
        assert_eq!(check("built-x"), Err(NameError::Reserved));
        assert_eq!(check("sweep"), Err(NameError::Reserved));
    }
}

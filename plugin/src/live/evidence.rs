//! What an image says of the images that it was built on.
//!
//! From the best evidence down:
//!
//! 1. provenance: the builder wrote down what it resolved (SLSA provenance 0.2 `materials`, 1
//!    `resolvedDependencies`), for every stage.
//! 2. `org.opencontainers.image.base.digest` and `.base.name` (OCI image specification 1.1,
//!    annotations.md), of the final stage's base alone. As labels they count only with a name, since
//!    an image inherits the labels of its base.
//! 3. layers: an image begins with the layers of its final base.

use serde_json::Value;

use super::{Live, PlatformImage};
use crate::reference::ImageReference;
use crate::sorted::sort_by;
use crate::sorted::SortedMap;

/// An image that provenance names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// Registry and repository.
    pub name: String,
    /// The tag that was asked for, if any was.
    pub tag: Option<String>,
    /// What it resolved to.
    pub digest: String,
}

/// How something is known, from the best down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// The builder's own record.
    Provenance,
    /// An annotation of the manifest or the index.
    Annotation,
    /// A label of the configuration.
    Label,
    /// Equal layers.
    Layers,
}

impl Evidence {
    /// As state spells it.
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Provenance => "provenance",
            Evidence::Annotation => "annotation",
            Evidence::Label => "label",
            Evidence::Layers => "layers",
        }
    }
}

/// A base image, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct BaseLook<'a> {
    /// Its repository and tag.
    pub reference: &'a ImageReference,
    /// Whether the final stage is built on it: only then annotations, labels and layers say anything.
    pub is_final: bool,
    /// Looks at what it is or was, the newest first: for layers, and for evidence that names a
    /// platform's manifest instead of the index.
    pub looks: &'a [&'a Live],
}

/// What the image of one platform holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The platform.
    pub platform: String,
    /// The digest of the base image.
    pub digest: String,
    /// How it is known.
    pub evidence: Evidence,
}

/// What an image holds of a base image, for each platform that says something.
pub fn holds(image: &Live, base: &BaseLook<'_>) -> Vec<Held> {
    let name = base.reference.name();
    let mut held = Vec::new();
    for (platform, part) in image.platforms.iter() {
        let found = provenance(part, &name, base.reference.tag())
            .map(|digest| (digest, Evidence::Provenance))
            .or_else(|| if base.is_final { final_base(image, platform, part, &name, base) } else { None });
        if let Some((digest, evidence)) = found {
            held.push(Held { platform: platform.clone(), digest: of_index(digest, base.looks), evidence });
        }
    }
    held
}

/// A tag that provenance names stands for the base of this tag alone.
fn provenance<'i>(image: &'i PlatformImage, name: &str, tag: Option<&str>) -> Option<&'i str> {
    let is_base = |material: &&Material| {
        material.name == name && (material.tag.is_none() || tag.is_none() || material.tag.as_deref() == tag)
    };
    // One with the tag goes before one without.
    let mut found: Vec<&Material> = image.materials.iter().filter(is_base).collect();
    sort_by(&mut found, |a, b| a.tag.is_none().cmp(&b.tag.is_none()));
    found.first().map(|material| material.digest.as_str())
}

fn final_base<'i>(
    image: &'i Live,
    platform: &str,
    part: &'i PlatformImage,
    name: &str,
    base: &BaseLook<'i>,
) -> Option<(&'i str, Evidence)> {
    let tag = base.reference.tag();
    let annotated = |map| annotated(map, name, tag, false);
    if let Some(digest) = annotated(&part.annotations).or_else(|| annotated(&image.annotations)) {
        return Some((digest, Evidence::Annotation));
    }
    if let Some(digest) = self::annotated(&part.labels, name, tag, true) {
        return Some((digest, Evidence::Label));
    }
    let begins = |look: &&&Live| {
        let layers = look.platforms.get(platform).map(|look| look.layers.as_slice()).unwrap_or_default();
        !layers.is_empty() && part.layers.starts_with(layers)
    };
    base.looks.iter().find(begins).map(|look| (look.digest.as_str(), Evidence::Layers))
}

fn annotated<'m>(
    map: &'m SortedMap<String>,
    name: &str,
    tag: Option<&str>,
    needs_name: bool,
) -> Option<&'m str> {
    let is_named = match map.get("org.opencontainers.image.base.name") {
        Some(text) => ImageReference::parse(text).is_ok_and(|found| {
            found.name() == name && (found.tag().is_none() || tag.is_none() || found.tag() == tag)
        }),
        None => !needs_name,
    };
    let digest = map.get("org.opencontainers.image.base.digest").filter(|_| is_named)?;
    is_digest(digest).then_some(digest)
}

/// The digest of the index whose manifest this is; else the digest itself.
fn of_index(digest: &str, looks: &[&Live]) -> String {
    let has = |look: &&&Live| look.platforms.values().any(|image| image.digest == digest);
    looks.iter().find(has).map_or(digest, |look| &look.digest).to_owned()
}

fn is_digest(text: &str) -> bool {
    ImageReference::parse(&format!("image@{text}")).is_ok()
}

/// Whether a statement of this type is provenance that we read.
pub(super) fn is_provenance(predicate_type: &str) -> bool {
    matches!(predicate_type, "https://slsa.dev/provenance/v0.2" | "https://slsa.dev/provenance/v1")
}

/// The images that an in-toto statement with provenance names.
pub(super) fn materials(statement: &Value) -> Vec<Material> {
    let Some(predicate) = statement.get("predicate") else { return Vec::new() };
    let list = predicate
        .get("materials")
        .or_else(|| predicate.get("buildDefinition").and_then(|build| build.get("resolvedDependencies")));
    list.and_then(Value::as_array).into_iter().flatten().filter_map(material).collect()
}

fn material(value: &Value) -> Option<Material> {
    let uri = value.get("uri")?.as_str()?;
    let recorded = value.get("digest").and_then(|digest| digest.get("sha256")).and_then(Value::as_str);
    let mut reference = of_uri(uri)?;
    let digest = match recorded {
        Some(hex) => format!("sha256:{hex}"),
        None => reference.split_once('@')?.1.to_owned(),
    };
    // The digest that was resolved counts, also where another one was written.
    if let Some((before, _)) = reference.split_once('@') {
        reference = before.to_owned();
    }
    let reference = ImageReference::parse(&reference).ok()?;
    is_digest(&digest).then(|| Material {
        name: reference.name(),
        tag: reference.tag().map(str::to_owned),
        digest,
    })
}

/// `repository[:tag][@digest]` of a material: a package URL of type `docker` as BuildKit writes it
/// (0.26, `util/purl`), one of type `oci` with its `repository_url`, or `oci://…` as Tekton Chains does.
fn of_uri(uri: &str) -> Option<String> {
    if let Some(reference) = uri.strip_prefix("oci://") {
        return Some(reference.to_owned());
    }
    let is_docker = uri.starts_with("pkg:docker/");
    let package = uri.strip_prefix("pkg:docker/").or_else(|| uri.strip_prefix("pkg:oci/"))?;
    let package = package.split('#').next()?;
    let (path, qualifiers) = package.split_once('?').unwrap_or((package, ""));
    let qualifier = |key: &str| {
        let pairs = qualifiers.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == key).map(|(_, value)| decode(value)).next()
    };
    let (name, version) = path.split_once('@').unwrap_or((path, ""));
    let (mut reference, mut tag, mut digest) = (decode(name), None, qualifier("digest"));
    let version = decode(version);
    if version.contains(':') {
        digest = Some(version);
    } else if !version.is_empty() {
        tag = Some(version);
    }
    if !is_docker {
        reference = qualifier("repository_url")?;
        tag = qualifier("tag");
    }
    for (mark, part) in [(':', tag), ('@', digest)] {
        if let Some(part) = part {
            reference.push(mark);
            reference.push_str(&part);
        }
    }
    Some(reference)
}

/// Undoes percent-encoding; what is none stays.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let coded = hex.filter(|_| *byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if coded.is_some() {
            rest = &after[2..];
        }
        bytes.push(coded.unwrap_or(*byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Option<&str>) {
        assert_eq!(of_uri(uri).as_deref(), expected, "{uri}");
    }

    #[test]
    fn reads_the_images_that_builders_name() {
        check("pkg:docker/node@22-slim?platform=linux%2Famd64", Some("node:22-slim"));
        check("pkg:docker/ghcr.io/acme/base@1.2?platform=linux%2Farm64", Some("ghcr.io/acme/base:1.2"));
        check("pkg:docker/localhost%3A5000/base@1", Some("localhost:5000/base:1"));
        check("pkg:docker/alpine@3?digest=sha256:ab&platform=linux%2Famd64", Some("alpine:3@sha256:ab"));
        check("pkg:docker/alpine@sha256%3Aab", Some("alpine@sha256:ab"));
        check("pkg:docker/alpine", Some("alpine"));
        check(
            "pkg:oci/debian@sha256%3Aab?repository_url=docker.io/library/debian&tag=12",
            Some("docker.io/library/debian:12@sha256:ab"),
        );
        check("oci://gcr.io/acme/base@sha256:ab", Some("gcr.io/acme/base@sha256:ab"));
        check("pkg:oci/debian@sha256%3Aab", None);
        check("https://github.com/acme/app.git#refs/heads/main", None);
        check("pkg:deb/debian/curl@8", None);
    }

    #[test]
    fn what_is_no_code_stays() {
        for (text, expected) in
            [("a%2Fb", "a/b"), ("50%", "50%"), ("%zz%4", "%zz%4"), ("%c3%a9", "é"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(decode(text), expected);
        }
    }
}

//! What a registry says of an image: documents in, [`Live`] out.
//!
//! ```text
//! tag -> digest -> index    -> a manifest for each platform -> configuration: layers, how it runs, labels
//!                           -> an attestation manifest      -> statement: what it was built from
//!               or manifest -> configuration
//! ```
//!
//! Each step needs the document before it, so a look takes up to four rounds: [`digest`] and
//! [`look`] say in [`Stop::Wait`] that they added to the needs, and are called again with what was
//! fetched. Documents are read as the OCI image specification 1.1 has them (index, manifest,
//! config), Docker's image manifest 2.2 among them; attestations as BuildKit stores them
//! (0.26, "Image attestation storage").

mod content;
mod evidence;
mod show;

use serde_json::Value;

use crate::abi::{Fetched, Reason, RegistryFetched, RegistryKind, RegistryNeed};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::platform::Platform;
use crate::json;
use crate::reference::ImageReference;
use crate::sorted::SortedMap;
use crate::time::Time;

pub use evidence::{holds, BaseLook, Evidence, Held, Material};
pub use show::{show, Args};

/// What was made before is older than containers: reproducible builds write 0001, 1970 or 1980.
const YEAR_2000: Time = Time(946_684_800);
/// The most platforms of one image that are looked at.
const MAX_PLATFORMS: usize = 100;

/// An image in a registry, as it is now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// What the tag names: the digest of an index, or of a manifest.
    pub digest: String,
    /// Those of the wanted platforms that there are, by `linux/arm64`.
    pub platforms: SortedMap<PlatformImage>,
    /// The annotations of the index.
    pub annotations: SortedMap<String>,
}

/// The image of one platform.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlatformImage {
    /// Of its manifest.
    pub digest: String,
    /// A hash of what an image built on it takes over (`live/content.rs`).
    pub content: String,
    /// When it was made, as its configuration says; `None` too where it says a constant, as
    /// reproducible builds do.
    pub created: Option<Time>,
    /// The annotations of its manifest.
    pub annotations: SortedMap<String>,
    /// The labels of its configuration; they hold those of its base image, too.
    pub labels: SortedMap<String>,
    /// The digests of its unpacked layers, from the bottom up.
    pub layers: Vec<String>,
    /// The images that its provenance names.
    pub materials: Vec<Material>,
}

impl Live {
    /// The content by platform, as a history records it.
    pub fn content(&self) -> Vec<(&str, &str)> {
        self.platforms.iter().map(|(platform, image)| (platform.as_str(), image.content.as_str())).collect()
    }

    /// When the last of its platforms was made.
    pub fn created(&self) -> Option<Time> {
        self.platforms.values().filter_map(|image| image.created).max()
    }

    /// `org.opencontainers.image.version`: an annotation, else a label, which may be the one of the
    /// base image.
    pub fn version(&self) -> Option<&str> {
        self.annotation("org.opencontainers.image.version")
    }

    /// An annotation of the index, else of a manifest, else a label: the first there is.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let of_images = |map: fn(&PlatformImage) -> &SortedMap<String>| {
            self.platforms.values().find_map(move |image| map(image).get(key))
        };
        let found = self.annotations.get(key).or_else(|| of_images(|image| &image.annotations));
        found.or_else(|| of_images(|image| &image.labels)).map(String::as_str)
    }
}

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The image; with a digest in it no tag is looked up.
    pub reference: &'a ImageReference,
    /// The platforms, normalized (`linux/arm64`); empty for all there are. Registries count each
    /// platform's manifest as a pull.
    pub platforms: &'a [String],
    /// Whether to read the provenance.
    pub provenance: bool,
}

/// Why a look has no result.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// More was added to the needs.
    Wait,
    /// There will be none.
    Trouble(Trouble),
}

/// What is in the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Who can do something about it.
    pub reason: Reason,
    /// What happened, for people.
    pub message: String,
}

impl Trouble {
    /// The exit code: 3 where another try can help, 1 where somebody has to change something.
    pub fn exit(&self) -> u8 {
        match self.reason {
            Reason::Unreachable | Reason::Limited => 3,
            Reason::Denied | Reason::Missing | Reason::Refused => 1,
        }
    }

    /// As a finding about the runs of an image.
    pub(crate) fn of_ci(&self, image: &str) -> Diagnostic {
        let (code, hint) = match self.reason {
            Reason::Unreachable | Reason::Limited => {
                ("IF1107", "nothing was recorded of its runs; run again later")
            }
            _ => ("IF1108", "correct `source` in images.yaml, or give a token that may read its runs"),
        };
        Diagnostic::error(code, ["the runs of `", image, "`: ", &self.message].concat()).hint(hint)
    }

    /// As a finding about an image.
    pub fn diagnostic(&self, image: &ImageReference) -> Diagnostic {
        let (code, hint) = match self.reason {
            Reason::Unreachable => {
                ("IF1101", "nothing was recorded for it; run again when the registry can be reached")
            }
            Reason::Limited => (
                "IF1102",
                "nothing was recorded for it; run again later, or give credentials with a higher limit",
            ),
            Reason::Denied => {
                ("IF1103", "correct the image, or give credentials for its registry in `DOCKER_CONFIG`")
            }
            Reason::Missing => ("IF1104", "correct the image, or publish it first"),
            Reason::Refused => {
                ("IF1105", "correct the image, or how its registry is reached; nothing was recorded for it")
            }
        };
        Diagnostic::error(code, format!("`{}`: {}", image.familiar(), self.message)).hint(hint)
    }
}

/// The digest that an image's tag has now: one HEAD request.
///
/// # Errors
/// [`Stop::Wait`] until it was fetched.
pub fn digest(
    fetched: &Fetched,
    image: &ImageReference,
    needs: &mut Vec<RegistryNeed>,
) -> Result<String, Stop> {
    match image.digest() {
        Some(digest) => Ok(digest.to_owned()),
        None => Asker::of(fetched, image, needs).digest(image),
    }
}

/// Looks at an image, platform by platform.
///
/// # Errors
/// [`Stop::Wait`] until all of it was fetched.
pub fn look(fetched: &Fetched, want: &Want<'_>, needs: &mut Vec<RegistryNeed>) -> Result<Live, Stop> {
    let digest = digest(fetched, want.reference, needs)?;
    Asker::of(fetched, want.reference, needs).look(want, digest)
}

/// Finds documents of one repository, or asks for them.
struct Asker<'f, 'n> {
    fetched: &'f Fetched,
    /// Registry and repository.
    name: String,
    needs: &'n mut Vec<RegistryNeed>,
}

/// An index's entry for a platform.
struct Entry<'v> {
    digest: &'v str,
    /// `None` where only the configuration tells.
    platform: Option<String>,
}

impl<'f, 'n> Asker<'f, 'n> {
    fn of(fetched: &'f Fetched, image: &ImageReference, needs: &'n mut Vec<RegistryNeed>) -> Self {
        Asker { fetched, name: image.name(), needs }
    }

    fn digest(&mut self, image: &ImageReference) -> Result<String, Stop> {
        let found =
            self.get(format!("{}:{}", self.name, image.tag().unwrap_or("latest")), RegistryKind::Head)?;
        found.digest.clone().ok_or_else(|| refused("the host fetched no digest"))
    }

    fn get(&mut self, image: String, kind: RegistryKind) -> Result<&'f RegistryFetched, Stop> {
        let found = self.fetched.registry.iter().find(|found| found.image == image && found.kind == kind);
        let Some(found) = found else {
            let need = RegistryNeed { image, kind };
            if !self.needs.contains(&need) {
                self.needs.push(need);
            }
            return Err(Stop::Wait);
        };
        match (&found.error, found.reason) {
            (None, None) => Ok(found),
            (error, reason) => Err(Stop::Trouble(Trouble {
                reason: reason.unwrap_or(Reason::Unreachable),
                message: error.clone().unwrap_or_default(),
            })),
        }
    }

    /// A document by its digest.
    fn document(&mut self, digest: &str, kind: RegistryKind) -> Result<Value, Stop> {
        let image = format!("{}@{digest}", self.name);
        if ImageReference::parse(&image).is_err() {
            return Err(refused(&format!("`{digest}` stands where a digest should")));
        }
        let found = self.get(image, kind)?;
        let value = found.text.as_deref().and_then(|text| json::parse(text).ok());
        match value {
            Some(value) if value.is_object() => Ok(value),
            _ => {
                let media_type = found.media_type.as_deref().unwrap_or("no media type");
                Err(refused(&format!("{digest} ({media_type}) is not a JSON document of an image")))
            }
        }
    }

    fn look(&mut self, want: &Want<'_>, digest: String) -> Result<Live, Stop> {
        let top = self.document(&digest, RegistryKind::Manifest)?;
        let mut live = Live { annotations: text_map(&top, "annotations"), digest, ..Live::default() };
        let Some(index) = top.get("manifests") else {
            let (platform, image) = self.image(&top, &live.digest)?;
            live.annotations = SortedMap::new();
            live.platforms.insert(platform, image);
            return Ok(live);
        };
        if top.get("config").is_some() || top.get("layers").is_some() {
            return Err(refused(&format!("{} is an index and a manifest at once", live.digest)));
        }
        let mut entries = Vec::new();
        let mut attestations = Vec::new();
        let mut has_images = false;
        for entry in index.as_array().map(Vec::as_slice).unwrap_or_default() {
            let digest = text(entry, "digest").unwrap_or_default();
            if annotation(entry, "vnd.docker.reference.type") == Some("attestation-manifest") {
                attestations.push((annotation(entry, "vnd.docker.reference.digest"), digest));
                continue;
            }
            let platform = platform(entry.get("platform"));
            let is_other =
                platform.as_deref() == Some("unknown/unknown") || text(entry, "artifactType").is_some();
            if is_other {
                continue;
            }
            if matches!(text(entry, "mediaType"), Some(OCI_INDEX | DOCKER_LIST)) {
                let message = format!(
                    "{} is an index of indexes ({digest} is one), which builders don't resolve",
                    live.digest
                );
                return Err(refused(&message));
            }
            has_images = true;
            let is_wanted = platform
                .as_ref()
                .is_none_or(|platform| want.platforms.is_empty() || want.platforms.contains(platform));
            if is_wanted {
                entries.push(Entry { digest, platform });
            }
        }
        if !has_images {
            return Err(refused(&format!("{} is an index without an image", live.digest)));
        }
        if entries.len() > MAX_PLATFORMS {
            let message = format!("{} has more than {MAX_PLATFORMS} images", live.digest);
            return Err(refused(&message));
        }
        // All that this round can ask for is asked for, before the first that is missing ends it.
        let mut stop = None;
        for entry in entries {
            match self.entry(&entry, &attestations, want.provenance) {
                Ok((platform, image)) => add(&mut live.platforms, platform, image),
                Err(Stop::Wait) => {
                    stop.get_or_insert(Stop::Wait);
                }
                Err(trouble) => stop = Some(trouble),
            }
        }
        match stop {
            Some(stop) => Err(stop),
            None => Ok(live),
        }
    }

    fn entry(
        &mut self,
        entry: &Entry<'_>,
        attestations: &[(Option<&str>, &str)],
        provenance: bool,
    ) -> Result<(String, PlatformImage), Stop> {
        let subject = Some(entry.digest);
        let attestation = attestations.iter().find(|(of, _)| provenance && *of == subject);
        let materials = match attestation {
            Some((_, digest)) => self.materials(digest),
            None => Ok(Vec::new()),
        };
        let manifest = self.document(entry.digest, RegistryKind::Manifest)?;
        if manifest.get("manifests").is_some() {
            return Err(refused(&format!(
                "{} is an index in an index, which builders don't resolve",
                entry.digest
            )));
        }
        let (platform, image) = self.image(&manifest, entry.digest)?;
        Ok((entry.platform.clone().unwrap_or(platform), PlatformImage { materials: materials?, ..image }))
    }

    /// What a manifest and its configuration say.
    fn image(&mut self, manifest: &Value, digest: &str) -> Result<(String, PlatformImage), Stop> {
        let Some(config) = manifest.get("config") else {
            return Err(refused(&match text(manifest, "mediaType") {
                Some(media_type) => format!("{digest} is `{media_type}`, which has no configuration"),
                None => format!("{digest} is neither an index nor a manifest with a configuration"),
            }));
        };
        if let Some(media_type) = text(config, "mediaType").filter(|media_type| !CONFIGS.contains(media_type))
        {
            return Err(refused(&format!(
                "{digest} is no container image: its configuration is `{media_type}`"
            )));
        }
        let config_digest = text(config, "digest").unwrap_or_default();
        let config = self.document(config_digest, RegistryKind::Blob)?;
        let layers = content::layers(&config);
        let (Some(layers), Some(platform)) = (layers, platform(Some(&config))) else {
            return Err(refused(&format!(
                "{config_digest} names no layers or no platform, so it configures no image"
            )));
        };
        let created = text(&config, "created").and_then(Time::parse).filter(|time| *time > YEAR_2000);
        let image = PlatformImage {
            digest: digest.to_owned(),
            content: content::hash(&layers, &config),
            created,
            annotations: text_map(manifest, "annotations"),
            labels: config.get("config").map(|run| text_map(run, "Labels")).unwrap_or_default(),
            layers,
            materials: Vec::new(),
        };
        Ok((platform, image))
    }

    /// What the provenance of an attestation manifest names; nothing where it cannot be read, since
    /// there is other evidence.
    fn materials(&mut self, digest: &str) -> Result<Vec<Material>, Stop> {
        let Some(manifest) = if_any(self.document(digest, RegistryKind::Manifest))? else {
            return Ok(Vec::new());
        };
        let layers = manifest.get("layers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let is_provenance = |layer: &&Value| {
            annotation(layer, "in-toto.io/predicate-type").is_some_and(evidence::is_provenance)
        };
        let Some(layer) = layers.iter().find(is_provenance) else { return Ok(Vec::new()) };
        let digest = text(layer, "digest").unwrap_or_default();
        let statement = if_any(self.document(digest, RegistryKind::Blob))?;
        Ok(statement.as_ref().map(evidence::materials).unwrap_or_default())
    }
}

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// `None` for what is not there or of no use.
fn if_any(found: Result<Value, Stop>) -> Result<Option<Value>, Stop> {
    match found {
        Err(Stop::Trouble(Trouble { reason: Reason::Missing | Reason::Refused, .. })) => Ok(None),
        found => found.map(Some),
    }
}

/// Windows has one image for each of its versions under one platform: together they are its content.
fn add(platforms: &mut SortedMap<PlatformImage>, platform: String, image: PlatformImage) {
    match platforms.get_mut(&platform) {
        Some(first) => {
            first.content = crate::sha256::digest(&format!("{}\n{}", first.content, image.content))
        }
        None => drop(platforms.insert(platform, image)),
    }
}

#[cold]
#[inline(never)]
fn refused(message: &str) -> Stop {
    Stop::Trouble(Trouble { reason: Reason::Refused, message: message.to_owned() })
}

/// `os`, `architecture` and `variant` of a map, as platforms are compared.
fn platform(map: Option<&Value>) -> Option<String> {
    let map = map?;
    let part = |key| text(map, key).unwrap_or_default().to_owned();
    let platform = Platform {
        os: part("os"),
        architecture: part("architecture"),
        variant: part("variant"),
        ..Platform::default()
    };
    Some(platform.normalized().short()).filter(|text| text.contains('/'))
}

fn text<'v>(map: &'v Value, key: &str) -> Option<&'v str> {
    map.get(key)?.as_str()
}

fn annotation<'v>(map: &'v Value, key: &str) -> Option<&'v str> {
    text(map.get("annotations")?, key)
}

fn text_map(map: &Value, key: &str) -> SortedMap<String> {
    let mut texts = SortedMap::new();
    for (name, value) in map.get(key).and_then(Value::as_object).into_iter().flatten() {
        if let Some(value) = value.as_str() {
            texts.insert(name.as_str(), value.to_owned());
        }
    }
    texts
}

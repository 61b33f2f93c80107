//! Images as registries keep them: documents by digest, and tags.

use std::collections::BTreeMap;

use image_factory::abi::{Fetched, Reason, RegistryFetched, RegistryKind, RegistryNeed};
use image_factory::sha256;
use serde_json::{json, Value};

pub mod push;
pub mod stub;

/// The media types of what is made here.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Of a configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Of a packed layer.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Of a statement.
pub const STATEMENT: &str = "application/vnd.in-toto+json";

/// What a registry holds. Repositories share their documents, as they may.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// Media type and text, by digest.
    pub by_digest: BTreeMap<String, (String, String)>,
    /// Digests by `repository:tag`.
    pub tags: BTreeMap<String, String>,
}

/// The image of one platform, to be published.
#[derive(Clone, Debug)]
pub struct Image {
    /// `linux/arm64/v8`.
    pub platform: &'static str,
    /// A name for each layer; equal names are equal layers.
    pub layers: Vec<&'static str>,
    /// The run configuration.
    pub run: Value,
    /// When it was made.
    pub created: &'static str,
    /// The annotations of its manifest.
    pub annotations: Value,
    /// The statement of its provenance.
    pub provenance: Option<Value>,
}

impl Default for Image {
    fn default() -> Self {
        Image {
            platform: "linux/amd64",
            layers: vec!["base"],
            run: json!({"Env": ["PATH=/bin"], "Cmd": ["sh"]}),
            created: "2026-01-05T10:00:00.123456789Z",
            annotations: json!({}),
            provenance: None,
        }
    }
}

impl Documents {
    /// Keeps a document, and gives its digest.
    pub fn put(&mut self, media_type: &str, text: &str) -> String {
        let digest = sha256::digest(text);
        self.by_digest.insert(digest.clone(), (media_type.to_owned(), text.to_owned()));
        digest
    }

    /// Keeps a document, and gives the descriptor of it.
    pub fn describe(&mut self, media_type: &str, value: &Value) -> Value {
        let text = value.to_string();
        json!({"mediaType": media_type, "size": text.len(), "digest": self.put(media_type, &text)})
    }

    /// Points a tag, `repository:tag`, at a digest.
    pub fn tag(&mut self, tag: &str, digest: &str) {
        self.tags.insert(tag.to_owned(), digest.to_owned());
    }

    /// Publishes the image of one platform alone, and gives the digest of its manifest.
    pub fn publish_manifest(&mut self, tag: &str, image: &Image) -> String {
        let descriptor = self.manifest(image);
        let digest = digest_of(&descriptor);
        self.tag(tag, &digest);
        digest
    }

    /// Publishes an index of images, as BuildKit does, and gives its digest.
    pub fn publish(&mut self, tag: &str, images: &[Image]) -> String {
        let entries: Vec<Value> = images.iter().flat_map(|image| self.entries(image)).collect();
        self.publish_entries(tag, &entries)
    }

    /// Publishes an index of these entries, and gives its digest.
    pub fn publish_entries(&mut self, tag: &str, entries: &[Value]) -> String {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        let digest = self.put(INDEX, &index.to_string());
        self.tag(tag, &digest);
        digest
    }

    /// The entries of an index for one image: itself, and its provenance.
    pub fn entries(&mut self, image: &Image) -> Vec<Value> {
        let mut entry = self.manifest(image);
        let digest = digest_of(&entry);
        entry["platform"] = platform(image.platform);
        let mut entries = vec![entry];
        if let Some(provenance) = &image.provenance {
            let mut layer = self.describe(STATEMENT, provenance);
            layer["annotations"] = json!({"in-toto.io/predicate-type": provenance["predicateType"]});
            let config = json!({"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": []}});
            let config = self.describe(CONFIG, &config);
            let manifest =
                json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
            let mut entry = self.describe(MANIFEST, &manifest);
            entry["platform"] = json!({"architecture": "unknown", "os": "unknown"});
            entry["annotations"] = json!({
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": digest,
            });
            entries.push(entry);
        }
        entries
    }

    fn manifest(&mut self, image: &Image) -> Value {
        let layers: Vec<String> = image.layers.iter().map(|layer| sha256::digest(layer)).collect();
        let mut config = platform(image.platform);
        config["created"] = json!(image.created);
        config["config"] = image.run.clone();
        config["rootfs"] = json!({"type": "layers", "diff_ids": layers});
        let config = self.describe(CONFIG, &config);
        let layers: Vec<Value> = image
            .layers
            .iter()
            .map(|layer| self.describe(LAYER, &json!(format!("packed {layer}"))))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": layers,
            "annotations": image.annotations,
        });
        self.describe(MANIFEST, &manifest)
    }

    /// Answers needs as a host does, for a registry that has all of the images.
    pub fn answer(&self, needs: &[RegistryNeed], fetched: &mut Fetched) {
        for RegistryNeed { image, kind } in needs {
            let (_, path) = image.split_once('/').unwrap_or_default();
            let digest = match path.split_once('@') {
                Some((_, digest)) => Some(digest.to_owned()),
                None => self.tags.get(path).cloned(),
            };
            let document = digest.and_then(|digest| {
                let (media_type, text) = self.by_digest.get(&digest)?.clone();
                let text = Some(text).filter(|_| *kind != RegistryKind::Head);
                let (image, kind) = (image.clone(), *kind);
                Some(RegistryFetched {
                    image,
                    kind,
                    digest: Some(digest),
                    media_type: Some(media_type),
                    text,
                    ..RegistryFetched::default()
                })
            });
            fetched.registry.push(document.unwrap_or_else(|| RegistryFetched {
                image: image.clone(),
                kind: *kind,
                error: Some("it is not there".to_owned()),
                reason: Some(Reason::Missing),
                ..RegistryFetched::default()
            }));
        }
    }
}

fn digest_of(descriptor: &Value) -> String {
    descriptor["digest"].as_str().expect("a descriptor has a digest").to_owned()
}

fn platform(text: &str) -> Value {
    let mut parts = text.split('/');
    let mut platform = json!({"os": parts.next(), "architecture": parts.next()});
    if let Some(variant) = parts.next() {
        platform["variant"] = json!(variant);
    }
    platform
}

/// BuildKit's provenance as SLSA 0.2 has it, of images by package URL and digest.
pub fn slsa_02(images: &[(&str, &str)]) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [],
        "predicate": {"buildType": "https://mobyproject.org/buildkit@v1", "materials": materials(images)},
    })
}

/// BuildKit's provenance as SLSA 1 has it.
pub fn slsa_1(images: &[(&str, &str)]) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [],
        "predicate": {"buildDefinition": {"resolvedDependencies": materials(images)}, "runDetails": {}},
    })
}

fn materials(images: &[(&str, &str)]) -> Vec<Value> {
    let material = |(uri, digest): &(&str, &str)| {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        json!({"uri": uri, "digest": {"sha256": hex}})
    };
    images.iter().map(material).collect()
}

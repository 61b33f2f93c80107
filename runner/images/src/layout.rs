//! An image as an OCI image layout (image-spec 1.1, "Image Layout Specification").
//!
//! ```text
//! index.json ─> index, named by its version ─> manifest of each platform ─> config, layers
//!            └> SBOM of each platform ─ subject ─> that manifest
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::image::{
    Arch, Config, ConfigBuilder, Descriptor, DescriptorBuilder, Digest, History, HistoryBuilder,
    ImageConfigurationBuilder, ImageIndexBuilder, ImageManifest, ImageManifestBuilder, MediaType,
    OciLayoutBuilder, Os, PlatformBuilder, RootFsBuilder, ANNOTATION_CREATED, ANNOTATION_DESCRIPTION,
    ANNOTATION_LICENSES, ANNOTATION_REF_NAME, ANNOTATION_REVISION, ANNOTATION_SOURCE, ANNOTATION_TITLE,
    ANNOTATION_VERSION,
};
use serde::Serialize;

use crate::image::{About, Built, BuiltPlatform, Image, PlatformImage, LICENSE, VERSION};
use crate::layer::{digest, Layer};
use crate::{sbom, Platform, Result};

/// Writes the image into a folder, in place of what was there.
pub fn write(image: &Image, about: &About, folder: &Path) -> Result<Built> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let blobs = Blobs(folder.join("blobs/sha256"));
    fs::create_dir_all(&blobs.0)?;
    let labels = labels(image, about);

    let mut manifests = Vec::new();
    let mut boms = Vec::new();
    let mut platforms = Vec::new();
    for content in &image.platforms {
        let mut manifest =
            blobs.json(MediaType::ImageManifest, &manifest(&blobs, image, content, about, &labels)?)?;
        boms.push(blobs.json(MediaType::ImageManifest, &bom(&blobs, content, &manifest, about)?)?);
        let layers = content.layers.iter();
        platforms.push(BuiltPlatform {
            platform: content.platform.name(),
            digest: manifest.digest().to_string(),
            pulled: layers.clone().map(|layer| layer.bytes.len() as u64).sum(),
            unpacked: layers.map(|layer| layer.unpacked).sum(),
            program: content.program,
        });
        let platform = PlatformBuilder::default().os(Os::Linux).architecture(architecture(content.platform));
        manifest.set_platform(Some(platform.build()?));
        manifests.push(manifest);
    }
    for bom in &mut boms {
        bom.set_artifact_type(Some(sbom::MEDIA_TYPE.into()));
    }

    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .annotations(labels)
        .build()?;
    let mut index = blobs.json(MediaType::ImageIndex, &index)?;
    let built = Built { name: image.name, index: index.digest().to_string(), platforms };
    index.set_annotations(Some(HashMap::from([(ANNOTATION_REF_NAME.to_owned(), VERSION.to_owned())])));
    let all = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests([vec![index], boms].concat())
        .build()?;
    fs::write(folder.join("index.json"), bytes(&all)?)?;
    let version = OciLayoutBuilder::default().image_layout_version("1.0.0").build()?;
    fs::write(folder.join("oci-layout"), bytes(&version)?)?;
    Ok(built)
}

/// Labels and annotations, which are the same: tools read the one or the other. There is no base image,
/// so none is named.
fn labels(image: &Image, about: &About) -> HashMap<String, String> {
    let fixed = [
        (ANNOTATION_TITLE, image.name),
        (ANNOTATION_DESCRIPTION, image.description),
        (ANNOTATION_VERSION, VERSION),
        (ANNOTATION_LICENSES, LICENSE),
        (ANNOTATION_CREATED, &about.created),
    ];
    let known = [(ANNOTATION_REVISION, &about.revision), (ANNOTATION_SOURCE, &about.source)];
    let known = known.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    fixed.into_iter().chain(known).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn manifest(
    blobs: &Blobs,
    image: &Image,
    content: &PlatformImage,
    about: &About,
    labels: &HashMap<String, String>,
) -> Result<ImageManifest> {
    let configuration = ImageConfigurationBuilder::default()
        .created(about.created.as_str())
        .os(Os::Linux)
        .architecture(architecture(content.platform))
        .config(config(image, labels)?)
        .rootfs(RootFsBuilder::default().diff_ids(diff_ids(&content.layers)).build()?)
        .history(history(&content.layers, about)?)
        .build()?;
    let config = blobs.json(MediaType::ImageConfig, &configuration)?;
    let layers = content.layers.iter().map(|layer| blobs.write(MediaType::ImageLayerGzip, &layer.bytes));
    Ok(ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(layers.collect::<Result<Vec<_>>>()?)
        .annotations(labels.clone())
        .build()?)
}

/// Kubernetes runs the Jobs with arguments alone, so the program is the entrypoint; the sidecar's
/// Deployment names argocd-cmp-server instead.
fn config(image: &Image, labels: &HashMap<String, String>) -> Result<Config> {
    Ok(ConfigBuilder::default()
        .user(image.user)
        .env(["PATH=/usr/local/bin:/usr/bin:/bin".to_owned()])
        .entrypoint(["/usr/local/bin/image-factory".to_owned()])
        .labels(labels.clone())
        .build()?)
}

fn diff_ids(layers: &[Layer]) -> Vec<String> {
    layers.iter().map(|layer| layer.diff_id.clone()).collect()
}

fn history(layers: &[Layer], about: &About) -> Result<Vec<History>> {
    let entry = |layer: &Layer| {
        Ok(HistoryBuilder::default().created(about.created.as_str()).created_by(layer.made_by).build()?)
    };
    layers.iter().map(entry).collect()
}

/// The SBOM as an artifact that refers to its image (image-spec 1.1, "Guidelines for Artifact Usage").
fn bom(blobs: &Blobs, content: &PlatformImage, subject: &Descriptor, about: &About) -> Result<ImageManifest> {
    Ok(ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .artifact_type(sbom::MEDIA_TYPE)
        .config(blobs.write(MediaType::EmptyJSON, b"{}")?)
        .layers([blobs.json(sbom::MEDIA_TYPE.into(), &content.sbom)?])
        .subject(subject.clone())
        .annotations(HashMap::from([(ANNOTATION_CREATED.to_owned(), about.created.clone())]))
        .build()?)
}

fn architecture(platform: Platform) -> Arch {
    match platform {
        Platform::Amd64 => Arch::Amd64,
        Platform::Arm64 => Arch::ARM64,
    }
}

/// The folder of content by digest.
struct Blobs(PathBuf);

impl Blobs {
    fn write(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor> {
        let digest: Digest = digest(bytes).parse()?;
        fs::write(self.0.join(digest.digest()), bytes)?;
        Ok(DescriptorBuilder::default()
            .media_type(media_type)
            .digest(digest)
            .size(bytes.len() as u64)
            .build()?)
    }

    fn json(&self, media_type: MediaType, document: &impl Serialize) -> Result<Descriptor> {
        self.write(media_type, &bytes(document)?)
    }
}

/// A document with its keys sorted: oci-spec keeps annotations in hash maps, which have another order
/// in each run.
fn bytes(document: &impl Serialize) -> Result<Vec<u8>> {
    let sorted: BTreeMap<String, serde_json::Value> =
        serde_json::from_value(serde_json::to_value(document)?)?;
    Ok(serde_json::to_vec(&sorted)?)
}

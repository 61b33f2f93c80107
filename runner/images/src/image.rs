//! What is in the two images, and what they say of themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::prelude::BASE64_STANDARD;
use base64::Engine;
use serde_json::Value;

use crate::debian::{self, Package};
use crate::layer::{Files, Layer};
use crate::{sbom, Platform, Result};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
pub const LICENSE: &str = env!("CARGO_PKG_LICENSE");

/// What all images say alike.
pub struct About {
    /// RFC 3339.
    pub created: String,
    pub revision: Option<String>,
    pub source: Option<String>,
}

pub struct Image {
    pub name: &'static str,
    pub description: &'static str,
    /// `uid:gid`.
    pub user: &'static str,
    pub platforms: Vec<PlatformImage>,
}

pub struct PlatformImage {
    pub platform: Platform,
    pub layers: Vec<Layer>,
    /// CycloneDX.
    pub sbom: Value,
    /// Bytes of the program, for people.
    pub program: usize,
}

/// An image in its layout.
pub struct Built {
    pub name: &'static str,
    /// The digest of the index of both platforms.
    pub index: String,
    pub platforms: Vec<BuiltPlatform>,
}

pub struct BuiltPlatform {
    pub platform: &'static str,
    /// The digest of its manifest.
    pub digest: String,
    /// Bytes that a node pulls: layers, compressed.
    pub pulled: u64,
    /// Bytes of all files.
    pub unpacked: u64,
    pub program: usize,
}

/// The sidecar of Argo CD. `argocd-cmp-server` comes from the Argo CD that is installed.
pub fn sidecar(root: &Path, about: &About, programs: &BTreeMap<Platform, Vec<u8>>) -> Result<Image> {
    let plugin = fs::read(root.join("cmp-sidecar/plugin.yaml"))?;
    // Where the Pod mounts something, so that the root can be read-only.
    let plugin = Files::default()
        .file("home/argocd/cmp-server/config/plugin.yaml", 0o644, plugin)
        .folder("home/argocd/cmp-server/plugins", 0o755)
        .folder("tmp", 0o1777)
        .folder("var/run/argocd", 0o755)
        .pack("the plugin of Argo CD")?;
    let platforms = programs.iter().map(|(&platform, program)| {
        Ok(PlatformImage {
            platform,
            layers: vec![layer(program)?, plugin.clone()],
            sbom: sbom::of(root, "image-factory", about, platform, &[])?,
            program: program.len(),
        })
    });
    Ok(Image {
        name: "image-factory",
        description: "Renders Kargo Warehouses and Stages: the config management plugin of Argo CD",
        // The repo-server's, whose socket it shares.
        user: "999:999",
        platforms: platforms.collect::<Result<_>>()?,
    })
}

/// The Jobs, which fetch and push with git.
pub fn job(
    root: &Path,
    about: &About,
    programs: &BTreeMap<Platform, Vec<u8>>,
    packages: &[Package],
    cache: &Path,
) -> Result<Image> {
    // ssh refuses a user that has no name. The Jobs' HOME is a volume.
    let users = Files::default()
        .file(
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/usr/sbin/nologin\nimage-factory:x:65532:65532::/tmp:/usr/sbin/nologin\n",
        )
        .file("etc/group", 0o644, "root:x:0:\nimage-factory:x:65532:\n")
        .file("etc/nsswitch.conf", 0o644, "hosts: files dns\n")
        .folder("tmp", 0o1777)
        .pack("the Jobs' user")?;
    let platforms = programs.iter().map(|(&platform, program)| {
        let (files, described) = debian::unpack(packages, cache, platform)?;
        Ok(PlatformImage {
            platform,
            layers: vec![files.pack("Debian's git and ssh client")?, layer(program)?, users.clone()],
            sbom: sbom::of(root, "image-factory-job", about, platform, &described)?,
            program: program.len(),
        })
    });
    Ok(Image {
        name: "image-factory-job",
        description:
            "Analyzes Dockerfiles and observes registries: the Jobs of Image Factory, with git and ssh",
        // That of kustomize/base/job.yaml.
        user: "65532:65532",
        platforms: platforms.collect::<Result<_>>()?,
    })
}

/// The layer that both images share: the program, and the CA roots that Mozilla trusts.
fn layer(program: &[u8]) -> Result<Layer> {
    Files::default()
        .file("usr/local/bin/image-factory", 0o755, program)
        .file("etc/ssl/certs/ca-certificates.crt", 0o644, roots())
        .pack("image-factory and the CA roots")
}

fn roots() -> String {
    let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|certificate| {
        let text = BASE64_STANDARD.encode(certificate);
        let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
        format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.collect::<String>())
    });
    certificates.collect()
}

//! What an answer may hold: checked after the sandbox, before anything is printed or written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use image_factory::abi::Answer;
use serde::Deserialize;

use super::HostError;

/// What a verb may answer with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed<'a> {
    /// The namespace of manifests; no manifests at all where `None`.
    pub namespace: Option<&'a str>,
    /// Whether files below state/ may change.
    pub files: bool,
}

#[derive(Deserialize)]
struct Manifest<'a> {
    #[serde(borrow, rename = "apiVersion")]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow, default)]
    annotations: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

const LABELS: [&str; 2] = ["app.kubernetes.io/managed-by", "image-factory.dev/"];
const ANNOTATIONS: [&str; 4] = [
    "image-factory.dev/",
    "kargo.akuity.io/color",
    "kargo.akuity.io/description",
    "link.argocd.argoproj.io/",
];

/// Checks an answer.
///
/// # Errors
/// The first thing that is not allowed.
pub fn check(answer: &Answer, allowed: &Allowed<'_>) -> Result<(), HostError> {
    for path in answer.files.keys() {
        if !(allowed.files && is_state_file(path)) {
            return Err(HostError::Path(path.clone()));
        }
    }
    for manifest in &answer.manifests {
        let manifest: Manifest<'_> = serde_json::from_str(manifest.get()).map_err(|error| {
            HostError::NotAnAnswer(format!("a manifest is no Kubernetes object: {error}"))
        })?;
        check_manifest(&manifest, allowed)?;
    }
    Ok(())
}

fn check_manifest(manifest: &Manifest<'_>, allowed: &Allowed<'_>) -> Result<(), HostError> {
    let Manifest { api_version, kind, metadata } = manifest;
    let is_known =
        api_version == "kargo.akuity.io/v1alpha1" && ["Warehouse", "Stage"].contains(&kind.as_ref());
    let Some(namespace) = allowed.namespace.filter(|_| is_known) else {
        return Err(HostError::Kind(format!("{api_version} {kind}")));
    };
    if metadata.namespace != namespace {
        let found = metadata.namespace.to_string();
        return Err(HostError::Namespace { found, allowed: namespace.to_owned() });
    }
    if image_factory::name::check_object(&metadata.name).is_err() {
        return Err(HostError::Metadata(format!("name `{}`", metadata.name)));
    }
    let is_listed = |list: &[&str], key: &str| {
        list.iter().any(|known| key == *known || known.ends_with('/') && key.starts_with(known))
    };
    if let Some(key) = metadata.labels.keys().find(|key| !is_listed(&LABELS, key)) {
        return Err(HostError::Metadata(format!("label `{key}`")));
    }
    if let Some(key) = metadata.annotations.keys().find(|key| !is_listed(&ANNOTATIONS, key)) {
        return Err(HostError::Metadata(format!("annotation `{key}`")));
    }
    Ok(())
}

/// A file below state/, named with nothing that a file system could read otherwise.
fn is_state_file(path: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    path.starts_with("state/") && path.ends_with(".yaml") && path.split('/').all(is_part)
}

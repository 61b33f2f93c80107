//! What an answer may hold: checked after the sandbox, before anything is printed or written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use image_factory::abi::Answer;
use serde::de::IgnoredAny;
use serde::Deserialize;

use super::HostError;
use crate::outcome::{AGAIN, BUG, FILES, OK, USAGE};

/// What a verb may answer with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed<'a> {
    /// The namespace of manifests; no manifests at all where `None`.
    pub namespace: Option<&'a str>,
    /// Whether files below state/ may change.
    pub files: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest<'a> {
    #[serde(borrow, rename = "apiVersion")]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
    /// Any: what Kargo makes of it stays in the namespace.
    #[serde(rename = "spec")]
    _spec: Option<IgnoredAny>,
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
    let wrong = |text: String| Err(HostError::NotAnAnswer(text));
    if ![OK, FILES, USAGE, AGAIN, BUG].contains(&answer.exit) {
        return wrong(format!("its exit code is {}", answer.exit));
    }
    // An error that ends in a success could make Argo CD delete what the error left out.
    if answer.exit == OK && answer.diagnostics.iter().any(|diagnostic| diagnostic.is_error()) {
        return wrong("it reports an error, and its exit code is 0".to_owned());
    }
    if answer.exit != OK && !answer.manifests.is_empty() {
        return wrong(format!("it prints manifests, and its exit code is {}", answer.exit));
    }
    for path in answer.files.keys() {
        if !(allowed.files && is_state_file(path)) {
            return Err(HostError::Path(path.clone()));
        }
    }
    for manifest in &answer.manifests {
        let manifest: Manifest<'_> = serde_json::from_str(&manifest.0).map_err(|error| {
            HostError::NotAnAnswer(format!("a manifest is no Kubernetes object: {error}"))
        })?;
        check_manifest(&manifest, allowed)?;
    }
    Ok(())
}

fn check_manifest(manifest: &Manifest<'_>, allowed: &Allowed<'_>) -> Result<(), HostError> {
    let Manifest { api_version, kind, metadata, .. } = manifest;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_state_are_written() {
        for path in ["state/images/web.yaml", "state/_archive/base-images/node-22.yaml"] {
            assert!(is_state_file(path), "{path}");
        }
        for path in [
            "",
            "images.yaml",
            "state",
            "state/",
            "state.yaml",
            "/state/images/web.yaml",
            "state//web.yaml",
            "state/../images.yaml",
            "state/./web.yaml",
            "state/.git/web.yaml",
            "state/images/.yaml",
            "state/images/web.yml",
            "state/images/web.yaml/",
            "state/images/web.yaml\0",
            "state\\images\\web.yaml",
            "state/images/w eb.yaml",
            "state/images/wéb.yaml",
        ] {
            assert!(!is_state_file(path), "{path}");
        }
    }

    #[test]
    fn a_verb_that_only_looks_neither_writes_nor_prints_objects() {
        let answer = |text: &str| serde_json::from_str::<Answer>(text).expect("an answer");
        let files = answer(r#"{"files":{"state/images/web.yaml":null}}"#);
        assert!(matches!(check(&files, &Allowed::default()), Err(HostError::Path(_))));
        check(&files, &Allowed { namespace: None, files: true }).expect("this verb writes");

        let manifests = answer(
            r#"{"manifests":[{"apiVersion":"kargo.akuity.io/v1alpha1","kind":"Warehouse",
                "metadata":{"name":"node","namespace":"image-factory"},"spec":{}}]}"#,
        );
        assert!(matches!(check(&manifests, &Allowed::default()), Err(HostError::Kind(_))));
        check(&manifests, &Allowed { namespace: Some("image-factory"), files: false })
            .expect("this verb prints objects");
    }
}

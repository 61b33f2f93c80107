//! The manifests of `cmp-sidecar/`: what they render to, and that they agree with each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use files::{documents, root};
use serde_json::Value;

mod files;

fn kustomize(folder: &Path) -> Option<String> {
    for command in [&["kubectl", "kustomize"][..], &["kustomize", "build"]] {
        let Ok(output) = Command::new(command[0]).args(&command[1..]).arg(folder).output() else { continue };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return Some(String::from_utf8(output.stdout).expect("UTF-8"));
    }
    None
}

#[test]
fn everything_renders_as_it_was_read() {
    for (folder, expected) in
        [("tests/cmp-sidecar", "expected.yaml"), ("cmp-sidecar/applications", "applications.yaml")]
    {
        let Some(rendered) = kustomize(&root().join(folder)) else {
            eprintln!("skipped: neither kubectl nor kustomize is installed");
            return;
        };
        let path = root().join("tests/cmp-sidecar").join(expected);
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            fs::write(&path, &rendered).expect("it can be written");
        }
        let expected = fs::read_to_string(&path).expect("it is there");
        assert!(rendered == expected, "{folder} renders otherwise; UPDATE_GOLDEN=1 accepts it:\n{rendered}");
    }
}

#[test]
fn the_ways_to_install_agree() {
    let patch = &documents("cmp-sidecar/kustomize/component/sidecar.yaml")[0];
    let mut container = patch[0]["value"].clone();
    container["image"] = "image-factory:0.1.0".into();
    let volume = &patch[1]["value"];

    let helm = &documents("cmp-sidecar/helm/values.yaml")[0]["repoServer"];
    assert_eq!(helm["extraContainers"][0], container);
    assert_eq!(&helm["volumes"][0], volume);

    let operator = &documents("cmp-sidecar/operator/argocd.yaml")[0]["spec"]["repo"];
    container["securityContext"].as_object_mut().expect("a map").remove("runAsUser");
    assert_eq!(operator["sidecarContainers"][0], container);
    assert_eq!(&operator["volumes"][0], volume);
}

#[test]
fn the_project_allows_the_kinds_that_are_rendered() {
    let kind = |group: &str, kind: &str| format!("{group}/{kind}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rendered =
        BTreeSet::from([kind("kargo.akuity.io", "Warehouse"), kind("kargo.akuity.io", "Stage")]);
    for object in documents("tests/kustomize/everything.yaml") {
        let api = text(&object["apiVersion"]);
        let group = api.rsplit_once('/').map_or("", |(group, _)| group);
        rendered.insert(kind(group, &text(&object["kind"])));
    }
    // The examples of Secrets are for people: in git they would hold `replace-me`.
    rendered.remove("/Secret");
    let project = &documents("cmp-sidecar/applications/project.yaml")[0]["spec"];
    let allowed: BTreeSet<String> = ["clusterResourceWhitelist", "namespaceResourceWhitelist"]
        .iter()
        .flat_map(|list| project[*list].as_array().expect("a list"))
        .map(|entry| kind(&text(&entry["group"]), &text(&entry["kind"])))
        .collect();
    assert_eq!(allowed, rendered);
}

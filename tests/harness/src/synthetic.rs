//! Factories of any size, for measuring.

use std::fmt::Write as _;

use image_factory::name;
use image_factory::reference::ImageReference;
use image_factory::tree::Tree;

/// A factory with so many images, at least four: half managed, a quarter external, a quarter base
/// images that two managed ones share; each with its state, as after years of use.
///
/// It renders one Warehouse for every two images.
///
/// # Panics
/// With fewer than four.
pub fn factory(images: usize) -> Tree {
    assert!(images >= 4, "a factory of each kind has at least four images");
    let bases = images / 4;
    let external = images / 4;
    let managed = images - bases - external;
    let mut tree = Tree::default();
    let mut enrolments = String::new();
    for number in 0..managed {
        let enrolment = format!(
            "registry: ghcr.io
  repository: acme/app-{number:05}
  source:
    provider: github
    repo: acme/mono
    branch: main
    dockerfile: apps/app-{number:05}/Dockerfile
    workflow: app-{number:05}.yml
  rebuildDelay: 7d
  autoRebuild: true
"
        );
        let base = base_name(&base_reference(number % bases));
        write!(enrolments, "- name: app-{number:05}\n  {enrolment}")
            .expect("writing to a string cannot fail");
        tree.insert(
            format!("state/images/app-{number:05}.yaml"),
            format!(
                "name: app-{number:05}
enrolledAt: \"2024-12-04T10:00:00Z\"
lastDiscovery: \"2024-12-04T15:30:00Z\"
discoveryStatus: success
enrollment:
  {enrolment}baseImages:
  - {base}
currentVersion: \"0.6.{number}\"
currentDigest: sha256:{number:064x}
lastBuilt: \"2024-12-03T12:00:00Z\"
rebuildState:
  status: monitoring
  pendingRebuild: false
"
            ),
        );
    }
    for number in 0..external {
        let enrolment = format!(
            "registry: docker.io
  repository: vendor/ext-{number:05}
  allowTags: ^16\\.{number}-alpine$
  imageSelectionStrategy: Lexical
  rebuildDelay: 30d
  autoRebuild: false
"
        );
        write!(enrolments, "- name: ext-{number:05}\n  {enrolment}")
            .expect("writing to a string cannot fail");
        tree.insert(
            format!("state/images/ext-{number:05}.yaml"),
            format!(
                "name: ext-{number:05}
enrolledAt: \"2024-12-04T10:00:00Z\"
discoveryStatus: external
enrollment:
  {enrolment}repoURL: docker.io/vendor/ext-{number:05}
allowTags: ^16\\.{number}-alpine$
imageSelectionStrategy: Lexical
baseImages: []
currentDigest: sha256:{number:064x}
"
            ),
        );
    }
    for number in 0..bases {
        let reference = base_reference(number);
        let name = base_name(&reference);
        let dependents: String = (number..managed)
            .step_by(bases)
            .fold(String::new(), |list, image| list + &format!("  - app-{image:05}\n"));
        tree.insert(
            format!("state/base-images/{name}.yaml"),
            format!(
                "name: {name}
fullImage: {reference}
registry: docker.io
repository: acme/base-{number:05}
tag: 1.2-slim
repoURL: docker.io/acme/base-{number:05}
allowTags: ^1\\.2-slim$
imageSelectionStrategy: Lexical
firstDiscovered: \"2024-12-04T10:00:00Z\"
lastChecked: \"2024-12-04T15:30:00Z\"
dependentImages:
{dependents}currentDigest: sha256:{number:064x}
lastUpdated: null
"
            ),
        );
    }
    tree.insert("images.yaml", enrolments);
    tree
}

/// As a Dockerfile says it.
fn base_reference(number: usize) -> String {
    format!("acme/base-{number:05}:1.2-slim")
}

fn base_name(reference: &str) -> String {
    name::of_base_image(&ImageReference::parse(reference).expect("it is a reference"))
}

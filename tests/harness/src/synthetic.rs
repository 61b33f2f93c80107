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

/// A factory of so many managed images, at least ten, with all the facts that rebuilds follow from:
/// a fifth as many base images, each with ten entries in its history, of which half the images lack
/// the last; every tenth image publishes the base image of the next.
///
/// # Panics
/// With fewer than ten.
pub fn fleet(images: usize) -> Tree {
    assert!(images >= 10, "a fleet has a base image for each five of ten images");
    const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];
    let bases = images / 5;
    let mut tree = Tree::default();
    let mut enrolments = String::new();
    let app_base = |number: usize| base_name_of(&format!("ghcr.io/acme/app-{number:06}:1"));
    let mut write_base = |reference: &str, dependents: &[String]| {
        let reference = ImageReference::parse(reference).expect("it is a reference");
        let mut text = format!(
            "name: {}\nfullImage: {}\nregistry: {}\nrepository: {}\ntag: \"1\"\nfirstDiscovered: \"2025-12-04T10:00:00Z\"\n\
             lastChecked: \"2026-01-04T15:30:00Z\"\ndependentImages:\n",
            name::of_base_image(&reference),
            reference.familiar(),
            reference.registry(),
            reference.repository()
        );
        for dependent in dependents {
            writeln!(text, "  - {dependent}").expect(WRITES);
        }
        writeln!(text, "currentDigest: sha256:{:064x}\nupdateHistory:", 10).expect(WRITES);
        for entry in 1..=10 {
            writeln!(
                text,
                "  - digest: sha256:{entry:064x}\n    seen: \"2026-01-{entry:02}T06:00:00Z\"\n    content:"
            )
            .expect(WRITES);
            for platform in PLATFORMS {
                writeln!(text, "      {platform}: sha256:{entry:064x}").expect(WRITES);
            }
        }
        tree.insert(format!("state/base-images/{}.yaml", name::of_base_image(&reference)), text);
    };
    let app = |number: usize| format!("app-{number:06}");
    for base in 0..bases {
        let dependents: Vec<String> = (base..images).step_by(bases).map(app).collect();
        write_base(&format!("acme/base-{base:06}:1"), &dependents);
    }
    for number in (0..images - 1).step_by(10) {
        write_base(&format!("ghcr.io/acme/app-{number:06}:1"), &[app(number + 1)]);
    }
    for number in 0..images {
        let name = app(number);
        let enrolment = format!(
            "registry: ghcr.io
  repository: acme/{name}
  source:
    provider: github
    repo: acme/mono
    branch: main
    dockerfile: apps/{name}/Dockerfile
    workflow: {name}.yml
  rebuildDelay: 7d
  autoRebuild: true
"
        );
        write!(enrolments, "- name: {name}\n  {enrolment}").expect(WRITES);
        let mut uses = vec![base_name_of(&format!("acme/base-{:06}:1", number % bases))];
        if number % 10 == 1 {
            uses.push(app_base(number - 1));
        }
        let mut text = format!(
            "name: {name}
enrolledAt: \"2025-12-04T10:00:00Z\"
discoveryStatus: success
enrollment:
  {enrolment}bases:
"
        );
        let holds = 9 + number % 2;
        for base in uses {
            let edge = format!("  - name: {base}\n    roles:\n      - final\n    holds: sha256:{holds:064x}\n    evidence: provenance\n");
            text.push_str(&edge);
        }
        write!(
            text,
            "currentVersion: \"0.6.{number}\"
currentDigest: sha256:{number:064x}
lastBuilt: \"2026-01-09T12:00:00Z\"
rebuildState:
  status: monitoring
  pendingRebuild: false
  attempts:
    - key: {name}-1
      at: \"2026-01-09T12:30:00Z\"
      targets:
        x: sha256:{number:064x}
      image: sha256:{number:064x}
      outcome: fresh
"
        )
        .expect(WRITES);
        tree.insert(format!("state/images/{name}.yaml"), text);
    }
    tree.insert("images.yaml", enrolments);
    tree.insert("factory.yaml", "defaults:\n  platforms: [linux/amd64, linux/arm64]\n");
    tree
}

const WRITES: &str = "writing to a string cannot fail";

fn base_name_of(reference: &str) -> String {
    name::of_base_image(&ImageReference::parse(reference).expect("it is a reference"))
}

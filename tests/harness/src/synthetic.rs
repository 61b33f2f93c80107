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

/// A Dockerfile as people write them; each number is another.
pub fn dockerfile(index: usize) -> String {
    let mut text = String::new();
    let languages = [
        ("golang", "1.26", "go mod download", "go build -trimpath -ldflags='-s -w' -o /out/app ./cmd/app"),
        ("node", "22-bookworm-slim", "npm ci --omit=dev", "npm run build -- --mode production"),
        ("python", "3.13-slim", "pip install --no-cache-dir -r requirements.txt", "python -m compileall src"),
        ("rust", "1.90-alpine", "cargo fetch --locked", "cargo build --release --locked --bin app"),
    ];
    let (image, tag, fetch, build) = languages[index % languages.len()];
    if index.is_multiple_of(5) {
        text.push_str("# syntax=docker/dockerfile:1\n\n");
    }
    let _ = write!(
        text,
        "# What service {index} is built with and runs in.\nARG VERSION={tag}\nARG REGISTRY=docker.io/library\n\n\
         FROM --platform=$BUILDPLATFORM ${{REGISTRY}}/{image}:${{VERSION}} AS build\n\
         ARG TARGETOS TARGETARCH\nWORKDIR /src\nCOPY go.mod go.sum package.json* requirements.txt* ./\n\
         RUN --mount=type=cache,target=/cache/build {fetch}\nCOPY . .\n\
         RUN --mount=type=cache,target=/cache/build \\\n    GOOS=$TARGETOS GOARCH=$TARGETARCH \\\n    {build}\n\n"
    );
    // As large as real ones: of 2,454 public Dockerfiles the median has 1.1 kB, one in ten more than
    // 4.4 kB, one in a hundred more than 9.5 kB.
    let steps = match index % 100 {
        0 => 30,
        1..10 => 10,
        10..40 => 2,
        _ => 0,
    };
    for step in 0..steps {
        let _ = write!(
            text,
            "# Step {step}: tools that the service calls.\nENV TOOL_{step}_VERSION=1.{step}.0 \\\n    TOOL_{step}_HOME=/opt/tool-{step}\n\
             RUN apt-get update \\\n    && apt-get install -y --no-install-recommends \\\n        ca-certificates \\\n        curl \\\n\
             {:8}# comes with its own certificates\n        tool-{step}=${{TOOL_{step}_VERSION}} \\\n    && rm -rf /var/lib/apt/lists/*\n",
            ""
        );
    }
    let _ = write!(
        text,
        "\nFROM gcr.io/distroless/base-debian12:nonroot\n\
         LABEL org.opencontainers.image.title=\"service {index}\" \\\n      org.opencontainers.image.source=\"https://github.com/acme/service-{index}\"\n\
         ENV PORT=8080 PATH=/app/bin:$PATH\nWORKDIR /app\n\
         COPY --from=busybox:1.37-musl /bin/wget /usr/bin/wget\n\
         COPY --from=build --chown=65532:65532 /out/app /app/bin/app\nEXPOSE 8080 9090/tcp\nUSER nonroot\n\
         HEALTHCHECK --interval=30s CMD [\"/usr/bin/wget\", \"-q\", \"-O-\", \"http://localhost:8080/healthz\"]\n\
         ENTRYPOINT [\"/app/bin/app\"]\nCMD [\"serve\", \"--port\", \"8080\"]\n"
    );
    text
}

//! The look at a registry, on documents as builders publish them.

use image_factory::abi::{Fetched, Reason, RegistryKind};
use image_factory::live::{self, holds, BaseLook, Evidence, Held, Live, Stop, Trouble, Want};
use image_factory::reference::ImageReference;
use image_factory::sha256;
use image_factory::time::Time;
use image_factory_harness::registry::{slsa_02, slsa_1, Documents, Image, CONFIG, INDEX, MANIFEST};
use serde_json::{json, Value};

const ROUNDS: usize = 8;

fn reference(text: &str) -> ImageReference {
    ImageReference::parse(text).expect("a reference")
}

/// Looks until there is a result, and says how many rounds of needs it took.
fn look_at(
    documents: &Documents,
    image: &str,
    platforms: &[&str],
    provenance: bool,
) -> (Result<Live, Trouble>, Vec<usize>) {
    let reference = reference(image);
    let platforms: Vec<String> = platforms.iter().map(|platform| (*platform).to_owned()).collect();
    let want = Want { reference: &reference, platforms: &platforms, provenance };
    let mut fetched = Fetched::default();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut needs = Vec::new();
        match live::look(&fetched, &want, &mut needs) {
            Ok(live) => return (Ok(live), rounds),
            Err(Stop::Trouble(trouble)) => return (Err(trouble), rounds),
            Err(Stop::Wait) => {
                assert!(!needs.is_empty(), "it waits for nothing");
                documents.answer(&needs, &mut fetched);
                rounds.push(needs.len());
            }
        }
    }
    panic!("it still asks after {ROUNDS} rounds");
}

fn look(documents: &Documents, image: &str) -> Live {
    look_at(documents, image, &[], true).0.expect("a look")
}

fn trouble(documents: &Documents, image: &str) -> Trouble {
    look_at(documents, image, &[], true).0.expect_err("no look")
}

#[test]
fn an_index_is_looked_at_in_four_rounds() {
    let mut documents = Documents::default();
    let base = "sha256:".to_owned() + &"a".repeat(64);
    let amd64 = Image {
        provenance: Some(slsa_1(&[("pkg:docker/node@22?platform=linux%2Famd64", &base)])),
        annotations: json!({"org.opencontainers.image.version": "1.4.0"}),
        ..Image::default()
    };
    let arm64 =
        Image { platform: "linux/arm64/v8", created: "2026-01-05T11:00:00+01:00", ..Image::default() };
    let digest = documents.publish("acme/web:1.4", &[amd64, arm64]);
    let (live, rounds) = look_at(&documents, "ghcr.io/acme/web:1.4", &[], true);
    let live = live.expect("a look");
    // The tag; the index; three manifests; two configurations and the statement.
    assert_eq!(rounds, [1, 1, 3, 3]);
    assert_eq!(live.digest, digest);
    assert_eq!(live.platforms.keys().collect::<Vec<_>>(), ["linux/amd64", "linux/arm64"]);
    assert_eq!(live.version(), Some("1.4.0"));
    assert_eq!(live.created(), Time::parse("2026-01-05T10:00:00Z"));
    let image = live.platforms.get("linux/amd64").expect("listed");
    assert_eq!(image.layers, [sha256::digest("base")]);
    let material = &image.materials[0];
    assert_eq!(
        (material.name.as_str(), material.tag.as_deref(), &material.digest),
        ("docker.io/library/node", Some("22"), &base)
    );
    assert_eq!(live.platforms.get("linux/arm64").expect("listed").materials, []);
}

#[test]
fn only_what_is_wanted_is_asked_for() {
    let mut documents = Documents::default();
    let of = |platform| Image { platform, provenance: Some(slsa_1(&[])), ..Image::default() };
    let digest = documents.publish("acme/web:1", &[of("linux/amd64"), of("linux/arm64"), of("linux/s390x")]);
    let (live, rounds) = look_at(&documents, "ghcr.io/acme/web:1", &["linux/arm64", "linux/ppc64le"], false);
    assert_eq!(rounds, [1, 1, 1, 1]);
    assert_eq!(live.expect("a look").platforms.keys().collect::<Vec<_>>(), ["linux/arm64"]);
    // A digest needs no tag.
    let (_, rounds) = look_at(&documents, &format!("ghcr.io/acme/web:1@{digest}"), &["linux/amd64"], false);
    assert_eq!(rounds, [1, 1, 1]);
    let (none, _) = look_at(&documents, "ghcr.io/acme/web:1", &["windows/amd64"], false);
    assert!(none.expect("a look").platforms.is_empty());
}

#[test]
fn a_manifest_alone_is_an_image_of_one_platform() {
    let mut documents = Documents::default();
    let image = Image { platform: "linux/arm/v7", created: "1970-01-01T00:00:00Z", ..Image::default() };
    let digest = documents.publish_manifest("acme/web:1", &image);
    let (live, rounds) = look_at(&documents, "ghcr.io/acme/web:1", &["linux/amd64"], true);
    let live = live.expect("a look");
    assert_eq!(rounds, [1, 1, 1]);
    assert_eq!((live.digest.as_str(), live.created()), (digest.as_str(), None));
    assert_eq!(live.platforms.get("linux/arm/v7").expect("its platform").digest, digest);
}

/// The content of an image with this run configuration and these layers.
fn content(run: Value, layers: &[&'static str], created: &'static str) -> String {
    let mut documents = Documents::default();
    documents.publish("a/b:1", &[Image { run, layers: layers.to_vec(), created, ..Image::default() }]);
    look(&documents, "ghcr.io/a/b:1").content()[0].1.to_owned()
}

#[test]
fn content_is_layers_and_how_it_runs() {
    let run = || json!({"Env": ["A=1", "B=2"], "Cmd": ["sh"], "Volumes": {"/a": {}, "/b": {}}});
    let same = content(run(), &["base", "app"], "2026-01-05T10:00:00Z");
    // The format is kept in state, so this very hash must stay.
    let text = format!(
        "{}\n{}\nCmd=[\"sh\"]\nEnv=[\"A=1\",\"B=2\"]\nVolumes={{\"/a\":{{}},\"/b\":{{}}}}\n",
        sha256::digest("base"),
        sha256::digest("app")
    );
    assert_eq!(same, sha256::digest(&text));
    let unset = json!({
        "Volumes": {"/b": {}, "/a": {}}, "Cmd": ["sh"], "Env": ["A=1", "B=2"], "OnBuild": null, "User": "",
        "ArgsEscaped": false, "Entrypoint": [], "ExposedPorts": {}, "Image": "sha256:1", "Hostname": "x",
        "Labels": {"org.opencontainers.image.created": "2026-01-12T10:00:00Z"},
    });
    assert_eq!(content(unset, &["base", "app"], "2026-02-05T10:00:00Z"), same);
    for (key, value) in [
        ("Env", json!(["B=2", "A=1"])),
        ("Cmd", json!(["bash"])),
        ("Entrypoint", json!(["/tini"])),
        ("User", json!("node")),
        ("WorkingDir", json!("/app")),
        ("ExposedPorts", json!({"80/tcp": {}})),
        ("StopSignal", json!("SIGINT")),
        ("Healthcheck", json!({"Test": ["NONE"]})),
        ("OnBuild", json!(["COPY . ."])),
        ("Shell", json!(["bash", "-c"])),
        ("ArgsEscaped", json!(true)),
    ] {
        let mut changed = run();
        changed[key] = value;
        assert_ne!(content(changed, &["base", "app"], "2026-01-05T10:00:00Z"), same, "{key}");
    }
    for layers in [&["app", "base"][..], &["base"], &["base", "app", "more"]] {
        assert_ne!(content(run(), layers, "2026-01-05T10:00:00Z"), same, "{layers:?}");
    }
}

#[test]
fn all_versions_of_windows_make_the_content() {
    let of = |layer| Image { platform: "windows/amd64", layers: vec![layer], ..Image::default() };
    let content = |layers: [&'static str; 2]| {
        let mut documents = Documents::default();
        documents.publish("a/b:1", &layers.map(of));
        look(&documents, "ghcr.io/a/b:1").content()[0].1.to_owned()
    };
    assert_eq!(content(["2019", "2022"]), content(["2019", "2022"]));
    assert_ne!(content(["2019", "2022"]), content(["2019", "2025"]));
    assert_ne!(content(["2019", "2022"]), content(["2016", "2022"]));
}

struct Case {
    documents: Documents,
    base: Live,
}

/// A registry with a base image of two layers, and how it looks.
fn with_base() -> Case {
    let mut documents = Documents::default();
    documents.publish("library/node:22", &[Image { layers: vec!["debian", "node"], ..Image::default() }]);
    let base = look(&documents, "node:22");
    Case { documents, base }
}

impl Case {
    fn held(&mut self, image: Image, is_final: bool) -> Vec<Held> {
        self.documents.publish("acme/web:1", &[image]);
        let image = look(&self.documents, "ghcr.io/acme/web:1");
        let reference = reference("node:22");
        holds(&image, &BaseLook { reference: &reference, is_final, looks: &[&self.base] })
    }

    fn check(&mut self, image: Image, expected: Option<(&str, Evidence)>) {
        let held = self.held(image, true);
        let found = held.first().map(|held| (held.digest.as_str(), held.evidence));
        assert_eq!(found, expected);
    }
}

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

#[test]
fn provenance_goes_before_all_else() {
    let mut case = with_base();
    let (old, other) = (digest("a"), digest("b"));
    let image = |provenance: Value| Image {
        layers: vec!["debian", "node", "app"],
        annotations: json!({"org.opencontainers.image.base.digest": digest("c")}),
        provenance: Some(provenance),
        ..Image::default()
    };
    let materials = [
        ("pkg:docker/golang@1.26?platform=linux%2Famd64", other.as_str()),
        ("pkg:docker/node@20?platform=linux%2Famd64", other.as_str()),
        ("pkg:docker/node@22?platform=linux%2Famd64", old.as_str()),
        ("https://github.com/acme/web.git", "sha256:1"),
    ];
    case.check(image(slsa_02(&materials)), Some((&old, Evidence::Provenance)));
    case.check(image(slsa_1(&materials)), Some((&old, Evidence::Provenance)));
    // Provenance speaks of every stage, also of one that is not the final one.
    let held = case.held(image(slsa_1(&materials)), false);
    assert_eq!(held.len(), 1);
    // Without the base in it, or of another kind, it says nothing: what comes next does.
    let annotated = digest("c");
    case.check(image(slsa_1(&materials[..2])), Some((&annotated, Evidence::Annotation)));
    let mut scan = slsa_1(&materials);
    scan["predicateType"] = json!("https://spdx.dev/Document");
    case.check(image(scan), Some((&annotated, Evidence::Annotation)));
    // Some builders name the platform's manifest: that is the base, too.
    let manifest = case.base.platforms.get("linux/amd64").expect("its platform").digest.clone();
    let expected = case.base.digest.clone();
    let by_manifest = slsa_1(&[("pkg:docker/node@22", manifest.as_str())]);
    case.check(image(by_manifest), Some((&expected, Evidence::Provenance)));
    // A digest that was written beside the tag.
    let written = format!("pkg:docker/node@22?digest={old}&platform=linux%2Famd64");
    let mut statement = slsa_1(&[(&written, "")]);
    statement["predicate"]["buildDefinition"]["resolvedDependencies"][0] = json!({"uri": written});
    case.check(image(statement), Some((&old, Evidence::Provenance)));
}

#[test]
fn annotations_and_labels_name_the_final_base() {
    let mut case = with_base();
    let old = digest("a");
    let annotated = |name: Option<&str>| Image {
        annotations: match name {
            Some(name) => json!({
                "org.opencontainers.image.base.digest": old,
                "org.opencontainers.image.base.name": name,
            }),
            None => json!({"org.opencontainers.image.base.digest": old}),
        },
        ..Image::default()
    };
    let expected = Some((old.as_str(), Evidence::Annotation));
    for name in
        [None, Some("node:22"), Some("docker.io/library/node:22"), Some("index.docker.io/library/node")]
    {
        case.check(annotated(name), expected);
    }
    for name in ["node:20", "debian:12", "Not A Name"] {
        case.check(annotated(Some(name)), None);
    }
    assert_eq!(case.held(annotated(None), false), []);
    let labelled = |name: &str, digest: &str| Image {
        run: json!({"Labels": {
            "org.opencontainers.image.base.digest": digest,
            "org.opencontainers.image.base.name": name,
        }}),
        ..Image::default()
    };
    case.check(labelled("node:22", &old), Some((&old, Evidence::Label)));
    // A label of the base's own base, which every image on it inherits.
    case.check(labelled("debian:12", &old), None);
    case.check(labelled("", &old), None);
    case.check(labelled("node:22", "latest"), None);
    let nameless =
        Image { run: json!({"Labels": {"org.opencontainers.image.base.digest": old}}), ..Image::default() };
    case.check(nameless, None);
}

#[test]
fn layers_are_the_last_resort() {
    let mut case = with_base();
    let newest = case.base.digest.clone();
    let of = |layers: &[&'static str]| Image { layers: layers.to_vec(), ..Image::default() };
    case.check(of(&["debian", "node", "app"]), Some((&newest, Evidence::Layers)));
    case.check(of(&["debian", "node"]), Some((&newest, Evidence::Layers)));
    for layers in
        [&["debian"][..], &["debian", "node 21", "app"], &["node", "debian"], &["app", "debian", "node"]]
    {
        case.check(of(layers), None);
    }
    assert_eq!(case.held(of(&["debian", "node", "app"]), false), []);
    // A platform that the base lacks says nothing.
    let other = Image { platform: "linux/arm64", ..of(&["debian", "node", "app"]) };
    case.check(other, None);
}

#[test]
fn provenance_that_cannot_be_read_leaves_the_other_evidence() {
    let mut case = with_base();
    let newest = case.base.digest.clone();
    let image = Image {
        layers: vec!["debian", "node", "app"],
        provenance: Some(slsa_1(&[("pkg:docker/node@22", &digest("a"))])),
        ..Image::default()
    };
    case.documents.publish("acme/web:1", &[image]);
    let statement =
        case.documents.by_digest.iter().find(|(_, (_, text))| text.contains("in-toto.io/Statement"));
    let statement = statement.expect("the statement").0.clone();
    let held = |documents: &Documents| {
        let image = look(documents, "ghcr.io/acme/web:1");
        let reference = reference("node:22");
        holds(&image, &BaseLook { reference: &reference, is_final: true, looks: &[&case.base] })
    };
    for text in ["", "[]", "{}", "{\"predicate\":7}", "{\"predicate\":{\"materials\":[{}, 7]}}", "garbage"] {
        let mut documents = case.documents.clone();
        documents.by_digest.insert(statement.clone(), (INDEX.to_owned(), text.to_owned()));
        assert_eq!(held(&documents)[0].evidence, Evidence::Layers, "{text}");
        assert_eq!(held(&documents)[0].digest, newest);
    }
    let mut documents = case.documents.clone();
    documents.by_digest.remove(&statement);
    assert_eq!(held(&documents)[0].evidence, Evidence::Layers);
}

#[test]
fn what_is_no_image_is_told_by_name() {
    let check = |make: &dyn Fn(&mut Documents) -> String, expected: &str| {
        let mut documents = Documents::default();
        let digest = make(&mut documents);
        documents.tag("acme/web:1", &digest);
        let trouble = trouble(&documents, "ghcr.io/acme/web:1");
        assert_eq!(trouble.reason, Reason::Refused, "{}", trouble.message);
        assert_eq!(trouble.exit(), 1);
        assert_eq!(trouble.message.replace(&digest, "DIGEST"), expected);
    };
    let put = |media_type: &'static str, text: &'static str| {
        move |documents: &mut Documents| documents.put(media_type, text)
    };
    check(&put("text/html", "<html>Sign in</html>"), "DIGEST (text/html) is not a JSON document of an image");
    check(
        &put(MANIFEST, "[]"),
        "DIGEST (application/vnd.oci.image.manifest.v1+json) is not a JSON document of an image",
    );
    check(&put(MANIFEST, "{}"), "DIGEST is neither an index nor a manifest with a configuration");
    check(
        &put(
            MANIFEST,
            r#"{"mediaType":"application/vnd.docker.distribution.manifest.v1+json","schemaVersion":1}"#,
        ),
        "DIGEST is `application/vnd.docker.distribution.manifest.v1+json`, which has no configuration",
    );
    check(
        &put(
            MANIFEST,
            r#"{"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:1"}}"#,
        ),
        "DIGEST is no container image: its configuration is `application/vnd.cncf.helm.config.v1+json`",
    );
    check(&put(MANIFEST, r#"{"config":{"digest":"../../x"}}"#), "`../../x` stands where a digest should");
    check(&put(MANIFEST, r#"{"config":7}"#), "`` stands where a digest should");
    check(&put(INDEX, r#"{"manifests":[]}"#), "DIGEST is an index without an image");
    check(&put(INDEX, r#"{"manifests":7}"#), "DIGEST is an index without an image");
    check(&put(INDEX, r#"{"manifests":[],"layers":[]}"#), "DIGEST is an index and a manifest at once");
    check(
        &put(
            INDEX,
            r#"{"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:1"}]}"#,
        ),
        "DIGEST is an index of indexes (sha256:1 is one), which builders don't resolve",
    );
    check(
        &|documents| {
            let entry = json!({"digest": "sha256:1", "platform": {"os": "linux", "architecture": "amd64"}});
            documents.put(INDEX, &json!({"manifests": vec![entry; 101]}).to_string())
        },
        "DIGEST has more than 100 images",
    );
}

#[test]
fn an_index_that_hides_in_an_index_is_found() {
    let mut documents = Documents::default();
    let inner = documents.publish("acme/web:inner", &[Image::default()]);
    let entry =
        json!({"mediaType": MANIFEST, "digest": inner, "platform": {"os": "linux", "architecture": "amd64"}});
    documents.publish_entries("acme/web:1", &[entry]);
    let trouble = trouble(&documents, "ghcr.io/acme/web:1");
    assert_eq!(trouble.message, format!("{inner} is an index in an index, which builders don't resolve"));
}

#[test]
fn a_configuration_of_something_else_is_refused() {
    let mut documents = Documents::default();
    for config in [
        json!({}),
        json!({"os": "linux", "architecture": "amd64"}),
        json!({"rootfs": {"diff_ids": []}}),
        json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [7]}}),
    ] {
        let config = documents.describe(CONFIG, &config);
        let digest = documents.put(MANIFEST, &json!({"config": config}).to_string());
        documents.tag("acme/web:1", &digest);
        let found = trouble(&documents, "ghcr.io/acme/web:1");
        assert!(
            found.message.ends_with("names no layers or no platform, so it configures no image"),
            "{}",
            found.message
        );
    }
}

#[test]
fn what_is_not_there_is_missing() {
    let mut documents = Documents::default();
    let found = trouble(&documents, "ghcr.io/acme/web:1");
    assert_eq!((found.reason, found.exit()), (Reason::Missing, 1));
    let diagnostic = found.diagnostic(&reference("ghcr.io/acme/web:1"));
    assert_eq!(diagnostic.code, "IF1104");
    assert_eq!(diagnostic.message, "`ghcr.io/acme/web:1`: it is not there");
    // A torn index: one of its manifests was deleted.
    documents
        .publish("acme/web:1", &[Image::default(), Image { platform: "linux/arm64", ..Image::default() }]);
    let live = look(&documents, "ghcr.io/acme/web:1");
    documents.by_digest.remove(&live.platforms.get("linux/arm64").expect("its platform").digest);
    assert_eq!(trouble(&documents, "ghcr.io/acme/web:1").reason, Reason::Missing);
}

#[test]
fn a_digest_is_one_request() {
    let mut documents = Documents::default();
    let published = documents.publish("library/node:22", &[Image::default()]);
    let mut needs = Vec::new();
    let node = reference("node:22");
    assert_eq!(live::digest(&Fetched::default(), &node, &mut needs), Err(Stop::Wait));
    assert_eq!((needs[0].image.as_str(), needs[0].kind), ("docker.io/library/node:22", RegistryKind::Head));
    // Asked twice, needed once.
    assert_eq!(live::digest(&Fetched::default(), &node, &mut needs), Err(Stop::Wait));
    assert_eq!(needs.len(), 1);
    let mut fetched = Fetched::default();
    documents.answer(&needs, &mut fetched);
    assert_eq!(live::digest(&fetched, &node, &mut needs), Ok(published));
    assert_eq!(fetched.registry[0].text, None);
}

proptest::proptest! {
    #[test]
    fn any_document_is_answered(text in "\\PC{0,60}", manifest in "[\\[\\]{}\":,a-z0-9]{0,80}") {
        for text in [text, manifest] {
            let mut documents = Documents::default();
            let digest = documents.put(INDEX, &text);
            documents.tag("a/b:1", &digest);
            let _ = look_at(&documents, "ghcr.io/a/b:1", &[], true);
        }
    }
}

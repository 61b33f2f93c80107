//! The loop through the program, on a registry on loopback: a base image moves, an image is to be
//! rebuilt, is rebuilt or is not, and what is recorded of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use image_factory_harness::registry::stub::{Reply, Stub};
use image_factory_harness::registry::{slsa_1, Documents, Image};
use serde_json::{json, Value};
use tempfile::TempDir;

/// A factory with one image, `web`, built on `base:1` of the same registry.
struct World {
    factory: TempDir,
    registry: Stub,
    /// GitHub's API.
    github: Stub,
    /// What it answers.
    runs: Arc<Mutex<Value>>,
    is_down: Arc<AtomicBool>,
    /// The base image's name in state.
    base: String,
}

impl World {
    /// A world whose image is built on its base, and known to be; the digests of both.
    fn built() -> (Self, String, String) {
        let world = World::new();
        let first = world.publish_base("one", "2026-01-05T01:00:00Z");
        let built = world.publish_web("1", &first, "2026-01-05T09:00:00Z");
        world.observe(5);
        world.run_ok(
            6,
            &["analyze", "--image", "web", "--tag", "1", "--digest", &built, "--source-dir", "source", "."],
        );
        (world, first, built)
    }

    fn new() -> Self {
        let is_down: Arc<AtomicBool> = Arc::default();
        let down = is_down.clone();
        let registry = Stub::with(Documents::default(), move |_| {
            // Asked to wait longer than anybody does, so that nothing is tried again.
            let reply = Reply::new(503, "").header("Retry-After", "999");
            down.load(Ordering::SeqCst).then_some(reply)
        });
        let host = registry.host();
        let runs = Arc::new(Mutex::new(json!([])));
        let listed = runs.clone();
        let github = Stub::with(Documents::default(), move |ask| {
            let expected = "/repos/acme/web/actions/workflows/build.yml/runs?event=workflow_dispatch&per_page=100&created=%3E%3D";
            let is_known = ask.header("authorization") == "Bearer secret";
            Some(match ask.path.strip_prefix(expected) {
                Some(_) if !is_known => Reply::new(401, r#"{"message":"Bad credentials"}"#),
                Some(_) => Reply::new(
                    200,
                    json!({"workflow_runs": *listed.lock().expect("no test panicked")}).to_string(),
                ),
                None => Reply::new(404, r#"{"message":"Not Found"}"#),
            })
        });
        let factory = tempfile::tempdir().expect("a folder can be made");
        let write = |name: &str, text: String| {
            fs::write(factory.path().join(name), text).expect("a file can be written");
        };
        write(
            "images.yaml",
            format!(
                "- name: web\n  registry: {host}\n  repository: acme/web\n  rebuildDelay: 0s\n  autoRebuild: true\n  \
                 source: {{provider: github, repo: acme/web, branch: main, dockerfile: Dockerfile, workflow: build.yml}}\n"
            ),
        );
        write(
            "factory.yaml",
            format!(
                "defaults: {{settle: 0s}}\nregistries: {{\"{host}\": {{plainHTTP: true}}}}\n\
                 providers: {{github: {{api: \"http://{}\"}}}}\n",
                github.host()
            ),
        );
        fs::create_dir(factory.path().join("source")).expect("a folder can be made");
        write("source/Dockerfile", format!("FROM {host}/base:1\n"));
        fs::create_dir(factory.path().join("tokens")).expect("a folder can be made");
        write("tokens/github", "secret\n".to_owned());
        let mut world = World { factory, registry, github, runs, is_down, base: String::new() };
        world.run_ok(5, &["analyze", "--all", "--source-dir", "source", "."]);
        let mut names =
            fs::read_dir(world.factory.path().join("state/base-images")).expect("a base was found");
        let file = names.next().expect("one base image").expect("it can be read").file_name();
        world.base = file.to_string_lossy().trim_end_matches(".yaml").to_owned();
        world
    }

    /// Runs the program on a day of January 2026.
    fn run(&self, day: u32, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image-factory"));
        command.current_dir(self.factory.path()).env("DOCKER_CONFIG", self.factory.path());
        command.env("IMAGE_FACTORY_TOKENS", self.factory.path().join("tokens"));
        command.args(["--now", &format!("2026-01-{day:02}T10:00:00Z")]).args(arguments);
        command.env_remove("ARGOCD_APP_NAME").output().expect("the program starts")
    }

    fn run_ok(&self, day: u32, arguments: &[&str]) -> String {
        let output = self.run(day, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        said
    }

    fn observe(&self, day: u32) {
        self.run_ok(day, &["observe", "--name", &self.base, "."]);
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.factory.path().join("state").join(path)).expect(path)
    }

    fn web(&self) -> String {
        self.text("images/web.yaml")
    }

    fn base(&self) -> String {
        self.text(&format!("base-images/{}.yaml", self.base))
    }

    /// Publishes the base image with this layer, made on a day.
    fn publish_base(&self, layer: &'static str, created: &'static str) -> String {
        let image = Image { layers: vec![layer], created, ..Image::default() };
        self.registry.documents().publish("base:1", &[image])
    }

    /// Publishes `web` under a tag, made on a day, with provenance that names this base.
    fn publish_web(&self, tag: &str, base: &str, created: &'static str) -> String {
        let uri =
            format!("pkg:docker/{}/base@1?platform=linux%2Famd64", self.registry.host().replace(':', "%3A"));
        let image = Image {
            layers: vec!["app"],
            run: json!({"User": tag}),
            created,
            provenance: Some(slsa_1(&[(uri.as_str(), base)])),
            ..Image::default()
        };
        self.registry.documents().publish(&format!("acme/web:{tag}"), &[image])
    }

    fn prove(&self, day: u32, tag: &str, number: u32) -> String {
        let (key, began) = (format!("web-{number}"), format!("2026-01-{day:02}T06:00:00Z"));
        let arguments = ["prove", "--image", "web", "--tag", tag, "--key", &key, "--began", &began];
        let run = ["--succeeded", "--run", "https://github.com/acme/web/actions/runs/43", "."];
        self.run_ok(day, &[&arguments[..], &run].concat())
    }

    fn check(&self, lines: &[&str]) {
        let web = self.web();
        for line in lines {
            assert!(web.contains(line), "{line}:\n{web}");
        }
    }
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => {
                found.push((path.to_string_lossy().into_owned(), fs::read_to_string(&path).expect("text")))
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_base_image_moves_and_the_image_follows() {
    let world = World::new();
    let first = world.publish_base("one", "2026-01-05T01:00:00Z");
    world.observe(5);
    assert!(world.base().contains(&format!("currentDigest: {first}")), "{}", world.base());
    world.check(&["status: monitoring", "evidence: assumed", &format!("holds: {first}")]);

    let built = world.publish_web("1", &first, "2026-01-05T09:00:00Z");
    world.run_ok(
        6,
        &["analyze", "--image", "web", "--tag", "1", "--digest", &built, "--source-dir", "source", "."],
    );
    world.check(&[
        "currentVersion: \"1\"",
        &format!("currentDigest: {built}"),
        "lastBuilt: \"2026-01-05T09:00:00Z\"",
        "evidence: provenance",
    ]);

    // A look that finds nothing new changes nothing, and reads no document.
    let before = (files(&world.factory.path().join("state")), world.registry.log().len());
    world.observe(7);
    let log = world.registry.log();
    assert_eq!(files(&world.factory.path().join("state")), before.0);
    assert!(log[before.1..].iter().all(|line| line.starts_with("HEAD")), "{:?}", &log[before.1..]);

    // The same content under a new digest moves nobody.
    let again = world.publish_base("one", "2026-01-08T01:00:00Z");
    assert_ne!(again, first);
    world.observe(8);
    assert!(world.base().contains(&format!("currentDigest: {again}")));
    world.check(&["status: monitoring"]);

    let second = world.publish_base("two", "2026-01-09T01:00:00Z");
    world.observe(9);
    world.check(&[
        "status: pending",
        "key: web-1",
        &format!("to: {second}"),
        "since: \"2026-01-09T10:00:00Z\"",
    ]);

    // A build that holds it.
    let rebuilt = world.publish_web("2", &second, "2026-01-10T07:00:00Z");
    let said = world.prove(10, "2", 1);
    assert!(said.contains("web: web-1 ended fresh"), "{said}");
    world.check(&[
        "status: monitoring",
        "outcome: fresh",
        &format!("image: {rebuilt}"),
        &format!("holds: {second}"),
    ]);

    // One that does not.
    let third = world.publish_base("three", "2026-01-11T01:00:00Z");
    world.observe(11);
    world.publish_web("3", &second, "2026-01-12T07:00:00Z");
    let said = world.prove(12, "3", 2);
    assert!(said.contains("web: web-2 ended stale"), "{said}");
    world.check(&["status: held", "outcome: stale", &format!("holds: {second}"), "was the base pulled?"]);

    // A developer's own push that brings it.
    let pushed = world.publish_web("4", &third, "2026-01-13T07:00:00Z");
    world.run_ok(
        13,
        &["analyze", "--image", "web", "--tag", "4", "--digest", &pushed, "--source-dir", "source", "."],
    );
    world.check(&["status: monitoring", &format!("holds: {third}")]);
}

#[test]
fn a_registry_that_is_down_changes_nothing() {
    let (world, _, built) = World::built();
    world.publish_base("two", "2026-01-07T01:00:00Z");
    world.is_down.store(true, Ordering::SeqCst);
    let before = files(&world.factory.path().join("state"));
    let verbs: [&[&str]; 4] = [
        &["observe", "--name", &world.base, "."],
        &["analyze", "--image", "web", "--tag", "1", "--digest", &built, "--source-dir", "source", "."],
        &["prove", "--image", "web", "--key", "web-1", "--began", "2026-01-07T06:00:00Z", "--succeeded", "."],
        &["sweep", "--source-dir", "source", "."],
    ];
    for arguments in verbs {
        let output = world.run(7, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains("error[IF1101]"), "{arguments:?}: {said}");
        assert!(said.contains("answers 503, and asks to wait 999 s"), "{arguments:?}: {said}");
        if arguments[0] != "sweep" {
            assert_eq!(files(&world.factory.path().join("state")), before, "{arguments:?}");
        }
    }
    world.is_down.store(false, Ordering::SeqCst);
    world.run_ok(8, &["sweep", "--source-dir", "source", "."]);
    world.check(&["status: pending"]);
}

#[test]
fn a_sweep_makes_good_what_was_lost() {
    let (world, first, _) = World::built();
    // Nobody told that it moved.
    let second = world.publish_base("two", "2026-01-07T01:00:00Z");
    world.run_ok(8, &["sweep", "--source-dir", "source", "."]);
    world.check(&["status: pending", &format!("to: {second}")]);
    assert!(world.text("sweep.yaml").contains("lastSweep: \"2026-01-08T10:00:00Z\""));
    // Nor that it moved back.
    let documents = |digest: &str| world.registry.documents().tag("base:1", digest);
    documents(&first);
    world.run_ok(9, &["sweep", "--source-dir", "source", "."]);
    world.check(&["status: monitoring"]);
    // The heartbeat is all that a quiet day leaves.
    let state = world.factory.path().join("state");
    let quiet = |files: Vec<(String, String)>| {
        files.into_iter().filter(|(path, _)| !path.ends_with("sweep.yaml")).collect::<Vec<_>>()
    };
    let before = quiet(files(&state));
    let asked = world.registry.log().len();
    world.run_ok(10, &["sweep", "--source-dir", "source", "."]);
    assert_eq!(quiet(files(&state)), before);
    assert!(world.text("sweep.yaml").contains("2026-01-10"));
    let log = world.registry.log();
    assert!(log[asked..].iter().all(|line| line.starts_with("HEAD")), "{:?}", &log[asked..]);
}

#[test]
fn a_run_is_found_by_the_key_in_its_name() {
    let (world, _, _) = World::built();
    let second = world.publish_base("two", "2026-01-07T01:00:00Z");
    world.observe(7);
    world.check(&["key: web-1"]);

    let run = |title: &str, status: &str, conclusion: Value| {
        json!({"display_title": title, "status": status, "conclusion": conclusion,
               "created_at": "2026-01-08T06:00:00Z", "html_url": "https://github.com/acme/web/actions/runs/43"})
    };
    let list = |runs: Value| *world.runs.lock().expect("no test panicked") = runs;
    let prove = ["prove", "--image", "web", "."];
    // Nothing of ours has ended yet.
    list(json!([
        run("Rebuild web-1", "in_progress", Value::Null),
        run("Rebuild web-api-1", "completed", json!("success"))
    ]));
    world.run_ok(8, &prove);
    assert!(!world.web().contains("outcome:"), "{}", world.web());

    world.publish_web("1", &second, "2026-01-08T07:00:00Z");
    list(json!([run("Rebuild web-1", "completed", json!("success"))]));
    let said = world.run_ok(8, &prove);
    assert!(said.contains("web: web-1 ended fresh"), "{said}");
    world.check(&["status: monitoring", "key: web-1", "run: https://github.com/acme/web/actions/runs/43"]);

    // It is recorded once.
    let before = files(&world.factory.path().join("state"));
    world.run_ok(9, &prove);
    assert_eq!(files(&world.factory.path().join("state")), before);

    // A person's, and one that failed.
    list(json!([
        run("Rebuild web-2", "completed", json!("failure")),
        run("Rebuild rebuild-web.01k8x.abc1234", "completed", json!("success")),
    ]));
    world.run_ok(10, &prove);
    world.check(&["key: web-2", "outcome: failed", "cause: \"run 43 failed\"", "by: \"a person\""]);

    // Without the right token the look counts all the same.
    let third = world.publish_base("three", "2026-01-11T01:00:00Z");
    let pushed = world.publish_web("1", &third, "2026-01-11T07:00:00Z");
    fs::write(world.factory.path().join("tokens/github"), "wrong").expect("a file can be written");
    let output = world.run(11, &prove);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let host = world.github.host();
    let expected =
        format!("error[IF1108]: the runs of `web`: {host} refuses the token (401): Bad credentials\n");
    assert!(said.contains(&expected), "{said}");
    world.check(&[&format!("currentDigest: {pushed}"), &format!("holds: {third}")]);
}

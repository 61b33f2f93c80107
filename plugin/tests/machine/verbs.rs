//! The verbs that look into registries, on images as registries keep them.

use image_factory::time::Time;
use image_factory_harness::cases;
use image_factory_harness::registry::{slsa_1, Image};
use serde_json::json;

use super::world::{get, World, DAY, HOUR, START};

const WEB: &str = "- name: web
  registry: ghcr.io
  repository: acme/web
  source: {provider: github, repo: acme/web, branch: main, workflow: build.yml, platforms: [linux/amd64, linux/arm64]}
  rebuildDelay: 1d
  autoRebuild: true
- name: postgres
  registry: docker.io
  repository: library/postgres
  allowTags: ^16-alpine$
";

fn platforms(layers: &[&'static str], created: &'static str) -> [Image; 2] {
    ["linux/amd64", "linux/arm64"].map(|platform| Image {
        platform,
        layers: layers.to_vec(),
        created,
        ..Image::default()
    })
}

/// web on node:22, both published; state has looked at both.
fn settled() -> World {
    let mut world = World::new(WEB);
    world.dockerfile("acme/web", "FROM node:22\n");
    world.registry.publish("library/node:22", &platforms(&["node-a"], "2026-01-04T10:00:00Z"));
    world.registry.publish("acme/web:1.0.0", &platforms(&["node-a", "web"], "2026-01-04T12:00:00Z"));
    world.registry.publish("library/postgres:16-alpine", &platforms(&["postgres"], "2026-01-04T12:00:00Z"));
    world.reconcile();
    world.ask("observe", json!({"name": "node-22"}));
    world.ask("prove", json!({"image": "web", "tag": "1.0.0"}));
    world
}

#[test]
fn a_look_finds_digest_content_and_what_the_image_holds() {
    let world = settled();
    let (holds, evidence) = world.holds("web", "node-22");
    assert_eq!(holds.as_deref(), get(&world.base("node-22"), "currentDigest"));
    assert_eq!(evidence.as_deref(), Some("layers"));
    let image = world.image("web");
    assert_eq!(get(&image, "currentVersion"), Some("1.0.0"));
    assert_eq!(get(&image, "lastBuilt"), Some("2026-01-04T12:00:00Z"));
    assert_eq!(world.status("web"), "monitoring");
}

#[test]
fn a_base_that_moved_is_seen_and_the_run_that_brought_it_is_proved() {
    let mut world = settled();
    world.wait(DAY);
    let digest = world.registry.publish("library/node:22", &platforms(&["node-b"], "2026-01-05T23:00:00Z"));
    let answer = world.ask("observe", json!({"name": "node-22"}));
    let lines = [format!("node-22: {digest}"), "web: pending, not before 2026-01-07T00:00:00Z".to_owned()];
    assert_eq!(answer.messages, lines);
    assert_eq!(world.changed, ["state/base-images/node-22.yaml", "state/images/web.yaml"]);

    world.wait(DAY + HOUR);
    let run = json!({
        "image": "web", "tag": "1.0.1", "key": "web-1", "began": "2026-01-07T00:10:00Z", "succeeded": true,
        "run": "https://github.com/acme/web/actions/runs/43",
    });
    let provenance = slsa_1(&[("pkg:docker/node@22?platform=linux%2Famd64", &digest)]);
    let mut images = platforms(&["node-b", "web"], "2026-01-07T00:20:00Z");
    for image in &mut images {
        image.provenance = Some(provenance.clone());
    }
    world.registry.publish("acme/web:1.0.1", &images);
    let answer = world.ask("prove", run.clone());
    assert_eq!(answer.messages, ["web: web-1 ended fresh", "web: monitoring"]);
    assert_eq!(world.holds("web", "node-22"), (Some(digest), Some("provenance".to_owned())));
    assert_eq!(get(&world.image("web"), "currentVersion"), Some("1.0.1"));
}

#[test]
fn an_image_on_the_old_base_is_stale_and_one_on_another_tag_names_it() {
    for (tag, provenance, cause) in [
        ("1.0.1", None, "run 43 succeeded, but the image still holds "),
        (
            "1.0.2",
            Some("pkg:docker/node@20"),
            "run 43 succeeded, but the image was built on node:20 (provenance)",
        ),
    ] {
        let mut world = settled();
        world.wait(DAY);
        let old = get(&world.base("node-22"), "currentDigest").expect("it was seen").to_owned();
        world.registry.publish("library/node:22", &platforms(&["node-b"], "2026-01-05T23:00:00Z"));
        world.ask("observe", json!({"name": "node-22"}));
        world.wait(DAY + HOUR);
        let mut images = platforms(&["node-a", "web"], "2026-01-07T00:20:00Z");
        for image in &mut images {
            image.provenance = Some(slsa_1(&[(provenance.unwrap_or("pkg:docker/node@22"), &old)]));
        }
        world.registry.publish(&format!("acme/web:{tag}"), &images);
        world.ask("prove", json!({
            "image": "web", "tag": tag, "key": "web-1", "began": "2026-01-07T00:10:00Z", "succeeded": true,
            "run": "https://github.com/acme/web/actions/runs/43",
        }));
        assert_eq!(
            (world.outcomes("web"), world.status("web")),
            (vec!["stale".to_owned()], "held".to_owned())
        );
        let state = world.rebuild_state("web");
        assert!(get(&state, "cause").is_some_and(|text| text.starts_with(cause)), "{state:?}");
    }
}

#[test]
fn a_sweep_makes_good_what_was_lost_and_says_nothing_where_nothing_was() {
    let mut world = settled();
    world.wait(DAY);
    world.ask("sweep", json!({}));
    assert_eq!(
        world.changed,
        ["state/images/postgres.yaml", "state/sweep.yaml"],
        "postgres was never looked at"
    );
    world.wait(DAY);
    world.ask("sweep", json!({}));
    assert_eq!(world.changed, ["state/sweep.yaml"]);
    assert_eq!(world.tree.text("state/sweep.yaml"), Some("lastSweep: \"2026-01-07T00:00:00Z\"\n"));
    world.registry.publish("library/node:22", &platforms(&["node-b"], "2026-01-05T23:00:00Z"));
    world.wait(DAY);
    world.ask("sweep", json!({}));
    assert_eq!(world.status("web"), "pending");
}

#[test]
fn a_sweep_looks_at_what_it_enrols() {
    let mut world = World::new(WEB);
    world.dockerfile("acme/web", "FROM node:22\n");
    let node = world.registry.publish("library/node:22", &platforms(&["node-a"], "2026-01-04T10:00:00Z"));
    let postgres = platforms(&["postgres"], "2026-01-04T12:00:00Z");
    let postgres = world.registry.publish("library/postgres:16-alpine", &postgres);
    world.ask("sweep", json!({}));
    assert_eq!(get(&world.base("node-22"), "currentDigest"), Some(node.as_str()));
    assert_eq!(world.holds("web", "node-22"), (Some(node), Some("assumed".to_owned())));
    assert_eq!(get(&world.image("postgres"), "currentDigest"), Some(postgres.as_str()));
    world.ask("sweep", json!({}));
    assert_eq!(world.changed, Vec::<String>::new());
}

#[test]
fn an_image_that_its_run_did_not_publish_yet_is_waited_for() {
    let mut world = settled();
    world.wait(DAY);
    let digest = world.registry.publish("library/node:22", &platforms(&["node-b"], "2026-01-05T23:00:00Z"));
    world.ask("observe", json!({"name": "node-22"}));
    world.wait(DAY + HOUR);
    let run = json!({
        "image": "web", "key": "web-1", "began": "2026-01-07T00:10:00Z", "ended": Time(world.now).to_string(),
        "succeeded": true, "run": "https://github.com/acme/web/actions/runs/43",
    });
    // Its tag is a new one, which no Job has looked at.
    let mut images = platforms(&["node-b", "web"], "2026-01-07T00:20:00Z");
    for image in &mut images {
        image.provenance = Some(slsa_1(&[("pkg:docker/node@22", &digest)]));
    }
    world.registry.publish("acme/web:1.0.1", &images);
    let answer = world.ask("prove", run.clone());
    assert_eq!((answer.exit, answer.diagnostics.len()), (3, 1));
    assert_eq!((world.outcomes("web"), world.status("web")), (Vec::new(), "pending".to_owned()));

    let mut late = world.clone();
    late.wait(HOUR);
    assert_eq!(late.ask("prove", run.clone()).exit, 0);
    assert_eq!(
        (late.outcomes("web"), late.status("web")),
        (vec!["unpublished".to_owned()], "held".to_owned())
    );

    world.wait(60);
    world.ask("analyze", json!({"images": ["web"], "tag": "1.0.1", "live": true}));
    assert_eq!(world.ask("prove", run).exit, 0);
    assert_eq!(
        (world.outcomes("web"), world.status("web")),
        (vec!["fresh".to_owned()], "monitoring".to_owned())
    );
}

/// A tag that moves needs nobody who tells it: its first image is found after its first run.
#[test]
fn the_first_image_under_a_moving_tag_is_proved() {
    let published = "published: {imageSelectionStrategy: Digest, constraint: latest}";
    let mut world =
        World::new(&WEB.replace("workflow: build.yml", &format!("workflow: build.yml, {published}")));
    world.dockerfile("acme/web", "FROM node:22\n");
    world.registry.publish("library/node:22", &platforms(&["node-a"], "2026-01-04T10:00:00Z"));
    world.registry.publish("library/postgres:16-alpine", &platforms(&["postgres"], "2026-01-04T12:00:00Z"));
    assert_eq!(world.ask("sweep", json!({})).exit, 0, "that it is not there is no mistake");
    assert_eq!(get(&world.image("web"), "currentDigest"), None);

    world.wait(DAY);
    world.registry.publish("library/node:22", &platforms(&["node-b"], "2026-01-05T23:00:00Z"));
    world.ask("observe", json!({"name": "node-22"}));
    assert_eq!(world.status("web"), "pending");
    world.wait(DAY + HOUR);
    let run = json!({
        "image": "web", "key": "web-1", "began": "2026-01-07T00:10:00Z", "ended": Time(world.now).to_string(),
        "succeeded": true, "run": "https://github.com/acme/web/actions/runs/43",
    });
    let answer = world.ask("prove", run.clone());
    assert_eq!((answer.exit, world.outcomes("web")), (3, Vec::new()), "it is waited for");
    let image =
        world.registry.publish("acme/web:latest", &platforms(&["node-b", "web"], "2026-01-07T00:20:00Z"));
    assert_eq!(world.ask("prove", run).exit, 0);
    assert_eq!(
        (world.outcomes("web"), world.status("web")),
        (vec!["fresh".to_owned()], "monitoring".to_owned())
    );
    assert_eq!(get(&world.image("web"), "currentDigest"), Some(image.as_str()));
}

#[test]
fn what_cannot_be_looked_at_changes_nothing() {
    let mut world = settled();
    let before = world.tree.clone();
    world.registry.tags.clear();
    let answer = world.ask("observe", json!({"name": "node-22"}));
    assert_eq!((answer.exit, answer.diagnostics.len()), (1, 1));
    let answer = world.ask(
        "prove",
        json!({
            "image": "web", "key": "web-1", "began": "2026-01-05T00:10:00Z", "succeeded": true,
        }),
    );
    assert_eq!(answer.exit, 1);
    assert_eq!(world.tree, before);
    assert_eq!(world.ask("observe", json!({"name": "nodule"})).exit, 2);
    assert_eq!(world.ask("prove", json!({"image": "postgres"})).exit, 2);
    assert_eq!(world.ask("prove", json!({"image": "web", "key": "web-1"})).exit, 2, "when did it begin?");
    assert_eq!(world.now, START);
}

#[test]
fn an_image_that_ci_published_is_looked_at_with_its_dockerfile() {
    let mut world = World::new(WEB);
    world.dockerfile("acme/web", "FROM node:22\n");
    world.registry.publish("library/node:22", &platforms(&["node-a"], "2026-01-04T10:00:00Z"));
    let digest =
        world.registry.publish("acme/web:1.0.0", &platforms(&["node-a", "web"], "2026-01-04T12:00:00Z"));
    // What the event says of the digest is late, and does not count.
    let late = format!("sha256:{}", "0".repeat(64));
    world.ask("analyze", json!({"images": ["web"], "tag": "1.0.0", "digest": late, "live": true}));
    let image = world.image("web");
    assert_eq!(get(&image, "currentDigest"), Some(digest.as_str()));
    assert_eq!(get(&image, "currentVersion"), Some("1.0.0"));
    let held = get(&world.base("node-22"), "currentDigest").map(str::to_owned);
    assert_eq!(world.holds("web", "node-22"), (held, Some("layers".to_owned())));
}

#[test]
fn all_images_of_a_repository_are_looked_at_at_once() {
    let other = "- name: api\n  registry: ghcr.io\n  repository: acme/api\n  source: {provider: github, repo: acme/web, \
                 branch: main, dockerfile: api/Dockerfile, workflow: build.yml}\n";
    let mut world = World::new(&format!("{WEB}{other}"));
    world.dockerfile("acme/web", "FROM node:22\n");
    world.dockerfile("acme/web/api", "FROM node:20\n");
    let ask = |world: &mut World, branch: &str| {
        world
            .ask("analyze", json!({"sourceRepo": "https://github.com/acme/web.git", "sourceBranch": branch}))
            .messages
    };
    assert_eq!(ask(&mut world, "other"), ["no image is built from this source: nothing recorded"]);
    assert_eq!(
        ask(&mut world, "main"),
        ["api: 1 base image (node-20), new", "web: 1 base image (node-22), new"]
    );
}

/// What `analyze --all` leaves is what `reconcile` wants, and what it makes of an enrolment from
/// nothing is the same.
#[test]
fn reconcile_and_analyze_end_in_the_same_bytes() {
    let mut count = 0;
    for case in cases("lifecycle") {
        let (mut analyzed, mut reconciled) = (World::new(""), World::new(""));
        for step in case.steps() {
            for world in [&mut analyzed, &mut reconciled] {
                step.lay_over(&mut world.tree, &mut world.sources);
                world.now = Time::parse(step.now()).expect("a case's time is one").0;
            }
            analyzed.ask(step.verb(), step.args().clone());
            if step.args()["all"] != true {
                continue;
            }
            analyzed.reconcile();
            assert_eq!(analyzed.changed, Vec::<String>::new(), "{}", step.name());
            reconciled.reconcile();
            // A Dockerfile that changed is no news of images.yaml.
            reconciled.ask(step.verb(), step.args().clone());
            assert_eq!(reconciled.tree, analyzed.tree, "{}", step.name());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

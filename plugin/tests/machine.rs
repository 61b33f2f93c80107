//! The state machine: each transition a test, then random worlds.

#[path = "machine/random.rs"]
mod random;
#[path = "machine/verbs.rs"]
mod verbs;
#[path = "machine/world.rs"]
mod world;
#[path = "machine/year.rs"]
mod year;

use image_factory::look::{Held, Run};
use image_factory::sorted::SortedMap;
use world::{built, get, list, look, run, World, DAY, HOUR, START};

const WEB: &str = "- name: web
  registry: ghcr.io
  repository: acme/web
  source: {provider: github, repo: acme/web, branch: main, workflow: build.yml, platforms: [linux/amd64, linux/arm64]}
  autoRebuild: true
";

/// web, built on `node:22`, which was seen as A; the image is from then.
fn settled() -> World {
    let mut world = World::new(WEB);
    world.dockerfile("acme/web", "FROM node:22\n");
    world.reconcile();
    world.observe("node-22", &look("A", "a", "a"));
    world.wait(HOUR);
    world.look_at_image("web", &built("I", START + HOUR, &[("node-22", "A")]));
    assert_eq!(world.status("web"), "monitoring");
    world.wait(DAY);
    world
}

/// The same, and node:22 has moved to B since.
fn pending() -> World {
    let mut world = settled();
    world.observe("node-22", &look("B", "b", "b"));
    assert_eq!(world.status("web"), "pending");
    world
}

/// The same, and a run for B came to nothing.
fn held() -> World {
    let mut world = pending();
    world.now = world.time("web", "eligibleAt");
    let began = world.now;
    world.wait(HOUR);
    world.prove("web", &run("web-1", began, false), &built("I", START + HOUR, &[("node-22", "A")]));
    assert_eq!(world.status("web"), "held");
    world
}

fn each(test: impl Fn(World, &str)) {
    test(settled(), "monitoring");
    test(pending(), "pending");
    test(held(), "held");
}

#[test]
fn enrolled_is_monitoring_and_the_first_digest_is_what_it_holds() {
    let mut world = World::new(WEB);
    world.dockerfile("acme/web", "FROM node:22\n");
    world.reconcile();
    assert_eq!(world.status("web"), "monitoring");
    assert_eq!(world.holds("web", "node-22"), (None, None));
    world.observe("node-22", &look("A", "a", "a"));
    assert_eq!(world.changed, ["state/base-images/node-22.yaml", "state/images/web.yaml"]);
    assert_eq!(world.holds("web", "node-22"), (Some("A".into()), Some("assumed".into())));
    assert_eq!(world.status("web"), "monitoring");
    let base = world.base("node-22");
    assert_eq!(get(&base, "currentDigest"), Some("A"));
    assert_eq!(get(&base, "previousDigest"), None);
}

#[test]
fn the_first_digest_is_a_reason_where_evidence_says_that_the_image_holds_another() {
    let mut world = World::new(WEB);
    world.dockerfile("acme/web", "FROM node:22\n");
    world.reconcile();
    world.look_at_image("web", &built("I", START, &[("node-22", "Z")]));
    assert_eq!(world.status("web"), "monitoring");
    world.wait(HOUR);
    world.observe("node-22", &look("A", "a", "a"));
    assert_eq!(world.reasons("web"), ["node-22: Z -> A"]);
    assert_eq!(world.holds("web", "node-22").1.as_deref(), Some("provenance"));
    assert_eq!(world.status("web"), "pending");
}

#[test]
fn a_new_delay_moves_the_times_and_a_new_platform_is_assumed_held() {
    let mut world = pending();
    let since = world.time("web", "driftSince");
    assert_eq!(world.time("web", "eligibleAt"), since + 7 * DAY);
    world.tree.insert("images.yaml", format!("{WEB}  rebuildDelay: 1d\n"));
    world.reconcile();
    assert_eq!(world.time("web", "eligibleAt"), since + DAY);
    assert_eq!(get(list_map(&world, "enrollment").as_ref().expect("a copy"), "rebuildDelay"), Some("1d"));

    let mut world = World::new(&WEB.replace(", linux/arm64", ""));
    world.dockerfile("acme/web", "FROM node:22\n");
    world.reconcile();
    world.observe("node-22", &look("A", "a", "a"));
    world.look_at_image("web", &built("I", START, &[("node-22", "A")]));
    world.wait(DAY);
    world.observe("node-22", &look("B", "a", "b"));
    assert_eq!(world.status("web"), "monitoring", "only the other platform moved");
    world.tree.insert("images.yaml", WEB);
    world.reconcile();
    assert_eq!(world.status("web"), "pending", "now it counts");
}

fn list_map(world: &World, key: &str) -> Option<image_factory::yaml::Map> {
    world.image("web").get(key)?.as_map().cloned()
}

#[test]
fn roles_that_do_not_count_are_no_reason() {
    each(|mut world, _| {
        world.tree.insert("images.yaml", format!("{WEB}  roles: [stage]\n"));
        world.reconcile();
        assert_eq!(world.status("web"), "monitoring");
    });
}

#[test]
fn removed_is_archived_and_restored_with_what_was_tried() {
    each(|mut world, status| {
        let postgres =
            "- name: postgres\n  registry: docker.io\n  repository: library/postgres\n  allowTags: ^16$\n";
        world.tree.insert("images.yaml", postgres);
        world.reconcile();
        assert!(world.tree.text("state/images/web.yaml").is_none());
        assert!(world.tree.text("state/_archive/images/web.yaml").is_some());
        assert!(world.tree.text("state/_archive/base-images/node-22.yaml").is_some());
        world.tree.insert("images.yaml", format!("{WEB}{postgres}"));
        world.reconcile();
        assert_eq!(world.status("web"), status);
        assert_eq!(world.outcomes("web").len(), usize::from(status == "held"));
    });
}

#[test]
fn an_external_image_is_not_rebuilt() {
    each(|mut world, _| {
        let external = "- name: web\n  registry: ghcr.io\n  repository: acme/web\n  allowTags: ^1$\n";
        world.tree.insert("images.yaml", external);
        world.reconcile();
        assert_eq!(world.status("web"), "none");
    });
}

#[test]
fn a_base_more_is_assumed_to_be_held_and_one_less_takes_its_reason_away() {
    each(|mut world, status| {
        world.dockerfile("acme/web", "FROM node:22\nCOPY --from=busybox:1 /bin/sh /sh\n");
        world.analyze("web");
        assert_eq!(world.status("web"), status);
        world.observe("busybox-1", &look("X", "x", "x"));
        assert_eq!(world.holds("web", "busybox-1").0.as_deref(), Some("X"));
        world.dockerfile("acme/web", "FROM busybox:1\n");
        world.analyze("web");
        assert_eq!(world.status("web"), "monitoring");
        assert!(world.tree.text("state/base-images/node-22.yaml").is_none());
    });
}

#[test]
fn a_dockerfile_that_breaks_changes_no_status() {
    each(|mut world, status| {
        world.dockerfile("acme/web", "FRM node:22\n");
        assert_eq!(world.analyze("web").exit, 1);
        assert_eq!(world.status("web"), status);
        assert_eq!(get(&world.image("web"), "discoveryStatus"), Some("failed"));
    });
}

#[test]
fn an_unchanged_digest_writes_nothing() {
    each(|mut world, _| {
        let digest = get(&world.base("node-22"), "currentDigest").expect("it was seen").to_owned();
        let content = digest.to_lowercase();
        world.wait(HOUR);
        world.observe("node-22", &look(&digest, &content, &content));
        assert_eq!(world.changed, Vec::<String>::new());
    });
}

#[test]
fn the_same_content_under_a_new_digest_and_a_missing_platform_are_no_change() {
    each(|mut world, status| {
        let content = get(&world.base("node-22"), "currentDigest").expect("it was seen").to_lowercase();
        let reasons = world.reasons("web");
        world.observe("node-22", &look("A2", &content, &content));
        assert_eq!(world.changed, ["state/base-images/node-22.yaml"]);
        world.wait(HOUR);
        world.observe("node-22", &look("C", "c", ""));
        assert_eq!(world.changed, ["state/base-images/node-22.yaml"]);
        assert_eq!((world.status("web").as_str(), world.reasons("web")), (status, reasons));
    });
}

#[test]
fn new_content_is_a_reason_whose_clock_stays_while_its_target_moves() {
    let mut world = settled();
    world.observe("node-22", &look("B", "b", "a"));
    assert_eq!(world.changed, ["state/base-images/node-22.yaml", "state/images/web.yaml"]);
    assert_eq!(world.reasons("web"), ["node-22: A -> B"]);
    let (since, eligible) = (world.time("web", "driftSince"), world.time("web", "eligibleAt"));
    assert_eq!((since, eligible), (world.now, world.now + 7 * DAY));
    assert_eq!(world.time("web", "deadline"), eligible + DAY);
    for (at, digest) in ["C", "D", "E", "F"].into_iter().enumerate() {
        world.wait(DAY);
        world.observe("node-22", &look(digest, digest, "a"));
        assert_eq!(world.reasons("web"), [format!("node-22: A -> {digest}")], "{at}");
        assert_eq!(world.time("web", "driftSince"), since);
        assert_eq!(world.time("web", "eligibleAt"), eligible);
    }
    let mut world = held();
    world.observe("node-22", &look("C", "c", "c"));
    assert_eq!(world.status("web"), "pending", "there is something new to try");
    assert_eq!(get(&world.rebuild_state("web"), "key"), Some("web-2"));
}

#[test]
fn a_release_that_comes_platform_by_platform_settles_first_but_not_for_ever() {
    let mut world = settled();
    world.tree.insert("images.yaml", format!("{WEB}  rebuildDelay: 0\n  settle: 1h\n  maxWait: 3h\n"));
    world.reconcile();
    world.observe("node-22", &look("B", "b", "a"));
    let first = world.now;
    assert_eq!(world.time("web", "eligibleAt"), first + HOUR);
    world.wait(HOUR / 2);
    world.observe("node-22", &look("C", "b", "b"));
    assert_eq!(world.time("web", "eligibleAt"), first + HOUR / 2 + HOUR);
    for at in 2..20 {
        world.now = first + at * HOUR / 2;
        let digest = format!("D{at}");
        world.observe("node-22", &look(&digest, &digest, "b"));
    }
    assert_eq!(world.time("web", "eligibleAt"), first + 3 * HOUR, "and once it is due it stays due");
    assert_eq!(world.time("web", "deadline"), first + 3 * HOUR);
}

#[test]
fn the_content_that_the_image_holds_ends_the_reason() {
    for mut world in [pending(), held()] {
        world.wait(HOUR);
        world.observe("node-22", &look("A", "a", "a"));
        assert_eq!(world.status("web"), "monitoring");
    }
}

#[test]
fn a_new_image_that_holds_all_is_monitoring_and_one_that_lacks_some_is_pending() {
    each(|mut world, _| {
        let newest = get(&world.base("node-22"), "currentDigest").expect("it was seen").to_owned();
        world.look_at_image("web", &built("J", world.now, &[("node-22", &newest)]));
        assert_eq!(world.status("web"), "monitoring");
        assert_eq!(get(&world.image("web"), "currentDigest"), Some("J"));
    });
    each(|mut world, _| {
        world.observe("node-22", &look("C", "c", "c"));
        world.wait(HOUR);
        world.look_at_image("web", &built("J", world.now, &[("node-22", "A")]));
        assert_eq!(world.status("web"), "pending");
        assert_eq!(world.reasons("web"), ["node-22: A -> C"]);
    });
}

#[test]
fn an_older_look_at_an_image_is_dropped() {
    let mut world = settled();
    let earlier = world.now;
    world.wait(HOUR);
    world.look_at_image("web", &built("J", world.now, &[("node-22", "A")]));
    world.now = earlier;
    world.look_at_image("web", &built("H", earlier, &[("node-22", "A")]));
    assert_eq!(world.changed, Vec::<String>::new());
    assert_eq!(get(&world.image("web"), "currentDigest"), Some("J"));
}

#[test]
fn of_two_looks_at_a_base_the_later_wins_whichever_is_pushed_last() {
    let mut world = settled();
    let now = world.now;
    world.observe_at("node-22", &look("C", "c", "c"), now + 200);
    world.observe_at("node-22", &look("B", "b", "b"), now + 100);
    assert_eq!(get(&world.base("node-22"), "currentDigest"), Some("C"));
    assert_eq!(get(&world.base("node-22"), "previousDigest"), Some("B"));
    assert_eq!(world.reasons("web"), ["node-22: A -> C"]);
    assert_eq!(world.time("web", "driftSince"), now + 100);
}

#[test]
fn times_that_pass_change_nothing() {
    let world = pending();
    for days in 0..30 {
        let changes =
            image_factory::decide::decide(&world.tree, image_factory::time::Time(world.now + days * DAY));
        assert!(changes.expect("the state is good").is_empty());
    }
}

#[test]
fn a_run_that_brought_the_base_is_fresh() {
    let mut world = pending();
    world.now = world.time("web", "eligibleAt");
    let began = world.now;
    world.wait(HOUR);
    world.prove("web", &run("web-1", began, true), &built("J", world.now, &[("node-22", "B")]));
    assert_eq!(world.changed, ["state/images/web.yaml"]);
    assert_eq!(world.outcomes("web"), ["fresh"]);
    assert_eq!(world.status("web"), "monitoring");
}

#[test]
fn fresh_and_a_base_that_moved_meanwhile_is_pending_with_a_new_clock() {
    let mut world = pending();
    world.now = world.time("web", "eligibleAt");
    let began = world.now;
    world.wait(HOUR);
    world.observe("node-22", &look("C", "c", "c"));
    world.wait(HOUR);
    world.prove("web", &run("web-1", began, true), &built("J", world.now, &[("node-22", "B")]));
    assert_eq!(world.outcomes("web"), ["fresh"]);
    assert_eq!(world.status("web"), "pending");
    assert_eq!(world.time("web", "driftSince"), began + HOUR);
    assert_eq!(get(&world.rebuild_state("web"), "key"), Some("web-2"));
}

#[test]
fn a_run_while_nothing_was_pending_is_recorded() {
    let mut world = settled();
    let mut by_hand = run("rebuild-web.01", world.now, true);
    by_hand.by = Some("kubernetes:jane".to_owned());
    world.wait(HOUR);
    world.prove("web", &by_hand, &built("J", world.now, &[("node-22", "A")]));
    assert_eq!(
        (world.outcomes("web"), world.status("web")),
        (vec!["fresh".to_owned()], "monitoring".to_owned())
    );
    let attempt = &list(&world.rebuild_state("web"), "attempts")[0];
    assert_eq!(get(attempt, "by"), Some("kubernetes:jane"));
    world.observe("node-22", &look("B", "b", "b"));
    assert_eq!(get(&world.rebuild_state("web"), "key"), Some("web-1"), "a person's key has no number");
}

#[test]
fn where_nothing_can_be_said_the_outcome_is_unproven() {
    let mut world = pending();
    world.now = world.time("web", "eligibleAt");
    let began = world.now;
    world.wait(HOUR);
    world.prove("web", &run("web-1", began, true), &built("J", world.now, &[]));
    assert_eq!(world.outcomes("web"), ["unproven"]);
    assert_eq!(world.status("web"), "monitoring");
    assert_eq!(world.holds("web", "node-22"), (Some("B".into()), Some("assumed".into())));

    let mut world = pending();
    world.now = world.time("web", "eligibleAt");
    let began = world.now;
    world.wait(HOUR);
    world.prove("web", &run("web-1", began, true), &built("J", world.now, &[("node-22", "unknown")]));
    assert_eq!(
        (world.outcomes("web"), world.status("web")),
        (vec!["unproven".to_owned()], "held".to_owned())
    );
}

#[test]
fn stale_failed_and_unpublished_are_held_with_a_cause() {
    let old = || built("I", START + HOUR, &[("node-22", "A")]);
    let mut other = old();
    other.digest = "J".to_owned();
    other.made = None;
    let mut overridden = other.clone();
    let held = Held { digest: "A".to_owned(), evidence: "provenance", other: Some("node:20".to_owned()) };
    overridden.holds.insert("node-22", held);
    let never = Run { url: None, ..run("web-1", 0, false) };
    let cases = [
        (
            "stale",
            run("web-1", 0, true),
            other,
            "run 43 succeeded, but the image still holds A (provenance): was the base pulled?",
        ),
        (
            "stale",
            run("web-1", 0, true),
            overridden,
            "run 43 succeeded, but the image was built on node:20 (provenance): did a build argument say so?",
        ),
        ("failed", run("web-1", 0, false), old(), "run 43 failed"),
        ("failed", never, old(), "the run was never accepted"),
        ("unpublished", run("web-1", 0, true), old(), "run 43 succeeded, but it published no newer image"),
    ];
    for (outcome, mut run, look, cause) in cases {
        let mut world = pending();
        world.now = world.time("web", "eligibleAt");
        run.began = image_factory::time::Time(world.now);
        world.wait(HOUR);
        world.prove("web", &run, &look);
        assert_eq!(world.outcomes("web"), [outcome]);
        assert_eq!(world.status("web"), "held", "{outcome}");
        assert_eq!(get(&world.rebuild_state("web"), "cause"), Some(cause));
        assert_eq!(world.time("web", "eligibleAt"), world.now + DAY, "a day's rest");
        world.prove("web", &run, &look);
        assert_eq!(world.changed, Vec::<String>::new(), "the key is recorded");
    }
}

#[test]
fn each_failure_in_a_row_doubles_the_rest_up_to_a_week() {
    let mut world = pending();
    for (number, days) in [(1, 1), (2, 2), (3, 4), (4, 7), (5, 7)] {
        world.now = world.time("web", "eligibleAt");
        let began = world.now;
        world.wait(HOUR);
        world.prove(
            "web",
            &run(&format!("web-{number}"), began, false),
            &built("I", START, &[("node-22", "A")]),
        );
        world.observe("node-22", &look(&format!("N{number}"), &format!("n{number}"), "n"));
        assert_eq!(world.status("web"), "pending");
        assert_eq!(world.time("web", "eligibleAt"), world.now + days * DAY, "{number}");
    }
    assert_eq!(world.outcomes("web"), ["failed"; 5]);
}

#[test]
fn ten_attempts_stay_and_the_last_one_with_a_number() {
    let mut world = settled();
    world.prove("web", &run("web-7", world.now, true), &built("J", world.now, &[("node-22", "A")]));
    for at in 0..15 {
        world.wait(HOUR);
        let mut by_hand = run(&format!("rebuild-web.{at}"), world.now, true);
        by_hand.by = Some("jane".to_owned());
        world.prove("web", &by_hand, &built("J", world.now, &[("node-22", "A")]));
    }
    let state = world.rebuild_state("web");
    let keys: Vec<String> = list(&state, "attempts")
        .iter()
        .filter_map(|attempt| get(attempt, "key"))
        .map(str::to_owned)
        .collect();
    assert_eq!((keys.len(), keys[0].as_str()), (11, "web-7"));
    assert_eq!(keys[10], "rebuild-web.14");
}

#[test]
fn a_history_keeps_fifty_what_is_held_and_the_one_after() {
    let mut world = settled();
    for at in 0..80 {
        world.wait(HOUR);
        world.observe("node-22", &look(&format!("N{at}"), &format!("n{at}"), "n"));
    }
    let digests: Vec<String> = list(&world.base("node-22"), "updateHistory")
        .iter()
        .filter_map(|entry| get(entry, "digest"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        (digests.len(), &digests[..3]),
        (52, &["A".to_owned(), "N0".to_owned(), "N30".to_owned()][..])
    );
    let first = world.now - 79 * HOUR;
    assert_eq!(world.time("web", "driftSince"), first, "the clock stays");
}

#[test]
fn a_sweep_looks_at_all_and_leaves_its_heartbeat() {
    let mut world = settled();
    let mut bases = SortedMap::new();
    bases.insert("node-22", look("B", "b", "b"));
    world.sweep(&bases, &SortedMap::new());
    assert_eq!(world.status("web"), "pending");
    assert!(world.changed.contains(&"state/sweep.yaml".to_owned()));
    world.wait(DAY);
    world.sweep(&bases, &SortedMap::new());
    assert_eq!(world.changed, ["state/sweep.yaml"], "time alone makes the heartbeat and no other change");
}

/// platform is built on debian, web on platform and debian, shop on web.
fn family() -> World {
    let image = |name: &str, more: &str| {
        format!(
            "- name: {name}\n  registry: ghcr.io\n  repository: acme/{name}\n  source: {{provider: github, \
             repo: acme/{name}, branch: main, workflow: build.yml}}\n  autoRebuild: true\n{more}"
        )
    };
    let mut world = World::new(&[image("platform", ""), image("web", ""), image("shop", "")].concat());
    world.dockerfile("acme/platform", "FROM debian:13\n");
    world.dockerfile("acme/web", "FROM ghcr.io/acme/platform:1\nCOPY --from=debian:13 /a /a\n");
    world.dockerfile("acme/shop", "FROM ghcr.io/acme/web:1\n");
    world.reconcile();
    for base in ["debian-13", "ghcr.io--acme--platform-1", "ghcr.io--acme--web-1"] {
        world.observe(base, &look(&format!("{base}@1"), base, ""));
    }
    world.wait(DAY);
    world
}

#[test]
fn waves_go_down_the_graph_and_each_image_is_rebuilt_once() {
    let mut world = family();
    world.observe("debian-13", &look("D2", "d2", ""));
    assert_eq!(world.status("platform"), "pending");
    assert_eq!(world.waiting_for("web"), ["platform"]);
    assert_eq!(world.status("shop"), "monitoring");
    let runs = [("platform", "ghcr.io--acme--platform-1"), ("web", "ghcr.io--acme--web-1"), ("shop", "")];
    for (name, published) in runs {
        assert_eq!((world.status(name), world.waiting_for(name)), ("pending".to_owned(), vec![]), "{name}");
        world.now = world.now.max(world.time(name, "eligibleAt"));
        let began = world.now;
        world.wait(HOUR);
        let holds: Vec<(String, String)> = list(&world.image(name), "bases")
            .iter()
            .filter_map(|edge| get(edge, "name").map(str::to_owned))
            .map(|base| (base.clone(), get(&world.base(&base), "currentDigest").expect("seen").to_owned()))
            .collect();
        let holds: Vec<(&str, &str)> =
            holds.iter().map(|(base, digest)| (base.as_str(), digest.as_str())).collect();
        world.prove(
            name,
            &run(&format!("{name}-1"), began, true),
            &built(&format!("{name}@2"), world.now, &holds),
        );
        if !published.is_empty() {
            world.observe(published, &look(&format!("{name}@2"), &format!("{name}2"), ""));
        }
        assert_eq!(
            (world.outcomes(name), world.status(name)),
            (vec!["fresh".to_owned()], "monitoring".to_owned())
        );
    }
    for (name, _) in runs {
        assert_eq!((world.status(name).as_str(), world.outcomes(name).len()), ("monitoring", 1), "{name}");
    }
}

#[test]
fn a_parent_that_only_a_person_rebuilds_holds_nobody() {
    let mut world = family();
    let text = world.tree.text("images.yaml").expect("it is there").replacen(
        "autoRebuild: true",
        "autoRebuild: false",
        1,
    );
    world.tree.insert("images.yaml", text);
    world.reconcile();
    world.observe("debian-13", &look("D2", "d2", ""));
    assert_eq!(world.waiting_for("web"), Vec::<String>::new());
}

#[test]
fn a_rebuilt_parent_with_the_same_content_moves_no_child() {
    let mut world = family();
    world.observe("ghcr.io--acme--platform-1", &look("P2", "ghcr.io--acme--platform-1", ""));
    assert_eq!(world.status("web"), "monitoring");
}

#[test]
fn a_cycle_is_held_and_names_itself() {
    let mut world = family();
    world.dockerfile("acme/platform", "FROM debian:13\nCOPY --from=ghcr.io/acme/shop:1 /a /a\n");
    world.analyze("platform");
    world.observe("debian-13", &look("D2", "d2", ""));
    assert_eq!(world.status("platform"), "held");
    let state = world.rebuild_state("web");
    let cause = "these images are built on one another: platform -> shop -> web -> platform";
    assert_eq!((get(&state, "status"), get(&state, "cause")), (Some("held"), Some(cause)));
}

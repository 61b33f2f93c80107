//! `decide` against an executable model of the state machine, on its trees made by hand and on
//! random ones:
//!
//! ```text
//! MODEL=model.py cargo test --release -p image-factory-plugin --test decide_oracle -- --ignored --nocapture
//! ```

#![allow(clippy::disallowed_methods, reason = "a test, not the core, reads the model's trees")]

use std::fs;
use std::process::Command;

use image_factory::decide::decide;
use image_factory::time::Time;
use image_factory::tree::Tree;
use image_factory::yaml::{self, Map, Source, Value};
use image_factory_harness::read_tree;

const COUNT: usize = 10_000;

#[test]
#[ignore = "needs Python and a model, which MODEL names"]
fn derives_what_the_model_derives() {
    let model = std::env::var("MODEL").expect("MODEL names the model's file");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle-decide/trees.py");
    let folder = std::env::temp_dir().join(format!("image-factory-decide-{}", std::process::id()));
    let status = Command::new("python3")
        .args([script, &model, &COUNT.to_string()])
        .arg(&folder)
        .status()
        .expect("python3 runs");
    assert!(status.success(), "the script made its trees");
    let (mut images, mut pending, mut held, mut waiting) = (0, 0, 0, 0);
    let mut differences = Vec::new();
    for at in 0..COUNT {
        let case = folder.join(format!("{at:05}"));
        let expected = fs::read_to_string(case.join("expected.json")).expect("each tree has one");
        let expected: Value = serde_json::from_str(&expected).expect("it is JSON");
        let mut tree = read_tree(&case);
        tree.0.remove("expected.json");
        let after = derived(&tree).unwrap_or_else(|error| panic!("{at}: {error}"));
        for (name, expected) in &expected.as_map().expect("a map by image").0 {
            let found = rebuild_state(&after, name);
            images += 1;
            pending += usize::from(found.get("status") == Some(&Value::string("pending")));
            held += usize::from(found.get("status") == Some(&Value::string("held")));
            waiting += usize::from(
                found.get("waitingFor").and_then(Value::as_list).is_some_and(|list| !list.is_empty()),
            );
            if found != *expected.as_map().expect("a map") {
                differences.push(format!("{at} {name}:\n  model {expected:?}\n  ours  {found:?}"));
            }
        }
        let twice = derived(&after).expect("it was read before");
        assert_eq!(twice, after, "{at}: decide twice is not decide once");
    }
    fs::remove_dir_all(&folder).expect("the folder is ours");
    println!("{COUNT} trees, {images} images, {pending} pending, {held} held, {waiting} waiting");
    assert!(pending > 1000 && held > 100 && waiting > 100, "the trees show something");
    let count = differences.len();
    differences.truncate(5);
    assert!(differences.is_empty(), "{count} differences:\n{}", differences.join("\n"));
}

fn derived(tree: &Tree) -> Result<Tree, String> {
    let changes = decide(tree, Time(0)).map_err(|found| format!("{:?}", found.0))?;
    let mut after = tree.clone();
    for (path, text) in changes {
        after.insert(path, text.expect("decide deletes nothing"));
    }
    Ok(after)
}

/// What the model derives, too: all but the cause, and without the attempts.
fn rebuild_state(tree: &Tree, name: &str) -> Map {
    let file = format!("state/images/{name}.yaml");
    let text = tree.text(&file).expect("the image has state");
    let node = yaml::parse(Source { file: &file, text }).expect("it is YAML").expect("it is not empty");
    let Value::Map(mut document) = node.to_value() else { panic!("{name} is no map") };
    let Some(Value::Map(mut state)) = document.remove("rebuildState") else { panic!("{name} has none") };
    state.remove("attempts");
    state.remove("cause");
    state
}

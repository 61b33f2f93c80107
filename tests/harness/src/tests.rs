//! The harness on cases made for it, answered by a small verb of its own.

use std::path::PathBuf;

use image_factory::abi::{GitNeed, Needs};
use image_factory::diagnostic::Diagnostic;
use serde_json::json;

use super::*;
use crate::folder::write;

/// A temporary folder that is gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, files: &[(&str, &str)]) -> Scratch {
        let folder =
            std::env::temp_dir().join(format!("image-factory-harness-{}-{name}", std::process::id()));
        for (path, text) in files {
            write(&folder.join("lifecycle").join(path), text);
        }
        Scratch(folder)
    }

    fn check(&self, answer: impl FnMut(&[u8]) -> Vec<u8>) -> Result<(), String> {
        let cases = Case::all_in(&self.0.join("lifecycle"), "lifecycle");
        assert_eq!(cases.len(), 1);
        check_or_update(&cases[0], false, answer)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies the Dockerfile of images.yaml's repository into state, and counts its rounds.
fn copying(request: &[u8]) -> Vec<u8> {
    let request = parse(request);
    let url = request.tree.text("images.yaml").unwrap_or("none").trim().to_owned();
    let mut answer = Answer::default();
    match request.fetched.git.first() {
        None => {
            let paths = vec!["Dockerfile".to_owned()];
            answer.needs = Some(Needs {
                git: vec![GitNeed { url, reference: "main".to_owned(), paths }],
                ..Needs::default()
            });
        }
        Some(fetched) => match fetched.files.get("Dockerfile").cloned().flatten() {
            Some(text) if request.tree.text("state/copy") != Some(&text) => {
                answer.files.insert("state/copy".to_owned(), Some(text));
            }
            Some(_) => {}
            None => {
                answer
                    .diagnostics
                    .push(Diagnostic::error("IF9999", fetched.error.clone().unwrap_or_default()));
                answer.exit = 3;
            }
        },
    }
    answer.print().into_bytes()
}

const STEPS: &[(&str, &str)] = &[
    ("case/1-first/args.json", r#"{"verb": "analyze"}"#),
    ("case/1-first/input/images.yaml", "https://example.test/acme/web.git\n"),
    ("case/1-first/input/state/old", "gone later\n"),
    ("case/1-first/sources/acme/web/Dockerfile", "FROM a\n"),
    ("case/1-first/expected/state/copy", "FROM a\n"),
    ("case/1-first/expected/state/old", "gone later\n"),
    ("case/2-changed/args.json", r#"{"verb": "analyze", "now": "2026-02-05T10:00:00Z"}"#),
    ("case/2-changed/input/state/old.deleted", ""),
    ("case/2-changed/sources/acme/web@main/Dockerfile", "FROM b\n"),
    ("case/2-changed/expected/state/copy", "FROM b\n"),
    ("case/10-lost/args.json", r#"{"verb": "analyze"}"#),
    ("case/10-lost/input/images.yaml", "git@example.test:acme/lost\n"),
    ("case/10-lost/expected/state/copy", "FROM b\n"),
    (
        "case/10-lost/expected/diagnostics.txt",
        "error[IF9999]: no --source-dir holds it, and nothing is fetched\n",
    ),
    ("case/10-lost/expected/exit.txt", "3\n"),
];

#[test]
fn runs_steps_in_order_on_what_the_one_before_left() {
    let scratch = Scratch::new("steps", STEPS);
    assert_eq!(scratch.check(copying), Ok(()));
}

#[test]
fn shows_what_differs() {
    let mut files = STEPS.to_vec();
    files.retain(|(path, _)| !path.starts_with("case/1-first/expected/state/old"));
    files.push(("case/1-first/expected/messages.txt", "done\n"));
    let scratch = Scratch::new("differs", &files);
    let difference = scratch.check(copying).expect_err("two files differ");
    assert!(difference.contains("lifecycle/case/1-first"), "{difference}");
    assert!(difference.contains("-done"), "{difference}");
    assert!(difference.contains("+gone later"), "{difference}");
}

#[test]
fn updates_what_is_expected() {
    let inputs: Vec<_> = STEPS.iter().filter(|(path, _)| !path.contains("/expected/")).copied().collect();
    let scratch = Scratch::new("updates", &inputs);
    write(&scratch.0.join("lifecycle/case/1-first/expected/messages.txt"), "stale\n");
    let cases = Case::all_in(&scratch.0.join("lifecycle"), "lifecycle");
    assert!(scratch.check(copying).is_err());
    assert_eq!(check_or_update(&cases[0], true, copying), Ok(()));
    assert_eq!(scratch.check(copying), Ok(()));
    for (path, text) in STEPS.iter().filter(|(path, _)| path.contains("/expected/")) {
        let written = std::fs::read_to_string(scratch.0.join("lifecycle").join(path));
        assert_eq!(written.ok().as_deref(), Some(*text), "{path}");
    }
}

#[test]
fn finds_a_verb_that_never_settles() {
    let scratch = Scratch::new("settles", STEPS);
    let mut answers = 0;
    let restless = |request: &[u8]| {
        let parsed = parse(request);
        let mut answer: Answer = serde_json::from_slice(&copying(request)).expect("it answers");
        if answer.needs.is_none() && parsed.tree.text("state/copy").is_some() {
            answer.files.insert("state/copy".to_owned(), Some(parsed.now));
        }
        answer.print().into_bytes()
    };
    let difference = scratch.check(restless).expect_err("it writes each time");
    assert!(difference.contains("changes more: state/copy"), "{difference}");

    let mut random = |request: &[u8]| {
        answers += 1;
        let mut answer: Answer = serde_json::from_slice(&copying(request)).expect("it answers");
        answer.output = Some(json!(if answers > 2 { 1 } else { 0 }));
        answer.print().into_bytes()
    };
    let mut files = STEPS.to_vec();
    files.push(("case/1-first/expected/output.json", "0\n"));
    let scratch = Scratch::new("random", &files);
    let difference = scratch.check(&mut random).expect_err("it answers differently");
    assert!(difference.contains("two different answers"), "{difference}");
}

#[test]
fn bounds_rounds_and_guards_paths() {
    let scratch = Scratch::new("bounds", STEPS);
    let endless = |_: &[u8]| br#"{"needs":{"git":[{"url":"a/b","reference":"","paths":[]}]}}"#.to_vec();
    assert!(scratch.check(endless).expect_err("it never ends").contains("8 rounds"));
    let outside = |_: &[u8]| br#"{"files":{"images.yaml":"a"}}"#.to_vec();
    assert!(scratch.check(outside).expect_err("it writes elsewhere").contains("may not write"));
    let missing = |_: &[u8]| br#"{"files":{"state/none":null}}"#.to_vec();
    assert!(scratch.check(missing).expect_err("it deletes nothing").contains("isn't there"));
    let torn = |_: &[u8]| {
        br#"{"manifests":[{}],"diagnostics":[{"code":"IF0001","severity":"error","message":"m"}]}"#.to_vec()
    };
    assert!(scratch.check(torn).expect_err("an error prints nothing").contains("beside an error"));
}

#[test]
fn reads_folders_as_a_host_does() {
    let scratch = Scratch::new("folders", &[]);
    write(&scratch.0.join("a/text"), "a\n");
    std::fs::write(scratch.0.join("a/latin"), b"ok\n\xc3\xa4x\xe4").expect("it can be written");
    std::os::unix::fs::symlink("text", scratch.0.join("a/link")).expect("it can be linked");
    let tree = serde_json::to_value(read_tree(&scratch.0)).expect("a tree is plain data");
    assert_eq!(
        tree,
        json!({
            "a/latin": {"refused": {"not-utf8": {"line": 2, "column": 3}}},
            "a/link": {"refused": "symlink"},
            "a/text": "a\n",
        })
    );
}

#[test]
fn copies_folders_over_folders() {
    let scratch = Scratch::new("copies", &[]);
    let to = scratch.0.join("to");
    for (path, text) in
        [("from/new", "new"), ("from/changed", "b"), ("from/old.deleted", ""), ("from/.gitkeep", "")]
    {
        write(&scratch.0.join(path), text);
    }
    for (path, text) in [("to/changed", "a"), ("to/old/deep", "a"), ("to/kept", "a")] {
        write(&scratch.0.join(path), text);
    }
    copy_over(&scratch.0.join("from"), &to);
    copy_over(&scratch.0.join("absent"), &to);
    let tree = serde_json::to_value(read_tree(&to)).expect("a tree is plain data");
    assert_eq!(tree, json!({"changed": "b", "kept": "a", "new": "new"}));
}

#[test]
fn knows_a_repository_by_any_url() {
    let mut sources = Sources::default();
    sources.0.insert("acme/web/Dockerfile", "FROM a\n");
    for url in [
        "https://h/acme/web.git",
        "https://h/acme/web/",
        "ssh://git@h/x/acme/web",
        "git@h:acme/web",
        "acme/web",
    ] {
        let need = GitNeed {
            url: url.to_owned(),
            reference: String::new(),
            paths: vec!["Dockerfile".to_owned(), "x".to_owned()],
        };
        let fetched = sources.fetch(&need);
        assert_eq!(fetched.commit, Some(commit_id("acme/web")), "{url}");
        assert_eq!(fetched.files["Dockerfile"].as_deref(), Some("FROM a\n"));
        assert_eq!(fetched.files["x"], None);
    }
    assert_eq!(commit_id("acme/web").len(), 40);
    assert_ne!(commit_id("acme/web"), commit_id("acme/wob"));
}

#[test]
fn a_synthetic_factory_renders_a_warehouse_for_every_two_images() {
    for images in [4, 7, 100] {
        let request = Request {
            abi: image_factory::abi::ABI_VERSION,
            verb: "generate".to_owned(),
            args: json!({}),
            now: "2026-01-05T10:00:00Z".to_owned(),
            tree: synthetic::factory(images),
            fetched: Fetched::default(),
        };
        let request = serde_json::to_vec(&request).expect("a request is plain data");
        let answer: Answer =
            serde_json::from_slice(&image_factory::abi::answer(&request)).expect("it is an answer");
        assert_eq!(answer.diagnostics, []);
        assert_eq!(answer.manifests.len(), images / 4 * 2);
    }
}

/// CONTRIBUTING.md names tests; they are there.
#[test]
fn the_tests_against_failures_of_others_are_there() {
    let root = tests_folder().join("..");
    let text = std::fs::read_to_string(root.join("CONTRIBUTING.md")).expect("it is there");
    let mut count = 0;
    for name in text.split('`').filter(|word| word.contains(".rs::")) {
        let (file, test) = name.split_once("::").expect("it has one");
        let code = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(code.contains(&format!("fn {test}(")), "{file} has no test `{test}`");
        count += 1;
    }
    assert!(count > 20, "{count}");
}

//! The golden cases of `tests/`, on the program: flags and folders in, text and folders out.

use std::path::Path;
use std::process::{Command, Output};

use image_factory_harness::{cases, compare, copy_over, Outcome, Step};
use image_factory_runner::host::EMBEDDED_DIGEST;
use serde_json::Value;

#[test]
fn generate() {
    check("generate");
}

fn check(kind: &str) {
    let cases = cases(kind);
    assert!(!cases.is_empty());
    let mut failures = Vec::new();
    for case in &cases {
        let work = tempfile::tempdir().expect("a folder can be made");
        for step in case.steps() {
            copy_over(&step.folder().join("input"), &work.path().join("factory"));
            copy_over(&step.folder().join("sources"), &work.path().join("sources"));
            let pinned = pin_the_module(&work.path().join("factory/factory.yaml"));
            let outcome = outcome(&run(&step, work.path()), pinned);
            if let Err(difference) = compare(&step.expected_folder(), &outcome) {
                failures.push(format!("{}: {difference}", step.name()));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} {kind} cases differ:\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n\n")
    );
}

/// What a case pins, since it cannot know the module's digest.
fn pin_of_cases() -> String {
    format!("sha256:{}", "ab".repeat(32))
}

/// Makes a case's pin the module's; whether there was one.
fn pin_the_module(factory: &Path) -> bool {
    let text = std::fs::read_to_string(factory).unwrap_or_default();
    let pinned = text.contains(&pin_of_cases());
    if pinned {
        std::fs::write(factory, text.replace(&pin_of_cases(), EMBEDDED_DIGEST))
            .expect("the copy can be written");
    }
    pinned
}

/// Runs the program in the factory's folder, as its owner would.
fn run(step: &Step, work: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_image-factory"))
        .args([step.verb(), "--now", step.now()])
        .args(flags(step.args()))
        .current_dir(work.join("factory"))
        // Not as Argo CD's plugin, whose diagnostics are shorter.
        .env_remove("ARGOCD_APP_NAME")
        .output()
        .expect("the program starts")
}

/// `{"kargoVersion": "1.8", "allowEmpty": true}` as `--kargo-version 1.8 --allow-empty`.
fn flags(args: &Value) -> Vec<String> {
    let mut flags = Vec::new();
    for (key, value) in args.as_object().expect("arguments are an object") {
        let flag = key.chars().fold("--".to_owned(), |flag, c| match c {
            'A'..='Z' => flag + "-" + &c.to_ascii_lowercase().to_string(),
            c => flag + &c.to_string(),
        });
        match value {
            Value::Bool(true) => flags.push(flag),
            Value::Bool(false) => {}
            Value::String(text) => flags.extend([flag, text.clone()]),
            other => panic!("`{key}` is {other}: teach this test how to say that in flags"),
        }
    }
    flags
}

fn outcome(output: &Output, pinned: bool) -> Outcome {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8");
    let mut outcome = Outcome::default();
    // The program tells the module its digest, which a case knows only where it pins it.
    let digest = format!("    image-factory.dev/module: {EMBEDDED_DIGEST}\n");
    let expected = if pinned { digest.replace(EMBEDDED_DIGEST, &pin_of_cases()) } else { String::new() };
    outcome.put("manifests.yaml", text(&output.stdout).replace(&digest, &expected));
    // A blank line ends each diagnostic; in a file the last one needs none.
    let diagnostics = text(&output.stderr);
    let diagnostics = diagnostics.trim_end();
    if !diagnostics.is_empty() {
        outcome.put("diagnostics.txt", format!("{diagnostics}\n"));
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => outcome.put("exit.txt", format!("{code}\n")),
        None => outcome.put("exit.txt", format!("{}\n", output.status)),
    }
    outcome
}

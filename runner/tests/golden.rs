//! The golden cases of `tests/`, on the program: flags and folders in, text and folders out.

use std::path::Path;
use std::process::{Command, Output};

use image_factory::tree::File;
use image_factory_harness::{cases, compare, copy_over, read_tree, Outcome, Step};
use image_factory_runner::host::EMBEDDED_DIGEST;
use serde_json::Value;

#[test]
fn generate() {
    check("generate");
}

#[test]
fn analyze() {
    check("analyze");
}

#[test]
fn lifecycle() {
    check("lifecycle");
}

#[test]
fn checks() {
    check("check");
}

#[test]
fn rebuild() {
    check("rebuild");
}

/// The verbs that change state.
const WRITES: [&str; 2] = ["analyze", "reconcile"];
/// The verbs whose answer is a table, or JSON.
const LOOKS: [&str; 2] = ["status", "what-if"];

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
            let output = run(&step, work.path());
            let outcome = outcome(&step, &output, work.path(), pinned);
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
    let mut program = Command::new(env!("CARGO_BIN_EXE_image-factory"));
    program
        .args([step.verb(), "--now", step.now()])
        .args(flags(step.args()))
        .current_dir(work.join("factory"))
        // Not as Argo CD's plugin, whose diagnostics are shorter.
        .env_remove("ARGOCD_APP_NAME");
    match step.verb() {
        verb if WRITES.contains(&verb) => {
            let _ = program.args(source_dirs(&work.join("sources"))).arg("--offline");
        }
        "check" => drop(program.args(source_dirs(&work.join("sources")))),
        verb if LOOKS.contains(&verb) => drop(program.args(["--output", "json"])),
        _ => {}
    }
    program.output().expect("the program starts")
}

/// `{"kargoVersion": "1.8", "allowEmpty": true}` as `--kargo-version 1.8 --allow-empty`; a list
/// repeats its flag, whose name is singular, and a map repeats it with `KEY=VALUE`.
fn flags(args: &Value) -> Vec<String> {
    let mut flags = Vec::new();
    for (key, value) in args.as_object().expect("arguments are an object") {
        // Said by each --source-dir.
        if key == "sources" {
            continue;
        }
        let flag = key.chars().fold("--".to_owned(), |flag, c| match c {
            'A'..='Z' => flag + "-" + &c.to_ascii_lowercase().to_string(),
            c => flag + &c.to_string(),
        });
        let singular = || flag.trim_end_matches('s').to_owned();
        let text = |value: &Value| value.as_str().expect("a flag's value is text").to_owned();
        match value {
            Value::Bool(true) => flags.push(flag),
            Value::Bool(false) => {}
            Value::String(text) => flags.extend([flag, text.clone()]),
            Value::Array(items) => flags.extend(items.iter().flat_map(|item| [singular(), text(item)])),
            Value::Object(entries) => {
                flags.extend(
                    entries.iter().flat_map(|(key, item)| [singular(), format!("{key}={}", text(item))]),
                );
            }
            other => panic!("`{key}` is {other}: teach this test how to say that in flags"),
        }
    }
    flags
}

/// `--source-dir OWNER/REPOSITORY=FOLDER` for each of a case's repositories.
fn source_dirs(sources: &Path) -> Vec<String> {
    let folders = |folder: &Path| -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let names = entries.map(|entry| entry.expect("the sources can be listed").file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().expect("names are UTF-8")).collect();
        names.sort();
        names
    };
    let mut flags = Vec::new();
    for owner in folders(sources) {
        for repository in folders(&sources.join(&owner)) {
            let folder = sources.join(&owner).join(&repository);
            flags.extend(["--source-dir".to_owned(), format!("{owner}/{repository}={}", folder.display())]);
        }
    }
    flags
}

#[test]
fn arguments_are_said_in_flags() {
    let args = serde_json::json!({
        "all": true, "allowEmpty": false, "buildArgs": {"A": "1", "B": "2"}, "images": ["a", "b"], "kargoVersion": "1.8",
    });
    let said = "--all --build-arg A=1 --build-arg B=2 --image a --image b --kargo-version 1.8";
    assert_eq!(flags(&args).join(" "), said);
    let work = tempfile::tempdir().expect("a folder can be made");
    std::fs::create_dir_all(work.path().join("acme/web")).expect("a folder can be made");
    let folder = work.path().join("acme/web").display().to_string();
    assert_eq!(source_dirs(work.path()), ["--source-dir".to_owned(), format!("acme/web={folder}")]);
}

fn outcome(step: &Step, output: &Output, work: &Path, pinned: bool) -> Outcome {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8");
    let mut outcome = Outcome::default();
    // The program tells the module its digest, which a case knows only where it pins it.
    let digest = format!("    image-factory.dev/module: {EMBEDDED_DIGEST}\n");
    let expected = if pinned { digest.replace(EMBEDDED_DIGEST, &pin_of_cases()) } else { String::new() };
    let stdout = text(&output.stdout).replace(&digest, &expected);
    // What `check` says of a factory without a finding is the program's own.
    let is_quiet = step.verb() == "check" && output.stderr.is_empty() && stdout == "nothing to mend\n";
    match serde_json::from_str::<Value>(&stdout) {
        Ok(value) if LOOKS.contains(&step.verb()) => {
            let pretty = serde_json::to_string_pretty(&value).expect("it was JSON before");
            outcome.put("output.json", pretty + "\n");
        }
        _ => outcome.put("manifests.yaml", if is_quiet { String::new() } else { stdout }),
    }

    // On stderr a blank line ends each diagnostic, and messages follow; a case has two files for them.
    let printed = text(&output.stderr);
    let expected = |name| std::fs::read_to_string(step.expected_folder().join(name)).unwrap_or_default();
    let (diagnostics, messages) = (expected("diagnostics.txt"), expected("messages.txt"));
    let end = if diagnostics.is_empty() { "" } else { "\n" };
    if printed == format!("{diagnostics}{end}{messages}") {
        outcome.put("diagnostics.txt", diagnostics);
        outcome.put("messages.txt", messages);
    } else {
        outcome.put("diagnostics.txt", printed);
    }

    if WRITES.contains(&step.verb()) {
        let tree = read_tree(&work.join("factory/state"));
        for (path, file) in tree.0 {
            if let File::Text(text) = file {
                outcome.0.insert(format!("state/{path}"), text);
            }
        }
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => outcome.put("exit.txt", format!("{code}\n")),
        None => outcome.put("exit.txt", format!("{}\n", output.status)),
    }
    outcome
}

//! The cases of `tests/bases/`: Dockerfiles, what the build says beside them, and BuildKit's answer.
//!
//! `diagnostics.txt` beside them holds what people read of each case that has an error, a warning or
//! an argument without a value.
//!
//! `lint` are the rules that BuildKit's linter names for base images that define nothing; where our
//! findings are warnings only, the images are those of a base image that settles them.
//!
//! `UPDATE_GOLDEN=1` writes it, and code and line of expected errors anew; whether there is an error, and
//! the images, are BuildKit's and never rewritten.

#![allow(clippy::disallowed_methods, reason = "the core has no files; its tests read their cases from some")]

use std::path::PathBuf;

use image_factory::dockerfile::{self, Bases, Options, Role};
use image_factory::sorted::SortedMap;
use serde_json::{json, Value};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/bases")
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn map(value: &Value) -> SortedMap<String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A text, or a list of texts and `{"repeat": "x", "times": 3}`.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text).collect(),
        part => {
            let times = part["times"].as_u64().expect("a part that is no text has a number of times");
            text(&part["repeat"]).repeat(usize::try_from(times).expect("it fits into memory"))
        }
    }
}

fn options(value: &Value) -> Options {
    let mut options = Options {
        build_args: map(&value["buildArgs"]),
        target: value["target"].as_str().map(str::to_owned),
        contexts: map(&value["buildContexts"]),
        named_contexts: value["namedContexts"].as_bool().unwrap_or(true),
        any_frontend: true,
        ..Options::default()
    };
    if value["platforms"].is_array() {
        options.platforms = strings(&value["platforms"]);
    }
    for (reference, triggers) in value["onbuild"].as_object().into_iter().flatten() {
        options.onbuild.insert(reference.clone(), strings(triggers));
    }
    options
}

/// Images, used references, error and what is unresolved, in the spelling of the cases.
fn shown(bases: &Bases) -> Value {
    if let Some(error) = bases.diagnostics.0.iter().find(|diagnostic| diagnostic.is_error()) {
        let line = error.location.as_ref().map_or(0, |location| location.line);
        return json!({"error": {"code": error.code, "line": line}});
    }
    let images = || bases.images.iter().filter(|image| !image.roles.contains(Role::Frontend));
    let mut shown = json!({
        "images": images().map(|i| format!("{} {}", i.reference.normalized(), i.platform)).collect::<Vec<_>>(),
    });
    let mut used: Vec<String> =
        images().filter(|image| image.used).map(|image| image.reference.normalized()).collect();
    used.sort();
    used.dedup();
    shown["used"] = json!(used);
    shown
}

/// The rules of the linter that are broken, or are unless the base image settles it.
fn linted(bases: &Bases) -> Vec<String> {
    let found = bases.diagnostics.0.iter().filter(|diagnostic| diagnostic.code == "IF0729");
    let rule = |message: &str| message.rsplit('(').next().map(|rule| rule.trim_end_matches(')').to_owned());
    let mut rules: Vec<String> = found.filter_map(|diagnostic| rule(&diagnostic.message)).collect();
    rules.sort();
    rules.dedup();
    rules
}

/// A case on one line, its keys in the order in which one reads them.
fn in_order(case: &Value) -> String {
    let keys = ["name", "dockerfile", "options", "frontend", "error", "lint", "images", "used", "unresolved"];
    let pairs = keys.iter().filter(|key| !case[**key].is_null());
    let pairs: Vec<String> = pairs.map(|key| format!("{}: {}", json!(key), case[*key])).collect();
    format!("  {{{}}}", pairs.join(", "))
}

#[test]
fn diagnostics_read_well() {
    let path = folder().join("diagnostics.txt");
    let cases =
        std::fs::read_to_string(folder().join("cases.json")).expect("the cases stand in the repository");
    let cases: Vec<Value> = serde_json::from_str(&cases).expect("the cases are JSON");
    let mut shown = String::new();
    for case in &cases {
        let bases = dockerfile::bases("Dockerfile", &text(&case["dockerfile"]), &options(&case["options"]));
        let missing: Vec<_> = bases.unresolved.iter().map(dockerfile::Unresolved::diagnostic).collect();
        for diagnostic in bases.diagnostics.0.iter().chain(&missing) {
            shown.push_str(&format!("# {}\n{diagnostic}\n\n", case["name"].as_str().unwrap_or_default()));
        }
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &shown).expect("the folder is writable");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let first = shown.lines().zip(expected.lines()).find(|(shown, expected)| shown != expected);
    assert!(shown == expected, "the diagnostics differ, first here: {first:?}");
}

#[test]
fn every_case_has_buildkits_answer() {
    let path = folder().join("cases.json");
    let cases = std::fs::read_to_string(&path).expect("the cases stand in the repository");
    let mut cases: Vec<Value> = serde_json::from_str(&cases).expect("the cases are JSON");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for case in &mut cases {
        let bases = dockerfile::bases("Dockerfile", &text(&case["dockerfile"]), &options(&case["options"]));
        let shown = shown(&bases);
        let unresolved: Vec<&str> = bases.unresolved.iter().map(|u| u.argument.as_str()).collect();
        if update && case["error"].is_object() && shown["error"].is_object() {
            case["error"] = shown["error"].clone();
        }
        let keys = ["error", "images", "used"];
        let is_right = keys.iter().all(|key| shown[*key] == case[*key])
            && strings(&case["unresolved"]) == unresolved
            && strings(&case["lint"]) == linted(&bases);
        let frontend = bases.images.iter().find(|image| image.roles.contains(Role::Frontend));
        let frontend_is_right = match case["frontend"].as_str() {
            Some(expected) if shown["error"].is_null() => {
                let expected = image_factory::reference::ImageReference::parse(expected);
                let given = case["options"]["buildArgs"]["BUILDKIT_SYNTAX"].is_string();
                given || frontend.map(|image| image.reference.clone()) == expected.ok()
            }
            _ => true,
        };
        if !is_right || !frontend_is_right {
            let diagnostics: Vec<String> = bases.diagnostics.0.iter().map(ToString::to_string).collect();
            wrong.push(format!("{}\n  got {shown} {unresolved:?}\n  {}", case, diagnostics.join("\n")));
        }
    }
    if update {
        let lines: Vec<String> = cases.iter().map(in_order).collect();
        std::fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n"))).expect("the folder is writable");
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

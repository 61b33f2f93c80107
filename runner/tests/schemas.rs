//! The schemas that the program prints, held by a validator that is not ours against the sample, the
//! golden cases, and the files that are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image_factory::tree::{File, Tree};
use image_factory::yaml::{self, Content, Node, Source};
use image_factory_harness::{cases, read_tree};
use jsonschema::Validator;
use serde_json::{Map, Value};

/// Bad files that a schema can see, without YAML's own grammar or a look at other files.
const SEEN: &[&str] = &[
    "bad-duration",
    "bad-empty",
    "bad-factory",
    "bad-missing-keys",
    "bad-name-64-letters",
    "bad-name-dots",
    "bad-name-slash",
    "bad-name-upper-case",
    "bad-not-a-list",
    "bad-only-comments",
    "bad-provider",
    "bad-state-empty",
    "bad-strategy",
    "bad-wrong-type",
];

fn schema(name: &str) -> Value {
    let mut program = Command::new(env!("CARGO_BIN_EXE_image-factory"));
    let output = program.args(["schema", name]).output().expect("the program starts");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("a schema is JSON")
}

fn validator(name: &str) -> Validator {
    let schema = schema(name);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::meta::is_valid(&schema), "{name} is no schema");
    jsonschema::validator_for(&schema).expect("the validator knows all that it holds")
}

struct Schemas {
    images: Validator,
    factory: Validator,
    state: Validator,
}

impl Schemas {
    fn of_the_program() -> Self {
        Schemas { images: validator("images"), factory: validator("factory"), state: validator("state") }
    }

    /// The schema of a file of a factory's folder, if it has one.
    fn of(&self, path: &str) -> Option<&Validator> {
        match path {
            "images.yaml" => Some(&self.images),
            "factory.yaml" => Some(&self.factory),
            path => {
                let is_state = |folder: &str| path.contains(folder) && path.ends_with(".yaml");
                (is_state("images/") || is_state("base-images/")).then_some(&self.state)
            }
        }
    }

    /// What the schemas have against the files of a folder; a file that is no YAML has no schema.
    fn against(&self, tree: &Tree) -> Vec<String> {
        let mut found = Vec::new();
        for (path, file) in &tree.0 {
            let (Some(validator), File::Text(text)) = (self.of(path), file) else { continue };
            let Some(value) = json(path, text) else { continue };
            found.extend(
                validator
                    .iter_errors(&value)
                    .map(|error| format!("{path}{}: {error}", error.instance_path())),
            );
        }
        found
    }
}

/// A file as an editor reads it: YAML 1.2's core schema, section 10.3.
fn json(path: &str, text: &str) -> Option<Value> {
    let root = yaml::parse(Source { file: path, text }).ok()?;
    Some(root.map_or(Value::Null, |root| value(&root)))
}

fn value(node: &Node<'_>) -> Value {
    match &node.content {
        Content::Scalar(scalar) if !scalar.plain => Value::from(scalar.text.as_ref()),
        Content::Scalar(scalar) => match scalar.text.as_ref() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => number(text).unwrap_or_else(|| Value::from(text)),
        },
        Content::List(items) => items.iter().map(value).collect(),
        Content::Map(entries) => {
            let entries = entries.iter().map(|(key, node)| (key.text.to_string(), value(node)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`; octal, hexadecimal and
/// what is no number stand in no case.
fn number(text: &str) -> Option<Value> {
    let begins = text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let is_number = begins && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    is_number.then(|| text.parse::<f64>().ok()).flatten().map(Value::from)
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../image-factory")
}

#[test]
fn the_sample_is_valid() {
    let tree = read_tree(&sample());
    let schemas = Schemas::of_the_program();
    assert!(tree.0.iter().filter(|(path, _)| schemas.of(path).is_some()).count() > 15);
    assert_eq!(schemas.against(&tree), Vec::<String>::new());
    // Editors find the schemas by the files' first lines.
    for name in ["images", "factory"] {
        let text = fs::read_to_string(sample().join(format!("{name}.yaml"))).expect("the sample has it");
        let modeline = format!("# yaml-language-server: $schema=schemas/{name}.schema.json\n");
        assert!(text.starts_with(&modeline), "{name}");
        assert!(sample().join(format!("schemas/{name}.schema.json")).is_file());
    }
}

#[test]
fn what_the_core_writes_is_valid() {
    let schemas = Schemas::of_the_program();
    let (mut found, mut files) = (Vec::new(), 0);
    for case in ["analyze", "lifecycle", "rebuild"].into_iter().flat_map(cases) {
        for step in case.steps() {
            let written = read_tree(&step.expected_folder());
            files += written.0.iter().filter(|(path, _)| schemas.of(path).is_some()).count();
            found.extend(schemas.against(&written).iter().map(|error| format!("{}: {error}", step.name())));
        }
    }
    assert!(files > 60, "{files}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_the_core_takes_is_valid_and_what_a_schema_can_see_is_refused() {
    let schemas = Schemas::of_the_program();
    let mut wrong = Vec::new();
    let mut refused = Vec::new();
    for case in ["generate", "check"].into_iter().flat_map(cases) {
        for step in case.steps() {
            let found = schemas.against(&read_tree(&step.folder().join("input")));
            let is_bad = step.expected_folder().join("exit.txt").is_file();
            if !found.is_empty() && !is_bad {
                wrong.push(format!("{} is good, but {}", step.name(), found.join("; ")));
            } else if !found.is_empty() && step.name().starts_with("generate/bad-") {
                refused.push(case.name().to_owned());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(refused, SEEN);
}

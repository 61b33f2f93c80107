//! YAML files of this repository, as JSON values.

use std::fs;
use std::path::{Path, PathBuf};

use image_factory::yaml::{self, Source};
use serde_json::Value;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The documents of a file, which stand between lines of `---`.
pub fn documents(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let parse = |text: &str| {
        let node = yaml::parse(Source { file: path, text }).unwrap_or_else(|found| panic!("{found:?}"));
        node.map(|node| json(node.to_value()))
    };
    text.split("\n---\n").filter_map(parse).collect()
}

fn json(value: yaml::Value) -> Value {
    match value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Plain(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        yaml::Value::String(text) => Value::String(text),
        yaml::Value::List(items) => items.into_iter().map(json).collect(),
        yaml::Value::Map(map) => map.0.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}

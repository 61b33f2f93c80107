//! `image-factory krm`: a factory rendered as a KRM function, for kustomize and kpt.
//!
//! ```text
//! {kind: ResourceList, functionConfig: {spec: {dir: image-factory}}, items: […]}
//! {kind: ResourceList, functionConfig: …, items: […, Warehouses], results: […]}
//! ```
//!
//! The contract is the KRM Functions Specification v1 (kyaml 0.21, `cmd/config/docs/api-conventions/
//! functions-spec.md`): a ResourceList on stdin, one on stdout, and another exit code than 0 where a
//! function failed. An item that has the identity of a rendered one is replaced by it, so that a
//! function which runs twice, as in kpt, gives the same list.

use std::io::Read;
use std::path::Path;

use crate::ask::folder;
use crate::cli::Global;
use crate::generate::{render, Wanted};
use crate::outcome::{print, report, Failure, FILES};
use image_factory::abi::Answer;
use image_factory::diagnostic::{Diagnostic, Severity};
use image_factory::yaml::{self, Map, Source, Value};

/// The longest ResourceList.
const MAX_BYTES: u64 = 64 << 20;

pub(crate) fn run(global: &Global) -> Result<u8, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(wrong(format!("the ResourceList is longer than {MAX_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("the ResourceList is not UTF-8".to_owned()))?;
    let mut list = read(&text)?;
    let spec = spec(&list)?;

    let wanted =
        Wanted { kargo_version: spec.kargo_version, allow_empty: spec.allow_empty, largest_tree: u64::MAX };
    let answer = render(global, &folder(spec.dir.as_deref().map(Path::new))?, &wanted)?;
    report(&answer.diagnostics);
    merge(&mut list, &answer)?;
    print(yaml::emit(&list).as_bytes())?;
    Ok(answer.exit)
}

/// What the function's configuration says.
#[derive(Debug, Default, PartialEq)]
struct Spec {
    dir: Option<String>,
    kargo_version: Option<String>,
    allow_empty: bool,
}

fn read(text: &str) -> Result<Value, Failure> {
    let source = Source { file: "stdin", text };
    let node = yaml::parse(source).map_err(|found| Failure {
        diagnostic: found.0.into_iter().next().expect("a text that cannot be read has a diagnostic"),
        exit: FILES,
    })?;
    let list = node.map_or(Value::Null, |node| node.to_value());
    if get(&list, "kind").and_then(Value::as_str) != Some("ResourceList") {
        return Err(wrong("stdin holds no ResourceList"));
    }
    Ok(list)
}

/// The value of a key; `None` where there is none, or no map.
fn get<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    value.as_map()?.get(key)
}

fn spec(list: &Value) -> Result<Spec, Failure> {
    let mut spec = Spec::default();
    let Some(given) = get(list, "functionConfig").and_then(|config| get(config, "spec")) else {
        return Ok(spec);
    };
    let entries = given.as_map().ok_or_else(|| wrong("`functionConfig.spec` must be a map"))?;
    for (key, value) in &entries.0 {
        let text = || match value {
            Value::String(text) => Ok(Some(text.clone())),
            // `kargoVersion: 1.8` is a number to YAML.
            Value::Plain(text) => Ok(Some(text.clone())),
            _ => Err(wrong(format!("`functionConfig.spec.{key}` must be a string"))),
        };
        match key.as_str() {
            "dir" => spec.dir = text()?,
            "kargoVersion" => spec.kargo_version = text()?,
            "allowEmpty" => match value.as_str() {
                Some("true") => spec.allow_empty = true,
                Some("false") => {}
                _ => return Err(wrong("`functionConfig.spec.allowEmpty` must be true or false")),
            },
            key => {
                return Err(wrong(format!(
                    "unknown key `functionConfig.spec.{key}`, expected one of dir, kargoVersion, allowEmpty"
                )))
            }
        }
    }
    Ok(spec)
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure { diagnostic: Diagnostic::error("IF1035", message.into()), exit: FILES }
}

/// Puts the rendered objects and what was found into the list.
fn merge(list: &mut Value, answer: &Answer) -> Result<(), Failure> {
    let mut rendered = Vec::new();
    for manifest in &answer.manifests {
        let value: Value = serde_json::from_str(&manifest.0)
            .map_err(|error| Failure::again("IF1006", format!("a manifest is not JSON: {error}")))?;
        rendered.push(value);
    }
    let mut items: Vec<Value> = get(list, "items").and_then(Value::as_list).unwrap_or_default().to_vec();
    items.retain(|item| !rendered.iter().any(|other| identity(other) == identity(item)));
    items.append(&mut rendered);
    let Value::Map(map) = list else { return Err(wrong("stdin holds no ResourceList")) };
    map.set("items", Value::List(items));
    if !answer.diagnostics.is_empty() {
        map.set("results", Value::List(answer.diagnostics.iter().map(result).collect()));
    }
    Ok(())
}

fn identity(item: &Value) -> [Option<&str>; 4] {
    let metadata = get(item, "metadata");
    [
        get(item, "apiVersion").and_then(Value::as_str),
        get(item, "kind").and_then(Value::as_str),
        metadata.and_then(|metadata| get(metadata, "namespace")).and_then(Value::as_str),
        metadata.and_then(|metadata| get(metadata, "name")).and_then(Value::as_str),
    ]
}

/// A finding as the specification's `Result`.
fn result(found: &Diagnostic) -> Value {
    let severity = if found.severity == Severity::Error { "error" } else { "warning" };
    let mut entries = vec![
        ("message".to_owned(), Value::string(found.message.as_str())),
        ("severity".to_owned(), Value::string(severity)),
    ];
    if let Some(place) = &found.location {
        let file = Map(vec![("path".to_owned(), Value::string(place.file.as_str()))]);
        entries.push(("file".to_owned(), Value::Map(file)));
    }
    let mut tags = vec![("code".to_owned(), Value::string(found.code.as_str()))];
    if let Some(place) = &found.location {
        tags.push(("line".to_owned(), Value::string(place.line.to_string())));
        tags.push(("column".to_owned(), Value::string(place.column.to_string())));
    }
    entries.push(("tags".to_owned(), Value::Map(Map(tags))));
    Value::Map(Map(entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_read() {
        let list = "kind: ResourceList\nfunctionConfig:\n  spec:\n    dir: f\n    kargoVersion: 1.8\n    allowEmpty: true\n";
        let expected =
            Spec { dir: Some("f".to_owned()), kargo_version: Some("1.8".to_owned()), allow_empty: true };
        assert_eq!(spec(&read(list).expect("it is YAML")).expect("it is right"), expected);
        let nothing = read("kind: ResourceList\n").expect("it is YAML");
        assert_eq!(spec(&nothing).expect("it is right"), Spec::default());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "[]", "kind: Warehouse\n", "kind: [\n"] {
            assert_eq!(read(text).expect_err("it is no ResourceList").exit, FILES, "{text}");
        }
        let list = read("kind: ResourceList\nfunctionConfig: {spec: {colour: red}}\n").expect("it is YAML");
        assert!(spec(&list)
            .expect_err("no such key")
            .diagnostic
            .message
            .contains("`functionConfig.spec.colour`"));
    }
}

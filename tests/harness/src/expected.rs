//! What an answer is compared with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use image_factory::abi::Answer;
use image_factory::tree::{File, Tree};
use image_factory::yaml::{self, Value};
use similar::TextDiff;

use crate::folder::{read_tree, write};

/// What came out of a step, as the files of `expected/` by name; what is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome(pub BTreeMap<String, String>);

impl Outcome {
    /// From an answer; `after` is the tree that a verb which writes left.
    ///
    /// # Errors
    /// When a manifest is not JSON, or manifests stand beside an error.
    pub fn new(answer: &Answer, after: Option<&Tree>) -> Result<Outcome, String> {
        if answer.diagnostics.iter().any(|diagnostic| diagnostic.is_error()) && !answer.manifests.is_empty() {
            return Err("there are manifests beside an error".to_owned());
        }
        let manifests: Vec<Value> = answer
            .manifests
            .iter()
            .map(|manifest| serde_json::from_str(&manifest.0))
            .collect::<Result<_, _>>()
            .map_err(|error| format!("a manifest is not JSON: {error}"))?;
        let diagnostics: Vec<String> = answer.diagnostics.iter().map(|found| format!("{found}\n")).collect();
        let lines: Vec<String> = answer.messages.iter().map(|message| format!("{message}\n")).collect();
        let output = answer.output.as_ref().map_or_else(String::new, |output| {
            serde_json::to_string_pretty(output).expect("an output is JSON") + "\n"
        });
        let exit = if answer.exit == 0 { String::new() } else { format!("{}\n", answer.exit) };
        let mut outcome = Outcome::default();
        outcome.put("manifests.yaml", yaml::emit_documents(&manifests));
        outcome.put("diagnostics.txt", diagnostics.join("\n"));
        outcome.put("messages.txt", lines.concat());
        outcome.put("output.json", output);
        outcome.put("exit.txt", exit);
        if let Some(after) = after {
            for (path, file) in after.below("state") {
                match file {
                    File::Text(text) => outcome.0.insert(path.to_owned(), text.clone()),
                    File::Refused { refused } => outcome.0.insert(path.to_owned(), format!("{refused:?}\n")),
                };
            }
        }
        Ok(outcome)
    }

    /// Adds a part, unless it is empty.
    pub fn put(&mut self, name: &str, text: String) {
        if !text.is_empty() {
            self.0.insert(name.to_owned(), text);
        }
    }

    /// Makes this the expected outcome: the folder holds it and nothing else afterwards.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path) {
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        }
        for (name, text) in &self.0 {
            write(&folder.join(name), text);
        }
    }
}

/// Compares an outcome with the files of an `expected/`.
///
/// # Errors
/// What differs, as a unified diff.
pub fn compare(folder: &Path, outcome: &Outcome) -> Result<(), String> {
    let expected: BTreeMap<String, String> = read_tree(folder)
        .0
        .into_iter()
        .map(|(path, file)| match file {
            File::Text(text) => (path, text),
            File::Refused { refused } => (path, format!("{refused:?}\n")),
        })
        .collect();
    let mut names: Vec<&String> = expected.keys().chain(outcome.0.keys()).collect();
    names.sort();
    names.dedup();
    let differences: Vec<String> = names
        .into_iter()
        .filter_map(|name| {
            let (old, new) = (expected.get(name), outcome.0.get(name));
            let none = String::new();
            (old != new).then(|| {
                TextDiff::from_lines(old.unwrap_or(&none), new.unwrap_or(&none))
                    .unified_diff()
                    .header(&format!("expected/{name}"), &format!("answer/{name}"))
                    .to_string()
            })
        })
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!("the answer is not the expected one\n{}", differences.join("\n")))
}

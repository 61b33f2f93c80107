//! Cases and their steps, as they stand in folders.

use std::fs;
use std::path::{Path, PathBuf};

use image_factory::abi::{Request, ABI_VERSION};
use image_factory::tree::Tree;
use serde::de::DeserializeOwned;
use serde::Deserialize;

use crate::folder::{lay_over, read_tree};
use crate::Sources;

/// One case: a folder with one step, or with numbered ones.
#[derive(Clone, Debug)]
pub struct Case {
    kind: String,
    name: String,
    folder: PathBuf,
}

/// One request and what is expected of it.
#[derive(Clone, Debug)]
pub struct Step {
    name: String,
    folder: PathBuf,
    verb: String,
    now: String,
    args: serde_json::Value,
}

/// args.json of a numbered step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    verb: String,
    now: Option<String>,
    #[serde(default = "no_arguments")]
    args: serde_json::Value,
}

fn no_arguments() -> serde_json::Value {
    serde_json::json!({})
}

impl Case {
    pub(crate) fn all_in(folder: &Path, kind: &str) -> Vec<Case> {
        folders_in(folder)
            .into_iter()
            .map(|(name, folder)| Case { kind: kind.to_owned(), name, folder })
            .collect()
    }

    /// `generate`, `analyze` or `lifecycle`: the folder that the case stands in.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The folder's name: the rule that the case shows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The steps in order.
    ///
    /// # Panics
    /// When the folder is not laid out as a case.
    pub fn steps(&self) -> Vec<Step> {
        let full_name = format!("{}/{}", self.kind, self.name);
        if self.folder.join("input").is_dir() {
            let args = read_json(&self.folder.join("args.json")).unwrap_or_else(no_arguments);
            let (verb, now) = (self.kind.clone(), time_of_step(0));
            return vec![Step { name: full_name, folder: self.folder.clone(), verb, now, args }];
        }
        let mut steps: Vec<(u32, String, PathBuf)> = folders_in(&self.folder)
            .into_iter()
            .map(|(name, folder)| {
                let number = name.split('-').next().and_then(|number| number.parse().ok());
                (number.unwrap_or_else(|| panic!("{full_name}/{name} has no number")), name, folder)
            })
            .collect();
        steps.sort();
        assert!(!steps.is_empty(), "{full_name} has neither input/ nor steps");
        let step = |(at, (_, name, folder)): (usize, (u32, String, PathBuf))| {
            let name = format!("{full_name}/{name}");
            let arguments: Arguments =
                read_json(&folder.join("args.json")).unwrap_or_else(|| panic!("{name} has no args.json"));
            let now = arguments.now.unwrap_or_else(|| time_of_step(at));
            Step { name, folder, verb: arguments.verb, now, args: arguments.args }
        };
        steps.into_iter().enumerate().map(step).collect()
    }
}

/// The time of a step that names none: a day later each.
fn time_of_step(at: usize) -> String {
    format!("2026-01-{:02}T10:00:00Z", 5 + at)
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let text = fs::read_to_string(file).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

impl Step {
    /// `kind/case`, or `kind/case/step`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is asked.
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// When, RFC 3339 in UTC.
    pub fn now(&self) -> &str {
        &self.now
    }

    /// The verb's own arguments.
    pub fn args(&self) -> &serde_json::Value {
        &self.args
    }

    /// The step's folder, for layers that read `input/` and `sources/` themselves.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the expected outcome stands.
    pub fn expected_folder(&self) -> PathBuf {
        self.folder.join("expected")
    }

    /// Lays this step's `input/` and `sources/` over what the steps before left.
    pub fn lay_over(&self, tree: &mut Tree, sources: &mut Sources) {
        lay_over(tree, &read_tree(&self.folder.join("input")));
        lay_over(&mut sources.0, &read_tree(&self.folder.join("sources")));
    }

    /// The request, before anything is fetched for it.
    pub fn request(&self, tree: &Tree) -> Request {
        Request {
            abi: ABI_VERSION,
            verb: self.verb.clone(),
            args: self.args.clone(),
            now: self.now.clone(),
            tree: tree.clone(),
            fetched: image_factory::abi::Fetched::default(),
        }
    }
}

/// The folders in a folder by name; hidden ones are left out.
fn folders_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut folders: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.is_dir())
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    folders.sort();
    folders
}

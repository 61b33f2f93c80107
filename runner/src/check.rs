//! `image-factory check`: what a pull request runs.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use image_factory::abi::diagnostics;
use image_factory::check::github_annotation;
use image_factory::diagnostic::Diagnostic;
use serde_json::json;

use crate::ask::{ask, folder, host, request};
use crate::cli::Global;
use crate::fetch::Sources;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};
use crate::worktree;

/// The flags of `check`.
#[derive(Args)]
pub(crate) struct Flags {
    /// The folder that holds images.yaml [default: image-factory if it does, else .]
    dir: Option<PathBuf>,
    /// How to print; github is for the log of a workflow
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// The Kargo to write for, before factory.yaml's [1.7 or newer]
    #[arg(long, value_name = "X.Y")]
    kargo_version: Option<String>,
    /// Accept a factory without any object
    #[arg(long)]
    allow_empty: bool,
    /// A checkout of a source; bake and compose files in it are looked at
    #[arg(long, value_name = "[REPOSITORY=]PATH")]
    source_dir: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
    Github,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let folder = folder(flags.dir.as_deref())?;
    let tree = worktree::read(&folder, false)?;
    let mut sources = Sources::new(&flags.source_dir, true)?;
    let host = host(global)?;
    let args = json!({
        "kargoVersion": flags.kargo_version,
        "allowEmpty": flags.allow_empty,
        "module": host.digest(),
        "sources": !sources.is_empty(),
    });
    let mut request = request(global, "check", args, tree)?;
    let answer = ask(global, &host, &mut request, &Allowed::default(), &mut sources)?;
    match flags.output {
        Output::Text => {
            report(&answer.diagnostics);
            if answer.diagnostics.is_empty() {
                print(b"nothing to mend\n")?;
            }
        }
        Output::Json => {
            print(format!("{}\n", json!({"diagnostics": diagnostics(&answer.diagnostics)})).as_bytes())?
        }
        Output::Github => {
            let lines: String =
                answer.diagnostics.into_iter().map(|found| annotation(found, &folder)).collect();
            print(lines.as_bytes())?;
        }
    }
    Ok(answer.exit)
}

/// A line of a workflow's log; its file is named from where the workflow stands, which is the
/// repository's root, or GitHub would not find it.
fn annotation(mut found: Diagnostic, folder: &Path) -> String {
    if let Some(place) = &mut found.location {
        let folder = folder.strip_prefix(".").unwrap_or(folder);
        place.file = folder.join(&place.file).display().to_string();
    }
    github_annotation(&found) + "\n"
}

//! `image-factory generate`: prints manifests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use image_factory::abi::Answer;
use image_factory::yaml::{self, Value};
use serde_json::json;

use crate::ask::{ask, folder, host, request};
use crate::cli::Global;
use crate::fetch::Nothing;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};
use crate::plugin::{self, Settings};
use crate::worktree;

/// The flags of `generate`.
#[derive(Args)]
pub(crate) struct Flags {
    /// The folder that holds images.yaml [default: image-factory if it does, else .]
    dir: Option<PathBuf>,
    /// How to print; json is one object a line
    #[arg(long, value_enum, default_value = "yaml")]
    output: Output,
    /// The Kargo to write for, before factory.yaml's [1.7 or newer]
    #[arg(long, value_name = "X.Y")]
    kargo_version: Option<String>,
    /// Accept a render without any object, which deletes what was rendered before
    #[arg(long)]
    allow_empty: bool,
    /// Run as Argo CD's plugin: settings from ARGOCD_APP_PARAMETERS, one object a line, short errors
    #[arg(long, conflicts_with_all = ["dir", "output", "kargo_version", "allow_empty"])]
    plugin: bool,
    /// Seconds after which the plugin gives up; fewer than Argo CD gives it, which are 60 unless that was raised
    #[arg(long, value_name = "SECONDS", default_value_t = 45, requires = "plugin", value_parser = clap::value_parser!(u32).range(1..=3600))]
    deadline: u32,
    /// How many renders of the plugin go on at once; the others wait [default: any number]
    #[arg(long, value_name = "NUMBER", requires = "plugin", value_parser = clap::value_parser!(u32).range(1..=64))]
    at_once: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Yaml,
    Json,
}

/// What a render depends on, besides the folder.
pub(crate) struct Wanted {
    pub kargo_version: Option<String>,
    pub allow_empty: bool,
    /// How many bytes all files together may have.
    pub largest_tree: u64,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    if flags.plugin {
        let deadline = Duration::from_secs(u64::from(flags.deadline));
        return Ok(plugin::run(global, &Settings { deadline, at_once: flags.at_once }));
    }
    let wanted = Wanted {
        kargo_version: flags.kargo_version.clone(),
        allow_empty: flags.allow_empty,
        largest_tree: u64::MAX,
    };
    let answer = render(global, &folder(flags.dir.as_deref())?, &wanted)?;
    report(&answer.diagnostics);
    let out = match flags.output {
        Output::Json => json_lines(&answer),
        Output::Yaml => documents(&answer)?,
    };
    print(out.as_bytes())?;
    Ok(answer.exit)
}

/// Asks the module for a folder's manifests; they are checked.
pub(crate) fn render(global: &Global, folder: &Path, wanted: &Wanted) -> Result<Answer, Failure> {
    let tree = worktree::read_at_most(folder, false, wanted.largest_tree)?;
    let project = image_factory::factory::read(&tree, &mut Default::default()).project;
    let host = host(global)?;
    let args = json!({
        "kargoVersion": wanted.kargo_version,
        "allowEmpty": wanted.allow_empty,
        "module": host.digest(),
    });
    let mut request = request(global, "generate", args, tree)?;
    let allowed = Allowed { namespace: Some(&project), files: false };
    ask(global, &host, &mut request, &allowed, &mut Nothing)
}

/// One object a line. The first byte is `{`: after anything else Argo CD reads YAML, in which only
/// the first of many JSON objects counts (gitops-engine, `SplitYAMLToString`, Argo CD 3.5.3).
pub(crate) fn json_lines(answer: &Answer) -> String {
    let mut out = String::with_capacity(answer.manifests.iter().map(|manifest| manifest.0.len() + 1).sum());
    for manifest in &answer.manifests {
        out.push_str(&manifest.0);
        out.push('\n');
    }
    out
}

fn documents(answer: &Answer) -> Result<String, Failure> {
    let mut out = String::new();
    for manifest in &answer.manifests {
        let value: Value = serde_json::from_str(&manifest.0)
            .map_err(|error| Failure::again("IF1006", format!("a manifest is not JSON: {error}")))?;
        out.push_str(&yaml::emit_documents([&value]));
    }
    Ok(out)
}

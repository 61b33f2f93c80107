//! `image-factory generate`: prints manifests.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use image_factory::yaml::{self, Value};
use serde_json::json;

use crate::ask::{ask, folder, host, request};
use crate::cli::Global;
use crate::fetch::Nothing;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};
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
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Yaml,
    Json,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let tree = worktree::read(&folder(flags.dir.as_deref())?, false)?;
    let project = image_factory::factory::read(&tree, &mut Default::default()).project;
    let host = host(global)?;
    let args = json!({
        "kargoVersion": flags.kargo_version,
        "allowEmpty": flags.allow_empty,
        "module": host.digest(),
    });
    let mut request = request(global, "generate", args, tree)?;
    let allowed = Allowed { namespace: Some(&project), files: false };
    let answer = ask(global, &host, &mut request, &allowed, &mut Nothing)?;
    report(&answer.diagnostics);
    let mut out = String::new();
    for manifest in &answer.manifests {
        match flags.output {
            Output::Json => {
                out.push_str(&manifest.0);
                out.push('\n');
            }
            Output::Yaml => {
                let value: Value = serde_json::from_str(&manifest.0)
                    .map_err(|error| Failure::again("IF1006", format!("a manifest is not JSON: {error}")))?;
                out.push_str(&yaml::emit_documents([&value]));
            }
        }
    }
    print(out.as_bytes())?;
    Ok(answer.exit)
}

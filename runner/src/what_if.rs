//! `image-factory what-if`: who would be rebuilt if a base image moved now.

use std::path::PathBuf;

use clap::Args;
use serde_json::{json, Value};

use crate::ask::{ask, folder, host, request};
use crate::bases::columns;
use crate::cli::Global;
use crate::fetch::Nothing;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};
use crate::status::{items, text, Output};
use crate::worktree;

/// The flags of `what-if`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory what-if --base node:22-bookworm-slim
  image-factory what-if --base node-22-bookworm-slim --output json")]
pub(crate) struct Flags {
    /// The folder that holds images.yaml [default: image-factory if it does, else .]
    dir: Option<PathBuf>,
    /// The base image, as a Dockerfile names it, or by its name in state/base-images
    #[arg(long, value_name = "IMAGE")]
    base: String,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let tree = worktree::read(&folder(flags.dir.as_deref())?, false)?;
    let mut request = request(global, "what-if", json!({"base": flags.base}), tree)?;
    let answer = ask(global, &host(global)?, &mut request, &Allowed::default(), &mut Nothing)?;
    report(&answer.diagnostics);
    if let Some(output) = &answer.output {
        let text = match flags.output {
            Output::Json => format!("{output}\n"),
            Output::Table => table(output),
        };
        print(text.as_bytes())?;
    }
    Ok(answer.exit)
}

fn table(output: &Value) -> String {
    let mut rows = vec![["WAVE", "IMAGE", "NOT BEFORE", "AT THE LATEST", "WHY"].map(str::to_owned)];
    for row in items(&output["images"]) {
        let wave = row["wave"].as_u64().map_or("-".to_owned(), |wave| wave.to_string());
        let why = match row["what"].as_str() {
            Some("rebuilt") => format!("{} moved", text(&row["why"])),
            Some("person") => format!("{} moved, but a person starts it", text(&row["why"])),
            Some("held") => format!("{} moved, but it is held", text(&row["why"])),
            _ => format!("not rebuilt: {}", text(&row["why"])),
        };
        rows.push([wave, text(&row["image"]), text(&row["notBefore"]), text(&row["deadline"]), why]);
    }
    if rows.len() == 1 {
        return "no image would be rebuilt\n".to_owned();
    }
    columns(&rows)
}

//! `image-factory what-if`: who would be rebuilt if a base image moved now.

use std::path::PathBuf;

use clap::Args;
use serde_json::{json, Value};

use crate::bases::columns;
use crate::cli::Global;
use crate::outcome::Failure;
use crate::status::{items, show, text, Output};

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
    let args = json!({"base": flags.base});
    show(global, "what-if", args, flags.dir.as_deref(), flags.output, table)
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

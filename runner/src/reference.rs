//! `image-factory reference`: takes image references apart.

use clap::{Args, ValueEnum};
use image_factory::tree::Tree;
use serde_json::{json, Value};

use crate::ask::{ask, host, request};
use crate::cli::Global;
use crate::fetch::Nothing;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};

/// The flags of `reference`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Image references
    #[arg(required = true, value_name = "REFERENCE")]
    references: Vec<String>,
    /// How to print; json is an object, or a list for several references
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let args = json!({"references": flags.references});
    let mut request = request(global, "reference", args, Tree::default())?;
    let answer = ask(global, &host(global)?, &mut request, &Allowed::default(), &mut Nothing)?;
    report(&answer.diagnostics);
    let results = match answer.output {
        Some(Value::Array(results)) => results,
        _ => Vec::new(),
    };
    let out = match (flags.output, results.as_slice()) {
        (Output::Json, [one]) => format!("{one}\n"),
        (Output::Json, all) => format!("{}\n", Value::from(all)),
        (Output::Text, all) => all.iter().filter(|result| result.get("error").is_none()).map(text).collect(),
    };
    print(out.as_bytes())?;
    Ok(answer.exit)
}

fn text(result: &Value) -> String {
    let keys = ["normalized", "familiar", "registry", "repository", "tag", "digest"];
    let lines = keys.iter().filter_map(|key| Some(format!("{key:<11} {}\n", result[*key].as_str()?)));
    lines.collect::<String>() + "\n"
}

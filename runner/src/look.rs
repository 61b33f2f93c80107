//! `image-factory look`: what registries say of images.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use image_factory::tree::Tree;
use serde_json::{json, Value};

use crate::ask::{ask, host, request};
use crate::cli::Global;
use crate::fetch::Sources;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};
use crate::worktree;

/// The flags of `look`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory look node:22 --platform linux/amd64
  image-factory look ghcr.io/acme/web:1.4 --base node:22      does it hold the newest base, and what says so
  image-factory look registry.local:5000/web:1 --plain-http registry.local:5000 --output json

Credentials are Docker's: $DOCKER_CONFIG/config.json, or ~/.docker/config.json.")]
pub(crate) struct Flags {
    /// Image references
    #[arg(required = true, value_name = "REFERENCE")]
    references: Vec<String>,
    /// The platforms to look at [default: all; registries count each one as a pull]
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    platform: Vec<String>,
    /// A base image: say what of it the images hold
    #[arg(long, value_name = "REFERENCE")]
    base: Option<String>,
    /// The folder whose factory.yaml says how registries are reached
    #[arg(long, value_name = "DIR")]
    factory: Option<PathBuf>,
    /// A registry that speaks HTTP
    #[arg(long, value_name = "HOST[:PORT]")]
    plain_http: Vec<String>,
    /// How to print; json is an object, or a list for several references
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let args = json!({"references": flags.references, "platforms": flags.platform, "base": flags.base});
    let tree = match &flags.factory {
        Some(folder) => worktree::read(folder, false)?,
        None => Tree::default(),
    };
    let mut request = request(global, "look", args, tree)?;
    let mut sources = Sources::default().with_plain(&flags.plain_http);
    let answer = ask(global, &host(global)?, &mut request, &Allowed::default(), &mut sources)?;
    report(&answer.diagnostics);
    let results = match answer.output {
        Some(Value::Array(results)) => results,
        _ => Vec::new(),
    };
    let out = match (flags.output, flags.references.as_slice()) {
        (Output::Json, [_]) => results.iter().map(|one| format!("{one}\n")).collect(),
        (Output::Json, _) => format!("{}\n", Value::from(results)),
        (Output::Table, _) => results.iter().map(table).collect::<Vec<_>>().join("\n"),
    };
    print(out.as_bytes())?;
    Ok(answer.exit)
}

fn table(look: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut out = format!("{}@{}\n", text(&look["reference"]), text(&look["digest"]));
    if look["version"].is_string() {
        out.push_str(&format!("version {}\n", text(&look["version"])));
    }
    let mut rows = vec![["PLATFORM", "CREATED", "LAYERS", "CONTENT"].map(str::to_owned).to_vec()];
    let base = look.get("base");
    if let (Some(base), [header]) = (base, rows.as_mut_slice()) {
        header.push("HOLDS".to_owned());
        header.push("BY".to_owned());
        out.push_str(&format!("base {}@{}\n", text(&base["reference"]), text(&base["digest"])));
    }
    for image in list(&look["platforms"]) {
        let layers = list(&image["layers"]).len().to_string();
        let content = text(&image["content"]).chars().take(19).collect();
        let mut row = vec![text(&image["platform"]), text(&image["created"]), layers, content];
        if let Some(base) = base {
            let held = list(&base["holds"]).into_iter().find(|held| held["platform"] == image["platform"]);
            row.push(match &held {
                Some(held) if held["newest"] == true => "the newest".to_owned(),
                Some(held) => text(&held["digest"]),
                None => "not told".to_owned(),
            });
            row.push(held.map_or("-".to_owned(), |held| text(&held["evidence"])));
        }
        rows.push(row);
    }
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
            line.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

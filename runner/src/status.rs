//! `image-factory status`: which images are fresh, and when the others are rebuilt.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{json, Value};

use crate::ask::{ask, folder, host, request};
use crate::bases::columns;
use crate::cli::Global;
use crate::fetch::Nothing;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};
use crate::worktree;

/// The flags of `status`.
#[derive(Args)]
#[command(after_help = "\
Status:
  fresh     it holds the newest content of its base images, as far as state knows
  pending   a base image moved; not rebuilt before UNTIL
  waiting   an image that publishes one of its base images is rebuilt first; at the latest UNTIL
  due       it is rebuilt now
  held      it goes no further by itself; WHY says what failed
  unknown   what it was built on is not known yet
  new       nobody looked at it yet
  external  someone else builds it")]
pub(crate) struct Flags {
    /// The folder that holds images.yaml [default: image-factory if it does, else .]
    dir: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    show(global, "status", json!({}), flags.dir.as_deref(), flags.output, table)
}

/// Asks a verb that only reads a factory's folder, and prints what it puts out.
pub(crate) fn show(
    global: &Global,
    verb: &str,
    args: Value,
    dir: Option<&Path>,
    output: Output,
    table: fn(&Value) -> String,
) -> Result<u8, Failure> {
    let tree = worktree::read(&folder(dir)?, false)?;
    let mut request = request(global, verb, args, tree)?;
    let answer = ask(global, &host(global)?, &mut request, &Allowed::default(), &mut Nothing)?;
    report(&answer.diagnostics);
    if let Some(found) = &answer.output {
        let text = match output {
            Output::Json => format!("{found}\n"),
            Output::Table => table(found),
        };
        print(text.as_bytes())?;
    }
    Ok(answer.exit)
}

pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

fn table(output: &Value) -> String {
    let mut images = vec![["IMAGE", "STATUS", "UNTIL", "WHY"].map(str::to_owned)];
    for image in items(&output["images"]) {
        let mut why: Vec<String> = items(&image["why"]).iter().map(text).collect();
        let parents: Vec<String> = items(&image["waitingFor"]).iter().map(text).collect();
        if !parents.is_empty() {
            why.insert(0, format!("after {}", parents.join(", ")));
        }
        images.push([text(&image["name"]), text(&image["status"]), text(&image["until"]), why.join("; ")]);
    }
    let mut bases = vec![["BASE IMAGE", "MOVED", "DIGEST", "IMAGES"].map(str::to_owned)];
    for base in items(&output["bases"]) {
        let dependents: Vec<String> = items(&base["dependentImages"]).iter().map(text).collect();
        let digest: String = text(&base["currentDigest"]).chars().take(19).collect();
        bases.push([text(&base["image"]), text(&base["lastUpdated"]), digest, dependents.join(", ")]);
    }
    format!("{}\n{}", columns(&images), columns(&bases))
}

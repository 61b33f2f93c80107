//! `image-factory bases`: which images Dockerfiles need.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};

use clap::{Args, ValueEnum};
use image_factory::diagnostic::Diagnostic;
use image_factory::tree::Tree;
use serde_json::{json, Value};

use crate::ask::{ask, host, request};
use crate::cli::Global;
use crate::fetch::Nothing;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};

/// The flags of `bases`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory bases Dockerfile
  image-factory bases --build-arg NODE_VERSION=22 --target runtime apps/*/Dockerfile
  image-factory bases --output json - < Dockerfile")]
pub(crate) struct Flags {
    /// Dockerfiles; `-` is stdin
    #[arg(required = true, value_name = "DOCKERFILE")]
    files: Vec<String>,
    /// A build argument, as the build passes it
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// The stage that is built [default: the last one]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// The platforms that are built [default: linux/amd64]
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    platform: Vec<String>,
    /// A named build context, as the build passes it
    #[arg(long, value_name = "NAME=VALUE")]
    build_context: Vec<String>,
    /// The build has no client that knows named contexts: any name will do for a stage
    #[arg(long, conflicts_with = "build_context")]
    no_build_contexts: bool,
    /// A trigger in the configuration of a base image
    #[arg(long, value_name = "REFERENCE=INSTRUCTION")]
    onbuild: Vec<String>,
    /// How to print; json is one object a Dockerfile
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    Table,
    Json,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let mut files = Vec::new();
    for file in &flags.files {
        files.push(json!({"file": if file == "-" { "Dockerfile" } else { file }, "text": read(file)?}));
    }
    let mut onbuild: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for flag in &flags.onbuild {
        let (reference, instruction) = pair("--onbuild", flag)?;
        onbuild.entry(reference).or_default().push(instruction);
    }
    let args = json!({
        "files": files,
        "buildArgs": build_args(&flags.build_arg)?,
        "target": flags.target,
        "platforms": flags.platform,
        "buildContexts": pairs("--build-context", &flags.build_context)?,
        "onbuild": onbuild,
        "namedContexts": !flags.no_build_contexts,
    });
    let mut request = request(global, "bases", args, Tree::default())?;
    let answer = ask(global, &host(global)?, &mut request, &Allowed::default(), &mut Nothing)?;
    report(&answer.diagnostics);
    let results = match answer.output {
        Some(Value::Array(results)) => results,
        _ => Vec::new(),
    };
    let mut out = String::new();
    for mut result in results {
        match flags.output {
            Output::Json => {
                // One Dockerfile was asked for, so its name would say nothing.
                if let (1, Some(map)) = (flags.files.len(), result.as_object_mut()) {
                    map.remove("file");
                }
                out.push_str(&format!("{result}\n"));
            }
            Output::Table => {
                let found: Vec<Diagnostic> =
                    serde_json::from_value(result["diagnostics"].clone()).unwrap_or_default();
                report(&found);
                // Where an error is all there is, a heading over nothing would only be in its way.
                let is_empty = result["images"].as_array().is_none_or(Vec::is_empty);
                if !is_empty || !found.iter().any(Diagnostic::is_error) {
                    table(&mut out, &result, flags.files.len() > 1);
                }
            }
        }
    }
    print(out.as_bytes())?;
    Ok(answer.exit)
}

fn read(file: &str) -> Result<String, Failure> {
    let bytes = if file == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    let hint = "name a Dockerfile, or `-` for stdin";
    let bytes = bytes.map_err(|error| Failure::usage("IF1027", format!("{file}: {error}"), hint))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `--build-arg`: without a value, the environment's, as docker and buildctl do it.
pub(crate) fn build_args(flags: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for flag in flags {
        match flag.split_once('=') {
            Some((name, value)) if !name.is_empty() => drop(map.insert(name.to_owned(), value.to_owned())),
            None if !flag.is_empty() => {
                if let Ok(value) = std::env::var(flag) {
                    map.insert(flag.clone(), value);
                }
            }
            _ => drop(pair("--build-arg", flag)?),
        }
    }
    Ok(map)
}

fn pairs(name: &str, flags: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    flags.iter().map(|flag| pair(name, flag).map(|(key, value)| (key.to_owned(), value.to_owned()))).collect()
}

fn pair<'f>(name: &str, flag: &'f str) -> Result<(&'f str, &'f str), Failure> {
    flag.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
        Failure::usage("IF1028", format!("`{name} {flag}` has no `=`"), format!("write `{name} NAME=VALUE`"))
    })
}

fn table(out: &mut String, result: &Value, with_file: bool) {
    if with_file {
        out.push_str(&format!("{}:\n", result["file"].as_str().unwrap_or_default()));
    }
    let words = |value: &Value| -> String {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
    };
    let mut rows = vec![["IMAGE", "PLATFORM", "ROLES", "USED", "LINE", "ARGUMENTS"].map(str::to_owned)];
    for image in result["images"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let lines = image["where"].as_array().map(Vec::as_slice).unwrap_or_default();
        rows.push([
            image["reference"].as_str().unwrap_or_default().to_owned(),
            image["platform"].as_str().unwrap_or_default().to_owned(),
            words(&image["roles"]),
            if image["used"] == true { "yes" } else { "no" }.to_owned(),
            lines.iter().map(|place| place["line"].to_string()).collect::<Vec<_>>().join(","),
            words(&image["arguments"]),
        ]);
    }
    out.push_str(&columns(&rows));
}

/// Rows as columns, each as wide as its widest cell.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

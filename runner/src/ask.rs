//! One question to the module, the same way for every verb.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use image_factory::abi::{Answer, Fetched, Request, ABI_VERSION};
use image_factory::tree::Tree;

use crate::cli::Global;
use crate::host::{Allowed, Fetch, Host};
use crate::outcome::Failure;

/// A request of this verb.
pub fn request(global: &Global, verb: &str, args: serde_json::Value, tree: Tree) -> Result<Request, Failure> {
    let now = match &global.now {
        Some(text) => parse_time(text)?,
        None => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            DateTime::from_timestamp(i64::try_from(since.as_secs()).unwrap_or_default(), 0)
                .unwrap_or_default()
        }
    };
    let now = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    Ok(Request { abi: ABI_VERSION, verb: verb.to_owned(), args, now, tree, fetched: Fetched::default() })
}

fn parse_time(text: &str) -> Result<DateTime<Utc>, Failure> {
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).map_err(|error| {
        Failure::usage(
            "IF1022",
            format!("`--now {text}` is not a time: {error}"),
            "write `--now 2026-01-05T10:00:00Z`",
        )
    })
}

/// The module that the flags choose.
pub fn host(global: &Global) -> Result<Host, Failure> {
    match &global.module {
        None => Ok(Host::embedded(global.limits())?),
        Some(path) => other_module(path, global),
    }
}

#[cfg(feature = "jit")]
fn other_module(path: &Path, global: &Global) -> Result<Host, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        Failure::usage(
            "IF1023",
            format!("`--module {}`: {error}", path.display()),
            "name a .wasm or .wat file",
        )
    })?;
    Ok(Host::compiled(&bytes, global.limits())?)
}

#[cfg(not(feature = "jit"))]
fn other_module(path: &Path, _: &Global) -> Result<Host, Failure> {
    let message =
        format!("this program cannot compile `{}`: it was built without its compiler", path.display());
    Err(Failure::usage(
        "IF1023",
        message,
        "build it with `cargo build --release --package image-factory --features jit`",
    ))
}

/// Asks, and records the request if the flags say so: also one that the module failed on.
pub fn ask(
    global: &Global,
    host: &Host,
    request: &mut Request,
    allowed: &Allowed<'_>,
    fetch: &mut dyn Fetch,
) -> Result<Answer, Failure> {
    let answer = host.run(request, allowed, fetch);
    if let Some(path) = &global.record {
        let text = serde_json::to_vec_pretty(request)
            .expect("a request is strings, lists and maps with string keys");
        fs::write(path, text)
            .map_err(|error| Failure::again("IF1024", format!("`--record {}`: {error}", path.display())))?;
    }
    Ok(answer?)
}

/// The factory's folder: as named, else `image-factory` if that holds an images.yaml, else this one.
pub fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = match named {
        Some(folder) => folder.to_path_buf(),
        None if Path::new("image-factory/images.yaml").exists() => PathBuf::from("image-factory"),
        None => PathBuf::from("."),
    };
    if folder.is_dir() {
        return Ok(folder);
    }
    let message = format!("there is no folder `{}`", folder.display());
    Err(Failure::usage("IF1025", message, "name the folder that holds images.yaml"))
}

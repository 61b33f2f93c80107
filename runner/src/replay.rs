//! `image-factory replay`: answers a recorded request, and writes nothing.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use image_factory::abi::{Request, ABI_VERSION};
use serde_json::Value;

use crate::ask::{ask, host};
use crate::cli::Global;
use crate::fetch::Nothing;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};

/// The flags of `replay`.
#[derive(Args)]
pub(crate) struct Flags {
    /// A file that `--record` saved
    file: PathBuf,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let file = flags.file.display();
    let hint = "name a file that `--record FILE` saved";
    let text = fs::read_to_string(&flags.file)
        .map_err(|error| Failure::usage("IF1029", format!("{file}: {error}"), hint))?;
    let mut request = Request::parse(&text)
        .map_err(|error| Failure::usage("IF1029", format!("{file} is no recorded request: {error}"), hint))?;
    if request.abi != ABI_VERSION {
        let message =
            format!("{file} was recorded for ABI {}, this program speaks ABI {ABI_VERSION}", request.abi);
        return Err(Failure::usage("IF1029", message, "replay it with the version that recorded it"));
    }
    let project = image_factory::factory::read(&request.tree, &mut Default::default()).project;
    let allowed = Allowed { namespace: Some(&project), files: true };
    let answer = ask(global, &host(global)?, &mut request, &allowed, &mut Nothing)?;
    report(&answer.diagnostics);
    let answer_json: Value = serde_json::from_str(&answer.print()).expect("an answer prints as JSON");
    print(format!("{answer_json:#}\n").as_bytes())?;
    Ok(answer.exit)
}

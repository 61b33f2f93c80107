//! `image-factory about`: what the module says of itself.

use image_factory::tree::Tree;
use serde_json::Value;

use crate::ask::{ask, host, request};
use crate::cli::Global;
use crate::fetch::Nothing;
use crate::host::Allowed;
use crate::outcome::{print, report, Failure};

pub(crate) fn run(global: &Global) -> Result<u8, Failure> {
    let mut request = request(global, "about", Value::Null, Tree::default())?;
    let answer = ask(global, &host(global)?, &mut request, &Allowed::default(), &mut Nothing)?;
    report(&answer.diagnostics);
    if let Some(output) = &answer.output {
        print(format!("{output:#}\n").as_bytes())?;
    }
    Ok(answer.exit)
}

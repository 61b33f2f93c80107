//! `image-factory observe`: looks at a base image or an external image.

use clap::Args;
use serde_json::json;

use crate::change::{self, Target};
use crate::cli::Global;
use crate::fetch::Sources;
use crate::outcome::Failure;

/// The flags of `observe`.
#[derive(Args)]
#[command(after_help = "\
Example:
  image-factory observe --name node-22-bookworm-slim")]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    /// The base image or external image, by its name in state
    #[arg(long)]
    name: String,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let mut sources = Sources::new(&[], false)?;
    change::run(global, &flags.target, "observe", &json!({"name": flags.name}), &mut sources)
}

//! `image-factory reconcile`: brings state into line with images.yaml.

use clap::Args;
use serde_json::json;

use crate::change::{self, Target};
use crate::cli::Global;
use crate::fetch::{Checkouts, Sources};
use crate::outcome::Failure;

/// The flags of `reconcile`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory reconcile
  image-factory reconcile --dry-run    the plan, as a table
  image-factory reconcile --git-repo https://github.com/acme/platform.git")]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    checkouts: Checkouts,
    /// Fetch nothing: what no --source-dir holds is not reached
    #[arg(long)]
    offline: bool,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let mut sources = Sources::new(&flags.checkouts.source_dir, flags.offline)?;
    change::run(global, &flags.target, "reconcile", &json!({}), &mut sources)
}

//! `image-factory sweep`: a look at everything.

use clap::Args;
use serde_json::json;

use crate::change::{self, Target};
use crate::cli::Global;
use crate::fetch::{Checkouts, Sources};
use crate::outcome::Failure;

/// The flags of `sweep`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory sweep --dry-run
  image-factory sweep --git-repo https://github.com/acme/platform.git")]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    checkouts: Checkouts,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let mut sources = Sources::new(&flags.checkouts.source_dir, false)?;
    change::run(global, &flags.target, "sweep", &json!({}), &mut sources)
}

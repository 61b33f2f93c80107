//! `image-factory completions`: for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::outcome::{print, Failure, OK};

/// The flags of `completions`.
#[derive(Args)]
pub(crate) struct Flags {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(flags: &Flags) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), "image-factory", &mut text);
    print(&text)?;
    Ok(OK)
}

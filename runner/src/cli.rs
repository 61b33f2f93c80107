//! The command line: flags to subcommands, outcomes to exit codes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::host::{self, Limits};
use crate::outcome::{report, Failure, OK, USAGE};
use crate::{
    about, analyze, bases, check, completions, generate, healthcheck, krm, look, observe, prove, reconcile,
    reference, replay, schema, status, sweep, what_if,
};

/// Keeps container images fresh: finds the base images of Dockerfiles, and renders the Kargo
/// Warehouses that watch them.
#[derive(Parser)]
#[command(name = "image-factory", version = version(), after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  image-factory analyze --all            look at all Dockerfiles, write state/
  image-factory generate                 print the Warehouses of ./image-factory or .
  image-factory status                   which images are fresh, pending, due or held
  image-factory bases Dockerfile         which images one Dockerfile needs
  image-factory check --output github    what a pull request runs

Exit codes:
  0 done   1 a file is wrong   2 a flag is wrong   3 git, network or disk: run again   70 our bug";

/// What every verb takes.
#[derive(Args)]
pub(crate) struct Global {
    /// Run another module than the built-in one
    #[arg(long, global = true, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// Save the last request to the module, for `replay` or a bug report
    #[arg(long, global = true, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Memory that the module may take
    #[arg(long, global = true, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub max_memory: u32,
    /// Seconds that one call of the module may take
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout: u32,
    /// The time to work with, RFC 3339 in UTC, instead of now
    #[arg(long, global = true, value_name = "TIME")]
    pub now: Option<String>,
}

impl Global {
    pub fn limits(&self) -> Limits {
        Limits {
            memory: (self.max_memory as usize) << 20,
            time: Duration::from_secs(u64::from(self.timeout)),
            ..Limits::default()
        }
    }
}

#[derive(Subcommand)]
enum Verb {
    /// Print the Kargo Warehouses of a factory
    Generate(generate::Flags),
    /// Find the base images of managed images and bring state/ up to date
    Analyze(analyze::Flags),
    /// Bring state/ into line with images.yaml: what is new, changed, gone or back
    Reconcile(reconcile::Flags),
    /// Look at a base image or an external image: its digest, and who must be rebuilt for it
    Observe(observe::Flags),
    /// Look whether a published image holds its base images, and record the run that built it
    Prove(prove::Flags),
    /// Look at everything: what was lost is made good
    Sweep(sweep::Flags),
    /// Say which images Dockerfiles need, as BuildKit would resolve them
    Bases(bases::Flags),
    /// Say what registries hold: digest, platforms, content, and of which base image
    Look(look::Flags),
    /// Take image references apart
    Reference(reference::Flags),
    /// Say of each image whether it is fresh, or when it is rebuilt and why
    Status(status::Flags),
    /// Say who would be rebuilt if a base image moved now, when, and in which wave
    WhatIf(what_if::Flags),
    /// Check a factory's files, as a pull request does
    Check(check::Flags),
    /// Render a factory as a KRM function: a ResourceList on stdin, one on stdout
    Krm,
    /// Print the JSON Schema of a file
    Schema(schema::Flags),
    /// Answer a request that `--record` saved
    Replay(replay::Flags),
    /// Say whether the cmp-server beside this program answers; the sidecar's probe
    Healthcheck(healthcheck::Flags),
    /// Say what the module is, as JSON
    About,
    /// Print the completions of a shell
    Completions(completions::Flags),
}

fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (module ", env!("IMAGE_FACTORY_MODULE_DIGEST"), ")")
}

/// Runs the program; gives its exit code.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed on stdout and are no failure.
            let _ = error.print();
            return if error.use_stderr() { USAGE } else { OK };
        }
    };
    debug_assert!(host::EMBEDDED_DIGEST.starts_with("sha256:"));
    let result = match cli.verb {
        Verb::Generate(flags) => generate::run(&cli.global, &flags),
        Verb::Analyze(flags) => analyze::run(&cli.global, &flags),
        Verb::Reconcile(flags) => reconcile::run(&cli.global, &flags),
        Verb::Observe(flags) => observe::run(&cli.global, &flags),
        Verb::Prove(flags) => prove::run(&cli.global, &flags),
        Verb::Sweep(flags) => sweep::run(&cli.global, &flags),
        Verb::Bases(flags) => bases::run(&cli.global, &flags),
        Verb::Look(flags) => look::run(&cli.global, &flags),
        Verb::Reference(flags) => reference::run(&cli.global, &flags),
        Verb::Status(flags) => status::run(&cli.global, &flags),
        Verb::WhatIf(flags) => what_if::run(&cli.global, &flags),
        Verb::Check(flags) => check::run(&cli.global, &flags),
        Verb::Krm => krm::run(&cli.global),
        Verb::Schema(flags) => schema::run(&flags),
        Verb::Replay(flags) => replay::run(&cli.global, &flags),
        Verb::Healthcheck(flags) => healthcheck::run(&flags),
        Verb::About => about::run(&cli.global),
        Verb::Completions(flags) => completions::run(&flags),
    };
    result.unwrap_or_else(|Failure { diagnostic, exit }| {
        report(&[diagnostic]);
        exit
    })
}

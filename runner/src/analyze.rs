//! `image-factory analyze`: looks at Dockerfiles and writes state.

use clap::Args;
use serde_json::json;

use crate::bases::build_args;
use crate::change::{self, Target};
use crate::cli::Global;
use crate::fetch::{Checkouts, Sources};
use crate::outcome::Failure;

/// The flags of `analyze`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory analyze --all
  image-factory analyze --source-repo https://github.com/acme/app.git --source-branch main
  image-factory analyze --image backstage --tag 0.6.5
  image-factory analyze --image backstage --source-dir ../app --dry-run
  image-factory analyze --all --git-repo https://github.com/acme/platform.git --git-branch main image-factory")]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    /// An image to analyze; may be given several times
    #[arg(long, value_name = "NAME")]
    image: Vec<String>,
    /// Analyze all enrolled images, and archive the state of those that left
    #[arg(long)]
    all: bool,
    /// The tag that the image was published under
    #[arg(long)]
    tag: Option<String>,
    /// The digest that the image was published as
    #[arg(long)]
    digest: Option<String>,
    /// Path of the Dockerfile in its repository, where images.yaml names none
    #[arg(long, value_name = "PATH")]
    dockerfile: Option<String>,
    /// The image's source, as images.yaml has it; without --image, all images built from it are
    /// analyzed
    #[arg(long, value_name = "REPOSITORY")]
    source_repo: Option<String>,
    /// The source's provider, as images.yaml has it
    #[arg(long, value_name = "PROVIDER")]
    source_provider: Option<String>,
    /// The branch to look at, where images.yaml names none; without --image, the branch that
    /// images are built from, HEAD for the default one
    #[arg(long, value_name = "BRANCH")]
    source_branch: Option<String>,
    /// The commit to look at, instead of the branch's tip
    #[arg(long, value_name = "SHA")]
    source_commit: Option<String>,
    #[command(flatten)]
    checkouts: Checkouts,
    /// A build argument, where images.yaml has none of its name
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// The stage that is built, where images.yaml names none
    #[arg(long = "target", value_name = "STAGE")]
    build_target: Option<String>,
    /// Fetch nothing: what no --source-dir holds is not reached
    #[arg(long)]
    offline: bool,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let mut sources = Sources::new(&flags.checkouts.source_dir, flags.offline)?;
    let args = json!({
        "images": flags.image,
        "all": flags.all,
        "tag": flags.tag,
        "digest": flags.digest,
        "dockerfile": flags.dockerfile,
        "sourceRepo": flags.source_repo,
        "sourceProvider": flags.source_provider,
        "sourceBranch": flags.source_branch,
        "sourceCommit": flags.source_commit,
        "buildArgs": build_args(&flags.build_arg)?,
        "target": flags.build_target,
        "live": !flags.offline && (flags.tag.is_some() || flags.digest.is_some()),
    });
    change::run(global, &flags.target, "analyze", &args, &mut sources)
}

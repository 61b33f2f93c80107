//! `image-factory prove`: looks whether a published image holds its base images, and records a run.

use clap::Args;
use serde_json::json;

use crate::change::{self, Target};
use crate::cli::Global;
use crate::fetch::Sources;
use crate::outcome::Failure;

/// The flags of `prove`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory prove --image backstage       asks GitHub or GitLab which runs ended
  image-factory prove --image backstage --key backstage-17 --began 2026-01-19T06:00:00Z --succeeded \\
    --run https://github.com/acme/app/actions/runs/43

GitHub's token is the file `github` in the folder $IMAGE_FACTORY_TOKENS, GitLab's is `gitlab`;
else $GITHUB_TOKEN or $GITLAB_TOKEN.")]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    /// The managed image
    #[arg(long, value_name = "NAME")]
    image: String,
    /// The tag that it was published under [default: the last one that is known]
    #[arg(long)]
    tag: Option<String>,
    /// What the run's name carries; without it CI is asked for runs that are not recorded yet
    #[arg(long, requires = "began")]
    key: Option<String>,
    /// When the run was asked for, RFC 3339
    #[arg(long, value_name = "TIME", requires = "key")]
    began: Option<String>,
    /// The run ended well
    #[arg(long, requires = "key")]
    succeeded: bool,
    /// The run's URL; without it the run was never accepted
    #[arg(long, value_name = "URL", requires = "key")]
    run: Option<String>,
    /// The person who asked for it
    #[arg(long, value_name = "WHO", requires = "key")]
    by: Option<String>,
    /// The API refused the inputs, so the run carries no key
    #[arg(long, requires = "key")]
    unkeyed: bool,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let mut sources = Sources::new(&[], false)?;
    let args = json!({
        "image": flags.image,
        // A run that is told is the one to prove; else CI is asked.
        "runs": flags.key.is_none(),
        "tag": flags.tag,
        "key": flags.key,
        "began": flags.began,
        "succeeded": flags.succeeded,
        "run": flags.run,
        "by": flags.by,
        "unkeyed": flags.unkeyed,
    });
    change::run(global, &flags.target, "prove", &args, &mut sources)
}

//! `image-factory analyze`: looks at Dockerfiles and writes state.

use std::path::{Path, PathBuf};

use clap::Args;
use image_factory::abi::Answer;
use image_factory::tree::Tree;
use serde_json::json;

use crate::ask::{ask, folder, host, request};
use crate::bases::build_args;
use crate::cli::Global;
use crate::fetch::Sources;
use crate::git::{Change, Git, Pushed, StateRepository, ATTEMPTS};
use crate::host::{Allowed, Host};
use crate::outcome::{print, report, say, Failure, OK};
use crate::{diff, worktree};

/// The flags of `analyze`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory analyze --all
  image-factory analyze --image backstage --source-dir ../app --dry-run
  image-factory analyze --all --git-repo https://github.com/acme/platform.git --git-branch main image-factory")]
pub(crate) struct Flags {
    /// The folder that holds images.yaml [default: image-factory if it does, else .];
    /// with --git-repo its path there [default: image-factory]
    dir: Option<PathBuf>,
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
    /// The image's source, as images.yaml has it
    #[arg(long, value_name = "REPOSITORY")]
    source_repo: Option<String>,
    /// The source's provider, as images.yaml has it
    #[arg(long, value_name = "PROVIDER")]
    source_provider: Option<String>,
    /// The branch to look at, where images.yaml names none
    #[arg(long, value_name = "BRANCH")]
    source_branch: Option<String>,
    /// The commit to look at, instead of the branch's tip
    #[arg(long, value_name = "SHA")]
    source_commit: Option<String>,
    /// A checkout that is already there, to look at instead of fetching
    #[arg(long, value_name = "[REPOSITORY=]PATH")]
    source_dir: Vec<String>,
    /// A build argument, where images.yaml has none of its name
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// Fetch nothing: what no --source-dir holds is not reached
    #[arg(long)]
    offline: bool,
    /// Print what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Work in a clone of this repository, commit there and push
    #[arg(long, value_name = "URL")]
    git_repo: Option<String>,
    /// The branch of --git-repo
    #[arg(long, value_name = "BRANCH", requires = "git_repo", default_value = "main")]
    git_branch: String,
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let host = host(global)?;
    let mut sources = Sources::new(&flags.source_dir, flags.offline)?;
    match &flags.git_repo {
        None => {
            let folder = folder(flags.dir.as_deref())?;
            let (tree, answer) = look(global, flags, &host, &mut sources, &folder)?;
            tell(&answer);
            if flags.dry_run {
                print(diff::unified(&tree, &answer.files).as_bytes())?;
            } else {
                worktree::write(&folder, &answer.files)?;
            }
            Ok(answer.exit)
        }
        Some(url) => in_clone(global, flags, &host, &mut sources, url),
    }
}

fn look(
    global: &Global,
    flags: &Flags,
    host: &Host,
    sources: &mut Sources,
    folder: &Path,
) -> Result<(Tree, Answer), Failure> {
    let tree = worktree::read(folder, true)?;
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
    });
    let mut request = request(global, "analyze", args, tree)?;
    let allowed = Allowed { namespace: None, files: true };
    let answer = ask(global, host, &mut request, &allowed, sources)?;
    Ok((request.tree, answer))
}

fn tell(answer: &Answer) {
    report(&answer.diagnostics);
    say(answer.messages.iter().map(|message| format!("{message}\n")).collect());
}

/// Looks, commits and pushes; a push that was too late is made again from the new tip, since the
/// change is a function of the tip and of what was looked up.
fn in_clone(
    global: &Global,
    flags: &Flags,
    host: &Host,
    sources: &mut Sources,
    url: &str,
) -> Result<u8, Failure> {
    let dir = flags.dir.as_deref().unwrap_or(Path::new("image-factory"));
    let git = Git::from_environment()?;
    let mut repository = StateRepository::open(&git, url, &flags.git_branch, &dir.to_string_lossy())?;
    if flags.dry_run {
        let (tree, answer) = look(global, flags, host, sources, repository.folder())?;
        tell(&answer);
        print(diff::unified(&tree, &answer.files).as_bytes())?;
        return Ok(answer.exit);
    }
    let mut exit = OK;
    let mut looks = 0;
    let pushed = repository.retry(ATTEMPTS, |folder| -> Result<Change, Failure> {
        if looks > 0 {
            say(format!("others pushed to {} first; looking again at its new tip\n", flags.git_branch));
        }
        looks += 1;
        let (tree, answer) = look(global, flags, host, sources, folder)?;
        tell(&answer);
        exit = answer.exit;
        let skip_ci = image_factory::factory::read(&tree, &mut Default::default()).skip_ci;
        Ok(Change { message: commit_message(&answer, skip_ci), files: answer.files })
    })?;
    match pushed {
        Pushed::Commit(commit) => {
            say(format!("pushed {} to {}\n", commit.get(..12).unwrap_or(&commit), flags.git_branch));
        }
        Pushed::Nothing | Pushed::Rejected(_) => say("nothing changed, so nothing is committed\n".to_owned()),
    }
    Ok(exit)
}

fn commit_message(answer: &Answer, skip_ci: bool) -> String {
    let changed: Vec<&str> = answer
        .messages
        .iter()
        .map(String::as_str)
        .filter(|message| !message.ends_with("unchanged") && !message.contains("nothing recorded"))
        .collect();
    let names: Vec<&str> = changed.iter().filter_map(|message| message.split(':').next()).collect();
    let subject = match names.as_slice() {
        [] => "state: base images".to_owned(),
        [one] => format!("state: {one}"),
        [first, rest @ ..] if rest.len() < 4 => format!("state: {first}, {}", rest.join(", ")),
        many => format!("state: {} images", many.len()),
    };
    let skip = if skip_ci { " [skip ci]" } else { "" };
    format!("{subject}{skip}\n\n{}\n", changed.join("\n"))
}

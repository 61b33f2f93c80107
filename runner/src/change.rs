//! What every verb that changes state does: ask the module, then write the answer's files into a
//! folder, or commit and push them in a clone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use image_factory::abi::Answer;
use image_factory::tree::Tree;
use serde_json::Value;

use crate::ask::{ask, folder, host, request};
use crate::cli::Global;
use crate::fetch::Sources;
use crate::git::{Change, Git, Pushed, StateRepository, ATTEMPTS};
use crate::host::{Allowed, Host};
use crate::outcome::{print, report, say, Failure, OK};
use crate::worktree::{entry, Kind};
use crate::{diff, plan, worktree};

/// Where the state is that changes.
#[derive(Args, Clone)]
pub(crate) struct Target {
    /// The folder that holds images.yaml [default: image-factory if it does, else .];
    /// with --git-repo its path there [default: image-factory]
    dir: Option<PathBuf>,
    /// Print what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Work in a clone of this repository, commit there and push
    #[arg(long, value_name = "URL")]
    git_repo: Option<String>,
    /// The branch of --git-repo
    #[arg(long, value_name = "BRANCH", requires = "git_repo", default_value = "main")]
    git_branch: String,
    /// Add a line to the end of the commit's message, as `git commit --trailer` does
    #[arg(long, value_name = "KEY=VALUE", requires = "git_repo", value_parser = trailer)]
    trailer: Vec<(String, String)>,
}

impl Target {
    /// Adds a trailer; what is no line is left out, since it would add others.
    pub(crate) fn add_trailer(&mut self, key: &str, value: &str) {
        if !value.chars().any(char::is_control) {
            self.trailer.push((key.to_owned(), value.to_owned()));
        }
    }
}

fn trailer(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once(['=', ':']).ok_or("write `KEY=VALUE`")?;
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err("a key is letters, digits and `-`".to_owned());
    }
    if value.chars().any(char::is_control) {
        return Err("a value is one line".to_owned());
    }
    Ok((key.to_owned(), value.trim().to_owned()))
}

/// Runs a verb that changes state.
pub(crate) fn run(
    global: &Global,
    target: &Target,
    verb: &str,
    args: &Value,
    sources: &mut Sources,
) -> Result<u8, Failure> {
    let host = host(global)?;
    let mut work = Work { global, verb, args, host: &host, sources, now: None };
    match &target.git_repo {
        None => {
            let folder = folder(target.dir.as_deref())?;
            let (tree, answer) = work.look(&folder)?;
            tell(&answer);
            if target.dry_run {
                preview(verb, &tree, &answer)?;
            } else {
                worktree::write(&folder, &answer.files)?;
            }
            Ok(answer.exit)
        }
        Some(url) => in_clone(&mut work, target, url),
    }
}

struct Work<'w> {
    global: &'w Global,
    verb: &'w str,
    args: &'w Value,
    host: &'w Host,
    sources: &'w mut Sources,
    /// When the first look was made: what is fetched is kept, so all others are of then, too.
    now: Option<String>,
}

impl Work<'_> {
    fn look(&mut self, folder: &Path) -> Result<(Tree, Answer), Failure> {
        let tree = worktree::read(folder, true)?;
        let mut request = request(self.global, self.verb, self.args.clone(), tree)?;
        request.now = self.now.get_or_insert(request.now).clone();
        let allowed = Allowed { namespace: None, files: true };
        let answer = ask(self.global, self.host, &mut request, &allowed, self.sources)?;
        Ok((request.tree, answer))
    }
}

/// Prints what would change: a patch, or a table where a verb goes through all of state.
fn preview(verb: &str, tree: &Tree, answer: &Answer) -> Result<(), Failure> {
    let text = match verb {
        "reconcile" | "sweep" => plan::table(tree, answer),
        _ => diff::unified(tree, &answer.files),
    };
    print(text.as_bytes())
}

fn tell(answer: &Answer) {
    report(&answer.diagnostics);
    say(answer.messages.iter().map(|message| format!("{message}\n")).collect());
}

/// Looks, commits and pushes; a push that was too late is made again from the new tip, since the
/// change is a function of the tip and of what was looked up.
fn in_clone(work: &mut Work<'_>, target: &Target, url: &str) -> Result<u8, Failure> {
    let dir = target.dir.as_deref().unwrap_or(Path::new("image-factory"));
    let git = Git::from_environment()?;
    let mut repository = StateRepository::open(&git, url, &target.git_branch, &dir.to_string_lossy())?;
    if target.dry_run {
        let (tree, answer) = work.look(repository.folder())?;
        tell(&answer);
        preview(work.verb, &tree, &answer)?;
        return Ok(answer.exit);
    }
    let mut exit = OK;
    let mut looks = 0;
    let pushed = repository.retry(ATTEMPTS, |folder| -> Result<Change, Failure> {
        if looks > 0 {
            say(format!("others pushed to {} first; looking again at its new tip\n", target.git_branch));
        }
        looks += 1;
        let (tree, answer) = work.look(folder)?;
        tell(&answer);
        exit = answer.exit;
        let skip_ci = image_factory::factory::read(&tree, &mut Default::default()).skip_ci;
        Ok(Change { message: commit_message(&answer, skip_ci, &target.trailer), files: answer.files })
    })?;
    match pushed {
        Pushed::Commit(commit) => {
            say(format!("pushed {} to {}\n", commit.get(..12).unwrap_or(&commit), target.git_branch));
        }
        Pushed::Nothing | Pushed::Rejected(_) => say("nothing changed, so nothing is committed\n".to_owned()),
    }
    Ok(exit)
}

/// What changed and why, for people; then trailers, for machines: what was given, and each image and
/// base image whose state changed.
fn commit_message(answer: &Answer, skip_ci: bool, given: &[(String, String)]) -> String {
    let told: Vec<&str> = answer
        .messages
        .iter()
        .map(String::as_str)
        .filter(|message| !message.ends_with("unchanged") && !message.contains("nothing recorded"))
        .collect();
    // An entry that is archived or restored is two files.
    let changed: BTreeSet<(Kind, &str)> =
        answer.files.keys().filter_map(|path| entry(path).map(|(kind, name, _)| (kind, name))).collect();
    let mut names: Vec<&str> = Vec::new();
    for name in told.iter().filter_map(|message| message.split(':').next()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        names.extend(changed.iter().map(|(_, name)| *name));
    }
    let subject = match names.as_slice() {
        [] => "state: heartbeat".to_owned(),
        [one] => format!("state: {one}"),
        [first, rest @ ..] if rest.len() < 4 => format!("state: {first}, {}", rest.join(", ")),
        many => format!("state: {} images", many.len()),
    };
    let changed = changed.into_iter().map(|(kind, name)| match kind {
        Kind::BaseImage => ("Base-Image", name),
        Kind::Image => ("Image", name),
    });
    let given = given.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let trailers: Vec<String> = given
        .filter(|(_, value)| !value.is_empty())
        .chain(changed)
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    let skip = if skip_ci { " [skip ci]" } else { "" };
    let parts = [format!("{subject}{skip}"), told.join("\n"), trailers.join("\n")];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join("\n\n") + "\n"
}

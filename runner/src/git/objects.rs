//! A bare repository of our own: shallow, without blobs until they are asked for, never checked out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::address::{path_in_repository, typed, Address, Transport};
use super::error::{kind_of, GitError, Kind};
use super::process::{failure, reading_helper, Finished};
use super::scratch::disk;
use super::{Git, Scratch};

/// The remote's name: one that nobody's settings know.
pub(super) const REMOTE: &str = "image-factory";

impl Extent {
    /// The same, with all files.
    pub fn with_files(self) -> Self {
        match self {
            Extent::Tip | Extent::TipWithFiles => Extent::TipWithFiles,
            Extent::History | Extent::HistoryWithFiles => Extent::HistoryWithFiles,
        }
    }

    fn is_deep(self) -> bool {
        matches!(self, Extent::History | Extent::HistoryWithFiles)
    }

    /// Whether files come only when they are asked for.
    pub fn is_filtered(self) -> bool {
        self != self.with_files()
    }
}

/// A repository in a scratch folder, and where it comes from.
pub(super) struct Repository {
    git: Git,
    git_dir: PathBuf,
    pub address: Address,
    credential: Option<PathBuf>,
    ssh: Option<&'static str>,
    secrets: Vec<(String, &'static str)>,
    /// Blobs that are here; `None` where all are, since the server knows no filters.
    blobs: Option<BTreeSet<String>>,
}

/// What stands at a path of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub mode: String,
    pub object: String,
}

impl Entry {
    pub const SYMLINK: &'static str = "120000";

    pub fn is_folder(&self) -> bool {
        self.mode == "040000"
    }

    /// A file or a symbolic link; not a folder, not a submodule.
    pub fn is_blob(&self) -> bool {
        self.mode.starts_with("100") || self.mode == Entry::SYMLINK
    }
}

/// How much of a history and its blobs to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The commit and its folders.
    Tip,
    /// The commit with all its files, for servers that would not send single ones later.
    TipWithFiles,
    /// All commits and folders, to look for one commit.
    History,
    /// The whole repository, where both are needed.
    HistoryWithFiles,
}

impl Repository {
    /// Makes an empty one; `name` is a folder's name that nobody else uses in the scratch folder.
    pub fn create(git: &Git, scratch: &Scratch, name: &str, address: Address) -> Result<Self, GitError> {
        let git_dir = scratch.path().join(name);
        let mut secrets = address.secrets.clone();
        secrets.extend(git.secrets());
        secrets.push((scratch.path().to_string_lossy().into_owned(), "…"));
        let disk = |error| disk("write a temporary repository", &error);
        let credential = match &address.credential {
            Some(line) => {
                let path = scratch.path().join(format!("{name}-credential"));
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .map_err(disk)?;
                writeln!(file, "{line}").map_err(disk)?;
                Some(path)
            }
            None => None,
        };
        let url = address.url.replace('\\', "\\\\").replace('"', "\\\"");
        let mut repository = Repository {
            git: git.clone(),
            git_dir,
            address,
            credential,
            ssh: None,
            secrets,
            blobs: Some(BTreeSet::new()),
        };
        repository.must(
            "cannot make a temporary repository",
            ["init", "--quiet", "--bare", "--template="],
            vec![],
        )?;
        if !repository.address.is_local() {
            repository.ssh = git.quiet_ssh(&repository.git_dir);
        }
        // In the file, and not an argument: a URL may hold a token as its user.
        let mut config =
            std::fs::OpenOptions::new().append(true).open(repository.git_dir.join("config")).map_err(disk)?;
        writeln!(config, "[remote \"{REMOTE}\"]\n\turl = \"{url}\"").map_err(disk)?;
        Ok(repository)
    }

    /// A git command on this repository.
    pub fn command(&self) -> Command {
        let mut command = self.git.command(&self.git_dir, Some(&self.address));
        if let Some(file) = &self.credential {
            // What stands in the URL comes before what other helpers know, and goes to none of them.
            command.args(["-c", "credential.helper="]);
            command.arg("-c").arg(format!("credential.helper={}", reading_helper(file)));
        }
        if let Some(ssh) = self.ssh {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        command
    }

    pub fn git(&self) -> &Git {
        &self.git
    }

    pub fn secrets(&self) -> &[(String, &'static str)] {
        &self.secrets
    }

    /// Runs a git command that should succeed; its stdout. `doing` begins the error's text.
    pub fn must<A: AsRef<OsStr>>(
        &self,
        doing: &str,
        arguments: impl IntoIterator<Item = A>,
        stdin: Vec<u8>,
    ) -> Result<Vec<u8>, GitError> {
        let mut command = self.command();
        command.args(arguments);
        let finished = self.run(doing, command, stdin)?;
        match finished.success {
            true => Ok(finished.stdout),
            false => Err(self.failure(doing, &finished.stderr)),
        }
    }

    /// Runs a git command that may fail by itself.
    pub fn run(&self, doing: &str, command: Command, stdin: Vec<u8>) -> Result<Finished, GitError> {
        self.git.run(command, stdin, &self.git_dir).map_err(|error| {
            let error = GitError { message: format!("{doing}: {}", error.message), ..error };
            self.with_hint(error)
        })
    }

    /// An error with git's words, and a hint that fits this repository.
    pub fn failure(&self, doing: &str, stderr: &str) -> GitError {
        self.with_hint(failure(doing, stderr, &self.secrets))
    }

    fn with_hint(&self, error: GitError) -> GitError {
        if error.hint.is_some() {
            return error;
        }
        let hint = self.address.hint(error.kind, &error.message);
        GitError { hint, ..error }
    }

    /// Fetches one reference or commit to `into`.
    pub fn fetch(&mut self, from: &str, into: &str, extent: Extent) -> Result<Result<(), String>, GitError> {
        let mut command = self.command();
        command.args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance"]);
        command.args(["--no-write-fetch-head", "--update-shallow"]);
        if !extent.is_deep() {
            command.arg("--depth=1");
        }
        if extent.is_filtered() {
            command.arg("--filter=blob:none");
        }
        command.args(["--end-of-options", REMOTE]).arg(format!("+{from}:{into}"));
        let finished = self.run(&format!("cannot fetch `{}`", self.address.shown), command, vec![])?;
        if !finished.success {
            return Ok(Err(finished.stderr));
        }
        // Git 2.39 warns so and goes on; without the line, a later request for blobs finds them here.
        if !extent.is_filtered() || finished.stderr.contains("filtering not recognized") {
            self.blobs = None;
        }
        Ok(Ok(()))
    }

    /// Fetches the blobs that are not here yet, in one go (git alone would do it one by one).
    pub fn fetch_blobs(&mut self, objects: impl IntoIterator<Item = String>) -> Result<(), GitError> {
        let Some(here) = &self.blobs else { return Ok(()) };
        let missing: BTreeSet<String> = objects.into_iter().filter(|object| !here.contains(object)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let lines = missing.iter().fold(String::new(), |lines, object| lines + object + "\n");
        // The same options as git's own request for missing objects (git 2.39, promisor-remote.c).
        let arguments = [
            "-c",
            "fetch.negotiationAlgorithm=noop",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--filter=blob:none",
            "--stdin",
            REMOTE,
        ];
        self.must(&format!("cannot fetch files of `{}`", self.address.shown), arguments, lines.into_bytes())?;
        if let Some(here) = &mut self.blobs {
            here.extend(missing);
        }
        Ok(())
    }

    /// The commit that a reference of ours, or a commit's digits, mean; `None` where there is none.
    pub fn commit(&self, revision: &str) -> Result<Option<String>, GitError> {
        let mut command = self.command();
        command.args(["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")]);
        let finished = self.run("cannot read a commit", command, vec![])?;
        let commit = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        Ok((finished.success && !commit.is_empty()).then_some(commit))
    }

    /// What stands at these paths of a commit, and below them where `below` is set.
    pub fn entries(
        &self,
        commit: &str,
        paths: &[String],
        below: bool,
    ) -> Result<BTreeMap<String, Entry>, GitError> {
        let mut entries = BTreeMap::new();
        // Arguments have a limit of some 100 kB on every system.
        for paths in paths.chunks(200) {
            let mut arguments = vec!["ls-tree", "-z", "--full-tree"];
            if below {
                arguments.extend(["-r", "-t"]);
            }
            arguments.extend([commit, "--"]);
            arguments.extend(paths.iter().map(String::as_str));
            let listing = self.must("cannot list files", arguments, vec![])?;
            for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
                let line = std::str::from_utf8(line).map_err(|_| {
                    let what = format!("a file's name in `{}` is not UTF-8", self.address.shown);
                    GitError::new(Kind::Other, what).hint("give the file another name: `git mv`")
                })?;
                let (fields, path) = line.split_once('\t').unwrap_or((line, ""));
                let mut fields = fields.split(' ');
                let (mode, object) = (fields.next().unwrap_or(""), fields.nth(1).unwrap_or(""));
                let entry = Entry { mode: mode.to_owned(), object: object.to_owned() };
                entries.insert(path.to_owned(), entry);
            }
        }
        Ok(entries)
    }

    /// The blob at each path, symbolic links followed inside the commit; `None` where there is none.
    ///
    /// As a checkout would read, and unlike `cat-file --follow-symlinks`, whose links know no `./`
    /// (git 2.39, `get_tree_entry_follow_symlinks`). Each round asks for all paths at once.
    pub fn follow(&mut self, commit: &str, paths: &[String]) -> Result<Vec<Option<String>>, GitError> {
        let mut pending: Vec<(usize, String)> = paths.iter().cloned().enumerate().collect();
        let mut found = vec![None; paths.len()];
        for _ in 0..=MAX_HOPS {
            if pending.is_empty() {
                break;
            }
            let asked: BTreeSet<String> =
                pending.iter().flat_map(|(_, path)| prefixes(path)).map(str::to_owned).collect();
            let entries = self.entries(commit, &Vec::from_iter(asked), false)?;
            let link_in = |path: &str| {
                let mut links =
                    prefixes(path).filter_map(|prefix| Some((prefix.len(), entries.get(prefix)?)));
                links
                    .find(|(_, entry)| entry.mode == Entry::SYMLINK)
                    .map(|(end, entry)| (end, entry.object.clone()))
            };
            let links: BTreeSet<String> =
                pending.iter().filter_map(|(_, path)| Some(link_in(path)?.1)).collect();
            let targets = if links.is_empty() {
                BTreeMap::new()
            } else {
                self.fetch_blobs(links.iter().cloned())?;
                self.contents(&links)?
            };
            let mut next = Vec::new();
            for (number, path) in pending {
                let Some((end, link)) = link_in(&path) else {
                    let entry = entries.get(&path).filter(|entry| entry.is_blob());
                    found[number] = entry.map(|entry| entry.object.clone());
                    continue;
                };
                let target = targets.get(&link).and_then(|bytes| std::str::from_utf8(bytes).ok());
                if let Some(path) = target.and_then(|target| linked(&path[..end], target, &path[end..])) {
                    next.push((number, path));
                }
            }
            pending = next;
        }
        Ok(found)
    }

    /// The sizes of blobs in bytes.
    pub fn sizes(&self, objects: &BTreeSet<String>) -> Result<BTreeMap<String, u64>, GitError> {
        let stdin = objects.iter().fold(String::new(), |stdin, object| stdin + object + "\n");
        let out = self.must("cannot look for files", ["cat-file", "--batch-check"], stdin.into_bytes())?;
        let size = |line: &str| {
            let (object, rest) = line.split_once(' ')?;
            Some((object.to_owned(), rest.strip_prefix("blob ")?.parse().ok()?))
        };
        Ok(String::from_utf8_lossy(&out).lines().filter_map(size).collect())
    }

    /// The bytes of blobs.
    pub fn contents(&self, objects: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let stdin = objects.iter().fold(String::new(), |stdin, object| stdin + object + "\n");
        let out = self.must("cannot read files", ["cat-file", "--batch"], stdin.into_bytes())?;
        let mut reader = Reader { rest: &out };
        let mut contents = BTreeMap::new();
        for object in objects {
            let line = reader.line();
            let size = line.rsplit(' ').next().and_then(|size| size.parse().ok());
            let Some(size) = size.filter(|_| line.starts_with(object.as_str())) else {
                return Err(GitError::new(
                    Kind::Other,
                    format!("cannot read files: git has no object `{object}`"),
                ));
            };
            contents.insert(object.clone(), reader.skip(size).to_vec());
        }
        Ok(contents)
    }
}

/// Reads cat-file's answers: a line, and where it says so, bytes and a line end.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> std::borrow::Cow<'a, str> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        String::from_utf8_lossy(line)
    }

    fn skip(&mut self, size: usize) -> &'a [u8] {
        let bytes = &self.rest[..size.min(self.rest.len())];
        self.rest = self.rest.get(size.saturating_add(1)..).unwrap_or_default();
        bytes
    }
}

/// How many symbolic links a path may go through.
const MAX_HOPS: usize = 8;

/// `a`, `a/b` and `a/b/c` of `a/b/c`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| end).chain([path.len()]).map(|end| &path[..end])
}

/// Where a link leads: its own path, what stands in it, and what follows it in the path asked for.
fn linked(link: &str, target: &str, rest: &str) -> Option<String> {
    if target.is_empty() || target.starts_with('/') || target.len() > 4096 {
        return None;
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/').chain(rest.split('/')) {
        match part {
            "" | "." => {}
            // One more than there are leads out of the repository.
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    path_in_repository(&parts.join("/"))
}

impl Address {
    pub fn is_local(&self) -> bool {
        self.transport == Transport::Local
    }

    /// What to type for a kind of trouble with this repository.
    fn hint(&self, kind: Kind, message: &str) -> Option<String> {
        let shown = typed(&self.shown);
        let is_ssh = self.transport == Transport::Ssh;
        match kind {
            Kind::Access if message.contains("Host key verification") => Some(
                "add the host's key to known_hosts, or name a file with it: \
                 `GIT_SSH_COMMAND=\"ssh -o UserKnownHostsFile=FILE\"`"
                    .to_owned(),
            ),
            Kind::Access if message.contains("dubious ownership") => {
                let folder = typed(self.shown.trim_start_matches("file://"));
                Some(format!("trust its owner: `git config --global --add safe.directory {folder}`"))
            }
            Kind::Access if is_ssh => {
                Some(format!("give ssh a key that the host knows: `ssh-add`, then `git ls-remote {shown}`"))
            }
            Kind::Access => Some(format!(
                "give git a credential that may read `{shown}`: a credential helper, or a file of \
                 `https://user:token@host` lines named by `{}`",
                super::CREDENTIALS_VARIABLE
            )),
            Kind::NotFound => {
                Some(format!("see what is there, and that you may see it: `git ls-remote {shown}`"))
            }
            Kind::Network | Kind::TimeLimit => {
                Some(format!("see whether this machine reaches it: `git ls-remote {shown}`"))
            }
            Kind::Refused if message.contains("transport 'http'") => {
                Some("use https, or allow it: `GIT_ALLOW_PROTOCOL=https:http:ssh:file`".to_owned())
            }
            Kind::Refused => Some("use an https, ssh or file URL".to_owned()),
            Kind::Disk => Some("set `TMPDIR` to a folder that is writable and has room".to_owned()),
            _ => None,
        }
    }
}

/// Whether git's words say that the server has no such branch or tag.
pub(super) fn is_missing_reference(stderr: &str) -> bool {
    stderr.contains("couldn't find remote ref") && kind_of(stderr) == Kind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_from_where_it_stands() {
        let check = |link: &str, target: &str, rest: &str, expected: Option<&str>| {
            assert_eq!(linked(link, target, rest).as_deref(), expected, "{link} -> {target}");
        };
        check("link", "file", "", Some("file"));
        check("a/link", "file", "", Some("a/file"));
        check("a/link", "./b/../c", "/d", Some("a/c/d"));
        check("a/link", "../b", "", Some("b"));
        check("a/b/link", "../..", "/c", Some("c"));
        check("a/link", "../../b", "", None);
        check("link", "/etc", "/passwd", None);
        check("link", "..", "", None);
        check("link", "", "", None);
        check("link", ".git", "/config", None);
        check("link", "a\nb", "", None);
    }
}

//! The factory's folder in a git repository: read at a branch's tip, changed by one commit.
//!
//! Nothing is checked out: files come out of the object store byte for byte (no filters, no line
//! ends of somebody's settings), and go back as objects, so no link in the repository is ever
//! written through. A lost race reads the new tip and asks the caller's function again; lines are
//! never merged and nothing is ever forced.

use std::collections::hash_map::RandomState;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image_factory::sorted::SortedMap;

use super::address::{check_reference, path_in_repository, typed, Address};
use super::error::{kind_of, safe, GitError, Kind};
use super::objects::{is_missing_reference, Entry, Extent, Repository, REMOTE};
use super::scratch::disk;
use super::{Git, Scratch};

/// How often a commit is tried before the run ends with [`Kind::Race`].
///
/// With 8, some of 50 writers that start at once on a machine with two cores lost every race.
pub const ATTEMPTS: u32 = 12;

/// Who commits, unless `GIT_AUTHOR_*` or `GIT_COMMITTER_*` say otherwise.
const BOT_NAME: &str = "Image Factory Bot";
const BOT_EMAIL: &str = "image-factory@users.noreply.github.com";

/// What a factory's folder is made of; all else in it stays at the server.
const PARTS: &[&str] = &["images.yaml", "factory.yaml", "state"];

/// The one part that is ever changed.
const WRITABLE: &str = "state/";

/// The most files of a factory's folder, and their bytes together.
const MAX_FILES: usize = 400_000;
const MAX_BYTES: u64 = 256 << 20;

const TIP: &str = "refs/image-factory/tip";

/// Changed files, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Text by path in the factory's folder; `None` deletes a file.
    pub files: SortedMap<Option<String>>,
    /// The commit's message.
    pub message: String,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The tip says it already, so there is no commit.
    Nothing,
    /// The commit that is now the branch's tip, or was for a moment.
    Commit(String),
    /// The branch moved since it was read; the server's words.
    Rejected(String),
}

/// A factory's folder at the tip of a branch.
pub struct StateRepository {
    repository: Repository,
    branch: String,
    /// The folder's path in the repository, with `/` at its end; empty for the root.
    prefix: String,
    tip: String,
    /// What stands in the folder, and on the way to it, by path in the repository.
    entries: BTreeMap<String, Entry>,
    folder: PathBuf,
    reads: u32,
    // Last, so that it outlives the repository in it.
    scratch: Scratch,
}

impl StateRepository {
    /// Reads the folder `path` (empty or `.` for the root) at the tip of a branch.
    ///
    /// # Errors
    /// The URL, branch or path can't be meant; the branch is missing; git, network or disk trouble.
    pub fn open(git: &Git, url: &str, branch: &str, path: &str) -> Result<Self, GitError> {
        let address = Address::parse(url)?;
        check_reference(branch)?;
        let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch).to_owned();
        let prefix = match path {
            "" | "." | "./" | "/" => String::new(),
            path => {
                let path = path_in_repository(path).ok_or_else(|| {
                    let shown: String = path.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
                    GitError::new(Kind::Refused, format!("`{shown}` is no folder in a repository"))
                        .hint("give the path from the repository's root: `--path image-factory`")
                })?;
                path + "/"
            }
        };
        let scratch = Scratch::new(&git.temporary)?;
        let repository = Repository::create(git, &scratch, "state.git", address)?;
        let mut state = StateRepository {
            repository,
            branch,
            prefix,
            tip: String::new(),
            entries: BTreeMap::new(),
            folder: PathBuf::new(),
            reads: 0,
            scratch,
        };
        state.refresh()?;
        Ok(state)
    }

    /// The folder with images.yaml, factory.yaml and state/ as they are at [`StateRepository::tip`].
    ///
    /// A symbolic link in it is a link here too, never followed nor written through. What is
    /// written here is lost: changes go through [`StateRepository::commit_and_push`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit that was read.
    pub fn tip(&self) -> &str {
        &self.tip
    }

    /// Reads the branch's tip again.
    ///
    /// # Errors
    /// As [`StateRepository::open`].
    pub fn refresh(&mut self) -> Result<(), GitError> {
        let from = format!("refs/heads/{}", self.branch);
        if let Err(stderr) = self.repository.fetch(&from, TIP, Extent::Tip)? {
            return Err(match is_missing_reference(&stderr) {
                true => self.missing_branch(),
                false => {
                    let doing =
                        format!("cannot fetch `{}` of `{}`", self.branch, self.repository.address.shown);
                    self.repository.failure(&doing, &stderr)
                }
            });
        }
        let tip = self.repository.commit(TIP)?;
        self.tip =
            tip.ok_or_else(|| GitError::new(Kind::Other, format!("`{}` is not a commit", self.branch)))?;
        self.read_entries()?;
        if let Err(error) = self.write_folder() {
            // Some servers know filters and yet don't send single files.
            if !matches!(error.kind, Kind::NotFound | Kind::Other) {
                return Err(error);
            }
            let name = format!("state-{}.git", self.reads);
            let address = self.repository.address.clone();
            let mut whole = Repository::create(self.repository.git(), &self.scratch, &name, address)?;
            if let Err(stderr) = whole.fetch(&from, TIP, Extent::TipWithFiles)? {
                return Err(whole.failure(&format!("cannot fetch `{}`", self.branch), &stderr));
            }
            self.repository = whole;
            self.tip = self.repository.commit(TIP)?.unwrap_or_default();
            self.read_entries()?;
            self.write_folder()?;
        }
        Ok(())
    }

    /// Makes one commit of the changed files on [`StateRepository::tip`] and pushes it.
    ///
    /// # Errors
    /// A path is outside state/ or goes through a link; the server refuses the push for good; git,
    /// network or disk trouble. A race is no error but [`Pushed::Rejected`].
    pub fn commit_and_push(
        &mut self,
        changed: &SortedMap<Option<String>>,
        message: &str,
    ) -> Result<Pushed, GitError> {
        let Some(commit) = self.commit(changed, message)? else { return Ok(Pushed::Nothing) };
        self.push(&commit)
    }

    /// Asks `work` for a change of the folder, commits and pushes it; after a lost race, reads the
    /// new tip, waits a little and asks again, `attempts` times in all.
    ///
    /// Never answers [`Pushed::Rejected`].
    ///
    /// # Errors
    /// As [`StateRepository::commit_and_push`], those of `work`, and [`Kind::Race`] at the end.
    pub fn retry<E: From<GitError>>(
        &mut self,
        attempts: u32,
        mut work: impl FnMut(&Path) -> Result<Change, E>,
    ) -> Result<Pushed, E> {
        let mut words = String::new();
        for attempt in 0..attempts.max(1) {
            if attempt > 0 {
                std::thread::sleep(back_off(attempt, random()));
                self.refresh()?;
            }
            let change = work(&self.folder)?;
            match self.commit_and_push(&change.files, &change.message)? {
                Pushed::Rejected(said) => words = said,
                done => return Ok(done),
            }
        }
        let what = format!(
            "others pushed to `{}` of `{}` first, {attempts} times: {words}",
            self.branch, self.repository.address.shown
        );
        Err(GitError::new(Kind::Race, what).hint("run it again; nothing was changed").into())
    }

    fn missing_branch(&self) -> GitError {
        let (shown, branch) = (&self.repository.address.shown, &self.branch);
        let there = typed(shown);
        let target = typed(&format!("HEAD:refs/heads/{branch}"));
        let listing = self.repository.must("cannot list branches", ["ls-remote", "--heads", REMOTE], vec![]);
        let listing = match listing {
            Ok(listing) => String::from_utf8_lossy(&listing).into_owned(),
            Err(error) => return error,
        };
        let branches: Vec<&str> =
            listing.lines().filter_map(|line| line.split_once("\trefs/heads/")).map(|b| b.1).collect();
        if branches.is_empty() {
            return GitError::new(Kind::NotFound, format!("`{shown}` has no commit yet")).hint(format!(
                "in a clone with your images.yaml: `git commit`, then `git push {there} {target}`"
            ));
        }
        let some: Vec<String> = branches
            .iter()
            .filter(|name| check_reference(name).is_ok())
            .take(5)
            .map(|name| format!("`{name}`"))
            .collect();
        let more = if branches.len() > some.len() { ", …" } else { "" };
        GitError::new(
            Kind::NotFound,
            format!("`{shown}` has no branch `{branch}`; it has {}{more}", some.join(", ")),
        )
        .hint(format!("name one of them, or make it: `git push {there} {target}`"))
    }

    fn read_entries(&mut self) -> Result<(), GitError> {
        let mut ancestors = Vec::new();
        for (end, _) in self.prefix.match_indices('/') {
            ancestors.push(self.prefix[..end].to_owned());
        }
        self.entries = self.repository.entries(&self.tip, &ancestors, false)?;
        for ancestor in &ancestors {
            match self.entries.get(ancestor) {
                Some(entry) if !entry.is_folder() => {
                    let shown = &self.repository.address.shown;
                    return Err(GitError::new(
                        Kind::NotFound,
                        format!("`{ancestor}` in `{shown}` is no folder"),
                    )
                    .hint("give the path of the folder itself: `--path image-factory`"));
                }
                _ => {}
            }
        }
        let parts: Vec<String> = PARTS.iter().map(|part| format!("{}{part}", self.prefix)).collect();
        self.entries.extend(self.repository.entries(&self.tip, &parts, true)?);
        if self.entries.len() > MAX_FILES {
            let what = format!("the factory's folder has more than {MAX_FILES} files");
            return Err(GitError::new(Kind::TooLarge, what));
        }
        Ok(())
    }

    /// Writes the files into a new folder: links last, so that no file is written through one.
    fn write_folder(&mut self) -> Result<(), GitError> {
        let blobs: Vec<(&String, &Entry)> =
            self.entries.iter().filter(|(_, entry)| entry.is_blob()).collect();
        self.repository.fetch_blobs(blobs.iter().map(|(_, entry)| entry.object.clone()))?;
        let objects = blobs.iter().map(|(_, entry)| entry.object.clone()).collect();
        if self.repository.sizes(&objects)?.values().sum::<u64>() > MAX_BYTES {
            let what = format!("the factory's folder has more than {} MiB", MAX_BYTES >> 20);
            return Err(GitError::new(Kind::TooLarge, what));
        }
        let mut contents = self.repository.contents(&objects)?;
        let disk = |error| disk("write a temporary file", &error);
        if self.reads > 0 {
            std::fs::remove_dir_all(&self.folder).map_err(disk)?;
        }
        self.reads += 1;
        self.folder = self.scratch.path().join(format!("tip-{}", self.reads));
        std::fs::create_dir(&self.folder).map_err(disk)?;
        let (links, files): (Vec<_>, Vec<_>) =
            blobs.iter().partition(|(_, entry)| entry.mode == Entry::SYMLINK);
        for (path, entry) in files.into_iter().chain(links) {
            let inside = path.strip_prefix(&self.prefix).and_then(path_in_repository);
            let Some(inside) = inside.filter(|inside| path[self.prefix.len()..] == **inside) else {
                let what = format!("a path in `{}` is none that git makes", self.repository.address.shown);
                return Err(GitError::new(Kind::Refused, what));
            };
            let target = self.folder.join(inside);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent).map_err(disk)?;
            }
            // Two paths may name the same blob.
            let bytes = contents.get_mut(&entry.object).map(|bytes| bytes.as_slice()).unwrap_or_default();
            if entry.mode == Entry::SYMLINK {
                let points_to = std::ffi::OsStr::new(std::str::from_utf8(bytes).unwrap_or("not UTF-8"));
                std::os::unix::fs::symlink(points_to, &target).map_err(disk)?;
            } else {
                write_new(&target, bytes).map_err(disk)?;
            }
        }
        Ok(())
    }

    /// The commit of these changes on the tip; `None` where the tip has them all.
    fn commit(
        &mut self,
        changed: &SortedMap<Option<String>>,
        message: &str,
    ) -> Result<Option<String>, GitError> {
        let mut texts: Vec<(String, &str)> = Vec::new();
        let mut gone: Vec<String> = Vec::new();
        for (path, text) in changed {
            let path = self.checked(path)?;
            match text {
                Some(text) => texts.push((path, text)),
                None if self.entries.contains_key(&path) => gone.push(path),
                None => {}
            }
        }
        let objects = self.write_objects(&texts)?;
        let mut lines = String::new();
        for ((path, _), object) in texts.iter().zip(&objects) {
            if self.entries.get(path).is_some_and(|entry| entry.object == *object) {
                continue;
            }
            lines.push_str(&format!("100644 {object}\t{path}\0"));
        }
        for path in &gone {
            lines.push_str(&format!("0 {}\t{path}\0", "0".repeat(self.tip.len())));
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let index = self.scratch.path().join("index");
        let with_index = |arguments: &[&str], stdin: Vec<u8>| {
            let mut command = self.repository.command();
            command.env("GIT_INDEX_FILE", &index).args(arguments);
            let doing = "cannot make a commit";
            let finished = self.repository.run(doing, command, stdin)?;
            match finished.success {
                true => Ok(String::from_utf8_lossy(&finished.stdout).trim().to_owned()),
                false => Err(self.repository.failure(doing, &finished.stderr)),
            }
        };
        with_index(&["read-tree", &self.tip], vec![])?;
        with_index(&["update-index", "-z", "--index-info"], lines.into_bytes())?;
        let tree = with_index(&["write-tree", "--missing-ok"], vec![])?;
        let mut command = self.repository.command();
        let git = self.repository.git();
        for (variable, value) in [
            ("GIT_AUTHOR_NAME", BOT_NAME),
            ("GIT_AUTHOR_EMAIL", BOT_EMAIL),
            ("GIT_COMMITTER_NAME", BOT_NAME),
            ("GIT_COMMITTER_EMAIL", BOT_EMAIL),
        ] {
            if git.variable(variable).is_none() {
                command.env(variable, value);
            }
        }
        command.args(["commit-tree", &tree, "-p", &self.tip, "-F", "-"]);
        if self.signs() {
            command.arg("-S");
        }
        let doing = "cannot make a commit";
        let finished = self.repository.run(doing, command, message.replace('\0', "").into_bytes())?;
        if !finished.success {
            return Err(self.repository.failure(doing, &finished.stderr));
        }
        Ok(Some(String::from_utf8_lossy(&finished.stdout).trim().to_owned()))
    }

    /// Whether the user's git settings ask for signatures; commit-tree alone does not look at them.
    fn signs(&self) -> bool {
        let arguments = ["config", "--type=bool", "--get", "commit.gpgSign"];
        self.repository
            .must("cannot read git's settings", arguments, vec![])
            .is_ok_and(|out| out == b"true\n")
    }

    /// A changed file's path in the repository: in state/, and through folders only.
    fn checked(&self, path: &str) -> Result<String, GitError> {
        let refuse = |why: &str| {
            let shown: String = path.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            GitError::new(Kind::Refused, format!("`{shown}` is not written: {why}"))
        };
        let is_plain = path_in_repository(path).is_some_and(|same| same == path);
        if !is_plain || !path.starts_with(WRITABLE) {
            return Err(refuse("it is no file in state/"));
        }
        let path = format!("{}{path}", self.prefix);
        for (end, _) in path.match_indices('/') {
            if self.entries.get(&path[..end]).is_some_and(|entry| !entry.is_folder()) {
                return Err(refuse(&format!("`{}` is no folder in the repository", &path[..end])));
            }
        }
        match self.entries.get(&path) {
            Some(entry) if entry.mode == Entry::SYMLINK => {
                Err(refuse("it is a symbolic link in the repository"))
            }
            Some(entry) if !entry.is_blob() => Err(refuse("it is a folder in the repository")),
            _ => Ok(path),
        }
    }

    fn write_objects(&self, texts: &[(String, &str)]) -> Result<Vec<String>, GitError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let folder = self.scratch.path().join("objects");
        let disk = |error| disk("write a temporary file", &error);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(disk(error)),
            _ => std::fs::create_dir(&folder).map_err(disk)?,
        }
        let mut paths = String::new();
        for (number, (_, text)) in texts.iter().enumerate() {
            let file = folder.join(number.to_string());
            write_new(&file, text.as_bytes()).map_err(disk)?;
            paths.push_str(&format!("{}\n", file.display()));
        }
        let arguments = ["hash-object", "-w", "--no-filters", "--stdin-paths"];
        let out = self.repository.must("cannot write objects", arguments, paths.into_bytes())?;
        let objects: Vec<String> = String::from_utf8_lossy(&out).lines().map(str::to_owned).collect();
        if objects.len() != texts.len() {
            return Err(GitError::new(Kind::Other, "cannot write objects: git named another number of them"));
        }
        Ok(objects)
    }

    fn push(&mut self, commit: &str) -> Result<Pushed, GitError> {
        let (shown, branch) = (self.repository.address.shown.clone(), self.branch.clone());
        let doing = format!("cannot push to `{branch}` of `{shown}`");
        let mut command = self.repository.command();
        command.args(["push", "--porcelain", "--no-verify", "--no-thin", "--no-signed", "--no-follow-tags"]);
        command.args(["--no-recurse-submodules", "--end-of-options", REMOTE]);
        command.arg(format!("{commit}:refs/heads/{branch}"));
        let finished = self.repository.run(&doing, command, vec![])?;
        if finished.success {
            return Ok(Pushed::Commit(commit.to_owned()));
        }
        let report = String::from_utf8_lossy(&finished.stdout);
        let verdict = report.lines().find_map(|line| line.strip_prefix("!\t")).map(|line| {
            let verdict = line.split_once('\t').map_or(line, |(_, verdict)| verdict);
            safe(verdict, self.repository.secrets())
        });
        let words = safe(&finished.stderr, self.repository.secrets());
        let Some(verdict) = verdict else {
            let error = self.repository.failure(&doing, &finished.stderr);
            return Err(match error.kind {
                Kind::Access => GitError {
                    hint: Some(format!("the credential must be allowed to write: contents of `{shown}`")),
                    ..error
                },
                _ => error,
            });
        };
        if is_race(&verdict, &words) {
            return Ok(Pushed::Rejected(verdict));
        }
        let remote: Vec<String> = finished
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("remote:"))
            .map(|line| safe(line, self.repository.secrets()).trim().to_owned())
            .filter(|line| !line.is_empty())
            .take(4)
            .collect();
        let said = if remote.is_empty() { String::new() } else { format!(": {}", remote.join("; ")) };
        let kind = match kind_of(&verdict) {
            Kind::Disk => Kind::Disk,
            _ => Kind::PushRefused,
        };
        Err(GitError::new(kind, format!("{doing}: {verdict}{said}")).hint(format!(
            "let this credential push to `{branch}` (protected branch, rule or hook of the server), \
             or give the state a branch of its own: `--git-branch image-factory-state`"
        )))
    }
}

/// Whether a refused push lost a race, so that a new tip helps.
///
/// The first two are git's own (2.39, remote.c); the others come from servers whose reference was
/// locked or moved between our look and the push: git's receive-pack, GitHub, GitLab, JGit.
fn is_race(verdict: &str, words: &str) -> bool {
    const OWN: &[&str] = &["(fetch first)", "(non-fast-forward)", "(stale info)"];
    const SERVERS: &[&str] = &[
        "failed to update ref",
        "cannot lock ref",
        "failed to lock",
        "lock_failure",
        "incorrect old value provided",
        "reference already exists",
        "fetch first",
        "please refresh and try again",
        "unable to create '",
        "reference has already been updated",
    ];
    if OWN.iter().any(|mark| verdict.contains(mark)) {
        return true;
    }
    let is_hook = verdict.contains("hook declined");
    let (verdict, words) = (verdict.to_ascii_lowercase(), words.to_ascii_lowercase());
    SERVERS.iter().any(|mark| verdict.contains(mark) || (!is_hook && words.contains(mark)))
}

/// How long to wait before an attempt: twice as long each time, up to eight seconds, and of that a
/// random part, so that those who lost together don't meet again.
fn back_off(attempt: u32, random: u64) -> Duration {
    let most = 250_u64.saturating_mul(1 << attempt.min(5));
    Duration::from_millis(50 + random % most)
}

/// A number that differs between processes also where their ids are equal, as in pods.
///
/// The standard library seeds each [`RandomState`] from the operating system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Writes a file that must not be there, so that nothing is followed or replaced.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_race_is_told_from_a_refusal() {
        let race = |verdict: &str, words: &str| assert!(is_race(verdict, words), "{verdict}");
        let refusal = |verdict: &str, words: &str| assert!(!is_race(verdict, words), "{verdict}");
        race("[rejected] (fetch first)", "");
        race("[rejected] (non-fast-forward)", "");
        race("[remote rejected] (failed to update ref)", "");
        race("[remote rejected] (cannot lock ref 'refs/heads/main': is at 1 but expected 2)", "");
        race("[remote rejected] (incorrect old value provided)", "");
        refusal("[remote rejected] (pre-receive hook declined)", "");
        refusal("[remote rejected] (pre-receive hook declined)", "remote: cannot lock ref in our database");
        refusal("[remote rejected] (protected branch hook declined)", "");
        refusal("[remote rejected] (unpacker error)", "");
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        for random in [0, 1, u64::MAX] {
            for attempt in 1..40 {
                assert!(back_off(attempt, random) < Duration::from_secs(9));
            }
        }
        assert_eq!(back_off(1, 499), Duration::from_millis(549));
        assert_eq!(back_off(1, 500), Duration::from_millis(50));
        assert_eq!(back_off(9, 7_999), Duration::from_millis(8_049));
    }
}

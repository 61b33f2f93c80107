//! One git process: what it sees of the environment, how long it may run, how much it may say.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::address::{Address, Transport};
use super::error::{kind_of, safe, GitError, Kind};
use super::{Git, CREDENTIALS_VARIABLE};

/// The environment that git processes get, and the secrets in it.
#[derive(Clone)]
pub(super) struct Environment {
    variables: BTreeMap<OsString, OsString>,
    secrets: Vec<(String, &'static str)>,
    /// The user's own GIT_ALLOW_PROTOCOL, cut down to what we know.
    protocols: Option<Vec<&'static str>>,
    credentials: Option<PathBuf>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values may hold credentials.
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// The `GIT_*` variables that git keeps: credentials, certificates, proxies, identity, settings.
///
/// All others would point it to another repository, index or object folder, or to hooks and pagers.
const KEPT: &[&str] = &[
    "GIT_ASKPASS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_HTTP_USER_AGENT",
    "GIT_HTTP_PROXY_AUTHMETHOD",
    "GIT_EXEC_PATH",
];
const KEPT_PREFIXES: &[&str] =
    &["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_SSL_", "GIT_PROXY_SSL_", "GIT_AUTHOR_", "GIT_COMMITTER_"];

/// All transports that git may ever use here; `ext` and `fd` run commands.
const PROTOCOLS: &[&str] = &["https", "http", "ssh", "git", "file"];

impl Environment {
    pub fn of(variables: BTreeMap<OsString, OsString>) -> Result<Self, GitError> {
        let text = |name: &str| variables.get(OsStr::new(name)).and_then(|value| value.to_str());
        let protocols = text("GIT_ALLOW_PROTOCOL").map(|allowed| {
            PROTOCOLS.iter().copied().filter(|known| allowed.split(':').any(|name| name == *known)).collect()
        });
        let credentials = match text(CREDENTIALS_VARIABLE) {
            Some(path) if !path.is_empty() => Some(readable(Path::new(path))?),
            _ => None,
        };
        let mut secrets = Vec::new();
        for (name, value) in &variables {
            let Some(number) = name.to_str().and_then(|name| name.strip_prefix("GIT_CONFIG_KEY_")) else {
                continue;
            };
            let is_header = value.to_string_lossy().to_ascii_lowercase().ends_with(".extraheader");
            if let Some(header) = text(&format!("GIT_CONFIG_VALUE_{number}")).filter(|_| is_header) {
                secrets.push((header.to_owned(), "***"));
                secrets.extend(header.split_whitespace().next_back().map(|word| (word.to_owned(), "***")));
            }
        }
        secrets.retain(|(secret, _)| secret.len() >= 4);
        let kept = variables.into_iter().filter(|(name, value)| is_kept(name, value)).collect();
        Ok(Environment { variables: kept, secrets, protocols, credentials })
    }

    /// A variable's value, where it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// GIT_ALLOW_PROTOCOL for an address: plain http only to this machine, unless the user allows more.
    fn allowed(&self, address: Option<&Address>) -> String {
        match (&self.protocols, address.map(|address| address.transport)) {
            (Some(protocols), _) => protocols.join(":"),
            (None, Some(Transport::Http { loopback: true })) => "https:ssh:file:http".to_owned(),
            (None, _) => "https:ssh:file".to_owned(),
        }
    }
}

fn is_kept(name: &OsStr, value: &OsStr) -> bool {
    let name = name.to_string_lossy();
    // Git would open a window with it where no terminal may ask.
    if name == "SSH_ASKPASS" || name == "LANGUAGE" || name == CREDENTIALS_VARIABLE {
        return false;
    }
    // A trace on stderr would come to us, with headers in it; one in a file is the user's.
    if name.starts_with("GIT_TRACE") {
        return value.as_bytes().starts_with(b"/");
    }
    !name.starts_with("GIT_")
        || KEPT.contains(&name.as_ref())
        || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn readable(path: &Path) -> Result<PathBuf, GitError> {
    let wrong = |what: String| {
        GitError::new(Kind::Disk, format!("`{CREDENTIALS_VARIABLE}` names `{}`: {what}", path.display()))
            .hint("name a readable file with lines like `https://user:password@host`")
    };
    let path = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
    let file = std::fs::File::open(&path).map_err(|error| wrong(error.to_string()))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(path),
        _ => Err(wrong("not a file".to_owned())),
    }
}

/// What a git process did.
pub(super) struct Finished {
    pub success: bool,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// The most that a process may print on stdout: the largest state folder that is read, its files'
/// sizes and names.
pub(super) const MAX_STDOUT: usize = 320 << 20;
/// The most of stderr that is kept; the rest is read and forgotten.
const MAX_STDERR: usize = 64 << 10;

impl Git {
    /// A git command on a repository, with all that isolates it.
    pub(super) fn command(&self, git_dir: &Path, address: Option<&Address>) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(&self.environment.variables);
        command.envs([
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GCM_INTERACTIVE", "never"),
            ("GIT_PAGER", "cat"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_LITERAL_PATHSPECS", "1"),
            ("GIT_ATTR_NOSYSTEM", "1"),
        ]);
        command.env("GIT_ALLOW_PROTOCOL", self.environment.allowed(address));
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "protocol.ext.allow=never",
            "submodule.recurse=false",
            "gc.auto=0",
            "maintenance.auto=false",
            "fetch.writeCommitGraph=false",
            "fetch.prune=false",
            "push.followTags=false",
            "push.recurseSubmodules=no",
            "push.gpgSign=false",
            "i18n.commitEncoding=UTF-8",
            "http.lowSpeedLimit=100",
            "http.lowSpeedTime=60",
        ] {
            command.arg("-c").arg(setting);
        }
        if let Some(file) = &self.environment.credentials {
            command.arg("-c").arg(format!("credential.helper={}", reading_helper(file)));
        }
        let mut option = OsString::from("--git-dir=");
        option.push(git_dir);
        command.arg(option);
        command
    }

    /// The settings of ssh, where the user has none: it must not ask, and must notice a dead line.
    ///
    /// Asked of a repository of ours, since those of the one that we may stand in are not meant.
    pub(super) fn quiet_ssh(&self, git_dir: &Path) -> Option<&'static str> {
        let own = self.environment.get("GIT_SSH_COMMAND").or(self.environment.get("GIT_SSH"));
        if own.is_some() {
            return None;
        }
        let mut command = self.command(git_dir, None);
        command.args(["config", "--get", "core.sshCommand"]);
        match self.run(command, Vec::new(), git_dir) {
            Ok(finished) if finished.success => None,
            _ => Some(
                "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4",
            ),
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.environment.get(name)
    }

    /// The secrets of the environment; those of an address come to them.
    pub(super) fn secrets(&self) -> Vec<(String, &'static str)> {
        self.environment.secrets.clone()
    }

    /// Runs a command to its end, or stops it and all it started: at the time limit, or when the
    /// repository in `git_dir` has grown over its limit.
    pub(super) fn run(
        &self,
        mut command: Command,
        stdin: Vec<u8>,
        git_dir: &Path,
    ) -> Result<Finished, GitError> {
        // A group of its own, since git's helpers for the network outlive a killed git.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                GitError::new(Kind::NoGit, format!("there is no program `{}`", self.program.display()))
                    .hint("install git 2.39 or newer")
            }
            _ => GitError::new(Kind::Other, format!("git can't be started: {error}")),
        })?;
        let mut running = Running { child, ended: None };
        let deadline = Instant::now() + self.time_limit;
        let too_slow = || {
            let limit = self.time_limit.as_secs_f32();
            GitError::new(Kind::TimeLimit, format!("git did not end within {limit} s and was stopped"))
        };
        let within_size = || match size(git_dir, self.size_limit) <= self.size_limit {
            true => Ok(()),
            false => {
                let what = format!("the repository has more than {} MiB", self.size_limit >> 20);
                Err(GitError::new(Kind::TooLarge, what))
            }
        };
        let (sender, receiver) = channel();
        if let Some(mut pipe) = running.child.stdin.take() {
            // An early end of git closes the pipe; its exit code and words say why.
            std::thread::spawn(move || pipe.write_all(&stdin));
        }
        if let Some(pipe) = running.child.stdout.take() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let read = pipe.take(MAX_STDOUT as u64 + 1).read_to_end(&mut bytes);
                // A send fails only where nobody waits any more.
                let _ = sender.send(Stream::Stdout(read.map(|_| bytes)));
            });
        }
        let stderr = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = running.child.stderr.take() {
            let stderr = Arc::clone(&stderr);
            std::thread::spawn(move || {
                read_stderr(pipe, &stderr);
                let _ = sender.send(Stream::StderrEnded);
            });
        }
        let (mut stdout, mut stderr_ended, mut ended_at) = (None, false, None);
        while stdout.is_none() || !stderr_ended {
            let now = Instant::now();
            let left = deadline.checked_duration_since(now).ok_or_else(too_slow)?;
            match receiver.recv_timeout(left.min(Duration::from_millis(100))) {
                Ok(Stream::Stdout(Ok(bytes))) if bytes.len() > MAX_STDOUT => {
                    let what = format!("git printed more than {} MiB", MAX_STDOUT >> 20);
                    return Err(GitError::new(Kind::TooLarge, what));
                }
                Ok(Stream::Stdout(Ok(bytes))) => stdout = Some(bytes),
                Ok(Stream::Stdout(Err(error))) => {
                    return Err(GitError::new(Kind::Other, format!("git's output can't be read: {error}")));
                }
                Ok(Stream::StderrEnded) => stderr_ended = true,
                Err(_) => {
                    within_size()?;
                    // A shared connection of ssh, kept for the next use, holds stderr open.
                    if ended_at.is_none() && running.try_wait().is_some() {
                        ended_at = Some(now);
                    }
                    if stdout.is_some() && ended_at.is_some_and(|at| now - at > Duration::from_millis(300)) {
                        break;
                    }
                }
            }
        }
        let status = loop {
            if let Some(status) = running.try_wait() {
                break status;
            }
            if Instant::now() > deadline {
                return Err(too_slow());
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        within_size()?;
        let stderr = stderr.lock().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Finished {
            success: status.success(),
            stdout: stdout.unwrap_or_default(),
            stderr: stderr.unwrap_or_default(),
        })
    }
}

/// The bytes of a folder's files, counted until they are more than `limit`.
///
/// What vanishes meanwhile, as git's temporary files do, counts nothing.
fn size(folder: &Path, limit: u64) -> u64 {
    let mut size = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop().filter(|_| size <= limit) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => size += metadata.len(),
                Err(_) => {}
            }
        }
    }
    size
}

enum Stream {
    Stdout(std::io::Result<Vec<u8>>),
    StderrEnded,
}

/// Keeps the first of stderr and reads on, so that git never waits for us.
fn read_stderr(mut pipe: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    while let Ok(count) = pipe.read(&mut chunk) {
        if count == 0 {
            return;
        }
        let Ok(mut kept) = kept.lock() else { return };
        let room = MAX_STDERR.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..count.min(room)]);
    }
}

/// A child that does not outlive this value; nor does what it started, where it was stopped.
struct Running {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Running {
    fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.try_wait().is_some() {
            return;
        }
        // Not waited for yet, so neither its id nor its group's can be another's.
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A credential helper that reads a file and never writes it.
///
/// `store --file=…` alone would also erase a line that a server refused, and add the passwords
/// that other helpers found.
pub(super) fn reading_helper(file: &Path) -> String {
    let quoted = file.to_string_lossy().replace('\'', r"'\''");
    format!("!f() {{ test \"$1\" = get || exit 0; git credential-store --file='{quoted}' get; }}; f")
}

/// Git's failure as an error, with what we were about to do before its words.
pub(super) fn failure(doing: &str, stderr: &str, secrets: &[(String, &'static str)]) -> GitError {
    let words = safe(stderr, secrets);
    GitError::new(kind_of(&words), format!("{doing}: {words}"))
}

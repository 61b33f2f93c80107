//! Git's own server, behind the loopback server of [`crate::registry::stub`].

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::registry::stub::{Ask, Reply};

/// Answers a request for a repository below `root` by `git http-backend` (its manual page names the
/// variables); whoever asks may push. The environment is all that git and its hooks see.
///
/// # Panics
/// There is no git.
pub fn backend(root: &Path, environment: &[(OsString, OsString)], ask: &Ask) -> Reply {
    let (path, query) = ask.path.split_once('?').unwrap_or((&ask.path, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("GIT_PROJECT_ROOT", root)
        .envs([("GIT_HTTP_EXPORT_ALL", "1"), ("REMOTE_USER", "me"), ("REMOTE_ADDR", "127.0.0.1")])
        .envs([("REQUEST_METHOD", ask.method.as_str()), ("PATH_INFO", path), ("QUERY_STRING", query)])
        .env("CONTENT_TYPE", ask.header("content-type"))
        .env("CONTENT_LENGTH", ask.bytes.len().to_string())
        .env("HTTP_CONTENT_ENCODING", ask.header("content-encoding"))
        .env("GIT_PROTOCOL", ask.header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git is there");
    // It may have refused, and ended, before it read all of it.
    let _ = backend.stdin.take().expect("it has a pipe").write_all(&ask.bytes);
    let out = backend.wait_with_output().expect("it ends").stdout;
    let end = out.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(out.len());
    let head = String::from_utf8_lossy(&out[..end]).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let status = header("Status").and_then(|status| status.get(..3)?.parse().ok()).unwrap_or(200);
    let body = out.get(end + 4..).unwrap_or_default();
    Reply::new(status, body).header("Content-Type", header("Content-Type").unwrap_or_default())
}

//! What went wrong with git, in words that hold no credential and no temporary path.

use std::fmt;

use image_factory::diagnostic::Diagnostic;

/// What kind of trouble it is; it decides who should act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A URL, reference or path that is never handed to git.
    Refused,
    /// No such repository, branch, tag or commit, or none that we may see.
    NotFound,
    /// The server wants a credential, or another one.
    Access,
    /// The server can't be reached, or the connection broke.
    Network,
    /// Git did not end in time.
    TimeLimit,
    /// The server refuses this push, and would refuse it again.
    PushRefused,
    /// Others pushed first, as often as we tried.
    Race,
    /// The disk, the temporary folder or a file of ours.
    Disk,
    /// There is no git program.
    NoGit,
    /// More output than we take.
    TooLarge,
    /// Anything else, in git's own words.
    Other,
}

/// Trouble with git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitError {
    /// What kind it is.
    pub kind: Kind,
    /// One line, lower case, safe to print.
    pub message: String,
    /// Something to type or do.
    pub hint: Option<String>,
}

impl GitError {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        GitError { kind, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// 2 where the flags are wrong, else 3: git, the network or the disk, so try again.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Refused => 2,
            _ => 3,
        }
    }

    /// The same as a diagnostic, with the code of its kind.
    pub fn diagnostic(&self) -> Diagnostic {
        let code = match self.kind {
            Kind::Refused => "IF1040",
            Kind::NotFound => "IF1041",
            Kind::Access => "IF1042",
            Kind::Network => "IF1043",
            Kind::TimeLimit => "IF1044",
            Kind::PushRefused => "IF1045",
            Kind::Race => "IF1046",
            Kind::Disk => "IF1047",
            Kind::NoGit => "IF1048",
            Kind::TooLarge | Kind::Other => "IF1049",
        };
        let diagnostic = Diagnostic::error(code, self.message.clone());
        match &self.hint {
            Some(hint) => diagnostic.hint(hint.clone()),
            None => diagnostic,
        }
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for GitError {}

/// What git's words mean (git 2.39, with `LC_ALL=C`; servers add their own).
///
/// The order matters: a refused login also says that the remote end hung up.
pub(super) fn kind_of(words: &str) -> Kind {
    const TABLE: &[(Kind, &[&str])] = &[
        (Kind::Refused, &["' not allowed", "strange hostname", "strange pathname"]),
        (
            Kind::Access,
            &[
                "authentication failed",
                "could not read username",
                "could not read password",
                "terminal prompts disabled",
                "permission denied",
                "permission to ",
                "host key verification failed",
                "access denied",
                "not authorized",
                "unauthorized",
                "error: 401",
                "error: 403",
                "http 401",
                "http 403",
                "you are not allowed",
                "dubious ownership",
            ],
        ),
        (Kind::Disk, &["no space left", "read-only file system", "disk quota", "file too large"]),
        (
            Kind::NotFound,
            &[
                "couldn't find remote ref",
                "repository not found",
                "' not found",
                "error: 404",
                "does not appear to be a git repository",
                "does not exist",
                "not our ref",
                "could not be found",
            ],
        ),
        (
            Kind::Network,
            &[
                "could not resolve",
                "connection refused",
                "connection reset",
                "connection closed",
                "timed out",
                "timeout",
                "failed to connect",
                "unable to access",
                "unable to connect",
                "network is unreachable",
                "no route to host",
                "early eof",
                "hung up",
                "rpc failed",
                "ssl",
                "tls",
                "gnutls",
                "certificate",
                "requested url returned error: 5",
                "requested url returned error: 429",
            ],
        ),
    ];
    let words = words.to_ascii_lowercase();
    for (kind, marks) in TABLE {
        if marks.iter().any(|mark| words.contains(mark)) {
            return *kind;
        }
    }
    Kind::Other
}

/// Git's stderr as one safe line: the lines that say what is wrong, with secrets and controls out.
///
/// `secrets` are replaced first, then what stands between `://` and `@` in anything like a URL.
pub(super) fn safe(stderr: &str, secrets: &[(String, &'static str)]) -> String {
    const LONGEST: usize = 600;
    let mut text = stderr.to_owned();
    for (secret, instead) in secrets {
        if !secret.is_empty() {
            text = text.replace(secret.as_str(), instead);
        }
    }
    let text = redact_urls(&text);
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .map(|line| line.chars().map(|c| if is_hidden(c) { '?' } else { c }).collect::<String>())
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let telling = |line: &&String| {
        let line = line.strip_prefix("remote: ").unwrap_or(line).to_ascii_lowercase();
        ["fatal:", "error:", "ssh:", "gitlab:", "permission denied", "host key", "! [", "kex_", "connection "]
            .iter()
            .any(|mark| line.contains(mark))
    };
    let mut chosen: Vec<&String> = lines.iter().filter(telling).collect();
    // Other words of the server say why, such as a hook's; they go along while there is room.
    if chosen.is_empty() || chosen.iter().all(|line| line.contains("hung up")) {
        chosen = lines.iter().collect();
    }
    chosen.dedup();
    let joined = chosen.iter().map(|line| line.trim()).collect::<Vec<_>>().join("; ");
    match joined.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &joined[..end]),
        None => joined,
    }
}

/// Control and direction-changing characters, with which a server could forge our output.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Puts `***` where a URL in the text has a user or a password.
pub(super) fn redact_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        let url = &after[..after.find(ends).unwrap_or(after.len())];
        let authority = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        // `user:pa/ss@host`: a slash inside a password, so what looks like a port is none.
        let broken = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !authority.ends_with(']') && !port.bytes().all(|b| b.is_ascii_digit()));
        let end = if broken { url.rfind('@') } else { authority.rfind('@') };
        rest = match end {
            Some(end) => {
                let ssh_user = before.ends_with("ssh://") && !url[..end].contains(':');
                out.push_str(if ssh_user { &url[..end] } else { "***" });
                &after[end..]
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_whatever_stands_before_the_host() {
        let check = |text: &str, expected: &str| assert_eq!(redact_urls(text), expected);
        check("no URL here: a@b", "no URL here: a@b");
        check("https://example.com/a@b/c", "https://example.com/a@b/c");
        check("https://me:secret@example.com/a", "https://***@example.com/a");
        check("https://token@example.com/a", "https://***@example.com/a");
        check("https://me:s@cret@example.com/a", "https://***@example.com/a");
        check("https://me:sec/ret@example.com/a", "https://***@example.com/a");
        check("https://[::1]:8080/a and http://a:b@[::1]/", "https://[::1]:8080/a and http://***@[::1]/");
        check("ssh://git@example.com/a", "ssh://git@example.com/a");
        check("ssh://git:pw@example.com/a", "ssh://***@example.com/a");
        check("'http://a:b@c' \"http://d@e\"", "'http://***@c' \"http://***@e\"");
    }

    #[test]
    fn words_say_what_kind_it_is() {
        let check = |words: &str, kind: Kind| assert_eq!(kind_of(words), kind, "{words}");
        check("fatal: couldn't find remote ref refs/heads/x", Kind::NotFound);
        check("fatal: repository 'https://example.com/x/' not found", Kind::NotFound);
        check("ERROR: Repository not found.; fatal: Could not read from remote repository.", Kind::NotFound);
        check("fatal: Authentication failed for 'https://example.com/'", Kind::Access);
        check(
            "fatal: could not read Username for 'https://example.com': terminal prompts disabled",
            Kind::Access,
        );
        check(
            "fatal: unable to access 'https://example.com/': The requested URL returned error: 403",
            Kind::Access,
        );
        check("git@example.com: Permission denied (publickey).; fatal: the remote end hung up", Kind::Access);
        check("fatal: unable to access 'https://x/': Could not resolve host: x", Kind::Network);
        check("fatal: unable to access 'https://x/': The requested URL returned error: 502", Kind::Network);
        check("fatal: transport 'ext' not allowed", Kind::Refused);
        check("fatal: write error: No space left on device", Kind::Disk);
        check("fatal: bad object", Kind::Other);
    }

    #[test]
    fn says_only_what_is_wrong_in_one_line() {
        let check = |stderr: &str, expected: &str| assert_eq!(safe(stderr, &[]), expected);
        check("warning: a\nfatal: b\n", "fatal: b");
        check("hint: a\r\n\x1b[31mfatal: b\u{202e}\n", "?[31mfatal: b?");
        check(
            "remote: no state here\nfatal: the remote end hung up\n",
            "remote: no state here; fatal: the remote end hung up",
        );
        check("what\n", "what");
        let secrets = [("/tmp/image-factory-1".to_owned(), "…"), ("hunter2".to_owned(), "***")];
        assert_eq!(safe("fatal: /tmp/image-factory-1/git: hunter2", &secrets), "fatal: …/git: ***");
        assert_eq!(safe(&format!("fatal: {}", "é".repeat(2000)), &[]).chars().count(), 601);
    }
}

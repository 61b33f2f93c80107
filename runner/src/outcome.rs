//! What people and programs are told, and the exit code.

use std::io::{self, Write};

use image_factory::diagnostic::Diagnostic;

use crate::git::GitError;
use crate::host::HostError;
use crate::worktree::WorktreeError;

/// Nobody has to act.
pub const OK: u8 = 0;
/// Whoever owns the repository's files.
pub const FILES: u8 = 1;
/// Whoever wrote the flags.
pub const USAGE: u8 = 2;
/// Nobody yet: git, the network or the disk.
pub const AGAIN: u8 = 3;
/// Us.
pub const BUG: u8 = 70;

/// Why a verb gave up before the module's answer could be used.
#[derive(Debug)]
pub struct Failure {
    /// What to say.
    pub diagnostic: Diagnostic,
    /// The exit code.
    pub exit: u8,
}

impl Failure {
    /// A flag's fault.
    pub fn usage(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure { diagnostic: Diagnostic::error(code, message.into()).hint(hint.into()), exit: USAGE }
    }

    /// The disk's or the network's.
    pub fn again(code: &str, message: impl Into<String>) -> Self {
        Failure { diagnostic: Diagnostic::error(code, message.into()), exit: AGAIN }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Failure { diagnostic: error.diagnostic(), exit: BUG }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Failure { diagnostic: error.diagnostic(), exit: error.exit_code() }
    }
}

impl From<WorktreeError> for Failure {
    fn from(error: WorktreeError) -> Self {
        match error {
            WorktreeError::System { .. } => Failure::again("IF1020", error.to_string()),
            WorktreeError::Folder { path, message, hint } => {
                let diagnostic = Diagnostic::error("IF1036", message).in_file(&path).hint(hint);
                Failure { diagnostic, exit: FILES }
            }
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::again("IF1021", error.to_string())
    }
}

/// Prints diagnostics on stderr.
pub fn report(diagnostics: &[Diagnostic]) {
    say(full(diagnostics));
}

/// Prints diagnostics on stderr, one line a finding, at most ten lines and two kilobytes: Argo CD
/// shows a plugin's stderr in its user interface and keeps it in the Application's status.
pub fn report_briefly(diagnostics: &[Diagnostic]) {
    say(brief(diagnostics));
}

/// Prints text for people on stderr.
pub fn say(text: String) {
    // There is no one left to tell if stderr is gone.
    let _ = io::stderr().write_all(printable(text).as_bytes());
}

/// Without the control characters that a terminal would obey, whoever wrote them into a file.
pub(crate) fn printable(text: String) -> String {
    let is_obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(is_obeyed) {
        text.replace(is_obeyed, "?")
    } else {
        text
    }
}

fn full(diagnostics: &[Diagnostic]) -> String {
    // More than anyone reads on a terminal; errors first, for they are what must be mended.
    const MOST: usize = 200;
    let (mut shown, mut left) = (Vec::from_iter(diagnostics), 0);
    if shown.len() > MOST {
        shown.sort_by_key(|diagnostic| diagnostic.severity);
        left = shown.len() - MOST;
        shown.truncate(MOST);
    }
    let mut text: String = shown.iter().map(|diagnostic| format!("{diagnostic}\n\n")).collect();
    if left > 0 {
        text.push_str(&format!("and {left} more\n"));
    }
    text
}

fn brief(diagnostics: &[Diagnostic]) -> String {
    const LINES: usize = 10;
    const BYTES: usize = 2000;
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| diagnostic.severity);
    let mut out = String::new();
    for (at, diagnostic) in sorted.iter().enumerate() {
        let line = one_line(diagnostic);
        let is_last = at + 1 == sorted.len();
        let room = BYTES - 40;
        if at + 1 == LINES && !is_last || out.len() + line.len() > room {
            let mut left = sorted.len() - at;
            if out.is_empty() {
                out.extend(line.chars().take(room / 4));
                out.push_str("…\n");
                left -= 1;
            }
            if left > 0 {
                out.push_str(&format!("and {left} more\n"));
            }
            break;
        }
        out.push_str(&line);
    }
    out
}

/// `CODE file:line:column: message; hint`.
fn one_line(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.location.as_ref().map_or(String::new(), |place| match place.line {
        0 => format!(" {}", place.file),
        line => format!(" {}:{line}:{}", place.file, place.column),
    });
    let severity = if diagnostic.is_error() { "" } else { " warning" };
    let hint = diagnostic.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
    let line = format!("{}{place}:{severity} {}{hint}", diagnostic.code, diagnostic.message);
    line.replace(['\n', '\r'], " ") + "\n"
}

/// Prints on stdout; a closed pipe, as behind `head`, ends quietly.
///
/// # Errors
/// Anything else that keeps the text from its reader.
pub fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terminal_obeys_what_a_file_says() {
        let found = [Diagnostic::error("IF0001", "unknown key `\u{1b}[2J\u{9b}31m\r`\tnext")];
        assert_eq!(printable(full(&found)), "error[IF0001]: unknown key `?[2J?31m?`\tnext\n\n");
    }

    #[test]
    fn a_terminal_gets_what_can_be_read() {
        let mut found = vec![Diagnostic::warning("IF0112", "unknown"); 300];
        found.push(Diagnostic::error("IF0001", "wrong"));
        let text = full(&found);
        assert!(text.starts_with("error[IF0001]: wrong\n\nwarning[IF0112]"), "{text}");
        assert!(text.ends_with("and 101 more\n"), "{text}");
        assert_eq!(text.matches("unknown\n").count(), 199);
    }

    #[test]
    fn argo_cd_gets_ten_lines_and_two_kilobytes() {
        let one = |length: usize| Diagnostic::error("IF0001", "x".repeat(length)).in_file("images.yaml");
        for (count, length) in [(1, 10), (10, 10), (11, 10), (1000, 10), (3, 900), (2, 5000), (500, 500)] {
            let text = brief(&vec![one(length); count]);
            assert!(text.lines().count() <= 10, "{count} of {length}: {text}");
            assert!(text.len() <= 2000, "{count} of {length}: {} bytes", text.len());
            assert!(text.starts_with("IF0001 images.yaml: xxx"), "{text}");
            assert!(text.ends_with('\n'), "{text}");
        }
        let warning = Diagnostic::warning("IF0002", "later");
        assert!(brief(&[warning, one(3)]).starts_with("IF0001"), "errors come first");
    }
}

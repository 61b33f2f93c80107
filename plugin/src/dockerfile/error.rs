//! What can be wrong with a Dockerfile: each error with its code and its remedy.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use super::words::Keyword;
use crate::diagnostic::{Diagnostic, Location};

/// Wrong with a line as such.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// Larger than we read.
    #[error("the Dockerfile is larger than {0} KiB")]
    TooLarge(usize),
    /// No bytes at all.
    #[error("the Dockerfile is empty")]
    EmptyFile,
    /// Only blanks, comments and directives.
    #[error("the Dockerfile has no instruction")]
    NoInstruction,
    /// A physical line beyond BuildKit's 65,535 bytes.
    #[error("the line is longer than the 65535 bytes that BuildKit reads")]
    LongLine,
    /// `# escape=` with anything but a backslash or a backtick.
    #[error("the escape character can't be `{0}`")]
    Escape(String),
    /// The same directive twice.
    #[error("the directive `{0}` stands twice")]
    DirectiveTwice(String),
    /// A heredoc without its end.
    #[error("the heredoc `{0}` is not ended")]
    Heredoc(String),
    /// A heredoc's name that can't be read.
    #[error("the name of the heredoc `{0}` can't be read")]
    HeredocName(String),
    /// `ENV name` or `LABEL name`.
    #[error("{keyword} needs a name and a value")]
    NoValue {
        /// ENV or LABEL.
        keyword: Keyword,
    },
    /// `ENV a=1 b`.
    #[error("`{word}` has no `=`, as the first word of this {keyword} has")]
    NotAPair {
        /// ENV or LABEL.
        keyword: Keyword,
        /// The word.
        word: String,
    },
    /// `CMD ["a", 1]`.
    #[error("a JSON list of arguments holds something that is no string")]
    JsonElement,
    /// `# check=` with something but skip, error or experimental.
    #[error("the check option `{0}` is not known")]
    Check(String),
}

/// An error that people can act on.
pub trait Explain: fmt::Display {
    /// The code of its diagnostic.
    fn code(&self) -> &'static str;
    /// What to type instead.
    fn hint(&self) -> Option<String>;
}

impl Explain for LineError {
    fn code(&self) -> &'static str {
        match self {
            LineError::TooLarge(_) => "IF0601",
            LineError::EmptyFile => "IF0602",
            LineError::NoInstruction => "IF0603",
            LineError::LongLine => "IF0604",
            LineError::Escape(_) => "IF0605",
            LineError::DirectiveTwice(_) => "IF0606",
            LineError::Heredoc(_) => "IF0607",
            LineError::HeredocName(_) => "IF0608",
            LineError::NoValue { .. } => "IF0609",
            LineError::NotAPair { .. } => "IF0610",
            LineError::JsonElement => "IF0611",
            LineError::Check(_) => "IF0612",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            LineError::EmptyFile | LineError::NoInstruction => {
                "begin with a base image: `FROM alpine:3`".to_owned()
            }
            LineError::LongLine => "split the line with a backslash at its end".to_owned(),
            LineError::Escape(_) => "write `# escape=\\` or `` # escape=` ``".to_owned(),
            LineError::DirectiveTwice(name) => format!("keep one `# {name}=` line"),
            LineError::Heredoc(name) => format!("end it with a line that holds `{name}` and nothing else"),
            LineError::NoValue { keyword } => format!("write `{keyword} NAME=value`"),
            LineError::NotAPair { word, .. } => format!("write `{word}=value`, or quote blanks in a value"),
            LineError::JsonElement => "put each element in double quotes: `[\"a\", \"1\"]`".to_owned(),
            LineError::Check(_) => "write `# check=skip=all` or `# check=error=true`".to_owned(),
            LineError::HeredocName(_) | LineError::TooLarge(_) => return None,
        })
    }
}

/// An error and the bytes of the file that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem<E> {
    /// What is wrong.
    pub error: E,
    /// Where, in bytes of the file.
    pub span: Range<usize>,
}

impl<E: Explain> Problem<E> {
    /// As people read it.
    pub fn diagnostic(&self, file: &str, text: &str) -> Diagnostic {
        explain(&self.error, Location::of(file, text, self.span.clone()))
    }
}

// One for all kinds of error.
#[cold]
#[inline(never)]
fn explain(error: &dyn Explain, location: Location) -> Diagnostic {
    let diagnostic = Diagnostic::error(error.code(), shortened(error.to_string())).at(location);
    match error.hint() {
        Some(hint) => diagnostic.hint(shortened(hint)),
        None => diagnostic,
    }
}

/// A message whose long values are cut: what stands between backticks, and the whole.
pub fn shortened(message: String) -> String {
    const MOST: usize = 160;
    const MOST_IN_ALL: usize = 600;
    if message.len() <= MOST {
        return message;
    }
    let mut short = String::new();
    for (index, part) in message.split('`').enumerate() {
        if index > 0 {
            short.push('`');
        }
        match part.char_indices().nth(MOST) {
            Some((end, _)) => {
                short.push_str(&part[..end]);
                short.push('…');
            }
            None => short.push_str(part),
        }
        if short.len() > MOST_IN_ALL {
            short.push('…');
            break;
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_values_are_cut() {
        let value = |length: usize| format!("there is no platform `{}`", "é".repeat(length));
        assert_eq!(shortened(value(70)), value(70));
        assert_eq!(shortened(value(160)), value(160));
        assert_eq!(shortened(value(161)), value(160).replace("é`", "é…`"));
        assert!(shortened("`a".repeat(10_000)).len() < 1_000);
    }
}

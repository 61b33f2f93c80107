//! What is wrong, where, and how to mend it.
//!
//! ```text
//! error[IF0702]: build argument `NODE_VERSION` has no value
//!  --> apps/backstage/Dockerfile:4:11
//!   |
//! 4 | FROM node:${NODE_VERSION}-slim
//!   |           ^^^^^^^^^^^^^^^
//! hint: give it a default before the first FROM: `ARG NODE_VERSION=22`
//! ```

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut, Range};

use serde::Deserialize;

use crate::sorted::sort_by;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is printed or written.
    Error,
    /// The answer stands, but someone should look.
    Warning,
}

/// A place in a file, counted from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Location {
    /// The file's path, as the reader of the diagnostic knows it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters are meant, at least 1; never beyond the end of the line.
    pub length: u32,
    /// The text of the line, without its line end.
    pub source: String,
}

impl Location {
    /// The place of a byte range of `text`; a range over several lines is cut at the first line's end.
    pub fn of(file: &str, text: &str, span: Range<usize>) -> Self {
        let start = floor_char_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let source = text[line_start..line_end].trim_end_matches('\r');
        let line = 1 + text[..line_start].bytes().filter(|byte| *byte == b'\n').count();
        let end = floor_char_boundary(text, span.end).clamp(start, line_end);
        Location {
            file: file.to_owned(),
            line: count(line),
            column: count(1 + text[line_start..start].chars().count()),
            length: count(text[start..end].trim_end_matches('\r').chars().count().max(1)),
            source: source.to_owned(),
        }
    }

    /// A place known only by its line and column, where the text is not at hand.
    pub fn at(file: &str, line: u32, column: u32) -> Self {
        Location { file: file.to_owned(), line, column, length: 1, source: String::new() }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One finding.
///
/// It is made in hundreds of places and rarely moves far, so it is one pointer: moving its fields
/// about was a tenth of the module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Diagnostic(Box<Finding>);

/// What a [`Diagnostic`] says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Finding {
    /// `IF` and four digits; the list is in the README.
    pub code: String,
    /// Error or warning.
    pub severity: Severity,
    /// Lower case, without a full stop, with values in backticks.
    pub message: String,
    /// Where; `None` where no file is to blame.
    #[serde(flatten)]
    pub location: Option<Box<Location>>,
    /// Something to type or do.
    #[serde(default)]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error with its code and text.
    #[inline]
    pub fn error<'t>(code: &str, message: impl Into<Cow<'t, str>>) -> Self {
        Diagnostic::new(Severity::Error, code, message.into())
    }

    /// A warning with its code and text.
    #[inline]
    pub fn warning<'t>(code: &str, message: impl Into<Cow<'t, str>>) -> Self {
        Diagnostic::new(Severity::Warning, code, message.into())
    }

    #[cold]
    #[inline(never)]
    fn new(severity: Severity, code: &str, message: Cow<'_, str>) -> Self {
        let message = message.into_owned();
        Diagnostic(Box::new(Finding { code: code.to_owned(), severity, message, location: None, hint: None }))
    }

    /// The same, at a place.
    #[must_use]
    #[cold]
    #[inline(never)]
    pub fn at(mut self, location: Location) -> Self {
        self.0.location = Some(Box::new(location));
        self
    }

    /// The same, about a file as a whole.
    #[must_use]
    #[cold]
    #[inline(never)]
    pub fn in_file(self, file: &str) -> Self {
        self.at(Location { file: file.to_owned(), line: 0, column: 0, length: 0, source: String::new() })
    }

    /// The same, with a remedy.
    #[must_use]
    #[inline]
    pub fn hint<'t>(self, hint: impl Into<Cow<'t, str>>) -> Self {
        self.with_hint(hint.into())
    }

    #[cold]
    #[inline(never)]
    fn with_hint(mut self, hint: Cow<'_, str>) -> Self {
        self.0.hint = Some(hint.into_owned());
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Deref for Diagnostic {
    type Target = Finding;

    fn deref(&self) -> &Finding {
        &self.0
    }
}

impl DerefMut for Diagnostic {
    fn deref_mut(&mut self) -> &mut Finding {
        &mut self.0
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}]: {}", self.code, self.message)?;
        if let Some(place) = &self.location {
            let gutter = place.line.to_string().len();
            write!(f, "\n{:gutter$}--> {}", "", place.file)?;
            if place.line > 0 {
                write!(f, ":{}:{}", place.line, place.column)?;
            }
            if !place.source.is_empty() {
                let (source, column) = window(&place.source, place.column as usize);
                let before: String =
                    source.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                let room = source.chars().count().saturating_sub(column - 1).max(1);
                let carets = "^".repeat((place.length as usize).clamp(1, room));
                write!(f, "\n{:gutter$} |", "")?;
                write!(f, "\n{} | {source}", place.line)?;
                write!(f, "\n{:gutter$} | {before}{carets}", "")?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// The part of a long line around a column, and the column in it; control characters are shown as `?`.
fn window(line: &str, column: usize) -> (String, usize) {
    const BEFORE: usize = 80;
    const WIDTH: usize = 160;
    let skip = if column > BEFORE + 1 { column - 1 - BEFORE } else { 0 };
    let visible = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
    let part: String = line.chars().skip(skip).take(WIDTH).map(visible).collect();
    (part, column.max(1) - skip)
}

/// What a step found, in the order of places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    #[cold]
    #[inline(never)]
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Diagnostic::is_error)
    }

    /// Sorts by file, line and column, keeping the order of what stands at one place.
    pub fn sort(&mut self) {
        fn place(diagnostic: &Diagnostic) -> Option<(&str, u32, u32)> {
            diagnostic.location.as_ref().map(|place| (place.file.as_str(), place.line, place.column))
        }
        sort_by(&mut self.0, |a, b| place(a).cmp(&place(b)));
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics(vec![diagnostic])
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: T) {
        self.0.extend(diagnostics);
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

//! The patterns of `${NAME#…}`, `${NAME%…}` and `${NAME/…/…}`: `*`, `?`, and a backslash before
//! `*`, `?`, `\`, `}` and `/`; no brackets (BuildKit's `shell/lex.go`, dockerfile/1.26).
//!
//! BuildKit turns them into Go regular expressions, where `.` is no line end.

use super::expand::{ExpandError, MAX_EXPANDED};
use super::unicode::{is_digit, is_letter};

/// Cells of the table below: characters of the value times parts of the pattern.
const MAX_CELLS: usize = 1 << 22;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Char(char),
    One,
    Any,
}

/// A pattern that was read.
pub struct Pattern {
    parts: Vec<Part>,
    longest: bool,
}

/// Takes the part away from the beginning that the pattern matches.
pub fn trim_start(value: &str, pattern: &str, longest: bool) -> Result<String, ExpandError> {
    let pattern = Pattern::parse(pattern, longest)?;
    let value: Vec<char> = value.chars().collect();
    let end = pattern.table(&value)?.end_from(0);
    Ok(value[end.unwrap_or(0)..].iter().collect())
}

/// Takes the part away from the end that the pattern matches.
pub fn trim_end(value: &str, pattern: &str, longest: bool) -> Result<String, ExpandError> {
    let backwards: String = value.chars().rev().collect();
    let rest = trim_start(&backwards, &reversed(pattern), longest).map_err(|error| match error {
        ExpandError::Pattern(_) => ExpandError::Pattern(pattern.to_owned()),
        error => error,
    })?;
    Ok(rest.chars().rev().collect())
}

/// The pattern read from its end, escapes kept before what they escape.
fn reversed(pattern: &str) -> String {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        pieces.push((c, escaped));
    }
    pieces.into_iter().rev().flat_map(|(c, escaped)| std::iter::once(c).chain(escaped)).collect()
}

impl Pattern {
    /// Reads a pattern; `longest` says how much a `*` takes.
    pub fn parse(text: &str, longest: bool) -> Result<Self, ExpandError> {
        let error = || ExpandError::Pattern(text.to_owned());
        let mut parts = Vec::new();
        let mut chars = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
        while let Some(c) = chars.next() {
            let part = match c {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => match chars.next().ok_or_else(error)? {
                    c @ ('}' | '/' | '*' | '?' | '\\') => Part::Char(c),
                    _ => return Err(error()),
                },
                c => Part::Char(c),
            };
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        Ok(Pattern { parts, longest })
    }

    /// Replaces the first match, as it is.
    pub fn replace(&self, value: &str, replacement: &str) -> Result<String, ExpandError> {
        let value: Vec<char> = value.chars().collect();
        let Some((start, end)) = self.table(&value)?.find(0) else { return Ok(value.iter().collect()) };
        let mut result: String = value[..start].iter().collect();
        result.push_str(replacement);
        result.extend(&value[end..]);
        Ok(result)
    }

    /// Replaces every match; `$0` in the replacement is what was matched, `$$` a dollar and any
    /// other `$name` nothing, as in the templates of Go's `regexp`.
    pub fn replace_all(&self, value: &str, replacement: &str) -> Result<String, ExpandError> {
        let value: Vec<char> = value.chars().collect();
        let table = self.table(&value)?;
        let mut result = String::new();
        let (mut from, mut copied) = (0, 0);
        while let Some((start, end)) = table.find(from) {
            result.extend(&value[copied..start]);
            // Nothing is put in for an empty match right behind another match.
            if end > copied || start == 0 {
                push_template(&mut result, replacement, &value[start..end]);
            }
            if result.len() > MAX_EXPANDED {
                return Err(ExpandError::TooLarge);
            }
            copied = end;
            from = end.max(from + 1);
        }
        result.extend(&value[copied.min(value.len())..]);
        Ok(result)
    }

    fn table<'a>(&'a self, value: &'a [char]) -> Result<Table<'a>, ExpandError> {
        Table::new(self, value).ok_or(ExpandError::TooLarge)
    }
}

/// For each place in the value and in the pattern: whether the rest of the pattern fits there.
struct Table<'a> {
    pattern: &'a Pattern,
    value: &'a [char],
    fits: Vec<bool>,
}

impl<'a> Table<'a> {
    fn new(pattern: &'a Pattern, value: &'a [char]) -> Option<Self> {
        let width = pattern.parts.len() + 1;
        let cells = width.checked_mul(value.len() + 1).filter(|cells| *cells <= MAX_CELLS)?;
        let mut table = Table { pattern, value, fits: vec![false; cells] };
        for at in (0..=value.len()).rev() {
            table.fits[at * width + width - 1] = true;
            for part in (0..width - 1).rev() {
                let fits = match pattern.parts[part] {
                    Part::Any => table.fits(at, part + 1) || (table.is_text(at) && table.fits(at + 1, part)),
                    Part::One => table.is_text(at) && table.fits(at + 1, part + 1),
                    Part::Char(c) => value.get(at) == Some(&c) && table.fits(at + 1, part + 1),
                };
                table.fits[at * width + part] = fits;
            }
        }
        Some(table)
    }

    fn fits(&self, at: usize, part: usize) -> bool {
        self.fits[at * (self.pattern.parts.len() + 1) + part]
    }

    fn is_text(&self, at: usize) -> bool {
        self.value.get(at).is_some_and(|c| *c != '\n')
    }

    /// The leftmost match at or behind a place.
    fn find(&self, from: usize) -> Option<(usize, usize)> {
        (from..=self.value.len()).find_map(|start| Some((start, self.end_from(start)?)))
    }

    /// The end of the match that begins here.
    fn end_from(&self, start: usize) -> Option<usize> {
        if !self.fits(start, 0) {
            return None;
        }
        let mut at = start;
        for (part, kind) in self.pattern.parts.iter().enumerate() {
            match kind {
                Part::Char(_) | Part::One => at += 1,
                Part::Any if self.pattern.longest => {
                    let line_end = (at..).find(|at| !self.is_text(*at))?;
                    at = (at..=line_end).rev().find(|at| self.fits(*at, part + 1))?;
                }
                Part::Any => at = (at..=self.value.len()).find(|at| self.fits(*at, part + 1))?,
            }
        }
        Some(at)
    }
}

fn push_template(result: &mut String, template: &str, matched: &[char]) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let is_word = |c: char| c == '_' || is_letter(c) || is_digit(c);
        let (name, after_name) = match after.strip_prefix('{') {
            Some(inner) => {
                let end = inner.find(|c| !is_word(c)).unwrap_or(inner.len());
                match inner[end..].strip_prefix('}') {
                    Some(after_name) => (&inner[..end], after_name),
                    None => ("", after),
                }
            }
            None => after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len())),
        };
        match name {
            // No name: the dollar is a dollar.
            "" => {
                result.push('$');
                rest = after;
            }
            "0" => {
                result.extend(matched);
                rest = after_name;
            }
            _ => rest = after_name,
        }
    }
    result.push_str(rest);
}

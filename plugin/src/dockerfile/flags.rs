//! `--name=value` in front of an instruction's arguments.
//!
//! The flags and their kinds are those of BuildKit's `frontend/dockerfile/instructions`
//! (dockerfile/1.26).

use std::borrow::Cow;
use std::ops::Range;

use super::instruction::InstructionError;
use super::words::{lower, Keyword, Node, Word};
use crate::scan;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `--link`, `--link=true`.
    Switch,
    /// Once, with a value.
    One,
    /// As often as one likes, each with a value.
    Many,
}

use Kind::{Many, One, Switch};

/// The flags that an instruction knows.
fn known(keyword: Keyword) -> &'static [(&'static str, Kind)] {
    match keyword {
        Keyword::From => &[("platform", One)],
        Keyword::Copy => &[
            ("chmod", One),
            ("chown", One),
            ("exclude", Many),
            ("from", One),
            ("link", Switch),
            ("parents", Switch),
        ],
        Keyword::Add => &[
            ("checksum", One),
            ("chmod", One),
            ("chown", One),
            ("exclude", Many),
            ("keep-git-dir", Switch),
            ("link", Switch),
            ("unpack", Switch),
        ],
        Keyword::Run => &[("device", Many), ("mount", Many), ("network", One), ("security", One)],
        Keyword::HealthCheck => &[
            ("interval", One),
            ("retries", One),
            ("start-interval", One),
            ("start-period", One),
            ("timeout", One),
        ],
        _ => &[],
    }
}

/// The flags of one line, checked.
#[derive(Debug)]
pub struct Flags {
    values: Vec<(&'static str, Word)>,
}

impl Flags {
    /// Checks the flags of a line, and takes them out of it.
    pub fn parse(node: &mut Node) -> Result<Self, (InstructionError, Range<usize>)> {
        let known = known(node.keyword);
        let mut flags = Flags { values: Vec::with_capacity(node.flags.len()) };
        for Word { mut text, span } in std::mem::take(&mut node.flags) {
            let equals = scan::split_once(&text, b'=').map(|(name, _)| name.len());
            let name = &text[..equals.unwrap_or(text.len())];
            let short = name.strip_prefix("--").unwrap_or(name);
            let fail = |error: fn(String) -> InstructionError| Err((error(name.to_owned()), span.clone()));
            let Some(&(flag, kind)) = known.iter().find(|(known, _)| *known == short) else {
                let (flag, known) = (name.to_owned(), known.iter().map(|(name, _)| *name).collect());
                let error = InstructionError::UnknownFlag { keyword: node.keyword, flag, known };
                return Err((error, span));
            };
            if kind != Many && flags.values.iter().any(|(seen, _)| *seen == flag) {
                return fail(InstructionError::FlagTwice);
            }
            match (kind, equals) {
                (Switch, None) => text = String::new(),
                (Switch, Some(equals)) if matches!(&*lower(&text[equals + 1..]), "true" | "false") => {}
                (Switch, Some(equals)) if equals + 1 < text.len() => {
                    let value = text[equals + 1..].to_owned();
                    let error = InstructionError::FlagNotBoolean { flag: name.to_owned(), value };
                    return Err((error, span));
                }
                (One | Many, Some(equals)) => drop(text.drain(..=equals)),
                _ => return fail(InstructionError::FlagWithoutValue),
            }
            flags.values.push((flag, Word { text, span }));
        }
        Ok(flags)
    }

    /// The value of a flag that stands once, taken out.
    pub fn take(&mut self, name: &str) -> Option<Word> {
        self.take_all(name).next()
    }

    /// The values of a flag, taken out.
    pub fn take_all<'a>(&'a mut self, name: &'a str) -> impl Iterator<Item = Word> + 'a {
        let found = self.values.iter_mut().filter(move |(flag, _)| *flag == name);
        found.map(|(_, word)| std::mem::take(word))
    }

    /// The values of a flag.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Word> {
        self.values.iter().filter(move |(flag, _)| *flag == name).map(|(_, word)| word)
    }
}

/// The fields of a list that is separated by commas, or `None` where its quotes are wrong; like Go's
/// `encoding/csv` for one record.
pub fn comma_separated(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return None;
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, behind) = match scan::split_once(rest, b',') {
                Some((field, behind)) => (field, Some(behind)),
                None => (rest, None),
            };
            if field.contains('"') {
                return None;
            }
            fields.push(Cow::Borrowed(field));
            match behind {
                Some(behind) => rest = behind,
                None => return Some(fields),
            }
            continue;
        };
        let mut field = String::new();
        rest = quoted;
        loop {
            let (part, behind) = rest.split_once('"')?;
            field.push_str(part);
            match behind.strip_prefix('"') {
                Some(behind) => {
                    field.push('"');
                    rest = behind;
                }
                None => {
                    rest = behind;
                    break;
                }
            }
        }
        fields.push(Cow::Owned(field));
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None if rest.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

//! `--name=value` in front of an instruction's arguments.
//!
//! The flags and their kinds are those of BuildKit's `frontend/dockerfile/instructions`
//! (dockerfile/1.26).

use std::ops::Range;

use super::instruction::InstructionError;
use super::words::{lower, Node, Word};

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
fn known(keyword: &str) -> &'static [(&'static str, Kind)] {
    match keyword {
        "FROM" => &[("platform", One)],
        "COPY" => &[
            ("chmod", One),
            ("chown", One),
            ("exclude", Many),
            ("from", One),
            ("link", Switch),
            ("parents", Switch),
        ],
        "ADD" => &[
            ("checksum", One),
            ("chmod", One),
            ("chown", One),
            ("exclude", Many),
            ("keep-git-dir", Switch),
            ("link", Switch),
            ("unpack", Switch),
        ],
        "RUN" => &[("device", Many), ("mount", Many), ("network", One), ("security", One)],
        "HEALTHCHECK" => &[
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
#[derive(Debug, Default)]
pub struct Flags {
    values: Vec<(&'static str, Word)>,
}

impl Flags {
    /// Checks the flags of a line.
    pub fn parse(node: &Node) -> Result<Self, (InstructionError, Range<usize>)> {
        let keyword = node.keyword.text.to_ascii_uppercase();
        let known = known(&keyword);
        let mut flags = Flags::default();
        for word in &node.flags {
            let (name, value) = match word.text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word.text.as_str(), None),
            };
            let short = name.strip_prefix("--").unwrap_or(name);
            let Some(&(flag, kind)) = known.iter().find(|(known, _)| *known == short) else {
                let names = known.iter().map(|(name, _)| *name).collect();
                let error = InstructionError::UnknownFlag { keyword, flag: name.to_owned(), known: names };
                return Err((error, word.span.clone()));
            };
            if kind != Many && flags.first(flag).is_some() {
                return Err((InstructionError::FlagTwice(name.to_owned()), word.span.clone()));
            }
            let value = match (kind, value) {
                (Switch, None) => "true".to_owned(),
                (Switch, Some(value)) if matches!(lower(value).as_str(), "true" | "false") => lower(value),
                (Switch, Some(value)) if !value.is_empty() => {
                    let error =
                        InstructionError::FlagNotBoolean { flag: name.to_owned(), value: value.to_owned() };
                    return Err((error, word.span.clone()));
                }
                (One | Many, Some(value)) => value.to_owned(),
                _ => return Err((InstructionError::FlagWithoutValue(name.to_owned()), word.span.clone())),
            };
            flags.values.push((flag, Word { text: value, span: word.span.clone() }));
        }
        Ok(flags)
    }

    /// The value of a flag that stands once.
    pub fn first(&self, name: &str) -> Option<&Word> {
        self.values.iter().find(|(flag, _)| *flag == name).map(|(_, word)| word)
    }

    /// The values of a flag.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Word> {
        self.values.iter().filter(move |(flag, _)| *flag == name).map(|(_, word)| word)
    }
}

/// The fields of a list that is separated by commas, or `None` where its quotes are wrong; like Go's
/// `encoding/csv` for one record.
pub fn comma_separated(text: &str) -> Option<Vec<String>> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return None;
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, behind) = match rest.split_once(',') {
                Some((field, behind)) => (field, Some(behind)),
                None => (rest, None),
            };
            if field.contains('"') {
                return None;
            }
            fields.push(field.to_owned());
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
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None if rest.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

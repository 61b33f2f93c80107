//! `RUN --mount=type=…,from=…,…`.

use std::borrow::Cow;

use super::flags::comma_separated;
use super::instruction::{is_go_bool, InstructionError};
use super::values::decimal;
use super::words::{lower, Word};
use crate::scan;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The image or build stage, unless empty.
    pub from: Option<String>,
    /// All fields.
    pub fields: Vec<Field>,
    /// The flag, in the file.
    pub place: Word,
}

/// One field of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// In lower case.
    pub key: String,
    /// As written.
    pub text: String,
}

impl Field {
    /// Behind the `=`.
    fn value(&self) -> Option<&str> {
        scan::split_once(&self.text, b'=').map(|(_, value)| value)
    }
}

impl Mount {
    /// Reads a mount as BuildKit does before it knows any variable: only `from` is looked at.
    pub fn parse(word: Word) -> Result<Self, InstructionError> {
        let texts = comma_separated(&word.text).ok_or_else(|| InstructionError::Fields(word.text.clone()))?;
        let mut from = None;
        let mut fields = Vec::with_capacity(texts.len());
        for text in texts {
            let key = lower(scan::split_once(&text, b'=').map_or(&*text, |(key, _)| key));
            let field = Field { key: key.into_owned(), text: text.into_owned() };
            if let (Some(name), "from") = (field.value(), field.key.as_str()) {
                // A dollar at the very end passes.
                if name.find('$').is_some_and(|at| at + 1 != name.len()) {
                    return Err(InstructionError::MountVariable(name.to_owned()));
                }
                from = Some(name.to_owned()).filter(|name| !name.is_empty());
            }
            fields.push(field);
        }
        Ok(Mount { from, fields, place: word })
    }

    /// Checks all fields once their variables are replaced; `expand` gives `None` for a value that
    /// can't be known. The text says what is wrong.
    pub fn check<E>(
        &self,
        mut expand: impl for<'f> FnMut(&'f str) -> Result<Option<Cow<'f, str>>, E>,
    ) -> Result<Result<Expanded, String>, E> {
        let mut mount = Expanded::default();
        for field in &self.fields {
            let value = match field.value() {
                None => None,
                Some(value) => match expand(value)? {
                    Some(value) => Some(value),
                    None => {
                        if let Err(message) = mount.unknown(&field.key) {
                            return Ok(Err(message));
                        }
                        continue;
                    }
                },
            };
            if let Err(message) = mount.set(&field.key, value.as_deref(), &field.text) {
                return Ok(Err(message));
            }
        }
        Ok(mount.check().map(|()| mount))
    }
}

/// A mount whose variables are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// `bind` where nothing is said; empty where it can't be known.
    pub kind: Kind,
    /// Whether it names an image, a build stage or a context.
    pub has_from: bool,
    target: Option<String>,
    source: Option<String>,
    id: Option<String>,
    sharing: Option<String>,
    owner: Option<&'static str>,
    unsure: bool,
}

/// The type of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Files of an image, a build stage or the build context.
    #[default]
    Bind,
    /// A directory that survives the build.
    Cache,
    /// Memory.
    Tmpfs,
    /// A file that only this instruction sees.
    Secret,
    /// An SSH agent.
    Ssh,
    /// Depends on something that is not known here.
    Unknown,
}

impl Expanded {
    /// A field whose value can't be known; its name still counts.
    fn unknown(&mut self, key: &str) -> Result<(), String> {
        let is_secret = matches!(self.kind, Kind::Secret | Kind::Ssh | Kind::Unknown);
        match key {
            "type" => self.kind = Kind::Unknown,
            "from" => self.has_from = true,
            "target" | "dst" | "destination" => self.target = Some("?".to_owned()),
            // What stands there may be empty, or not: no rule about it can be broken for sure.
            "source" | "src" | "id" => self.unsure = true,
            "required" if !is_secret => return Err(elsewhere(key)),
            "size" if !matches!(self.kind, Kind::Tmpfs | Kind::Unknown) => return Err(elsewhere(key)),
            "mode" | "uid" | "gid" => self.owner = Some(owner(key)),
            "readonly" | "ro" | "readwrite" | "rw" | "required" | "size" | "sharing" | "env" => {}
            _ => return Err(format!("a mount has no field `{key}`")),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: Option<&str>, field: &str) -> Result<(), String> {
        let bad = |value: &str| Err(format!("`{value}` is no value of `{key}` in a mount"));
        let only_secrets = matches!(self.kind, Kind::Secret | Kind::Ssh | Kind::Unknown);
        let Some(value) = value else {
            return match key {
                "readonly" | "ro" | "readwrite" | "rw" => Ok(()),
                "required" if only_secrets => Ok(()),
                "required" => Err(elsewhere(key)),
                _ => Err(format!("the field `{field}` of a mount has no value")),
            };
        };
        let text = Some(value.to_owned());
        match key {
            "type" => {
                self.kind = match &*lower(value) {
                    "bind" => Kind::Bind,
                    "cache" => Kind::Cache,
                    "tmpfs" => Kind::Tmpfs,
                    "secret" => Kind::Secret,
                    "ssh" => Kind::Ssh,
                    _ => return Err(format!("there is no mount of type `{value}`")),
                };
            }
            "from" => self.has_from = !value.is_empty(),
            "source" | "src" => self.source = text,
            "target" | "dst" | "destination" => self.target = text,
            "readonly" | "ro" | "readwrite" | "rw" if is_go_bool(value) => {}
            "readonly" | "ro" | "readwrite" | "rw" => return bad(value),
            "required" if !only_secrets => return Err(elsewhere(key)),
            "required" if is_go_bool(value) => {}
            "required" => return bad(value),
            "size" if !matches!(self.kind, Kind::Tmpfs | Kind::Unknown) => return Err(elsewhere(key)),
            "size" if is_size(value) => {}
            "size" => return bad(value),
            "id" => self.id = text,
            "sharing" if matches!(&*lower(value), "shared" | "private" | "locked") => {
                self.sharing = text;
            }
            "sharing" => return bad(value),
            "mode" | "uid" | "gid" => {
                let radix = if key == "mode" { 8 } else { 10 };
                if value.starts_with('+') || u32::from_str_radix(value, radix).is_err() {
                    return bad(value);
                }
                self.owner = Some(owner(key));
            }
            "env" => {}
            _ => return Err(format!("a mount has no field `{key}`")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let is_empty = |value: &Option<String>| value.as_ref().is_none_or(String::is_empty);
        if let (Some(key), Kind::Bind | Kind::Tmpfs) = (self.owner, self.kind) {
            return Err(elsewhere(key));
        }
        let sharing = !is_empty(&self.sharing);
        if self.kind == Kind::Secret {
            if self.has_from {
                return Err("a secret mount takes no `from`".to_owned());
            }
            if !self.unsure && is_empty(&self.source) && is_empty(&self.target) && is_empty(&self.id) {
                return Err("a secret mount needs an `id`, a source or a target".to_owned());
            }
            if !is_empty(&self.source) && !is_empty(&self.id) {
                return Err("a secret mount takes a source or an `id`, not both".to_owned());
            }
        }
        if self.kind == Kind::Ssh && !is_empty(&self.source) {
            return Err("an SSH mount takes no source".to_owned());
        }
        if sharing && !matches!(self.kind, Kind::Cache | Kind::Unknown) {
            return Err("`sharing` belongs to cache mounts".to_owned());
        }
        Ok(())
    }

    /// Whether files would be mounted over the root, which BuildKit refuses. A target that is
    /// relative to a directory which is not known here passes.
    pub fn covers_root(&self, directory: Option<&str>) -> bool {
        let target = self.target.as_deref().unwrap_or_default();
        if target.starts_with('/') {
            // BuildKit compares an absolute target as it stands.
            return target == "/";
        }
        directory.is_some_and(|directory| joined(directory, target) == "/")
    }
}

/// A path in a directory, without `.` and `..`.
pub fn joined(directory: &str, path: &str) -> String {
    let directory = if path.starts_with('/') { "" } else { directory };
    let mut joined = String::with_capacity(directory.len() + path.len() + 2);
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => joined.truncate(joined.rfind('/').unwrap_or_default()),
            part => {
                joined.push('/');
                joined.push_str(part);
            }
        }
    }
    if joined.is_empty() {
        joined.push('/');
    }
    joined
}

fn elsewhere(key: &str) -> String {
    format!("`{key}` does not belong to this type of mount")
}

fn owner(key: &str) -> &'static str {
    match key {
        "mode" => "mode",
        "uid" => "uid",
        _ => "gid",
    }
}

/// A size as go-units reads it: a number and `b`, `k`, `m`, `g`, `t`, `p`, with `b` or `ib` behind.
fn is_size(text: &str) -> bool {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').map_or(0, |at| at + 1);
    let (number, unit) = text.split_at(end);
    let number = number.strip_suffix(' ').unwrap_or(number);
    // As Go reads numbers: with a sign, and underscores between digits.
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let is_spaced = number.split('_').all(|part| !part.is_empty()) && !number.contains("_.");
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && is_spaced
        && decimal(&number.replace('_', ""))
            .is_some_and(|number| !number.is_below_zero && !number.is_infinite);
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    is_number && matches!(unit, "" | "k" | "m" | "g" | "t" | "p")
}

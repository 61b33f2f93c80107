//! Values without places, and how they print.
//!
//! The rule for strings: plain only where no YAML 1.1 or 1.2 reader can take the text for anything
//! but a string, else double-quoted. Kubernetes reads YAML 1.1, where `on`, `1:30` and `012` are a
//! boolean and two numbers.

use std::fmt::{self, Write as _};

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::sorted::sort_by;

/// What is printed: a map keeps its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// A boolean or number in the spelling it has in the file.
    Plain(String),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Map),
}

/// A map in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(pub Vec<(String, Value)>);

impl Value {
    /// A string.
    pub fn string(text: impl Into<String>) -> Self {
        Value::String(text.into())
    }

    /// `true` or `false`.
    pub fn boolean(value: bool) -> Self {
        Value::Plain(value.to_string())
    }

    /// A whole number.
    pub fn number(value: i64) -> Self {
        Value::Plain(value.to_string())
    }

    /// A list of strings.
    pub fn strings<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Self {
        Value::List(items.into_iter().map(Value::string).collect())
    }

    /// The text of a string or plain scalar.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }
}

impl Map {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets a key, in place where it stands already, else at the end.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Removes a key and gives its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Sets a key only where the map has none.
    pub fn set_if_absent(&mut self, key: &str, value: Value) {
        if self.get(key).is_none() {
            self.0.push((key.to_owned(), value));
        }
    }

    /// Orders the known keys as given and keeps the others after them, in their own order.
    pub fn order(&mut self, keys: &[&str]) {
        let rank = |name: &str| keys.iter().position(|key| *key == name).unwrap_or(keys.len());
        sort_by(&mut self.0, |(a, _), (b, _)| rank(a).cmp(&rank(b)));
    }
}

/// Prints one document, block style, ending in a newline.
pub fn emit(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Map(map) if !map.0.is_empty() => emit_map(&mut out, map, 0, false),
        Value::List(items) if !items.is_empty() => emit_list(&mut out, items, 0),
        other => {
            emit_scalar(&mut out, other);
            out.push('\n');
        }
    }
    out
}

/// Prints a stream, each document after `---`.
pub fn emit_documents<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    values.into_iter().fold(String::new(), |mut out, value| {
        out.push_str("---\n");
        out.push_str(&emit(value));
        out
    })
}

/// A key that stands before its colon has at most 1024 characters (YAML 1.2.2, section 7.4.2); a
/// longer one is printed after `? `. Counted in bytes with its quotes, which is never too few.
const LONGEST_IMPLICIT_KEY: usize = 1024;

fn emit_map(out: &mut String, map: &Map, indent: usize, first_is_inline: bool) {
    for (at, (key, value)) in map.0.iter().enumerate() {
        if at > 0 || !first_is_inline {
            spaces(out, indent);
        }
        let start = out.len();
        emit_string(out, key);
        if out.len() - start > LONGEST_IMPLICIT_KEY {
            out.insert_str(start, "? ");
            out.push('\n');
            spaces(out, indent);
        }
        out.push(':');
        emit_child(out, value, indent);
    }
}

fn emit_child(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Map(map) if !map.0.is_empty() => {
            out.push('\n');
            emit_map(out, map, indent + 2, false);
        }
        Value::List(items) if !items.is_empty() => {
            out.push('\n');
            emit_list(out, items, indent + 2);
        }
        scalar => {
            out.push(' ');
            emit_scalar(out, scalar);
            out.push('\n');
        }
    }
}

fn emit_list(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        spaces(out, indent);
        out.push_str("- ");
        match item {
            Value::Map(map) if !map.0.is_empty() => emit_map(out, map, indent + 2, true),
            Value::List(inner) if !inner.is_empty() => {
                // `- - a` is legal, but a list in a list reads better below a dash of its own.
                out.pop();
                out.push('\n');
                emit_list(out, inner, indent + 2);
            }
            scalar => {
                emit_scalar(out, scalar);
                out.push('\n');
            }
        }
    }
}

fn emit_scalar(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Plain(text) => out.push_str(text),
        Value::String(text) => emit_string(out, text),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// Whether a plain scalar of this text could be read as something else than a string by a YAML 1.1
/// or 1.2 reader, or not be read back at all.
pub fn is_ambiguous(text: &str) -> bool {
    let first_is_safe = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    // A colon inside a word is safe: it makes a key only before a blank or the line's end, and the
    // base-60 numbers of YAML 1.1 begin with a digit.
    let all_are_safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./-:".contains(&b));
    !(first_is_safe && all_are_safe && !text.ends_with(':')) || is_reserved(text)
}

/// Whether some reader takes a plain scalar of this text for null, a boolean, a number or a time;
/// only that must be printed as it was written, and it is safe to.
pub(super) fn is_typed(text: &str) -> bool {
    let first_is_typed = text.starts_with(|c: char| c.is_ascii_digit() || "+-.~".contains(c));
    let all_are_typed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:_~ ".contains(&b));
    let marks_document = text.starts_with("---") || text.starts_with("...");
    is_reserved(text) || (first_is_typed && all_are_typed && !marks_document)
}

/// Words that some reader takes for null, a boolean or a number; `e1` is a number to one of them.
fn is_reserved(text: &str) -> bool {
    const WORDS: &[&str] =
        &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity", "none"];
    if text.len() > 8 {
        return false;
    }
    let digits_after_e = |text: &str| {
        text.strip_prefix(['e', 'E'])
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) || digits_after_e(text)
}

fn emit_string(out: &mut String, text: &str) {
    if !is_ambiguous(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' => {
                write!(out, "\\x{:02X}", u32::from(c)).expect("writing to a string cannot fail");
            }
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                write!(out, "\\u{:04X}", u32::from(c)).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl<'de> Deserialize<'de> for Value {
    /// From JSON, keeping the order of keys.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Plain(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::string(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::default();
        while let Some(entry) = entries.next_entry()? {
            map.0.push(entry);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, printed: &str) {
        assert_eq!(emit(&Value::string(text)), format!("{printed}\n"));
    }

    #[test]
    fn quotes_what_a_reader_could_take_for_something_else() {
        check("node:22-bookworm-slim", "node:22-bookworm-slim");
        check("docker.io/library/node", "docker.io/library/node");
        for text in
            ["on", "N", "1e3", "012", "1:30", "2024-12-04", "~", "", "null", "e1", "7d", "a:", "- a", "^a$"]
        {
            check(text, &format!("\"{text}\""));
        }
        check("a\\b\"c\n\u{1}", "\"a\\\\b\\\"c\\n\\x01\"");
    }

    #[test]
    fn prints_a_long_key_before_its_colon() {
        let key = "k".repeat(1025);
        let map = |key: &str, value| Value::Map(Map(vec![(key.to_owned(), value)]));
        let value = Value::List(vec![map(&key, map("a", Value::string("b")))]);
        assert_eq!(emit(&value), format!("- ? {key}\n  :\n    a: b\n"));
    }

    #[test]
    fn prints_nested_values_as_blocks() {
        let value: Value =
            serde_json::from_str(r#"{"a":[],"b":{},"c":[{"x":1,"y":["z"]},["n"]],"d":{"e":null}}"#)
                .expect("JSON");
        let expected = "a: []\nb: {}\nc:\n  - x: 1\n    \"y\":\n      - z\n  -\n    - \"n\"\nd:\n  e: null\n";
        assert_eq!(emit(&value), expected);
    }
}

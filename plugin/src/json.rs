//! JSON text to values and back.
//!
//! The values are serde_json's. Its reader and writer are not used in the module: they bring the
//! conversion of floating-point numbers, of which nothing here has one, and one reader for each
//! type; together they were a tenth of it. The grammar is RFC 8259's, and a test holds both sides
//! to serde_json.

use std::fmt;

use serde_json::{Map, Value};

use crate::scan;

/// Maps and lists in each other, as serde_json bounds them.
const MAX_DEPTH: usize = 128;

/// Why a text is not JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub message: String,
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.message, self.line, self.column)
    }
}

impl std::error::Error for JsonError {}

type Read<T> = Result<T, JsonError>;

/// Reads a text as one value. A number that is not whole, or beyond 64 bits, becomes its text.
///
/// # Errors
/// The first thing that is not JSON.
pub fn parse(text: &str) -> Read<Value> {
    let mut reader = Reader::new(text);
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

/// Reads a text piece by piece.
pub struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    scratch: String,
}

impl<'t> Reader<'t> {
    /// From the start of a text.
    pub fn new(text: &'t str) -> Self {
        Reader { text, at: 0, depth: 0, scratch: String::new() }
    }

    /// An error at this place.
    #[cold]
    #[inline(never)]
    pub fn error<T>(&self, message: &str) -> Read<T> {
        let before = &self.text.as_bytes()[..self.at.min(self.text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Err(JsonError {
            message: message.to_owned(),
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: before.len() - line_start + 1,
        })
    }

    /// Only blanks are left.
    ///
    /// # Errors
    /// Something else is.
    pub fn end(&mut self) -> Read<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.error("trailing characters"),
        }
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// A map, entry by entry: `entry` reads the value of each key.
    ///
    /// # Errors
    /// No map begins here, or its entries are wrong.
    pub fn map(&mut self, entry: &mut dyn FnMut(&mut Self, String) -> Read<()>) -> Read<()> {
        if !self.skip(b'{') {
            return self.error("expected a map");
        }
        self.items(b'}', &mut |reader| {
            let key = reader.string()?;
            if !reader.skip(b':') {
                return reader.error("expected `:`");
            }
            entry(reader, key)
        })
    }

    /// What stands between the brackets of a map or list.
    fn items(&mut self, close: u8, item: &mut dyn FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error("recursion limit exceeded");
        }
        if !self.skip(close) {
            loop {
                item(self)?;
                if self.skip(close) {
                    break;
                }
                if !self.skip(b',') {
                    return self.error("expected `,` or the closing bracket");
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Any value.
    ///
    /// # Errors
    /// None begins here, or it is wrong.
    pub fn value(&mut self) -> Read<Value> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => {
                let mut map = Map::new();
                self.map(&mut |reader, key| {
                    let value = reader.value()?;
                    map.insert(key, value);
                    Ok(())
                })?;
                Ok(Value::Object(map))
            }
            Some(b'[') => {
                self.at += 1;
                let mut list = Vec::new();
                self.items(b']', &mut |reader| {
                    list.push(reader.value()?);
                    Ok(())
                })?;
                Ok(Value::Array(list))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => {
                let words =
                    [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
                for (word, value) in words {
                    if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.error("expected value")
            }
            None => self.error("EOF while parsing a value"),
        }
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |reader: &mut Self| {
            let first = reader.at;
            while bytes.get(reader.at).is_some_and(u8::is_ascii_digit) {
                reader.at += 1;
            }
            reader.at - first
        };
        self.at += usize::from(bytes[self.at] == b'-');
        let leading_zero = bytes.get(self.at) == Some(&b'0');
        let whole = digits(self);
        let mut is_number = whole == 1 || whole > 0 && !leading_zero;
        let mut is_whole = true;
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            is_whole = false;
            is_number &= digits(self) > 0;
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            is_whole = false;
            is_number &= digits(self) > 0;
        }
        if !is_number {
            return self.error("invalid number");
        }
        let text = &self.text[start..self.at];
        let number = is_whole
            .then(|| text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from)));
        Ok(number.and_then(Result::ok).unwrap_or_else(|| Value::String(text.to_owned())))
    }

    /// A string.
    ///
    /// # Errors
    /// None begins here, or an escape is wrong.
    pub fn string(&mut self) -> Read<String> {
        if !self.skip(b'"') {
            return self.error("expected a string");
        }
        let (bytes, start) = (self.text.as_bytes(), self.at);
        self.at = plain_end(bytes, start);
        if bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(self.text[start..self.at - 1].to_owned());
        }
        // What is put together piece by piece grows in one place, and is then copied once.
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        // Both ends are beside ASCII characters, so they are borders of characters.
        text.push_str(&self.text[start..self.at]);
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                // The end of a line, as all files have them.
                Some(b'\\') if bytes.get(self.at + 1) == Some(&b'n') => {
                    self.at += 2;
                    text.push('\n');
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    text.push(c);
                }
                Some(_) => return self.error("control character in a string"),
                None => return self.error("EOF while parsing a string"),
            }
            let start = self.at;
            self.at = plain_end(bytes, start);
            text.push_str(&self.text[start..self.at]);
        }
        self.at += 1;
        self.scratch = text;
        Ok(self.scratch.as_str().to_owned())
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Read<char> {
        let byte = self.text.as_bytes().get(self.at).copied().unwrap_or_default();
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut code = self.hex()?;
                // The first half of a surrogate pair asks for the second.
                if (0xd800..0xdc00).contains(&code) && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    let low = self.hex()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return self.error("lone surrogate in a string");
                    }
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                match char::from_u32(code) {
                    Some(c) => c,
                    None => return self.error("lone surrogate in a string"),
                }
            }
            _ => return self.error("invalid escape"),
        })
    }

    fn hex(&mut self) -> Read<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.text.as_bytes().get(self.at).copied().unwrap_or_default();
            let Some(digit) = char::from(byte).to_digit(16) else { return self.error("invalid escape") };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// A map of these entries.
pub fn object(entries: Vec<(&str, Value)>) -> Value {
    let mut map = Map::new();
    for (key, value) in entries {
        map.insert(key.to_owned(), value);
    }
    Value::Object(map)
}

/// A string, or null.
pub fn text<'t>(text: impl Into<Option<&'t str>>) -> Value {
    text.into().map_or(Value::Null, |text| Value::String(text.to_owned()))
}

/// Prints a value, keys in alphabetical order.
pub fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        // No other numbers are made here, and none is read.
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => out.push_str(&number.to_string()),
            (None, Some(number)) => out.push_str(&number.to_string()),
            (None, None) => out.push_str("null"),
        },
        Value::String(text) => quote(out, text),
        Value::Array(list) => {
            out.push('[');
            for item in list {
                comma(out);
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (key, value) in map {
                comma(out);
                quote(out, key);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}

/// A comma, but for the first of a map or list.
pub fn comma(out: &mut String) {
    if !matches!(out.as_bytes().last(), Some(b'{' | b'[')) {
        out.push(',');
    }
}

/// Prints a string with its quotes.
pub fn quote(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    let bytes = text.as_bytes();
    let mut start = 0;
    loop {
        let end = plain_end(bytes, start);
        out.push_str(&text[start..end]);
        let Some(byte) = bytes.get(end) else { break };
        start = end + 1;
        let escape = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            8 => 'b',
            12 => 'f',
            _ => 'u',
        };
        out.push('\\');
        out.push(escape);
        if escape == 'u' {
            out.push_str("00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out.push('"');
}

/// Where the first byte from `at` on is that a string must escape, or the end.
fn plain_end(bytes: &[u8], at: usize) -> usize {
    scan::plain_end(bytes, at, [b'"', b'\\'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Number;

    use super::*;

    /// Both readers take the text, with the same value, or both refuse it.
    fn check(text: &str) {
        match (parse(text), serde_json::from_str::<Value>(text)) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, whole(theirs, text), "{text:?}"),
            (Err(_), Err(_)) => {}
            (ours, theirs) => panic!("{text:?}: {ours:?}, and serde_json says {theirs:?}"),
        }
    }

    /// Theirs without numbers that are not whole, of which the test has one a text at most.
    fn whole(value: Value, text: &str) -> Value {
        match value {
            Value::Number(number) if number.is_f64() => {
                let is_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                let start = text.find(is_number).expect("a number");
                let end = start + text[start..].find(|c| !is_number(c)).unwrap_or(text.len() - start);
                Value::String(text[start..end].to_owned())
            }
            Value::Array(items) => Value::Array(items.into_iter().map(|item| whole(item, text)).collect()),
            other => other,
        }
    }

    #[test]
    fn reads_what_serde_json_reads() {
        for text in [
            "",
            " ",
            "null",
            "nul",
            "nulll",
            "true",
            "false",
            " [ ] ",
            "{}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "0",
            "01",
            "-",
            "1.",
            ".5",
            "1.5",
            "1e3",
            "1E+3",
            "1e",
            "-1",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "[[1]]",
            "\"",
            "\"a",
            "\"\\u00e9\"",
            "\"\\ud83e\\udd80\"",
            "\"\\ud83e\"",
            "\"\\ud83ex\"",
            "\"\\ud83e\\u0041\"",
            "\"\\udd80\"",
            "\"\\x\"",
            "\"\\",
            "\"\\u12\"",
            "\"\n\"",
            "\"\u{7f}é🦀\"",
            "{\"a\":1,\"a\":2}",
            "[1]x",
            "\u{feff}1",
            "\"\\/\\b\\f\\n\\r\\t\"",
        ] {
            check(text);
        }
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&deep(127)).is_ok() && parse(&deep(129)).is_err());
    }

    #[test]
    fn says_where() {
        let error = parse("{\n \"a\": nil}").expect_err("no value");
        assert_eq!(error.to_string(), "expected value at line 2 column 7");
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|number| Value::Number(Number::from(number))),
            any::<u64>().prop_map(|number| Value::Number(Number::from(number))),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn prints_and_reads_as_serde_json(value in value()) {
            let mut ours = String::new();
            write(&mut ours, &value);
            prop_assert_eq!(&ours, &serde_json::to_string(&value).expect("a value prints"));
            prop_assert_eq!(parse(&ours).expect("JSON"), value.clone());
            let spaced = serde_json::to_string_pretty(&value).expect("a value prints");
            prop_assert_eq!(parse(&spaced).expect("JSON"), value);
        }

        #[test]
        fn refuses_what_serde_json_refuses(text in "[\\[\\]{}:,\"\\\\u01d8 antrue.\n-]{0,9}") {
            // Numbers that are not whole are compared above.
            prop_assume!(!text.contains(['.', 'e']) && !text.contains("-0"));
            check(&text);
        }
    }
}

//! JSON lists of strings, as Go's `encoding/json` reads them.
//!
//! ```text
//! ["a", "b\n"]        its strings
//! ["a", 1]            a list, but not of strings: an error of the instruction
//! [a, b]              no JSON, so plain words
//! ```
//!
//! serde_json would do but for what Go is laxer in: a lone half of a surrogate pair becomes
//! U+FFFD, and lists nest 10,000 deep.

use super::values::decimal;

/// How deep Go's decoder goes.
const MAX_DEPTH: usize = 10_000;

/// What a text that begins like a list holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// The strings of the list.
    Strings(Vec<String>),
    /// A list with something else in it.
    Mixed,
}

/// Reads a list; `None` where the text is none, or not JSON.
pub fn list(text: &str) -> Option<List> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    reader.expect(b'[')?;
    let mut strings = Vec::new();
    let mut mixed = false;
    reader.blanks();
    if !reader.skip(b']') {
        loop {
            reader.blanks();
            if reader.peek() == Some(b'"') {
                strings.push(reader.string()?);
            } else {
                mixed = true;
                reader.value()?;
            }
            reader.blanks();
            if !reader.skip(b',') {
                break;
            }
        }
        reader.expect(b']')?;
    }
    reader.blanks();
    let is_whole = reader.at == text.len();
    is_whole.then_some(if mixed { List::Mixed } else { List::Strings(strings) })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip(byte).then_some(())
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Passes any value; what is still open stands in a stack, so depth costs no call.
    fn value(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            self.blanks();
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                start @ (b'[' | b'{') => {
                    self.at += 1;
                    open.push(start);
                    // The list around this value is one more.
                    if open.len() >= MAX_DEPTH {
                        return None;
                    }
                    self.blanks();
                    if !self.skip(end_of(start)) {
                        if start == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                    open.pop();
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => self.number()?,
            }
            // A value ended: so may those around it.
            loop {
                let Some(&start) = open.last() else { return Some(()) };
                self.blanks();
                if self.skip(b',') {
                    if start == b'{' {
                        self.key()?;
                    }
                    break;
                }
                self.expect(end_of(start))?;
                open.pop();
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        self.blanks();
        self.string()?;
        self.blanks();
        self.expect(b':')
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let is_there = self.text[self.at..].starts_with(word);
        self.at += word.len();
        is_there.then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            if !self.skip(b'+') {
                self.skip(b'-');
            }
            self.digits()?;
        }
        // Go has no number beyond a float's range.
        decimal(&self.text[start..self.at]).filter(|number| !number.is_infinite).map(|_| ())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn string(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut result = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ')?;
            result.push_str(&rest[..plain]);
            self.at += plain;
            if self.skip(b'"') {
                return Some(result);
            }
            self.expect(b'\\')?;
            let escape = self.peek()?;
            self.at += 1;
            result.push(match escape {
                b'"' | b'\\' | b'/' => char::from(escape),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.unicode()?,
                _ => return None,
            });
        }
    }

    /// The four digits of `\u`, and those of the other half of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = before;
        }
        Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

fn end_of(start: u8) -> u8 {
    if start == b'[' {
        b']'
    } else {
        b'}'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let expected = expected.map(|list| List::Strings(list.iter().map(ToString::to_string).collect()));
        assert_eq!(list(text), expected, "{text}");
    }

    #[test]
    fn lists_of_strings() {
        check("[]", Some(&[]));
        check(" [ \"a\" , \"b c\" ] ", Some(&["a", "b c"]));
        check(r#"["\"\\\/\b\f\n\r\t\u0041\u00e9"]"#, Some(&["\"\\/\u{8}\u{c}\n\r\tAé"]));
        check(r#"["\ud83d\ude00"]"#, Some(&["😀"]));
        check(
            r#"["\ud800", "\udc00\ud800", "\ud800\u0041"]"#,
            Some(&["\u{fffd}", "\u{fffd}\u{fffd}", "\u{fffd}A"]),
        );
    }

    #[test]
    fn lists_of_other_things() {
        for text in ["[1]", "[\"a\", null]", "[[\"a\"], {\"b\": [true, false, -0.5e+3]}]", "[{}, []]"] {
            assert_eq!(list(text), Some(List::Mixed), "{text}");
        }
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(list(&deep(10_000)), Some(List::Mixed));
        assert_eq!(list(&deep(10_001)), None);
    }

    #[test]
    fn what_is_no_json() {
        let texts = [
            "",
            "[",
            "]",
            "[a]",
            "['a']",
            "[\"a\",]",
            "[\"a\"] x",
            "[\"a]",
            "[\"\t\"]",
            "[\"\\x\"]",
            "[01]",
            "[.5]",
            "[1e999]",
            "[tru]",
            "[{\"a\"}]",
            "[{1: 2}]",
            "[\"a\" \"b\"]",
            "\"a\"",
            "[\"\\u12\"]",
            "[\"\\u+123\"]",
        ];
        for text in texts {
            check(text, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde(text in "\\[[\\[\\]{}\",:a1.e \\\\n-]{0,24}") {
            let theirs = serde_json::from_str::<Vec<serde_json::Value>>(&text).ok();
            proptest::prop_assert_eq!(list(&text).is_some(), theirs.is_some());
        }
    }
}

//! The YAML that we and most people write, read in one pass over its lines.
//!
//! State files are thousands, and all of them look alike: block maps and lists of one-line
//! scalars. Reading those needs no scanner, and takes a fraction of its time. Whatever is not
//! plainly of that kind, valid or not, is left to the full parser, so this reader knows no errors,
//! and a test holds it to the full parser's answer, places and all:
//!
//! ```text
//! key: value             # no comment behind a value, though
//! key: "value"
//! list:
//!   - value
//!   - key: value
//! empty: []
//! ```

use std::borrow::Cow;

use super::{Content, Key, Node, Place, Scalar, MAX_DEPTH, MAX_NODES};

/// The longest line that is read here, which also bounds keys.
const MAX_LINE: usize = 1000;
/// Maps with more keys are left to the full parser, which finds duplicates in less than square time.
const MAX_KEYS: usize = 64;

/// The document, or `None` where the full parser has to read it.
pub(super) fn parse(text: &str) -> Option<Node<'_>> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    // The smallest value takes four characters, so shorter texts cannot have too many.
    if text.len() / 4 >= MAX_NODES || !text.bytes().all(is_plain) {
        return None;
    }
    let mut lines = Lines { rest: text, number: 0, next: None };
    lines.advance()?;
    let first = lines.next?;
    let root = if first.indent == 0 { lines.block(0)? } else { return None };
    lines.next.is_none().then_some(root)
}

/// A line with something on it.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: u32,
    /// Blanks before the text.
    indent: usize,
    /// Without the blanks around it.
    text: &'a str,
}

impl<'a> Line<'a> {
    /// The place of a part of its text.
    fn place(&self, at: usize, length: usize) -> Place {
        // A line has at most 1000 characters, so both fit.
        Place { line: self.number, column: (self.indent + at + 1) as u32, length: length.max(1) as u32 }
    }

    /// The same line from a later character on, as what stands after `- ` or `key: `.
    fn from(&self, at: usize) -> Line<'a> {
        let rest = &self.text[at..];
        let text = rest.trim_start_matches(' ');
        Line { indent: self.indent + at + (rest.len() - text.len()), text, ..*self }
    }

    fn is_item(&self) -> bool {
        self.text.starts_with("- ")
    }

    /// The length of the key that the line begins with, if a colon ends it.
    fn key(&self) -> Option<usize> {
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
        let bytes = self.text.as_bytes();
        let length = bytes.iter().position(|byte| !is_key(*byte))?;
        let starts_well = bytes[0].is_ascii_alphanumeric() || bytes[0] == b'_';
        let ends = bytes[length] == b':' && matches!(bytes.get(length + 1), None | Some(b' '));
        (starts_well && ends).then_some(length)
    }
}

struct Lines<'a> {
    rest: &'a str,
    number: u32,
    next: Option<Line<'a>>,
}

impl<'a> Lines<'a> {
    /// Goes on to the next line that is neither blank nor a comment; `None` gives up.
    fn advance(&mut self) -> Option<()> {
        self.next = None;
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            self.number = self.number.checked_add(1)?;
            let text = line.trim_start_matches(' ');
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let indent = line.len() - text.len();
            let marks =
                indent == 0 && (text.starts_with("---") || text.starts_with("...") || text.starts_with('%'));
            if line.len() > MAX_LINE || marks {
                return None;
            }
            let trimmed = text.trim_end_matches(' ');
            if trimmed.len() < text.len() && trimmed.ends_with('"') {
                // The full parser counts blanks behind quotes as theirs.
                return None;
            }
            self.next = Some(Line { number: self.number, indent, text: trimmed });
            break;
        }
        Some(())
    }

    /// The list or map that begins with the next line.
    fn block(&mut self, depth: usize) -> Option<Node<'a>> {
        let first = self.next?;
        if depth > MAX_DEPTH {
            return None;
        }
        if first.is_item() {
            self.list(first.indent, depth)
        } else {
            self.map(first, depth)
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Option<Node<'a>> {
        let place = self.next?.place(0, 1);
        let mut items = Vec::new();
        while let Some(line) = self.next.filter(|line| line.indent >= indent) {
            if line.indent > indent {
                return None;
            }
            if !line.is_item() {
                // Of the map that this list stands in at the same indent.
                break;
            }
            let item = line.from(2);
            items.push(if item.key().is_some() {
                if depth + 1 > MAX_DEPTH {
                    return None;
                }
                self.map(item, depth + 1)?
            } else {
                self.value(item, indent, depth + 1)?
            });
        }
        Some(Node { place, content: Content::List(items) })
    }

    /// The map whose first key is where `first` begins, perhaps behind a `- `.
    fn map(&mut self, first: Line<'a>, depth: usize) -> Option<Node<'a>> {
        let mut entries: Vec<(Key<'a>, Node<'a>)> = Vec::with_capacity(8);
        let mut line = first;
        loop {
            let length = line.key()?;
            let key = Key { place: line.place(0, length), text: Cow::Borrowed(&line.text[..length]) };
            if entries.len() == MAX_KEYS || entries.iter().any(|(other, _)| other.text == key.text) {
                return None;
            }
            let value = if line.text.len() == length + 1 {
                self.advance()?;
                let next = self.next?;
                // A list may stand at its key's own indent.
                let is_below = next.indent > first.indent || (next.indent == first.indent && next.is_item());
                if !is_below {
                    return None;
                }
                let mut block = self.block(depth + 1)?;
                if next.indent == first.indent {
                    // The full parser sees such a list begin behind its first dash.
                    block.place = next.from(2).place(0, 1);
                }
                block
            } else {
                self.value(line.from(length + 1), first.indent, depth + 1)?
            };
            entries.push((key, value));
            match self.next {
                Some(next) if next.indent > first.indent => return None,
                Some(next) if next.indent == first.indent && !next.is_item() => line = next,
                _ => break,
            }
        }
        Some(Node { place: first.place(0, 1), content: Content::Map(entries) })
    }

    /// A scalar to the line's end, or an empty list; `indent` is that of what it belongs to.
    fn value(&mut self, line: Line<'a>, indent: usize, depth: usize) -> Option<Node<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let text = line.text;
        let content = match text.as_bytes().first()? {
            b'[' if text == "[]" => Content::List(Vec::new()),
            b'"' => {
                let inside = text[1..].strip_suffix('"')?;
                if inside.contains(['"', '\\']) {
                    return None;
                }
                Content::Scalar(Scalar { text: Cow::Borrowed(inside), plain: false })
            }
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'/'
            | b'^'
            | b'.'
            | b'_'
            | b'~'
            | b'$'
            | b'('
            | b'+'
            | b'=' => {
                let ends_it = |pair: &[u8]| pair == b": " || pair == b" #";
                if text.ends_with(':') || text.as_bytes().windows(2).any(ends_it) {
                    return None;
                }
                Content::Scalar(Scalar { text: Cow::Borrowed(text), plain: true })
            }
            _ => return None,
        };
        let length = if matches!(content, Content::List(_)) { 1 } else { text.len() };
        let node = Node { place: line.place(0, length), content };
        self.advance()?;
        // Deeper lines would be the scalar's own.
        self.next.is_none_or(|next| next.indent <= indent).then_some(node)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse_in_full, Source};
    use super::*;
    use proptest::prelude::*;

    /// Whether the text was read here, and then as the full parser reads it.
    fn agrees(text: &str) -> bool {
        let Some(quick) = parse(text) else { return false };
        let full = parse_in_full(Source { file: "f.yaml", text });
        let full = full.unwrap_or_else(|error| panic!("{text:?} is {quick:?} here, and there {error}"));
        assert_eq!(Some(format!("{quick:?}")), full.map(|node| format!("{node:?}")), "{text:?}");
        true
    }

    #[test]
    fn reads_what_we_write() {
        for text in [
            "a: b\n",
            "a: b",
            "# c\n\na: b\n  \n# d\nc: d  \n",
            "a:\n  b:\n    c: d\ne: f\n",
            "a:\n  - b\n  - c: d\n    e:\n      - f\n  - \"g h: #\"\n",
            "a:\n- b\n-   c: d\n    e: f\ng: []\n",
            "- a: b\n  c: sha256:0123\n- d\n- /e\n",
            "a: 2024-12-04T10:00:00Z\nb: null\nc: ~\nd: \"\"\ne: ^16-alpine$\n",
            "a.b/c: node:22-bookworm-slim\n_d: 7d\n",
        ] {
            assert!(agrees(text), "{text:?} was left to the full parser");
        }
    }

    #[test]
    fn leaves_the_rest_to_the_full_parser() {
        for text in [
            "",
            "# a\n",
            "a",
            "a:",
            "a:\nb: c\n",
            "a: b\n  c\n",
            "a: b\n c: d\n",
            "a: b # c\n",
            "a: 'b'\n",
            "a: b: c\n",
            "a: \"b\\n\"\n",
            "a: \"b\" c\n",
            "a: &b c\n",
            "a: *b\n",
            "a: !b c\n",
            "a: |\n  b\n",
            "a: [b]\n",
            "a: {}\n",
            "a: b\na: c\n",
            "- - a\n",
            "-\n  a: b\n",
            "- a\n  b\n",
            "- a\nb: c\n",
            "a: b\n- c\n",
            "---\na: b\n",
            "a: b\n...\n",
            " a: b\n",
            "a:\n    b: c\n  d: e\n",
            "a: b\n\tc: d\n",
            "a: b\r\n",
            "a: \u{e9}\n",
            "\"a\": b\n",
            "? a\n: b\n",
            "<<: a\n",
            "a: -\n",
            "a: - b\n",
            "a: ,\n",
            "a: b:\n",
            "%a b\n",
            "a: @b\n",
            "- \n",
            "a: b\0\n",
        ] {
            assert!(!agrees(text), "{text:?} was read");
        }
        let deep: String = (0..40).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(!agrees(&format!("{deep}{}b: c\n", " ".repeat(40))));
        let wide: String = (0..100).map(|key| format!("k{key}: v\n")).collect();
        assert!(!agrees(&wide));
        assert!(!agrees(&format!("{}: a\n", "k".repeat(1001))));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_the_full_parser(lines in proptest::collection::vec(line(), 0..9)) {
            agrees(&lines.concat());
        }
    }

    /// Lines that are often what is read here, and often nearly so.
    fn line() -> impl Strategy<Value = String> {
        let indent = prop_oneof![4 => Just(0), 3 => Just(2), 2 => Just(4), 1 => Just(1), 1 => Just(6)];
        let mark = prop_oneof![4 => Just(""), 3 => Just("- "), 1 => Just("-   "), 1 => Just("-")];
        let key = prop_oneof![
            4 => "[a-d]: ", 3 => "[a-d]:", 2 => Just(String::new()), 1 => "[-a-c1/._]{1,3}:? {0,2}", 1 => Just("\"a\": ".to_owned()),
        ];
        let value = prop_oneof![
            5 => "[a-c]",
            3 => Just(String::new()),
            1 => "[a-z0-9/^.~$(+=][-a-z0-9 :#,\\[\\]{}&*!|>'\"%@`]{0,5}",
            1 => "\"[a-c :#'-]{0,4}\"",
            1 => prop_oneof![Just("[]"), Just("{}"), Just("null"), Just("~"), Just("# a"), Just("a # b"), Just("---"), Just("|")]
                .prop_map(str::to_owned),
            1 => "[ -~]{0,4}",
        ];
        let end = prop_oneof![9 => Just("\n"), 1 => Just("  \n"), 1 => Just("\n\n"), 1 => Just("")];
        (indent, mark, key, value, end).prop_map(|(indent, mark, key, value, end)| {
            format!("{}{mark}{key}{value}{end}", " ".repeat(indent))
        })
    }
}

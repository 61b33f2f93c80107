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

use super::{find, Content, Key, Node, Place, Scalar, MAX_DEPTH, MAX_NODES};
use crate::scan;

/// The longest line that is read here, which also bounds keys.
const MAX_LINE: usize = 1000;
/// Maps with more keys are left to the full parser, which finds duplicates in less than square time.
const MAX_KEYS: usize = 64;

/// The document, or `None` where the full parser has to read it.
pub(super) fn parse(text: &str) -> Option<Node<'_>> {
    // The smallest value takes four characters, so shorter texts cannot have too many.
    if text.len() / 4 >= MAX_NODES {
        return None;
    }
    let mut lines = Lines { text, at: 0, number: 0, next: None };
    lines.advance()?;
    let first = lines.next?;
    let root = if first.indent() == 0 { lines.block(0)? } else { return None };
    lines.next.is_none().then_some(root)
}

/// A line with something on it, in offsets of the text.
#[derive(Clone, Copy)]
struct Line {
    number: u32,
    /// Where the line begins.
    start: usize,
    /// Where its text begins, behind the blanks.
    from: usize,
    /// Where its text ends, before blanks.
    to: usize,
}

impl Line {
    /// Blanks before the text, and before that what stands in front of it on the line.
    fn indent(&self) -> usize {
        self.from - self.start
    }

    /// The place of the first characters of its text.
    fn place(&self, length: usize) -> Place {
        // A line has at most 1000 characters, so these fit, and a longer text has no start.
        let start = u32::try_from(self.start).unwrap_or_default();
        Place { line: self.number, column: (self.indent() + 1) as u32, length: length.max(1) as u32, start }
    }
}

/// The lines of a text; loops over bytes, since they are small and fast in a module.
struct Lines<'a> {
    text: &'a str,
    /// Where the next line begins.
    at: usize,
    number: u32,
    next: Option<Line>,
}

impl<'a> Lines<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Goes on to the next line that is neither blank nor a comment; `None` gives up.
    fn advance(&mut self) -> Option<()> {
        let bytes = self.bytes();
        self.next = None;
        while self.at < bytes.len() {
            let start = self.at;
            let end = scan::plain_end(bytes, start, [0x7f; 2]);
            if bytes.get(end).is_some_and(|byte| *byte != b'\n') || !bytes[start..end].is_ascii() {
                return None;
            }
            self.at = end + 1;
            self.number += 1;
            let line = self.trim(Line { number: self.number, start, from: start, to: end });
            if line.from == line.to || bytes[line.from] == b'#' {
                continue;
            }
            let marks = line.from == start
                && matches!(
                    &bytes[start..line.to],
                    [b'-', b'-', b'-', ..] | [b'.', b'.', b'.', ..] | [b'%', ..]
                );
            // The full parser counts blanks behind quotes as theirs.
            let has_tail = line.to < end && bytes[line.to - 1] == b'"';
            if end - start > MAX_LINE || marks || has_tail {
                return None;
            }
            self.next = Some(line);
            break;
        }
        Some(())
    }

    /// The line without the blanks around its text.
    fn trim(&self, mut line: Line) -> Line {
        let bytes = self.bytes();
        while line.from < line.to && bytes[line.from] == b' ' {
            line.from += 1;
        }
        while line.from < line.to && bytes[line.to - 1] == b' ' {
            line.to -= 1;
        }
        line
    }

    /// The same line from a later character on, as what stands after `- ` or `key: `.
    fn behind(&self, line: Line, count: usize) -> Line {
        self.trim(Line { from: line.from + count, ..line })
    }

    fn is_item(&self, line: Line) -> bool {
        matches!(&self.bytes()[line.from..line.to], [b'-', b' ', ..])
    }

    /// The length of the key that the line begins with, if a colon ends it.
    fn key(&self, line: Line) -> Option<usize> {
        let bytes = &self.bytes()[line.from..line.to];
        let mut length = 0;
        while bytes.get(length)?.is_ascii_alphanumeric() || matches!(bytes[length], b'_' | b'.' | b'/' | b'-')
        {
            length += 1;
        }
        let starts_well = bytes[0].is_ascii_alphanumeric() || bytes[0] == b'_';
        let ends = bytes[length] == b':' && matches!(bytes.get(length + 1), None | Some(b' '));
        (starts_well && ends).then_some(length)
    }

    /// The list or map that begins with the next line.
    fn block(&mut self, depth: usize) -> Option<Node<'a>> {
        let first = self.next?;
        if depth > MAX_DEPTH {
            return None;
        }
        if self.is_item(first) {
            self.list(first.indent(), depth)
        } else {
            self.map(first, depth)
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Option<Node<'a>> {
        let place = self.next?.place(1);
        let mut items = Vec::new();
        while let Some(line) = self.next.filter(|line| line.indent() >= indent) {
            if line.indent() > indent {
                return None;
            }
            if !self.is_item(line) {
                // Of the map that this list stands in at the same indent.
                break;
            }
            let item = self.behind(line, 2);
            items.push(if self.key(item).is_some() {
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
    fn map(&mut self, first: Line, depth: usize) -> Option<Node<'a>> {
        let mut entries: Vec<(Key<'a>, Node<'a>)> = Vec::with_capacity(8);
        let mut line = first;
        loop {
            let length = self.key(line)?;
            let text = &self.text[line.from..line.from + length];
            if entries.len() == MAX_KEYS || find(&entries, text).is_some() {
                return None;
            }
            let key = Key { place: line.place(length), text: Cow::Borrowed(text) };
            let value = if line.to - line.from == length + 1 {
                self.advance()?;
                let next = self.next?;
                // A list may stand at its key's own indent.
                let is_level = next.indent() == first.indent();
                let is_below = next.indent() > first.indent() || (is_level && self.is_item(next));
                if !is_below {
                    return None;
                }
                let mut block = self.block(depth + 1)?;
                if is_level {
                    // The full parser sees such a list begin behind its first dash.
                    block.place = self.behind(next, 2).place(1);
                }
                block
            } else {
                self.value(self.behind(line, length + 1), first.indent(), depth + 1)?
            };
            entries.push((key, value));
            match self.next {
                Some(next) if next.indent() > first.indent() => return None,
                Some(next) if next.indent() == first.indent() && !self.is_item(next) => line = next,
                _ => break,
            }
        }
        Some(Node { place: first.place(1), content: Content::Map(entries) })
    }

    /// A scalar to the line's end, or an empty list; `indent` is that of what it belongs to.
    fn value(&mut self, line: Line, indent: usize, depth: usize) -> Option<Node<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let text = &self.text[line.from..line.to];
        let content = match text.as_bytes().first()? {
            b'[' if text == "[]" => Content::List(Vec::new()),
            b'"' => {
                let inside = text[1..].strip_suffix('"')?;
                if scan::plain_end(inside.as_bytes(), 0, [b'"', b'\\']) < inside.len() {
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
                let bytes = text.as_bytes();
                let mut at = 0;
                loop {
                    at = scan::plain_end(bytes, at, [b':', b'#']);
                    match bytes.get(at) {
                        None => break,
                        Some(b':') if matches!(bytes.get(at + 1), None | Some(b' ')) => return None,
                        Some(b'#') if bytes[at - 1] == b' ' => return None,
                        Some(_) => at += 1,
                    }
                }
                Content::Scalar(Scalar { text: Cow::Borrowed(text), plain: true })
            }
            _ => return None,
        };
        let length = if matches!(content, Content::List(_)) { 1 } else { text.len() };
        let node = Node { place: line.place(length), content };
        self.advance()?;
        // Deeper lines would be the scalar's own.
        self.next.is_none_or(|next| next.indent() <= indent).then_some(node)
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

//! From text to tree, one character after the other, as package `regexp/syntax` goes.

use std::ops::Range;

use super::characters::{perl_class, posix_class, unicode_class, Set};
use super::tree::{Assertion, Node};
use super::{RegexError, RegexErrorKind, MAX_LENGTH, MAX_NESTING, MAX_REPEAT, MAX_SIZE, MAX_TAG};

/// The flags that change what a pattern matches. `(?U)` swaps greedy and lazy, which doesn't.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_all: bool,
}

/// A node with the measures that are bounded.
struct Part {
    node: Node,
    height: u32,
    /// As Go counts it (`calcSize` in `regexp/syntax`).
    size: u32,
    /// The largest product of nested repetitions.
    copies: u32,
}

impl Part {
    fn leaf(node: Node) -> Part {
        Part { node, height: 1, size: 1, copies: 1 }
    }

    /// One node above others.
    fn above(parts: Vec<Part>, node: impl FnOnce(Vec<Node>) -> Node, extra: u32) -> Part {
        let height = 1 + parts.iter().map(|part| part.height).max().unwrap_or(0);
        let copies = parts.iter().map(|part| part.copies).max().unwrap_or(1);
        let size = parts.iter().fold(extra, |size, part| size.saturating_add(part.size)).max(1);
        Part { node: node(parts.into_iter().map(|part| part.node).collect()), height, size, copies }
    }

    /// Of more repetitions than a tag has characters some match nothing, and how many of those
    /// there are makes no difference; so the counts are cut to keep the compiled pattern small.
    fn repeat(self, min: u32, max: Option<u32>) -> Part {
        const ENOUGH: u32 = MAX_TAG as u32 + 1;
        let copies = match max {
            Some(0) => 1,
            Some(max) => self.copies.saturating_mul(max),
            None => self.copies.saturating_mul(min.max(1)),
        };
        let (min, max) = (min.min(ENOUGH), max.map(|max| max.min(ENOUGH)));
        let size = match max {
            None if min == 0 => self.size.saturating_add(2),
            None => self.size.saturating_mul(min).saturating_add(1),
            Some(max) => self.size.saturating_mul(max).saturating_add(max - min),
        };
        let node = Node::Repeat { node: Box::new(self.node), min, max };
        Part { node, height: self.height + 1, size: size.max(1), copies }
    }
}

/// An open group, and at the bottom of the stack the whole pattern.
struct Group {
    open: usize,
    /// The flags to go back to.
    flags: Flags,
    branches: Vec<Part>,
    items: Vec<Part>,
}

impl Group {
    fn new(open: usize, flags: Flags) -> Group {
        Group { open, flags, branches: Vec::new(), items: Vec::new() }
    }

    fn end_branch(&mut self) {
        let mut items = std::mem::take(&mut self.items);
        self.branches.push(match items.len() {
            0 => Part::leaf(Node::Empty),
            1 => items.remove(0),
            _ => Part::above(items, Node::Sequence, 0),
        });
    }

    fn close(mut self) -> Part {
        self.end_branch();
        match self.branches.len() {
            1 => self.branches.remove(0),
            n => Part::above(self.branches, Node::Alternation, n as u32 - 1),
        }
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    flags: Flags,
    outer: Vec<Group>,
    group: Group,
    /// Whether a `:]` may still follow; looked for once, so that time stays linear.
    named_classes: bool,
}

pub(super) type Parsed<T> = Result<T, RegexError>;

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let flags = Flags::default();
        Parser { text, at: 0, flags, outer: Vec::new(), group: Group::new(0, flags), named_classes: true }
    }

    pub(super) fn parse(mut self) -> Parsed<Node> {
        if self.text.len() > MAX_LENGTH {
            return self.error(RegexErrorKind::TooLong, 0..self.text.len(), None);
        }
        // Where the repetition just read begins; Go refuses another one straight after it.
        let mut repetition = None;
        while let Some(character) = self.peek() {
            let start = self.at;
            let previous = repetition.take();
            match character {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.at += 1;
                    self.group.end_branch();
                }
                '*' | '+' | '?' => {
                    self.at += 1;
                    let (min, max) = match character {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(start, previous, min, max)?;
                    repetition = Some(previous.unwrap_or(start));
                }
                '{' => match self.counts() {
                    Some((min, max)) => {
                        self.check_counts(start, min, max)?;
                        self.repeat(start, previous, min, max)?;
                        repetition = Some(previous.unwrap_or(start));
                    }
                    None => {
                        self.at += 1;
                        self.push_character('{' as u32)?;
                    }
                },
                _ => self.atom(character)?,
            }
        }
        if !self.outer.is_empty() {
            let open = self.group.open;
            return self.error(RegexErrorKind::UnclosedGroup, open..open + 1, None);
        }
        let part = self.group.close();
        check_bounds(&part, 0..self.text.len())?;
        Ok(part.node)
    }

    fn atom(&mut self, character: char) -> Parsed<()> {
        let start = self.at;
        match character {
            '^' if self.flags.multi_line => self.assertion(1, Assertion::LineStart),
            '^' => self.assertion(1, Assertion::TextStart),
            '$' if self.flags.multi_line => self.assertion(1, Assertion::LineEnd),
            '$' => self.assertion(1, Assertion::TextEnd),
            '.' => {
                self.at += 1;
                self.push_set(start, if self.flags.dot_all { Set::ALL } else { Set::NEWLINE.not() })
            }
            '[' => {
                let set = self.class()?;
                self.push_set(start, set)
            }
            '\\' => match self.second() {
                Some('A') => self.assertion(2, Assertion::TextStart),
                Some('z') => self.assertion(2, Assertion::TextEnd),
                Some('b') => self.assertion(2, Assertion::WordBoundary),
                Some('B') => self.assertion(2, Assertion::NoWordBoundary),
                Some('Q') => self.quoted(),
                _ => match self.class_escape()? {
                    Some(set) => self.push_set(start, set),
                    None => {
                        let code_point = self.escape()?;
                        self.push_character(code_point)
                    }
                },
            },
            _ => {
                self.at += character.len_utf8();
                self.push_character(character as u32)
            }
        }
    }

    /// `\Q…\E`; without an end it runs to the end of the pattern.
    fn quoted(&mut self) -> Parsed<()> {
        self.at += 2;
        let rest = self.rest();
        let (quoted, length) = match rest.find(r"\E") {
            Some(end) => (&rest[..end], end + 2),
            None => (rest, rest.len()),
        };
        for character in quoted.chars() {
            self.push_character(character as u32)?;
        }
        self.at += length;
        Ok(())
    }

    fn assertion(&mut self, length: usize, assertion: Assertion) -> Parsed<()> {
        let start = self.at;
        self.at += length;
        self.push(start, Part::leaf(Node::Assertion(assertion)))
    }

    fn push_character(&mut self, code_point: u32) -> Parsed<()> {
        let set = Set::of_code_points(code_point, code_point, self.flags.fold);
        self.push_set(self.at, set)
    }

    fn push_set(&mut self, start: usize, set: Set) -> Parsed<()> {
        self.push(start, Part::leaf(Node::Set(set)))
    }

    fn push(&mut self, start: usize, part: Part) -> Parsed<()> {
        check_bounds(&part, start..self.at)?;
        self.group.items.push(part);
        Ok(())
    }

    /// What stands after `(`: a group, or flags that hold to the end of the group around them.
    fn open(&mut self) -> Parsed<()> {
        let start = self.at;
        let rest = self.rest();
        if !rest.starts_with("(?") {
            self.at += 1;
            return self.enter(start, self.flags);
        }
        // Go wants one more byte after `<`, or else reads `<` as a flag; both are errors.
        let name_start = if rest.starts_with("(?P<") && rest.len() > 4 {
            4
        } else if rest.starts_with("(?<") && rest.len() > 3 {
            3
        } else {
            return self.flags();
        };
        let end = rest.find('>');
        let name = &rest[name_start..end.unwrap_or(rest.len()).max(name_start)];
        if name_start == 3 && name.starts_with(['=', '!']) {
            return self.error(RegexErrorKind::LookAround, start..start + 4, Some(NO_LOOK_AROUND));
        }
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match end {
            Some(end) if !name.is_empty() && name.bytes().all(valid) => {
                self.at += end + 1;
                self.enter(start, self.flags)
            }
            Some(end) => self.error(RegexErrorKind::GroupName, start..start + end + 1, None),
            None => {
                self.error(RegexErrorKind::GroupName, start..self.text.len(), Some("end the name with `>`"))
            }
        }
    }

    /// `(?flags)` or `(?flags:`.
    fn flags(&mut self) -> Parsed<()> {
        let start = self.at;
        let mut flags = self.flags;
        let mut on = true;
        let mut seen = false;
        self.at += 2;
        while let Some(character) = self.peek() {
            self.at += character.len_utf8();
            match character {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                'U' => {}
                '-' if on => {
                    on = false;
                    seen = false;
                    continue;
                }
                ':' | ')' if on || seen => {
                    if character == ':' {
                        return self.enter(start, flags);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            seen = true;
        }
        let (kind, hint) = match self.text.as_bytes().get(start + 2) {
            Some(b'=' | b'!') => (RegexErrorKind::LookAround, Some(NO_LOOK_AROUND)),
            Some(b'>') => (
                RegexErrorKind::UnknownGroup,
                Some("write `(?:…)`: Go never backtracks, so no group is atomic"),
            ),
            Some(b'#') => (RegexErrorKind::UnknownGroup, Some("leave the comment out")),
            Some(b'\'' | b'P') => {
                (RegexErrorKind::UnknownGroup, Some("a named group is written `(?P<name>…)`"))
            }
            Some(b'(' | b'|' | b'&' | b'R' | b'0'..=b'9' | b'+') => (RegexErrorKind::UnknownGroup, None),
            _ => (RegexErrorKind::UnknownGroup, Some("Go's flags are `i`, `m`, `s` and `U`")),
        };
        self.error(kind, start..self.at, hint)
    }

    fn enter(&mut self, open: usize, inside: Flags) -> Parsed<()> {
        if self.outer.len() as u32 >= MAX_NESTING {
            return self.error(RegexErrorKind::TooDeep, open..self.at, None);
        }
        let group = Group::new(open, self.flags);
        self.outer.push(std::mem::replace(&mut self.group, group));
        self.flags = inside;
        Ok(())
    }

    fn close(&mut self) -> Parsed<()> {
        let start = self.at;
        self.at += 1;
        let Some(outer) = self.outer.pop() else {
            return self.error(
                RegexErrorKind::UnexpectedParenthesis,
                start..self.at,
                Some(r"write `\)` for the character"),
            );
        };
        let group = std::mem::replace(&mut self.group, outer);
        self.flags = group.flags;
        let open = group.open;
        let mut part = group.close();
        // A capture is two steps to Go; counted for every group, as the bound is ours anyway.
        part.size = part.size.saturating_add(2);
        self.push(open, part)
    }

    /// Repeats the item before `start`; `previous` is where a repetition straight before it begins.
    fn repeat(&mut self, start: usize, previous: Option<usize>, min: u32, max: Option<u32>) -> Parsed<()> {
        if self.peek() == Some('?') {
            self.at += 1;
        }
        if let Some(previous) = previous {
            let hint = match &self.text[start..self.at] {
                "+" => Some("Go never backtracks, so nothing is possessive: leave the second `+` out"),
                _ => Some("put the first repetition in a group: `(?:a*)*`"),
            };
            return self.error(RegexErrorKind::RepeatedRepetition, previous..self.at, hint);
        }
        let Some(item) = self.group.items.pop() else {
            return self.error(
                RegexErrorKind::NothingToRepeat,
                start..self.at,
                nothing_to_repeat(self.text, start),
            );
        };
        let part = item.repeat(min, max);
        if (min >= 2 || max.is_some_and(|max| max >= 2)) && part.copies > MAX_REPEAT {
            return self.error(RegexErrorKind::RepeatTooLarge, start..self.at, None);
        }
        self.push(start, part)
    }

    /// `{n}`, `{n,}` or `{n,m}`, passed over; or `None` where `{` is an ordinary character.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        let inside = &self.rest()[1..];
        let end = inside.find(|c: char| !c.is_ascii_digit() && c != ',')?;
        if !inside[end..].starts_with('}') {
            return None;
        }
        let (min, max) = match inside[..end].split_once(',') {
            None => {
                let count = decimal(&inside[..end])?;
                (count, Some(count))
            }
            Some((min, "")) => (decimal(min)?, None),
            Some((min, max)) => (decimal(min)?, Some(decimal(max)?)),
        };
        self.at += 1 + end + 1;
        Some((min, max))
    }

    fn check_counts(&self, start: usize, min: u32, max: Option<u32>) -> Parsed<()> {
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT) {
            return self.error(RegexErrorKind::RepeatTooLarge, start..self.at, None);
        }
        if max.is_some_and(|max| max < min) {
            return self.error(RegexErrorKind::ReversedRepeat, start..self.at, None);
        }
        Ok(())
    }

    /// `[…]`.
    fn class(&mut self) -> Parsed<Set> {
        let open = self.at;
        self.at += 1;
        let negated = self.peek() == Some('^');
        if negated {
            self.at += 1;
        }
        let mut set = Set::NONE;
        // A `]` that comes first is an ordinary character.
        let mut first = true;
        while first || self.peek() != Some(']') {
            first = false;
            if let Some(named) = self.named_class()? {
                set = set.or(named);
                continue;
            }
            if let Some(escaped) = self.class_escape()? {
                set = set.or(escaped);
                continue;
            }
            let start = self.at;
            let low = self.class_character(open)?;
            let mut high = low;
            if self.peek() == Some('-') && self.second().is_some_and(|next| next != ']') {
                self.at += 1;
                high = self.class_character(open)?;
                if high < low {
                    let hint = Some("put a `-` that is meant as a character first or last in the class");
                    return self.error(RegexErrorKind::ReversedRange, start..self.at, hint);
                }
            }
            set = set.or(Set::of_code_points(low, high, self.flags.fold));
        }
        self.at += 1;
        Ok(if negated { set.not() } else { set })
    }

    fn class_character(&mut self, open: usize) -> Parsed<u32> {
        match self.peek() {
            None => self.error(
                RegexErrorKind::UnclosedClass,
                open..self.text.len(),
                Some("end the class with `]`"),
            ),
            Some('\\') => self.escape(),
            Some(character) => {
                self.at += character.len_utf8();
                Ok(character as u32)
            }
        }
    }

    /// `[:name:]` inside a class. Go looks for the `:]` in all the rest of the pattern.
    fn named_class(&mut self) -> Parsed<Option<Set>> {
        let rest = self.rest();
        if !self.named_classes || !rest.starts_with("[:") {
            return Ok(None);
        }
        let Some(end) = rest[2..].find(":]") else {
            self.named_classes = false;
            return Ok(None);
        };
        let start = self.at;
        let name = &rest[2..2 + end];
        self.at += 2 + end + 2;
        let (name, negated) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let Some(set) = posix_class(name) else {
            return self.error(RegexErrorKind::UnknownClass, start..self.at, None);
        };
        let set = if self.flags.fold { set.folded() } else { set };
        Ok(Some(if negated { set.not() } else { set }))
    }

    /// `\d`, `\pL`, `\p{Lu}` and the like.
    fn class_escape(&mut self) -> Parsed<Option<Set>> {
        let Some(letter) = self.second().filter(|_| self.peek() == Some('\\')) else {
            return Ok(None);
        };
        if let Some(set) = perl_class(letter) {
            self.at += 2;
            return Ok(Some(set));
        }
        if letter != 'p' && letter != 'P' {
            return Ok(None);
        }
        let start = self.at;
        let rest = &self.rest()[2..];
        let (name, length) = match rest.chars().next() {
            Some('{') => match rest.find('}') {
                Some(end) => (&rest[1..end], end + 1),
                None => {
                    return self.error(
                        RegexErrorKind::UnknownClass,
                        start..self.text.len(),
                        Some("end the name with `}`"),
                    )
                }
            },
            Some(character) => (&rest[..character.len_utf8()], character.len_utf8()),
            None => ("", 0),
        };
        self.at += 2 + length;
        let (name, negated) = match name.strip_prefix('^') {
            Some(name) => (name, letter == 'p'),
            None => (name, letter == 'P'),
        };
        let Some(set) = unicode_class(name) else {
            let hint = Some("tags are ASCII: write `[A-Za-z]`, `[0-9]` or the like");
            return self.error(RegexErrorKind::UnknownClass, start..self.at, hint);
        };
        // Only these two categories have letters of the other case beside them.
        let folds = self.flags.fold && matches!(name, "Ll" | "Lu");
        let set = if folds { set.folded() } else { set };
        Ok(Some(if negated { set.not() } else { set }))
    }

    /// The code point of an escaped character.
    fn escape(&mut self) -> Parsed<u32> {
        let start = self.at;
        self.at += 1;
        let Some(character) = self.next() else {
            return self.error(
                RegexErrorKind::TrailingBackslash,
                start..self.at,
                Some(r"write `\\` for a backslash"),
            );
        };
        let octal = |next: Option<char>| next.and_then(|next| next.to_digit(8));
        match character {
            '0'..='7' if character == '0' || octal(self.peek()).is_some() => {
                let mut code_point = u32::from(character as u8 - b'0');
                for _ in 0..2 {
                    let Some(digit) = octal(self.peek()) else { break };
                    code_point = code_point * 8 + digit;
                    self.at += 1;
                }
                Ok(code_point)
            }
            '1'..='9' => self.error(
                RegexErrorKind::BackReference,
                start..self.at,
                Some("write what the group matches once more"),
            ),
            'x' => match self.hexadecimal() {
                Some(code_point) => Ok(code_point),
                None => self.error(
                    RegexErrorKind::UnknownEscape,
                    start..self.at,
                    Some(r"write `\x2e` or `\x{2e}`"),
                ),
            },
            'a' => Ok(0x07),
            'f' => Ok(0x0c),
            'n' => Ok('\n' as u32),
            'r' => Ok('\r' as u32),
            't' => Ok('\t' as u32),
            'v' => Ok(0x0b),
            punctuation if punctuation.is_ascii() && !punctuation.is_ascii_alphanumeric() => {
                Ok(punctuation as u32)
            }
            other => {
                let hint = match other {
                    'Z' => Some(r"write `\z` or `$` for the end of the tag"),
                    'G' => Some(r"write `\A` or `^` for the start of the tag"),
                    'b' => Some(r"in a class write `\x08` for a backspace"),
                    'h' => Some(r"write `[ \t]`"),
                    'e' => Some(r"write `\x1b`"),
                    'u' | 'U' => Some(r"write `\x{41}`"),
                    'g' | 'k' => Some("Go has no back-references"),
                    _ => None,
                };
                self.error(RegexErrorKind::UnknownEscape, start..self.at, hint)
            }
        }
    }

    /// What stands after `\x`: two digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        if self.peek() != Some('{') {
            let high = self.next()?.to_digit(16)?;
            let low = self.next()?.to_digit(16)?;
            return Some(high * 16 + low);
        }
        self.at += 1;
        let mut code_point = None;
        loop {
            match self.next()? {
                '}' => return code_point,
                digit => {
                    let value = code_point.unwrap_or(0) * 16 + digit.to_digit(16)?;
                    code_point = Some(value).filter(|value| *value <= char::MAX as u32);
                    code_point?;
                }
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The character after the next one.
    fn second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn error<T>(&self, kind: RegexErrorKind, span: Range<usize>, hint: Option<&'static str>) -> Parsed<T> {
        Err(RegexError { kind, span, hint })
    }
}

const NO_LOOK_AROUND: &str = "say what the whole tag looks like instead, as in `^22(-slim)?$`";

/// People who think of shell patterns begin with `*`.
fn nothing_to_repeat(text: &str, start: usize) -> Option<&'static str> {
    match text.as_bytes().get(start) {
        Some(b'*') => Some("write `.*` for anything; a pattern may match anywhere in a tag anyway"),
        Some(b'{') => Some(r"write `\{` for the character"),
        _ => None,
    }
}

/// A decimal number as Go reads a repeat count: no sign, no leading zero; too large is the largest.
fn decimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

fn check_bounds(part: &Part, span: Range<usize>) -> Parsed<()> {
    let kind = if part.height > MAX_NESTING {
        RegexErrorKind::TooDeep
    } else if part.size > MAX_SIZE {
        RegexErrorKind::TooLarge
    } else {
        return Ok(());
    };
    Err(RegexError { kind, span, hint: None })
}

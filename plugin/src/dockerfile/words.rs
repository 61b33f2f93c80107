//! One logical line as keyword, flags and arguments.
//!
//! ```text
//! line      = keyword { "--flag" ["=" value] } arguments
//! arguments = JSON list of strings | words | one text | name=value pairs, by keyword
//! ```
//!
//! The rules are those of BuildKit's `frontend/dockerfile/parser` (dockerfile/1.26).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::error::LineError;
use super::json;

/// A word and where it stands in its logical line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The word as BuildKit passes it on.
    pub text: String,
    /// Bytes of the logical line.
    pub span: Range<usize>,
}

/// A line that was split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which instruction it is, whatever its case.
    pub keyword: Keyword,
    /// The keyword as it is written.
    pub keyword_span: Range<usize>,
    /// `--name` or `--name=value`, quotes and escapes removed.
    pub flags: Vec<Word>,
    /// By keyword: words, one text, elements of a JSON list; ENV and LABEL have name, value, name, …
    /// A command has no text here, only its place: no image depends on it.
    pub arguments: Vec<Word>,
    /// Whether the arguments were a JSON list.
    pub json: bool,
    /// What ONBUILD stands before.
    pub trigger: Option<Box<Node>>,
    /// Everything behind the flags.
    pub rest: Range<usize>,
}

/// How deep ONBUILD ONBUILD … is looked into; two are an error already.
const MAX_TRIGGERS: usize = 4;

/// Blanks between words; other Unicode blanks are part of a word.
pub fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// Lower case as far as it can lead to ASCII letters.
///
/// What is compared are keywords, flags and names, all ASCII, and besides the letters themselves
/// only the Kelvin sign and the dotted capital I become such (Go 1.26, `unicode.ToLower`). The
/// tables for the rest would be a twentieth of the module.
pub fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let lower = |c| match c {
        '\u{212a}' => 'k',
        '\u{130}' => 'i',
        c => c.to_ascii_lowercase(),
    };
    text.chars().map(lower).collect()
}

/// Upper case as far as it can lead to ASCII letters: besides those, the long s and the dotless i do
/// (Go 1.26, `unicode.ToUpper`).
pub fn upper(text: &str) -> String {
    let upper = |c| match c {
        '\u{17f}' => 'S',
        '\u{131}' => 'I',
        c => c.to_ascii_uppercase(),
    };
    text.chars().map(upper).collect()
}

macro_rules! keywords {
    ($($variant:ident $name:literal,)*) => {
        /// What an instruction begins with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "they are BuildKit's instructions")]
        pub enum Keyword {
            $($variant,)*
            /// None that BuildKit knows.
            Unknown,
        }

        /// The instructions.
        pub const KEYWORDS: &[&str] = &[$($name,)*];
        const BY_INDEX: &[Keyword] = &[$(Keyword::$variant,)*];
    };
}

keywords! {
    Add "ADD",
    Arg "ARG",
    Cmd "CMD",
    Copy "COPY",
    Entrypoint "ENTRYPOINT",
    Env "ENV",
    Expose "EXPOSE",
    From "FROM",
    HealthCheck "HEALTHCHECK",
    Label "LABEL",
    Maintainer "MAINTAINER",
    OnBuild "ONBUILD",
    Run "RUN",
    Shell "SHELL",
    StopSignal "STOPSIGNAL",
    User "USER",
    Volume "VOLUME",
    Workdir "WORKDIR",
}

impl Keyword {
    /// The keyword that a word is, in any case.
    fn of(word: &str) -> Self {
        let find = |word: &str| KEYWORDS.iter().position(|known| known.eq_ignore_ascii_case(word));
        let found = if word.is_ascii() { find(word) } else { find(&lower(word)) };
        found.map_or(Keyword::Unknown, |found| BY_INDEX[found])
    }

    /// In upper case; empty for an unknown one.
    pub fn name(self) -> &'static str {
        KEYWORDS.get(self as usize).copied().unwrap_or_default()
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Node {
    /// Splits a line; the errors have their place in the line.
    pub fn parse(line: &str, escape: char) -> Result<Self, (LineError, Range<usize>)> {
        Node::parse_at(line, 0..line.len(), escape, 0)
    }

    fn parse_at(
        line: &str,
        range: Range<usize>,
        escape: char,
        depth: usize,
    ) -> Result<Self, (LineError, Range<usize>)> {
        let whole = trim(line, range);
        let keyword_end = line[whole.clone()].find(is_blank).map_or(whole.end, |at| whole.start + at);
        let keyword_span = whole.start..keyword_end;
        let keyword = Keyword::of(&line[keyword_span.clone()]);
        let behind = line[keyword_end..whole.end].trim_start_matches(is_blank).len();
        let (flags, rest) = split_flags(line, whole.end - behind..whole.end, escape);
        let rest = trim(line, rest);
        let mut node = Node {
            keyword,
            keyword_span,
            flags,
            arguments: Vec::new(),
            json: false,
            trigger: None,
            rest: rest.clone(),
        };
        let is_empty = rest.is_empty();
        match keyword {
            Keyword::From | Keyword::Expose => node.arguments = blank_separated(line, rest),
            Keyword::Add | Keyword::Copy | Keyword::Volume if !node.read_json(line, rest.clone())? => {
                node.arguments = blank_separated(line, rest);
            }
            Keyword::Run | Keyword::Cmd | Keyword::Entrypoint | Keyword::Shell
                if !is_empty && !node.read_json(line, rest.clone())? =>
            {
                node.arguments = vec![Word { text: String::new(), span: rest }];
            }
            Keyword::Maintainer | Keyword::StopSignal | Keyword::User | Keyword::Workdir if !is_empty => {
                node.arguments = vec![word(line, rest)];
            }
            Keyword::Arg => {
                let words = quoted_words(line, rest, escape);
                node.arguments =
                    words.map(|Quoted { text, span }| Word { text: text.to_owned(), span }).collect();
            }
            Keyword::Env | Keyword::Label => node.arguments = pairs(line, rest, escape, keyword)?,
            Keyword::HealthCheck => node.read_healthcheck(line, rest)?,
            Keyword::OnBuild if !is_empty && depth < MAX_TRIGGERS => {
                let trigger = Node::parse_at(line, rest, escape, depth + 1)?;
                node.trigger = Some(Box::new(trigger));
            }
            _ => {}
        }
        Ok(node)
    }

    /// The whole of the arguments, or the keyword where there are none.
    pub fn span(&self) -> Range<usize> {
        if self.rest.is_empty() {
            self.keyword_span.clone()
        } else {
            self.rest.clone()
        }
    }

    /// Reads a JSON list; `false` where the arguments are none.
    fn read_json(&mut self, line: &str, rest: Range<usize>) -> Result<bool, (LineError, Range<usize>)> {
        match json::list(line[rest.clone()].trim_start()) {
            None => return Ok(false),
            Some(json::List::Mixed) => return Err((LineError::JsonElement, rest)),
            Some(json::List::Strings(strings)) => {
                let words = strings.into_iter().map(|text| Word { text, span: rest.clone() });
                self.arguments.extend(words);
            }
        }
        self.json = true;
        Ok(true)
    }

    /// `CMD command` or `NONE`; BuildKit looks at bytes here, so a byte of a longer character can be
    /// a blank.
    fn read_healthcheck(&mut self, line: &str, rest: Range<usize>) -> Result<(), (LineError, Range<usize>)> {
        let bytes = line[rest.clone()].as_bytes();
        let end = bytes.iter().position(|byte| is_space_byte(*byte)).unwrap_or(bytes.len());
        if end == 0 {
            return Ok(());
        }
        let next =
            bytes[end..].iter().position(|byte| !is_space_byte(*byte)).map_or(bytes.len(), |n| end + n);
        let kind = rest.start..rest.start + end;
        let command = rest.start + next..rest.end;
        self.arguments.push(lossy_word(line, kind));
        if !line.is_char_boundary(command.start) {
            self.arguments.push(lossy_word(line, command));
        } else if !command.is_empty() && !self.read_json(line, command.clone())? {
            self.arguments.push(word(line, command));
        }
        Ok(())
    }
}

fn word(line: &str, span: Range<usize>) -> Word {
    Word { text: line[span.clone()].to_owned(), span }
}

fn lossy_word(line: &str, span: Range<usize>) -> Word {
    Word { text: String::from_utf8_lossy(&line.as_bytes()[span.clone()]).into_owned(), span }
}

fn trim(line: &str, range: Range<usize>) -> Range<usize> {
    let text = &line[range.clone()];
    let start = range.end - text.trim_start().len();
    start..start + line[start..range.end].trim_end().len()
}

fn is_space_byte(byte: u8) -> bool {
    char::from(byte).is_whitespace()
}

fn blank_separated(line: &str, range: Range<usize>) -> Vec<Word> {
    let bytes = line.as_bytes();
    let is_blank = |at: &usize| is_blank(char::from(bytes[*at]));
    let mut words = Vec::with_capacity(4);
    let mut at = range.start;
    while at < range.end {
        let end = (at..range.end).find(is_blank).unwrap_or(range.end);
        if end > at {
            words.push(word(line, at..end));
        }
        at = end + 1;
    }
    words
}

/// Takes `--flag` words off the front. BuildKit goes byte by byte here: each byte of a character
/// beyond ASCII becomes a character of its own, and the bytes 85 and A0 are blanks.
fn split_flags(line: &str, range: Range<usize>, escape: char) -> (Vec<Word>, Range<usize>) {
    let bytes = line.as_bytes();
    let end = range.end;
    let mut flags = Vec::new();
    let mut at = range.start;
    loop {
        while at < end && is_space_byte(bytes[at]) {
            at += 1;
        }
        // A character that was cut in two is no flag, and its rest no argument that means anything.
        while at < end && !line.is_char_boundary(at) {
            at += 1;
        }
        if at >= end || !line[at..end].starts_with("--") {
            return (flags, at..end);
        }
        let start = at;
        let is_special =
            |byte: &u8| !byte.is_ascii() || matches!(byte, b'\'' | b'"') || *byte == escape as u8;
        let length = bytes[start..end].iter().position(|byte| is_space_byte(*byte) || is_special(byte));
        let plain_end = length.map_or(end, |length| start + length);
        if plain_end > start + 2 && !bytes[plain_end..end].first().is_some_and(is_special) {
            flags.push(word(line, start..plain_end));
            at = plain_end;
            continue;
        }
        let mut text = String::new();
        let mut quote = None;
        let mut quoted = false;
        while at < end {
            let mut c = char::from(bytes[at]);
            at += 1;
            match quote {
                None if c.is_whitespace() => {
                    at -= 1;
                    break;
                }
                None if c == '\'' || c == '"' => {
                    quote = Some(c);
                    quoted = true;
                    continue;
                }
                Some(open) if c == open => {
                    quote = None;
                    continue;
                }
                _ => {}
            }
            if c == escape {
                if at == end {
                    break;
                }
                c = char::from(bytes[at]);
                at += 1;
            }
            text.push(c);
        }
        if text == "--" {
            while !line.is_char_boundary(at) {
                at += 1;
            }
            return (flags, at..end);
        }
        if quoted || !text.is_empty() {
            flags.push(Word { text, span: start..at });
        }
    }
}

/// A word that still has its quotes and escapes.
struct Quoted<'t> {
    text: &'t str,
    span: Range<usize>,
}

/// Words of ENV, LABEL and ARG: blanks in quotes or behind an escape don't end a word, and both
/// stay in the text for the expansion.
fn quoted_words(line: &str, range: Range<usize>, escape: char) -> impl Iterator<Item = Quoted<'_>> {
    let text = &line[..range.end];
    let is_plain =
        move |byte: &&u8| byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"') && **byte != escape as u8;
    let mut at = range.start;
    std::iter::from_fn(move || loop {
        at = text.len() - text[at..].trim_start().len();
        let start = at;
        let mut text_end = None;
        let mut quote = None;
        loop {
            at += text.as_bytes()[at..].iter().take_while(is_plain).count();
            let Some(c) = text[at..].chars().next() else { break };
            match quote {
                None if c.is_whitespace() => break,
                None if c == '\'' || c == '"' => quote = Some(c),
                Some(open) if c == open => quote = None,
                _ => {}
            }
            let behind = at + c.len_utf8();
            at = match text[behind..].chars().next() {
                _ if c != escape || quote == Some('\'') => behind,
                Some(escaped) => behind + escaped.len_utf8(),
                // At the very end an escape means nothing.
                None => {
                    text_end = Some(at);
                    behind
                }
            };
        }
        let word = Quoted { text: &text[start..text_end.unwrap_or(at)], span: start..at };
        if word.span.is_empty() {
            return None;
        }
        if !word.text.is_empty() {
            return Some(word);
        }
    })
}

fn pairs(
    line: &str,
    range: Range<usize>,
    escape: char,
    keyword: Keyword,
) -> Result<Vec<Word>, (LineError, Range<usize>)> {
    let mut words = quoted_words(line, range.clone(), escape).peekable();
    let Some(first) = words.peek() else { return Ok(Vec::new()) };
    if !first.text.contains('=') {
        let text = &line[range.clone()];
        let Some(blank) = text.find(is_blank) else {
            return Err((LineError::NoValue { keyword }, range));
        };
        let value = range.end - text[blank..].trim_start_matches(is_blank).len();
        return Ok(vec![word(line, range.start..range.start + blank), word(line, value..range.end)]);
    }
    let mut pairs = Vec::with_capacity(4);
    for Quoted { text, span } in words {
        let Some((name, value)) = text.split_once('=') else {
            return Err((LineError::NotAPair { keyword, word: text.to_owned() }, span));
        };
        let middle = (span.start + name.len() + 1).min(span.end);
        pairs.push(Word { text: name.to_owned(), span: span.start..middle });
        pairs.push(Word { text: value.to_owned(), span: middle..span.end });
    }
    Ok(pairs)
}

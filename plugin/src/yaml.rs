//! YAML with positions: text to [`Node`]s, and [`Value`]s to text.
//!
//! Reading is YAML 1.2 events made a tree, with our own limits, and stricter than YAML where a
//! file that people and programs share needs it: one document, no duplicate keys, no aliases, no
//! merge keys, no tags but the core schema's. A plain scalar keeps its text, so `1.10` is `1.10`
//! to whoever wants a string.

mod quick;
mod value;

use std::borrow::Cow;
use std::cmp::Ordering;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

pub use value::{emit, emit_documents, is_ambiguous, Map, Value};

use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::scan::compare;
use crate::sorted::SortedSet;

/// How deep lists and maps may be nested.
pub const MAX_DEPTH: usize = 32;
/// How many nodes one file may hold.
pub const MAX_NODES: usize = 8_000_000;

/// The parser says where it stopped understanding, which is often behind the mistake.
const NOT_YAML: &str =
    "look here and in the line above for a quote or bracket that is not closed, or indentation";

/// A line with more bytes is not copied into what is said about it.
const MOST_SHOWN: usize = 1 << 16;

/// A file's name and text, for making places of it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The path that diagnostics name.
    pub file: &'a str,
    /// The whole text.
    pub text: &'a str,
}

impl Source<'_> {
    /// The location of a place in this file.
    pub fn location(&self, place: Place) -> Location {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        let line = match place.start {
            0 => text.split('\n').nth(place.line.saturating_sub(1) as usize),
            start => text.get(start as usize..).and_then(|rest| rest.split('\n').next()),
        };
        let line = line.filter(|line| line.len() <= MOST_SHOWN).unwrap_or_default().trim_end_matches('\r');
        let room = line.chars().count().saturating_sub(place.column.saturating_sub(1) as usize);
        Location {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            length: place.length.clamp(1, u32::try_from(room.max(1)).unwrap_or(u32::MAX)),
            source: line.to_owned(),
        }
    }

    /// An error at a place in this file.
    #[inline]
    pub fn error<'t>(&self, code: &str, place: Place, message: impl Into<Cow<'t, str>>) -> Diagnostic {
        self.place(Diagnostic::error(code, message), place)
    }

    /// A warning at a place in this file.
    #[inline]
    pub fn warning<'t>(&self, code: &str, place: Place, message: impl Into<Cow<'t, str>>) -> Diagnostic {
        self.place(Diagnostic::warning(code, message), place)
    }

    #[cold]
    #[inline(never)]
    fn place(&self, diagnostic: Diagnostic, place: Place) -> Diagnostic {
        diagnostic.at(self.location(place))
    }
}

/// Where a node starts, and how many characters of its first line it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Length in characters.
    pub length: u32,
    /// Where the line begins, in bytes behind a byte order mark; 0 where only its number is known. A
    /// thousand findings in one file are then a thousand lines to read, not as many files.
    pub start: u32,
}

impl Place {
    /// The part of a one-line scalar's place that a byte range of its text takes; the whole scalar
    /// where it is quoted, folded or holds more than ASCII, since the columns then differ.
    #[must_use]
    pub fn within(self, scalar: &Scalar<'_>, span: std::ops::Range<usize>) -> Place {
        if !scalar.plain || !scalar.text.is_ascii() || self.length as usize != scalar.text.len() {
            return self;
        }
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            column: self.column + number(span.start.min(scalar.text.len())),
            length: number(span.len().max(1)),
            ..self
        }
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            line: number(span.start.line()),
            column: number(span.start.col() + 1),
            length: number(span.len().max(1)),
            start: 0,
        }
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub content: Content<'a>,
}

/// What stands in a YAML file.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// A scalar.
    Scalar(Scalar<'a>),
    /// A list.
    List(Vec<Node<'a>>),
    /// A map, in the file's order; keys are unique.
    Map(Vec<(Key<'a>, Node<'a>)>),
}

/// A scalar's text, and whether it was written without quotes.
#[derive(Clone, Debug)]
pub struct Scalar<'a> {
    /// The text, after quotes and escapes.
    pub text: Cow<'a, str>,
    /// Not quoted, so a schema may read it as null, a boolean or a number.
    pub plain: bool,
}

impl Scalar<'_> {
    /// Whether YAML's core schema reads it as null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key<'a> {
    /// Where it stands.
    pub place: Place,
    /// Its text.
    pub text: Cow<'a, str>,
}

/// The entry of a key, looked for from the first.
pub(crate) fn find<'n, 'a>(entries: &'n [(Key<'a>, Node<'a>)], key: &str) -> Option<&'n (Key<'a>, Node<'a>)> {
    entries.iter().find(|(other, _)| {
        let other = other.text.as_ref();
        other.len() == key.len() && compare(other, key) == Ordering::Equal
    })
}

impl<'a> Node<'a> {
    /// Whether it is an empty or `null` scalar.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.is_null())
    }

    /// What it is, for messages: `a list`, `a map`, `a string`, `nothing`.
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar(scalar) if scalar.is_null() => "nothing",
            Content::Scalar(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }

    /// The same without places, to be changed and printed.
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(scalar) if scalar.is_null() => Value::Null,
            Content::Scalar(scalar) if scalar.plain && value::is_typed(&scalar.text) => {
                Value::Plain(scalar.text.to_string())
            }
            Content::Scalar(scalar) => Value::String(scalar.text.to_string()),
            Content::List(items) => Value::List(items.iter().map(Node::to_value).collect()),
            Content::Map(entries) => Value::Map(Map(entries
                .iter()
                .map(|(key, node)| (key.text.to_string(), node.to_value()))
                .collect())),
        }
    }

    /// Whether [`Node::to_value`] would give this.
    pub fn is(&self, value: &Value) -> bool {
        match (&self.content, value) {
            (Content::Scalar(scalar), Value::Null) => scalar.is_null(),
            (Content::Scalar(scalar), Value::Plain(text)) => {
                scalar.text == *text && scalar.plain && value::is_typed(text) && !scalar.is_null()
            }
            (Content::Scalar(scalar), Value::String(text)) => {
                scalar.text == *text && !scalar.is_null() && !(scalar.plain && value::is_typed(text))
            }
            (Content::List(nodes), Value::List(items)) => {
                nodes.len() == items.len() && nodes.iter().zip(items).all(|(node, item)| node.is(item))
            }
            (Content::Map(entries), Value::Map(map)) => {
                let is_pair = |((key, node), (name, value)): (&(Key<'_>, Node<'_>), &(String, Value))| {
                    key.text == *name && node.is(value)
                };
                entries.len() == map.0.len() && entries.iter().zip(&map.0).all(is_pair)
            }
            _ => false,
        }
    }
}

/// Reads one YAML document; `None` where the file holds nothing but comments or `null`.
///
/// # Errors
/// One diagnostic: the first thing that is not YAML, or not the YAML we read.
pub fn parse<'a>(source: Source<'a>) -> Result<Option<Node<'a>>, Diagnostics> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(source.text);
    if let Some(node) = quick::parse(text) {
        return Ok(Some(node));
    }
    parse_in_full(Source { file: source.file, text }).map_err(Diagnostics::from)
}

fn parse_in_full(source: Source<'_>) -> Read<Option<Node<'_>>> {
    let text = source.text;
    if let Some((at, c)) = text.char_indices().find(|(_, c)| is_forbidden(*c)) {
        let location = Location::of(source.file, text, at..at + c.len_utf8());
        let code = u32::from(c);
        return Err(Diagnostic::error("IF0101", format!("character U+{code:04X} is not allowed in YAML"))
            .at(location)
            .hint("delete it, or write it as an escape in a double-quoted string"));
    }
    Reader { source, parser: Parser::new_from_str(text), nodes: 0, line: 1, start: 0 }.document()
}

/// The characters that YAML 1.2 section 5.1 leaves out, of which the parser takes NUL for the end.
fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}')
}

struct Reader<'a> {
    source: Source<'a>,
    parser: Parser<'a, StrInput<'a>>,
    nodes: usize,
    /// A line, and where it begins: events come line after line.
    line: u32,
    start: usize,
}

type Read<T> = Result<T, Diagnostic>;

impl<'a> Reader<'a> {
    fn document(&mut self) -> Read<Option<Node<'a>>> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root.filter(|node: &Node<'a>| !node.is_null())),
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self
                        .source
                        .error(
                            "IF0104",
                            span.into(),
                            "a second document begins here; the file must be one document",
                        )
                        .hint("put each list or map into a file of its own, or delete the `---`"));
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Read<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let place = Place::from(Span::empty(*error.marker()));
                // The parser reports a tab at the start of the scalar that it thinks goes on there.
                let lines = self.source.text.lines().enumerate().skip(place.line.saturating_sub(1) as usize);
                let tab = lines.take(2).find_map(|(at, line)| {
                    let blanks = line.len() - line.trim_start_matches(' ').len();
                    line[blanks..].starts_with('\t').then(|| (at + 1, blanks + 1))
                });
                Err(match tab {
                    Some((line, column)) => {
                        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                        let place = Place { line: number(line), column: number(column), length: 1, start: 0 };
                        self.source
                            .error(
                                "IF0103",
                                place,
                                "a tab indents this line, and YAML allows only spaces there",
                            )
                            .hint("replace the tab by spaces")
                    }
                    None => self
                        .source
                        .error("IF0102", place, format!("not YAML: {}", error.info()))
                        .hint(NOT_YAML),
                })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place(&mut self, span: Span) -> Place {
        let mut place = Place::from(span);
        if place.line < self.line {
            (self.line, self.start) = (1, 0);
        }
        while self.line < place.line {
            let rest = &self.source.text[self.start..];
            self.start += rest.find('\n').map_or(rest.len(), |end| end + 1);
            self.line += 1;
        }
        place.start = u32::try_from(self.start).unwrap_or_default();
        place
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Read<Node<'a>> {
        let place = self.place(span);
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(self.source.error("IF0105", place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if self.nodes > MAX_NODES {
            return Err(self.source.error(
                "IF0105",
                place,
                format!("more than {MAX_NODES} values in one file"),
            ));
        }
        let content = match event {
            Event::Scalar(text, style, _, tag) => self.scalar(text, style, tag.as_deref(), place)?,
            Event::SequenceStart(_, tag) => {
                self.core_tag(tag.as_deref(), "seq", place)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Content::List(items),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(_, tag) => {
                self.core_tag(tag.as_deref(), "map", place)?;
                Content::Map(self.entries(depth)?)
            }
            Event::Alias(_) => return Err(self.alias(place)),
            _ => {
                let message = "not YAML: a value was expected";
                return Err(self.source.error("IF0102", place, message).hint(NOT_YAML));
            }
        };
        Ok(Node { place, content })
    }

    fn scalar(
        &self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Read<Content<'a>> {
        let mut plain = style == ScalarStyle::Plain;
        if let Some(tag) = tag {
            match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
                (true, "str") => plain = false,
                (true, "null" | "bool" | "int" | "float") if plain => {}
                _ => return Err(self.unknown_tag(tag, place)),
            }
        }
        Ok(Content::Scalar(Scalar { text, plain }))
    }

    fn core_tag(&self, tag: Option<&Tag>, expected: &str, place: Place) -> Read<()> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => {
                Err(self.unknown_tag(tag, place))
            }
            _ => Ok(()),
        }
    }

    fn alias(&self, place: Place) -> Diagnostic {
        self.source
            .error("IF0106", place, "aliases are not read here")
            .hint("write the value out in place of the `*alias`")
    }

    fn unknown_tag(&self, tag: &Tag, place: Place) -> Diagnostic {
        self.source.error("IF0107", place, format!("the tag `{tag}` is not read here")).hint("delete the tag")
    }

    fn entries(&mut self, depth: usize) -> Read<Vec<(Key<'a>, Node<'a>)>> {
        let mut entries: Vec<(Key<'a>, Node<'a>)> = Vec::new();
        let mut seen = SortedSet::new();
        loop {
            let (event, span) = self.next()?;
            let place = self.place(span);
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => Key { place, text },
                Event::Alias(_) => return Err(self.alias(place)),
                _ => return Err(self.source.error("IF0108", place, "a key must be a single value")),
            };
            if key.text == "<<" {
                return Err(self
                    .source
                    .error("IF0106", place, "merge keys are not read here")
                    .hint("write the keys out in place of the `<<`"));
            }
            if !seen.insert(key.text.as_ref()) {
                let first = entries.iter().find(|(other, _)| other.text == key.text);
                let line = first.map_or(0, |(other, _)| other.place.line);
                return Err(self
                    .source
                    .error("IF0109", place, format!("the key `{}` stands twice in one map", key.text))
                    .hint(format!("keep one of the two; the first is in line {line}")));
            }
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            entries.push((key, node));
        }
    }
}

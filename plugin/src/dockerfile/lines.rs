//! A Dockerfile's text as logical lines: directives, comments, continuations and heredocs.
//!
//! ```text
//! # escape=`                 a directive: only before everything else
//! # a comment
//! RUN a `                    continued: joined with the next line, nothing between
//!   # comments and blank lines between are dropped
//!   b
//! COPY <<EOF /file           a heredoc: the raw lines up to its name
//! text
//! EOF
//! ```
//!
//! The rules are those of BuildKit's `frontend/dockerfile/parser` (dockerfile/1.26).

use std::borrow::Cow;
use std::ops::Range;

use super::error::{LineError, Problem};
use super::expand::{Lexer, NoVariables};
use super::words::{Keyword, Node};
use crate::scan;

/// The longest physical line, without its line end (Go's `bufio.MaxScanTokenSize` less one).
const MAX_LINE: usize = 65_535;

/// The largest file; the largest of 2,454 public Dockerfiles has 25 KB.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A text and where each byte of it stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped<'t> {
    /// The joined text.
    pub text: Cow<'t, str>,
    /// Where its first piece stands in the file.
    first: usize,
    /// The other pieces: the offset in `text` and the offset in the file.
    pieces: Vec<(usize, usize)>,
}

impl<'t> Mapped<'t> {
    fn new(piece: &'t str, at: usize) -> Self {
        Mapped { text: Cow::Borrowed(piece), first: at, pieces: Vec::new() }
    }

    fn push(&mut self, piece: &str, at: usize) {
        self.pieces.push((self.text.len(), at));
        let text = match &mut self.text {
            Cow::Owned(text) => text,
            Cow::Borrowed(first) => {
                let mut text = String::with_capacity(4 * (first.len() + piece.len()));
                text.push_str(first);
                self.text = Cow::Owned(text);
                self.text.to_mut()
            }
        };
        text.push_str(piece);
    }

    /// The bytes of the file that a range of the text comes from.
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.offset(range.start);
        let end = if range.end > range.start { self.offset(range.end - 1) + 1 } else { start };
        start..end.max(start)
    }

    fn offset(&self, at: usize) -> usize {
        match self.pieces.partition_point(|(start, _)| *start <= at).checked_sub(1) {
            Some(piece) => self.pieces[piece].1 + at - self.pieces[piece].0,
            None => self.first + at,
        }
    }
}

/// A heredoc that a line opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// How it is opened.
    pub mark: HeredocMark,
    /// Its lines in the file.
    pub body: Range<usize>,
}

/// `<<EOF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeredocMark {
    /// The line that ends it.
    pub name: String,
    /// `<<-`: tabs before that name don't count.
    pub chomp: bool,
    /// Variables are replaced in its text: no part of the name is quoted.
    pub expand: bool,
}

/// One instruction's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalLine<'t> {
    /// Its text.
    pub source: Mapped<'t>,
    /// The text, split.
    pub node: Node,
    /// The heredocs that it opens.
    pub heredocs: Vec<Heredoc>,
    /// Where the last of the lines that were joined ends in the file.
    pub end: usize,
}

/// What a file says beside its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Backslash or backtick.
    pub escape: char,
    /// The lines as they stand in the file, without their ends, up to one that is too long.
    pub physical: Vec<Range<usize>>,
    /// What BuildKit would refuse.
    pub problems: Vec<Problem<LineError>>,
}

/// Splits a file; each line is given away as soon as it is read.
pub fn split<'t>(text: &'t str, each: &mut dyn FnMut(LogicalLine<'t>)) -> Lines {
    let mut lines = Lines { escape: '\\', physical: Vec::new(), problems: Vec::new() };
    let mut is_empty = true;
    if text.is_empty() {
        lines.problem(LineError::EmptyFile, 0..0);
        return lines;
    }
    if text.len() > MAX_BYTES {
        lines.problem(LineError::TooLarge(MAX_BYTES / 1024), 0..0);
        return lines;
    }
    let (physical, too_long) = physical_lines(text);
    let mut directives = Directives::new("#");
    let mut next = 0;
    while next < physical.len() {
        let line = trim_start(text, physical[next].clone());
        next += 1;
        match directives.read(&text[line.clone()]) {
            Ok(Some((name, value))) if name == "escape" => match value.as_str() {
                "\\" => lines.escape = '\\',
                "`" => lines.escape = '`',
                _ => lines.problem(LineError::Escape(value), line.clone()),
            },
            Ok(_) => {}
            Err(error) => lines.problem(error, line.clone()),
        }
        if line.is_empty() || text[line.clone()].starts_with('#') {
            continue;
        }
        let (source, behind) = join(text, &physical, next - 1, line, lines.escape);
        next = behind;
        let end = physical[next - 1].end;
        let node = match Node::parse(&source.text, lines.escape) {
            Ok(node) => node,
            Err((error, range)) => {
                lines.problem(error, source.span(range));
                continue;
            }
        };
        let mut heredocs = Vec::new();
        if can_open_heredoc(&node) && source.text.contains('<') {
            match heredoc_names(&source.text) {
                Err(word) => {
                    let span = source.span(node.span());
                    lines.problem(LineError::HeredocName(word), span);
                }
                Ok(names) => {
                    for mark in names {
                        match body(text, &physical, next, &mark) {
                            Some((body, behind)) => {
                                heredocs.push(Heredoc { mark, body });
                                next = behind;
                            }
                            None => {
                                lines.problem(LineError::Heredoc(mark.name), source.span(node.span()));
                                next = physical.len();
                                break;
                            }
                        }
                    }
                }
            }
        }
        is_empty = false;
        each(LogicalLine { source, node, heredocs, end });
    }
    if is_empty && lines.problems.is_empty() {
        // BuildKit says the same where the first line is too long; we say why.
        match too_long {
            Some(line) => lines.problem(LineError::LongLine, line),
            None => lines.problem(LineError::NoInstruction, 0..0),
        }
    } else if let Some(line) = too_long {
        lines.problem(LineError::LongLine, line);
    }
    lines.physical = physical;
    lines
}

impl Lines {
    fn problem(&mut self, error: LineError, span: Range<usize>) {
        self.problems.push(Problem { error, span });
    }
}

/// The lines without their ends, up to the first that is too long, and that one.
fn physical_lines(text: &str) -> (Vec<Range<usize>>, Option<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut lines = Vec::with_capacity(text.len() / 32 + 1);
    let mut start = 0;
    while start < bytes.len() {
        let end = scan::find(bytes, start, b'\n');
        if end - start > MAX_LINE {
            return (lines, Some(start..end));
        }
        let from = if start == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { start };
        let returns = bytes[from..end].iter().rev().take_while(|byte| **byte == b'\r').count();
        lines.push(from..end - returns);
        start = end + 1;
    }
    (lines, None)
}

fn trim_start(text: &str, line: Range<usize>) -> Range<usize> {
    line.end - text[line.clone()].trim_start().len()..line.end
}

/// Joins a line with those that continue it; tells the line behind.
fn join<'t>(
    text: &'t str,
    physical: &[Range<usize>],
    index: usize,
    first: Range<usize>,
    escape: char,
) -> (Mapped<'t>, usize) {
    let (line, mut continued) = continuation(text, first, escape);
    let mut source = Mapped::new(&text[line.clone()], line.start);
    let mut next = index + 1;
    while continued && next < physical.len() {
        let line = physical[next].clone();
        next += 1;
        let trimmed = text[line.clone()].trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (line, more) = continuation(text, line, escape);
        source.push(&text[line.clone()], line.start);
        continued = more;
    }
    (source, next)
}

/// The line without the escape character that continues it, and whether it has one. An escape
/// character behind another one continues nothing, nor does one behind two.
fn continuation(text: &str, line: Range<usize>, escape: char) -> (Range<usize>, bool) {
    let bytes = &text.as_bytes()[line.clone()];
    let behind = bytes.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    let is_escape = |byte: &u8| *byte == escape as u8;
    match bytes[..behind].split_last() {
        Some((last, before)) if is_escape(last) && !before.last().is_some_and(is_escape) => {
            (line.start..line.start + before.len(), true)
        }
        _ => (line, false),
    }
}

fn can_open_heredoc(node: &Node) -> bool {
    let node = match &node.trigger {
        Some(trigger) => trigger,
        None => node,
    };
    !node.json && matches!(node.keyword, Keyword::Run | Keyword::Copy | Keyword::Add)
}

/// The heredocs that a line opens, in order; the word whose name can't be read is the error.
///
/// The lexer's escape is the backslash whatever the file says, and a quote that is not closed hides
/// all heredocs of the line.
fn heredoc_names(line: &str) -> Result<Vec<HeredocMark>, String> {
    let lexer = Lexer { keep_quotes: true, keep_escapes: true, keep_unset: true, ..Lexer::new('\\') };
    let words = lexer.words(line, &NoVariables).unwrap_or_default();
    let mut names = Vec::new();
    for word in words {
        names.extend(heredoc_name(&word).map_err(|()| word)?);
    }
    Ok(names)
}

/// The heredoc that a word opens; an error where its name can't be read.
#[allow(clippy::result_unit_err, reason = "the caller knows the word and how to tell of it")]
pub fn heredoc_name(word: &str) -> Result<Option<HeredocMark>, ()> {
    let Some(rest) = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<") else {
        return Ok(None);
    };
    let (rest, chomp) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    if rest.is_empty() || rest.contains('<') {
        return Ok(None);
    }
    let lexer = Lexer { keep_unset: true, ..Lexer::new('\\') };
    let one_word = |lexer: Lexer| -> Result<Option<String>, ()> {
        match lexer.words(rest, &NoVariables).map_err(|_| ())?.as_slice() {
            [name] => Ok(Some(name.clone())),
            _ => Ok(None),
        }
    };
    let Some(name) = one_word(lexer)? else { return Ok(None) };
    let quoted = one_word(Lexer { keep_quotes: true, ..lexer })?;
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    let expand = quoted.is_some_and(|quoted| quotes(&quoted) == quotes(&name));
    Ok(Some(HeredocMark { name, chomp, expand }))
}

/// The lines of a heredoc's body and the line behind its end.
fn body(
    text: &str,
    physical: &[Range<usize>],
    from: usize,
    mark: &HeredocMark,
) -> Option<(Range<usize>, usize)> {
    let end = physical[from..].iter().position(|line| {
        let line = &text[line.clone()];
        mark.name == if mark.chomp { line.trim_start_matches('\t') } else { line }
    })?;
    let start = physical[from].start;
    Some((start..physical[from + end].start, from + end + 1))
}

/// The reader of directives: `# name=value` lines before everything else.
pub struct Directives {
    mark: &'static str,
    seen: Vec<String>,
    done: bool,
}

impl Directives {
    /// A reader of lines that begin with a comment mark.
    pub fn new(mark: &'static str) -> Self {
        Directives { mark, seen: Vec::new(), done: false }
    }

    /// Whether a line was met that is no directive.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Reads one line: a directive's name in lower case and its value.
    pub fn read(&mut self, line: &str) -> Result<Option<(String, String)>, LineError> {
        if self.done {
            return Ok(None);
        }
        let Some((name, value)) = line.strip_prefix(self.mark).and_then(directive) else {
            self.done = true;
            return Ok(None);
        };
        if self.seen.contains(&name) {
            return Err(LineError::DirectiveTwice(name));
        }
        self.seen.push(name.clone());
        Ok(Some((name, value)))
    }
}

fn directive(comment: &str) -> Option<(String, String)> {
    let is_blank = |c: char| matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ');
    let (name, value) = comment.trim_start().split_once('=')?;
    let name = name.trim_end_matches(is_blank).to_ascii_lowercase();
    if !matches!(name.as_str(), "syntax" | "escape" | "check") {
        return None;
    }
    let trimmed = value.trim_matches(is_blank);
    // A value of blanks alone is its last blank: the expression needs one character.
    let last = value.chars().next_back()?;
    Some((name, if trimmed.is_empty() { last.to_string() } else { trimmed.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::error::Explain;

    /// Keyword, flags and arguments of each line, heredocs behind `<`.
    fn show(text: &str) -> Vec<String> {
        let mut shown: Vec<String> = Vec::new();
        let lines = split(text, &mut |line| shown.push(show_line(&line)));
        shown.extend(lines.problems.iter().map(|p| format!("{} {}", p.error.code(), &text[p.span.clone()])));
        shown
    }

    fn show_line(line: &LogicalLine<'_>) -> String {
        let node = &line.node;
        let mut words: Vec<String> = vec![line.source.text[node.keyword_span.clone()].to_owned()];
        let mut next = Some(node);
        while let Some(node) = next {
            words.extend(node.flags.iter().map(|word| format!("{:?}", word.text)));
            words.extend(node.arguments.iter().map(|word| match word.text.as_str() {
                "" => format!("{:?}", &line.source.text[word.span.clone()]),
                text => format!("{text:?}"),
            }));
            next = node.trigger.as_deref();
            words.extend(next.map(|trigger| format!("{:?}", trigger.keyword.name())));
        }
        let heredocs: String = line.heredocs.iter().map(|h| format!(" <{}", h.mark.name)).collect();
        words.join(" ") + &heredocs
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(show(text), expected, "{text}");
    }

    #[test]
    fn comments_and_blanks() {
        check("\n# c\nFROM a\n  # d\n\n", &["FROM \"a\""]);
        check("# comment \\\nFROM a\n", &["FROM \"a\""]);
        check("\u{a0}FROM\u{b}a\u{c} AS\tb", &["FROM \"a\" \"AS\" \"b\""]);
        check("FROM a\u{2003}AS\u{2003}b", &["FROM \"a\\u{2003}AS\\u{2003}b\""]);
        check("\u{feff}FROM a", &["FROM \"a\""]);
    }

    #[test]
    fn continuations() {
        check("FROM alp\\\nine\n", &["FROM \"alpine\""]);
        check("FROM alp\\ \t\r\n  ine\r\n", &["FROM \"alp\" \"ine\""]);
        check("FROM a \\\n# c \\\n\n  AS b\nFROM b", &["FROM \"a\" \"AS\" \"b\"", "FROM \"b\""]);
        check("RUN a\\\\\nFROM b", &["RUN \"a\\\\\\\\\"", "FROM \"b\""]);
        check("RUN a\\\\\\\nFROM b", &["RUN \"a\\\\\\\\\\\\\"", "FROM \"b\""]);
        check("FROM a \\", &["FROM \"a\""]);
        check("\\\nFROM a", &["FROM \"a\""]);
        check("# escape=`\nFROM a `\n AS b\n", &["FROM \"a\" \"AS\" \"b\""]);
    }

    #[test]
    fn directives() {
        check("# escape=x\nFROM a", &["FROM \"a\"", "IF0605 # escape=x"]);
        check("# escape= \nFROM a", &["FROM \"a\"", "IF0605 # escape= "]);
        check("# Escape = `\n# ESCAPE=`\nFROM a", &["FROM \"a\"", "IF0606 # ESCAPE=`"]);
        check("# hello\n# escape=`\nFROM a `\n", &["FROM \"a\" \"`\""]);
        check("\n# escape=`\nFROM a `\n", &["FROM \"a\" \"`\""]);
        check("# syntax=x\n# check=y\n  # escape=`\nFROM a `\n AS b", &["FROM \"a\" \"AS\" \"b\""]);
    }

    #[test]
    fn heredocs() {
        check(
            "RUN cat <<A <<-'B c' >x\na\nA\n\tB c\nFROM b",
            &["RUN \"cat <<A <<-'B c' >x\" <A <B c", "FROM \"b\""],
        );
        check("COPY <<EOF /x\r\nFROM a\r\nEOF\r\nFROM b", &["COPY \"<<EOF\" \"/x\" <EOF", "FROM \"b\""]);
        check("ONBUILD RUN <<E\nx\nE\nFROM b", &["ONBUILD \"RUN\" \"<<E\" <E", "FROM \"b\""]);
        check("RUN cat << EOF\nx\nEOF", &["RUN \"cat << EOF\" <EOF"]);
        check("RUN cat <<- EOF\nFROM b", &["RUN \"cat <<- EOF\"", "FROM \"b\""]);
        check("RUN cat <<<EOF", &["RUN \"cat <<<EOF\""]);
        check("RUN \"<<EOF\"", &["RUN \"\\\"<<EOF\\\"\""]);
        check("RUN echo \"a <<EOF", &["RUN \"echo \\\"a <<EOF\""]);
        check("RUN [\"<<EOF\"]", &["RUN \"<<EOF\""]);
        check("RUN echo $((1<<2))", &["RUN \"echo $((1<<2))\""]);
        check("RUN cat <<$X\n$X\nFROM b", &["RUN \"cat <<$X\" <$X", "FROM \"b\""]);
        check("FROM a\nRUN cat <<EOF\nx\n  EOF\n", &["FROM \"a\"", "RUN \"cat <<EOF\"", "IF0607 cat <<EOF"]);
    }

    #[test]
    fn flags_and_arguments() {
        check("COPY --from=\"a b\" --x\\y -- --z c", &["COPY \"--from=a b\" \"--xy\" \"--z\" \"c\""]);
        check("COPY --from=é [\"a\", \"b c\"]", &["COPY \"--from=Ã©\" \"a\" \"b c\""]);
        check("ARG a='1 2'\\ 3 b \"c\"", &["ARG \"a='1 2'\\\\ 3\" \"b\" \"\\\"c\\\"\""]);
        check("ENV a b  c", &["ENV \"a\" \"b  c\""]);
        check("LABEL a=1 b=\"2 3\"", &["LABEL \"a\" \"1\" \"b\" \"\\\"2 3\\\"\""]);
        check("ENV a", &["IF0609 a"]);
        check("ENV a=1 b", &["IF0610 b"]);
        check("CMD [\"a\", 1]", &["IF0611 [\"a\", 1]"]);
        check("CMD [a", &["CMD \"[a\""]);
        check("HEALTHCHECK --retries=1 CMD [\"x\"]", &["HEALTHCHECK \"--retries=1\" \"CMD\" \"x\""]);
    }

    #[test]
    fn long_lines() {
        let line = |length: usize| format!("FROM a{}", " ".repeat(length - 6));
        let split = |text: &str| {
            let mut count = 0;
            (super::split(text, &mut |_| count += 1).problems, count)
        };
        assert!(split(&line(65_535)).0.is_empty());
        let long = format!("FROM a\n{}\nFROM b", line(65_536));
        let (problems, count) = split(&long);
        assert_eq!((&problems[0].error, count), (&LineError::LongLine, 1));
        assert_eq!(split("").0[0].error, LineError::EmptyFile);
        assert_eq!(split("# c\n").0[0].error, LineError::NoInstruction);
    }

    #[test]
    fn spans_survive_continuations() {
        let text = "FROM a \\\r\n  AS \\\n# c\n bé\n";
        let mut first = None;
        split(text, &mut |line| first = Some(line));
        let line = first.expect("there is a line");
        let spans: Vec<&str> =
            line.node.arguments.iter().map(|word| &text[line.source.span(word.span.clone())]).collect();
        assert_eq!(spans, ["a", "AS", "bé"]);
    }
}

//! Directives that are read before anything else: `# syntax=` and `# check=`.
//!
//! BuildKit looks for them in a pass of its own, with other rules than its line parser: one `#!`
//! line is skipped, no blank may stand before the comment mark, and for `syntax` a file of `//`
//! comments or a JSON object will do (`frontend/dockerfile/parser/directives.go`, dockerfile/1.26).

use super::lines::Directives;
use super::words::Word;
use crate::json;

/// The frontend that a file asks for.
pub fn frontend(text: &str) -> Option<Word> {
    find(text, "syntax", "#").or_else(|| find(text, "syntax", "//")).or_else(|| from_json(text))
}

/// The check options of a file.
pub fn check(text: &str) -> Option<Word> {
    find(text, "check", "#")
}

/// The value of a directive up to its first blank.
fn find(text: &str, key: &str, mark: &'static str) -> Option<Word> {
    let mut directives = Directives::new(mark);
    let body = body(text);
    let mut at = text.len() - body.len();
    for raw in body.split_inclusive('\n') {
        let line = raw.strip_suffix('\n').unwrap_or(raw);
        let line = line.strip_suffix('\r').unwrap_or(line);
        // What can't be read ends the search, as does a line that is no directive.
        let directive = directives.read(line).ok()?;
        if directives.is_done() {
            return None;
        }
        if let Some((_, value)) = directive.filter(|(name, _)| name == key) {
            let first = value.split(' ').next().unwrap_or_default();
            let start = at + line.rfind(&value).unwrap_or_default();
            return Some(Word { text: first.to_owned(), span: start..start + first.len() });
        }
        at += raw.len();
    }
    None
}

/// The text without a byte order mark and without a `#!` line.
fn body(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.starts_with("#!") {
        true => text.split_once('\n').map_or("", |(_, rest)| rest),
        false => text,
    }
}

fn from_json(text: &str) -> Option<Word> {
    let body = body(text);
    if !body.trim_start().starts_with('{') {
        return None;
    }
    let object = json::parse(body).ok()?;
    let start = text.len() - body.len();
    let value = object.get("syntax")?.as_str()?;
    Some(Word { text: value.to_owned(), span: start..start + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = frontend(text);
        assert_eq!(found.as_ref().map(|word| word.text.as_str()), expected, "{text}");
        if let Some(word) = found.filter(|_| !text.contains('{')) {
            assert_eq!(&text[word.span], word.text);
        }
    }

    #[test]
    fn finds_the_frontend() {
        check("# syntax=docker/dockerfile:1\nFROM a", Some("docker/dockerfile:1"));
        check("#Syntax = a/b c d\r\n", Some("a/b"));
        check("\u{feff}#!/bin/x\n# escape=`\n# syntax=a", Some("a"));
        check("// syntax=a\n", Some("a"));
        check("{\"syntax\": \"a\"}", Some("a"));
        check(" # syntax=a", None);
        check("\n# syntax=a", None);
        check("# comment\n# syntax=a", None);
        check("# escape=`\n# escape=`\n# syntax=a", None);
        check("# syntax=\n", None);
        check("", None);
    }
}

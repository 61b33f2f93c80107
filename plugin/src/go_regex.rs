//! Go's regular expressions, as Kargo reads them, on image tags.
//!
//! Kargo hands `allowTagsRegexes` to Go's `regexp.Compile` only when it looks for tags, so a
//! pattern that Go refuses, or reads otherwise than Rust, would show as a Warehouse that never
//! finds anything. [`GoRegex::parse`] therefore accepts what Go accepts, and matches what Go
//! matches, with a parser of our own:
//!
//! ```text
//! alternation   = sequence *( "|" sequence )
//! sequence      = *( atom [ repetition ] )
//! repetition    = ( "*" / "+" / "?" / "{n}" / "{n,}" / "{n,m}" ) [ "?" ]
//! atom          = character / "." / "^" / "$" / class / escape / group
//! group         = "(" alternation ")" / "(?:" … / "(?flags)" / "(?flags:" … / "(?P<name>" … / "(?<name>" …
//! ```
//!
//! The rules are those of package `regexp/syntax` with the flags that `regexp.Compile` sets
//! (`Perl`), read in Go 1.26.8. Two things are ours:
//!
//! - A tag is ASCII and has at most 128 characters (OCI distribution specification 1.1, "Pulling
//!   manifests"), so what an atom matches is kept as a set of ASCII characters, and a longer text
//!   or one beyond ASCII never matches.
//! - Patterns are bounded ([`MAX_LENGTH`], [`MAX_NESTING`], [`MAX_SIZE`]) below Go's own bounds.
//!
//! `\p{…}` takes the names that every Go from 1.23 to 1.26 knows. Go 1.25 began to read names
//! loosely (`\p{greek}`, `\p{Letter}`) and lost those with an underscore (`\p{Old_Italic}`), and
//! which Go a Kargo was built with cannot be seen from here; neither is accepted.

mod characters;
mod parser;
mod shortest;
mod tree;

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use regex_lite::{Regex, RegexBuilder};
use thiserror::Error;

use parser::Parser;
use tree::{Node, Piece};

/// The longest pattern that is read, in bytes; Go has no such bound.
pub const MAX_LENGTH: usize = 16 * 1024;
/// How deep groups and repetitions may nest; Go stops at 1000.
pub const MAX_NESTING: u32 = 100;
/// How many steps the compiled pattern may have, repetitions written out to at most 129 times; Go
/// stops at 3.3 million. A matcher of this size takes about 2 MB.
pub const MAX_SIZE: u32 = 20_000;
/// Go's bound on a repetition, and on the product of nested ones.
const MAX_REPEAT: u32 = 1000;
/// The longest tag (OCI distribution specification 1.1).
const MAX_TAG: usize = 128;

/// What Go would not compile, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct RegexError {
    /// What is wrong.
    pub kind: RegexErrorKind,
    /// The bytes of the pattern that are meant; empty at the end of the pattern.
    pub span: Range<usize>,
    /// What to write instead, where that can be told.
    pub hint: Option<&'static str>,
}

/// What can be wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RegexErrorKind {
    /// `a\`
    #[error("the pattern ends with a backslash")]
    TrailingBackslash,
    /// `\y`, `\C`, `[\b]`
    #[error("Go knows no such escape")]
    UnknownEscape,
    /// `(a)\1`
    #[error("Go has no back-references")]
    BackReference,
    /// `[a`
    #[error("the character class is not closed")]
    UnclosedClass,
    /// `[z-a]`
    #[error("the range of characters runs backwards")]
    ReversedRange,
    /// `\p{Emoji}`, `[[:foo:]]`
    #[error("Go knows no such character class")]
    UnknownClass,
    /// `(a`
    #[error("the group is not closed")]
    UnclosedGroup,
    /// `a)`
    #[error("there is no group to close")]
    UnexpectedParenthesis,
    /// `(?=a)`, `(?<!a)`
    #[error("Go cannot look ahead or behind")]
    LookAround,
    /// `(?x)`, `(?>a)`
    #[error("Go knows no such group or flag")]
    UnknownGroup,
    /// `(?P<a.b>c)`
    #[error("a group's name consists of letters, digits and `_`")]
    GroupName,
    /// `*a`, `(+)`
    #[error("there is nothing to repeat")]
    NothingToRepeat,
    /// `a**`, `a++`
    #[error("a repetition cannot be repeated")]
    RepeatedRepetition,
    /// `a{1001}`, `(a{100}){100}`
    #[error("Go repeats at most {MAX_REPEAT} times, nested repetitions multiplied")]
    RepeatTooLarge,
    /// `a{3,2}`
    #[error("the repetition's smallest count is above its largest")]
    ReversedRepeat,
    /// More than [`MAX_LENGTH`] bytes.
    #[error("the pattern is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// More than [`MAX_NESTING`].
    #[error("the pattern nests deeper than {MAX_NESTING} groups and repetitions")]
    TooDeep,
    /// More than [`MAX_SIZE`].
    #[error("the pattern has more than {MAX_SIZE} steps once its repetitions are written out")]
    TooLarge,
}

/// A pattern that Go compiles.
#[derive(Clone)]
pub struct GoRegex {
    text: String,
    node: Node,
    matcher: OnceLock<Regex>,
}

impl GoRegex {
    /// Reads a pattern as Go's `regexp.Compile` does.
    ///
    /// # Errors
    /// The first thing that Go, or one of our bounds, refuses.
    pub fn parse(text: &str) -> Result<Self, RegexError> {
        let node = Parser::new(text).parse()?;
        Ok(GoRegex { text: text.to_owned(), node, matcher: OnceLock::new() })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether Go finds the pattern anywhere in a tag; `false` for what is too long for one, or not
    /// ASCII. The first call compiles the pattern, and the value keeps it.
    pub fn is_match(&self, tag: &str) -> bool {
        let compile = || {
            RegexBuilder::new(&self.node.to_string())
                .nest_limit(u32::MAX)
                .size_limit(usize::MAX)
                .build()
                .expect("a tree is printed in regex-lite's syntax, and its depth and size are bounded here")
        };
        tag.len() <= MAX_TAG && tag.is_ascii() && self.matcher.get_or_init(compile).is_match(tag)
    }

    /// The one tag that the pattern can match, or `None` where it can match several, none, or
    /// where that is not plain to see.
    ///
    /// ```
    /// use image_factory::go_regex::GoRegex;
    /// assert_eq!(GoRegex::parse(r"^22\.04$")?.literal(), Some("22.04".to_owned()));
    /// assert_eq!(GoRegex::parse("^22.04$")?.literal(), None); // also 22-04
    /// # Ok::<(), image_factory::go_regex::RegexError>(())
    /// ```
    pub fn literal(&self) -> Option<String> {
        let pieces = self.node.pieces()?;
        let start = pieces.iter().take_while(|piece| **piece == Piece::Start).count();
        let end = pieces.iter().rev().take_while(|piece| **piece == Piece::End).count();
        if start == 0 || end == 0 {
            return None;
        }
        let tag = pieces[start..pieces.len() - end].iter().map(|piece| match piece {
            Piece::Character(c) => Some(char::from(*c)),
            Piece::Start | Piece::End => None,
        });
        tag.collect::<Option<String>>().filter(|tag| is_tag(tag))
    }
}

impl GoRegex {
    /// Whether there is a tag that the pattern is found in.
    ///
    /// ```
    /// use image_factory::go_regex::GoRegex;
    /// assert!(GoRegex::parse(r"^3\.[0-9]+-slim$")?.can_match_tag());
    /// assert!(!GoRegex::parse(r"^3\\.[0-9]+-slim$")?.can_match_tag()); // no tag holds a backslash
    /// # Ok::<(), image_factory::go_regex::RegexError>(())
    /// ```
    pub fn can_match_tag(&self) -> bool {
        self.node.shortest_tag().is_some()
    }
}

impl fmt::Debug for GoRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GoRegex").field(&self.text).finish()
    }
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI distribution specification 1.1).
fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use RegexErrorKind::*;

    fn accepts(pattern: &str, matching: &[&str], others: &[&str]) {
        let regex = match GoRegex::parse(pattern) {
            Ok(regex) => regex,
            Err(error) => panic!("`{pattern}` was refused: {error} at {:?}", error.span),
        };
        for tag in matching {
            assert!(regex.is_match(tag), "`{pattern}` ({}) does not match `{tag}`", regex.node);
        }
        for tag in others {
            assert!(!regex.is_match(tag), "`{pattern}` ({}) matches `{tag}`", regex.node);
        }
    }

    fn refuses(pattern: &str, kind: RegexErrorKind, meant: &str) {
        let error = GoRegex::parse(pattern).expect_err(pattern);
        assert_eq!((error.kind, &pattern[error.span]), (kind, meant), "`{pattern}`");
    }

    fn literal(pattern: &str, tag: &str) {
        let regex = GoRegex::parse(pattern).expect(pattern);
        assert_eq!(regex.literal().as_deref(), Some(tag), "`{pattern}`");
        assert!(regex.is_match(tag), "`{pattern}`");
    }

    fn no_literal(pattern: &str) {
        assert_eq!(GoRegex::parse(pattern).expect(pattern).literal(), None, "`{pattern}`");
    }

    #[test]
    fn matches_anywhere_in_a_tag() {
        accepts("", &["", "22"], &[]);
        accepts("22", &["22", "1.22-alpine"], &["2", "2-2"]);
        accepts("^22-bookworm-slim$", &["22-bookworm-slim"], &["22-bookworm-slim1", "122-bookworm-slim"]);
        accepts("^v?[0-9]+(?:\\.[0-9]+){2}$", &["v1.2.3", "1.20.300"], &["1.2", "v1.2.3-rc1"]);
        accepts("^(16|18)(-alpine)?$", &["16", "18-alpine"], &["17", "16-slim"]);
        accepts("a||b", &["", "x"], &[]);
        accepts("()|a", &["", "x"], &[]);
        accepts("x{0}", &["", "y"], &[]);
        accepts("^a{2,3}?$", &["aa", "aaa"], &["a", "aaaa"]);
        accepts("^a{2,}$", &["aa", "aaaaa"], &["a"]);
        accepts("^*1$+", &["1"], &["12"]);
        accepts("é", &[], &["e", "é"]);
        accepts("[^é]", &["e"], &[""]);
        accepts(".", &["e"], &["", "\n"]);
        accepts("(?s).", &["\n"], &[""]);
    }

    #[test]
    fn reads_flags_as_go_does() {
        accepts("(?i)ALPINE", &["3-alpine", "AlPiNe"], &["alpin"]);
        accepts("a(?i)b|c", &["aB", "C"], &["AB"]);
        accepts("(a(?i)b)c", &["aBc"], &["aBC"]);
        accepts("(?i:a)b", &["Ab"], &["AB"]);
        accepts("(?i)a(?-i)b", &["Ab"], &["AB"]);
        accepts("(?i)\u{17f}\u{212a}", &["sk", "SK"], &["st"]);
        accepts("(?i)^[\u{100}-\u{17f}]$", &["s", "S"], &["k"]);
        accepts("(?i)^[^k]$", &["a"], &["k", "K"]);
        accepts("(?i)^\\x{212A}$", &["k"], &[]);
        accepts("(?)a", &["a"], &["b"]);
        accepts("(?U)a+", &["aa"], &["b"]);
        accepts("(?m)^b$", &["a\nb\nc", "b"], &["ab"]);
        accepts("^b$", &["b"], &["a\nb\nc", "b\n"]);
        accepts("(?m)\\Ab\\z", &["b"], &["a\nb"]);
        accepts("(?im-s:a)", &["A"], &[]);
        accepts("a(?i)*", &["", "aa"], &[]);
        accepts("^a*(?i)*$", &["", "aa"], &["A"]);
    }

    #[test]
    fn accepts_what_rust_refuses() {
        accepts(r"\Qa.b*\E+", &["a.b*", "a.b**"], &["axb", "a.b"]);
        accepts(r"\Qa\", &["a\\"], &["a"]);
        accepts(r"^\Q\E$", &[""], &["a"]);
        accepts(r"\056", &["."], &["a"]);
        accepts(r"\0", &["\0"], &["0"]);
        accepts(r"\12", &["\n"], &["12"]);
        accepts(r"[\60-\62]", &["0", "1", "2"], &["3"]);
        accepts(r"\08", &["\u{0}8"], &["8"]);
        accepts(r"^\p{^Lu}$", &["a", "1"], &["A"]);
        accepts(r"^\pN\PN$", &["1a"], &["11"]);
        accepts(r"^[\p{Lu}\pN]+$", &["A1"], &["a"]);
        accepts(r"(?i)^\p{Lu}+$", &["aA"], &["1"]);
        accepts(r"(?i)^\P{Ll}$", &["1"], &["a", "A"]);
        accepts(r"^\p{Greek}|\p{Latin}$", &["a"], &["1"]);
        accepts("a{", &["a{"], &["a"]);
        accepts("a{,3}", &["a{,3}"], &["aaa"]);
        accepts("{", &["{"], &["a"]);
        accepts("a{01}", &["a{01}"], &["a"]);
        accepts("a{1", &["a{1"], &["a"]);
        accepts("^[a[b]$", &["a", "[", "b"], &["]"]);
        accepts(r"^[\d-z]$", &["1", "-", "z"], &["y"]);
        accepts("(?P<n>a)(?P<n>b)", &["ab"], &["a"]);
        accepts("(?P<1>a)(?<_>b)", &["ab"], &["a"]);
        accepts(r"\x{D800}|\xFF", &[], &["a"]);
        accepts(r"[^\x{0}-\x{10FFFF}]", &[], &["a", ""]);
    }

    #[test]
    fn reads_what_rust_reads_otherwise() {
        accepts("^[a&&b]$", &["a", "&", "b"], &["c"]);
        accepts("^[a~~b]$", &["a", "~", "b"], &["c"]);
        accepts("^[[a]b]$", &["ab]", "[b]"], &["a", "b"]);
        accepts(r"^[!--]$", &["-", "!"], &["a"]);
        accepts("^[]a]$", &["]", "a"], &["b"]);
        accepts("^[^]a]$", &["b"], &["]", "a"]);
        accepts("^[a-]$", &["a", "-"], &["b"]);
        accepts("[[:foo]", &["f", ":", "["], &["]"]);
        accepts("^[[:^alpha:]1]$", &["1", "-"], &["a"]);
        accepts("(?i)^[[:upper:]]$", &["a"], &["1"]);
        accepts("(?i)^[[:^upper:]]$", &["1"], &["a"]);
        accepts(r"\b{1}a", &["a", "-a"], &["ba"]);
        accepts(r"a\bx", &[], &["ax"]);
        accepts(r"^\s$", &["\t", "\u{c}", " "], &["\u{b}"]);
        accepts("^[[:space:]]$", &["\u{b}"], &["a"]);
        accepts("^[[:word:]]$", &["_", "a"], &["-"]);
        accepts(r"^a\_\-$", &["a_-"], &[]);
    }

    #[test]
    fn refuses_what_rust_accepts() {
        refuses("(?x)a", UnknownGroup, "(?x");
        refuses("(?R)a", UnknownGroup, "(?R");
        refuses("(?u)a", UnknownGroup, "(?u");
        refuses("(?-u)a", UnknownGroup, "(?-u");
        refuses(r"\p{script=Latin}", UnknownClass, r"\p{script=Latin}");
        refuses(r"\p{Emoji}", UnknownClass, r"\p{Emoji}");
        refuses("[a--b]", ReversedRange, "a--");
        refuses("a{1001}", RepeatTooLarge, "{1001}");
        refuses("a{2,1001}", RepeatTooLarge, "{2,1001}");
        refuses("a{99999999999999999999}", RepeatTooLarge, "{99999999999999999999}");
        refuses("((a{100}){11})", RepeatTooLarge, "{11}");
        refuses("(a{2,}){501}", RepeatTooLarge, "{501}");
        accepts("(a{100}){10}", &[], &["a"]);
        refuses("((a{0}){1000}){1000}", RepeatTooLarge, "{1000}");
        accepts("(a{100}){0}", &["b"], &[]);
        refuses("a**", RepeatedRepetition, "**");
        refuses("a*+", RepeatedRepetition, "*+");
        refuses("a++", RepeatedRepetition, "++");
        refuses("a?+", RepeatedRepetition, "?+");
        refuses("a{2}{3}", RepeatedRepetition, "{2}{3}");
        refuses("a???", RepeatedRepetition, "???");
        refuses(r"\u0041", UnknownEscape, r"\u");
        refuses(r"\u{41}", UnknownEscape, r"\u");
        refuses(r"\U00000041", UnknownEscape, r"\U");
        refuses("(?P<a.b>c)", GroupName, "(?P<a.b>");
        refuses("(?P<>c)", GroupName, "(?P<>");
        refuses("(?P<n", GroupName, "(?P<n");
        refuses("[[:foo:]]", UnknownClass, "[:foo:]");
        refuses("[[:a]b:]", UnknownClass, "[:a]b:]");
    }

    #[test]
    fn refuses_what_perl_accepts() {
        refuses("a(?=b)", LookAround, "(?=");
        refuses("a(?!b)", LookAround, "(?!");
        refuses("(?<=a)b", LookAround, "(?<=");
        refuses("(?<!a)b", LookAround, "(?<!");
        refuses("(?>a)", UnknownGroup, "(?>");
        refuses("(?#a)", UnknownGroup, "(?#");
        refuses("(?'n'a)", UnknownGroup, "(?'");
        refuses("(?P=n)", UnknownGroup, "(?P");
        refuses("(?i", UnknownGroup, "(?i");
        refuses("(?i-)", UnknownGroup, "(?i-)");
        refuses("(?i--m)", UnknownGroup, "(?i--");
        refuses(r"(a)\1", BackReference, r"\1");
        refuses(r"\8", BackReference, r"\8");
        refuses(r"\18", BackReference, r"\1");
        refuses(r"a\Z", UnknownEscape, r"\Z");
        refuses(r"\C", UnknownEscape, r"\C");
        refuses(r"[\b]", UnknownEscape, r"\b");
        refuses(r"[\Qa\E]", UnknownEscape, r"\Q");
        refuses(r"\é", UnknownEscape, r"\é");
        refuses(r"\x4", UnknownEscape, r"\x4");
        refuses(r"\x{}", UnknownEscape, r"\x{}");
        refuses(r"\x{110000}", UnknownEscape, r"\x{110000");
        refuses(r"[a-\d]", UnknownEscape, r"\d");
        refuses("a\\", TrailingBackslash, "\\");
        refuses("a[b", UnclosedClass, "[b");
        refuses("[]", UnclosedClass, "[]");
        refuses("[^", UnclosedClass, "[^");
        refuses("[z-a]", ReversedRange, "z-a");
        refuses("a(b", UnclosedGroup, "(");
        refuses("a)b", UnexpectedParenthesis, ")");
        refuses("*.alpine", NothingToRepeat, "*");
        refuses("(+)", NothingToRepeat, "+");
        refuses("a|{2}?", NothingToRepeat, "{2}?");
        refuses("a{3,2}", ReversedRepeat, "{3,2}");
        refuses(r"\p", UnknownClass, r"\p");
        refuses(r"\p{Lu", UnknownClass, r"\p{Lu");
        refuses(r"[\p{}]", UnknownClass, r"\p{}");
    }

    #[test]
    fn tells_perl_users_what_to_write() {
        let hint = |pattern: &str| GoRegex::parse(pattern).expect_err(pattern).hint.unwrap_or_default();
        assert!(hint("^22(?!-rc)").contains("whole tag"));
        assert!(hint(r"(a)\1").contains("once more"));
        assert!(hint("a++").contains("possessive"));
        assert!(hint(r"22\Z").contains(r"\z"));
        assert!(hint("*-alpine").contains(".*"));
        assert!(hint("(?x)a").contains("flags"));
    }

    #[test]
    fn bounds_length_depth_and_size() {
        let kind = |pattern: String| GoRegex::parse(&pattern).map(|_| ()).map_err(|error| error.kind);
        assert_eq!(kind("a".repeat(MAX_LENGTH)), Ok(()));
        assert_eq!(kind("a".repeat(MAX_LENGTH + 1)), Err(TooLong));
        assert_eq!(kind("(".repeat(MAX_LENGTH)), Err(TooDeep));
        assert_eq!(kind("(".repeat(90) + "a" + &")".repeat(90)), Ok(()));
        assert_eq!(kind("a".to_owned() + &"*(?i)".repeat(98)), Ok(()));
        assert_eq!(kind("a".to_owned() + &"*(?i)".repeat(200)), Err(TooDeep));
        assert_eq!(kind("(?:".to_owned() + &"a".repeat(160) + "){1000}"), Err(TooLarge));
        assert_eq!(kind("{".repeat(MAX_LENGTH)), Ok(()));
        assert_eq!(kind("[".repeat(MAX_LENGTH - 1) + "]"), Ok(()));
        assert_eq!(kind("[:".repeat(MAX_LENGTH / 2)), Err(UnclosedClass));
        // The deepest and largest that is accepted also compiles and runs.
        accepts(&("(?:a|".repeat(24) + "b" + &")*c".repeat(24)), &[&"c".repeat(24)], &["d"]);
        accepts(&("(?:".to_owned() + &"a".repeat(150) + "){1000}"), &[], &["a"]);
        accepts("^(?:a|^){1000}$", &["", "a", &"a".repeat(128)], &["b"]);
        accepts(
            "^a{127,1000}$",
            &[&"a".repeat(127), &"a".repeat(128)],
            &[&"a".repeat(126), &"a".repeat(129)],
        );
    }

    #[test]
    fn knows_the_only_tag() {
        literal("^22-bookworm-slim$", "22-bookworm-slim");
        literal(r"^22\.04$", "22.04");
        literal("^22[.]04$", "22.04");
        literal(r"^22\x2e04$", "22.04");
        literal(r"^22\05604$", "22.04");
        literal("^(?:16)$", "16");
        literal("(^16$)", "16");
        literal("^16{1}$", "16");
        literal("^1{3}(ab){2}$", "111abab");
        literal("^16a{0}$", "16");
        literal(r"\A16\z", "16");
        literal(r"^\Q3.12-slim\E$", "3.12-slim");
        literal("^^16$$", "16");
        literal("^(16|16)$", "16");
        literal("^(?P<tag>16)()$", "16");
        literal("(?i)^16$", "16");
        literal("^[a&&a]{0}1$", "1");
        literal("^[1\u{e9}]$", "1");
        literal(&format!("^{}$", "a".repeat(128)), &"a".repeat(128));
    }

    #[test]
    fn knows_no_only_tag() {
        for pattern in [
            "",
            "16",
            "^16",
            "16$",
            "^22.04$",
            "^1|6$",
            "^16?$",
            "^16+$",
            "^16{1,2}$",
            "^1{2,}$",
            "(?i)^alpine$",
            "(?m)^16$",
            "^(16|17)$",
            r"^\b16$",
            "^1[67]$",
            "^$",
            "^16^$",
            "$16^",
            "^?16$",
            "^-a$",
            "^a b$",
            "^a/b$",
            "^é$",
            r"^[^\x00-\x{10FFFF}]$",
            r"^3\\.12-slim$",
        ] {
            no_literal(pattern);
        }
        no_literal(&format!("^{}$", "a".repeat(129)));
        no_literal("^(?:(?:a{10}){10}){10}$");
    }
}

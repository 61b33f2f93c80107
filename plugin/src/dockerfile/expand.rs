//! Words with `$NAME`, `${NAME:-default}`, quotes and escapes in them.
//!
//! ```text
//! word     = { "'" literal "'" | '"' { $… | escape | char } '"' | $… | escape char | char }
//! $…       = "$" name | "${" name "}" | "${" name [":"] ("-" | "+" | "?") word "}"
//!          | "${" name ("#" | "##" | "%" | "%%") pattern "}" | "${" name ("/" | "//") pattern "/" word "}"
//! pattern  = "*" (any text) | "?" (one character) | "\" char | char
//! name     = letters, digits and "_" | digits | one of @ * # ? - $ !
//! ```
//!
//! These are the rules of BuildKit's `frontend/dockerfile/shell` (dockerfile/1.26), which are
//! neither sh's nor those of any other Dockerfile reader: `:=`, `,,` and `:0:2` are errors, an unset
//! name is empty, and nothing is split into words after it was replaced.

use thiserror::Error;

use super::pattern::{self, Pattern};
use super::unicode::{is_digit, is_letter};
use crate::sorted::SortedSet;

/// How deep `${a:-${b:-…}}` may nest; BuildKit has no limit, a Dockerfile needs two or three.
const MAX_DEPTH: usize = 64;

/// How long a result may grow, in bytes; no image reference is longer than a few hundred.
pub const MAX_EXPANDED: usize = 64 * 1024;

/// Where names have their values.
pub trait Variables {
    /// The value, or `None` for a name that is not set.
    fn value(&self, name: &str) -> Option<&str>;

    /// Whether it is known that the name has that value, or none; the environment of a base image
    /// is not.
    fn is_known(&self, _name: &str) -> bool {
        true
    }
}

/// No name is set.
pub struct NoVariables;

impl Variables for NoVariables {
    fn value(&self, _name: &str) -> Option<&str> {
        None
    }
}

/// Why a word can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpandError {
    /// `'…` to the end.
    #[error("a single quote is not closed")]
    SingleQuote,
    /// `"…` to the end.
    #[error("a double quote is not closed")]
    DoubleQuote,
    /// `${NAME…` to the end.
    #[error("`${{` has no closing brace")]
    Brace,
    /// `${NAME/pattern` to the end.
    #[error("`${{…/pattern` has no second slash")]
    Slash,
    /// `${}`, `${:…}` or `${{…`.
    #[error("`${{` is not followed by a name")]
    Name,
    /// Any modifier but those of the grammar; the text after the name.
    #[error("`{0}` is no modifier that a Dockerfile knows")]
    Modifier(String),
    /// `${NAME?message}` and the name is not set.
    #[error("`{name}` is not set{}", because(.message))]
    Unset {
        /// The name.
        name: String,
        /// What the Dockerfile says about it; may be empty.
        message: String,
    },
    /// `${NAME:?message}` and the name is set to nothing.
    #[error("`{name}` is empty{}", because(.message))]
    Empty {
        /// The name.
        name: String,
        /// What the Dockerfile says about it; may be empty.
        message: String,
    },
    /// A backslash in a pattern before something that needs none.
    #[error("the pattern `{0}` has a backslash before a character that needs none")]
    Pattern(String),
    /// Deeper than `MAX_DEPTH` or longer than `MAX_EXPANDED`.
    #[error("the word becomes too large")]
    TooLarge,
}

fn because(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

/// What became of a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The whole text.
    pub text: String,
    /// The names that were looked up and had a value, also where the value was not used.
    pub set: SortedSet,
    /// The names that were looked up and had none.
    pub unset: SortedSet,
    /// How much was read and compared, in characters.
    pub work: usize,
    /// A name was looked up whose value is not known: the text is a guess.
    pub unknown: bool,
}

/// How to read a word.
#[derive(Clone, Copy, Debug)]
pub struct Lexer {
    /// Backslash, or backtick after `# escape=`.
    pub escape: char,
    /// Quotes stay in the result.
    pub keep_quotes: bool,
    /// Escapes stay in the result.
    pub keep_escapes: bool,
    /// Quotes mean nothing.
    pub ignore_quotes: bool,
    /// A name without a value stays as it is written.
    pub keep_unset: bool,
}

impl Lexer {
    /// The lexer for arguments of instructions.
    pub fn new(escape: char) -> Self {
        Lexer { escape, keep_quotes: false, keep_escapes: false, ignore_quotes: false, keep_unset: false }
    }

    /// Whether nothing in a word means anything: it is its own result.
    pub fn is_plain(&self, word: &str) -> bool {
        let means_something = |byte: u8| matches!(byte, b'$' | b'\'' | b'"') || byte == self.escape as u8;
        // Go's text/scanner skips a byte order mark.
        word.len() <= MAX_EXPANDED && !word.bytes().any(means_something) && !word.starts_with('\u{feff}')
    }

    /// Reads one word; the names it looked up are told even where it fails.
    pub fn expand(
        &self,
        word: &str,
        variables: &dyn Variables,
    ) -> Result<Expanded, (ExpandError, Box<Expanded>)> {
        if self.is_plain(word) {
            return Ok(Expanded { text: word.to_owned(), ..Expanded::default() });
        }
        let mut reader = Reader::new(self, word, variables, false);
        match reader.until(None, self.keep_escapes) {
            Ok(text) => Ok(Expanded { text, ..reader.seen }),
            Err(error) => Err((error, Box::new(reader.seen))),
        }
    }

    /// Reads a line and splits it at blanks that are neither quoted nor escaped.
    pub fn words(&self, line: &str, variables: &dyn Variables) -> Result<Vec<String>, ExpandError> {
        let mut reader = Reader::new(self, line, variables, true);
        reader.until(None, self.keep_escapes)?;
        Ok(reader.words)
    }
}

struct Reader<'a> {
    lexer: &'a Lexer,
    rest: Rest<'a>,
    variables: &'a dyn Variables,
    keep_escapes: bool,
    depth: usize,
    seen: Expanded,
    /// Whether words are wanted, and not just the text.
    splits: bool,
    /// The words of the innermost text that is being read.
    words: Vec<String>,
    /// The word that has begun. BuildKit has one for all depths, so `a${x:-y}` loses its `a` as a
    /// word (not as text); the name of a heredoc depends on that.
    word: String,
}

impl<'a> Reader<'a> {
    fn new(lexer: &'a Lexer, text: &'a str, variables: &'a dyn Variables, splits: bool) -> Self {
        // Go's text/scanner skips a byte order mark at the beginning.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Reader {
            lexer,
            rest: Rest(text),
            variables,
            keep_escapes: lexer.keep_escapes,
            depth: 0,
            seen: Expanded::default(),
            splits,
            words: Vec::new(),
            word: String::new(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.peek()
    }

    /// Reads up to `stop`, which is consumed, or to the end where there is none.
    fn until(&mut self, stop: Option<char>, keep_escapes: bool) -> Result<String, ExpandError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExpandError::TooLarge);
        }
        self.word.clear();
        let outer_words = std::mem::take(&mut self.words);
        let outer_escapes = std::mem::replace(&mut self.keep_escapes, keep_escapes);
        let result = self.text(stop);
        self.keep_escapes = outer_escapes;
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
        if stop.is_some() {
            self.words = outer_words;
        }
        self.depth -= 1;
        result
    }

    fn text(&mut self, stop: Option<char>) -> Result<String, ExpandError> {
        let mut result = String::with_capacity(self.rest.0.len().min(256));
        let mut in_word = false;
        while let Some(c) = self.peek() {
            if Some(c) == stop {
                self.rest.next();
                return Ok(result);
            }
            let quotes = !self.lexer.ignore_quotes;
            match c {
                '$' => {
                    let value = self.dollar()?;
                    result.push_str(&value);
                    self.add(&value, &mut in_word);
                }
                '<' => {
                    let text = self.heredoc_mark();
                    result.push_str(&text);
                    self.add_raw(&text, &mut in_word);
                }
                '\'' if quotes => {
                    let text = self.single_quoted()?;
                    result.push_str(&text);
                    self.add_raw(&text, &mut in_word);
                }
                '"' if quotes => {
                    let text = self.double_quoted()?;
                    result.push_str(&text);
                    self.add_raw(&text, &mut in_word);
                }
                _ if c == self.lexer.escape => {
                    self.rest.next();
                    if self.keep_escapes {
                        result.push(c);
                        self.add_raw(c.encode_utf8(&mut [0; 4]), &mut in_word);
                    }
                    // An escape at the very end means nothing.
                    let Some(escaped) = self.rest.next() else { break };
                    result.push(escaped);
                    self.add_raw(escaped.encode_utf8(&mut [0; 4]), &mut in_word);
                }
                _ => {
                    let escape = self.lexer.escape;
                    let plain = self.rest.take_while(|c| match c {
                        '$' | '<' => false,
                        '\'' | '"' => !quotes,
                        _ => c != escape && Some(c) != stop,
                    });
                    result.push_str(plain);
                    self.add(plain, &mut in_word);
                }
            }
            if result.len() > MAX_EXPANDED && !self.lexer.keep_unset {
                return Err(ExpandError::TooLarge);
            }
        }
        match stop {
            None => Ok(result),
            Some('/') => Err(ExpandError::Slash),
            Some(_) => Err(ExpandError::Brace),
        }
    }

    fn add(&mut self, text: &str, in_word: &mut bool) {
        for c in text.chars().filter(|_| self.splits) {
            if !c.is_whitespace() {
                self.word.push(c);
                *in_word = true;
            } else if *in_word && !self.word.is_empty() {
                self.words.push(std::mem::take(&mut self.word));
                *in_word = false;
            }
        }
    }

    fn add_raw(&mut self, text: &str, in_word: &mut bool) {
        if self.splits {
            self.word.push_str(text);
            *in_word = true;
        }
    }

    /// `<` or `<<` with the blanks after it, which don't end the word.
    fn heredoc_mark(&mut self) -> String {
        self.rest.next();
        let mut text = String::from("<");
        if self.rest.next_if_eq('<') {
            text.push('<');
            text.push_str(self.rest.take_while(|c| matches!(c, '\t' | '\r' | ' ')));
        }
        text
    }

    fn single_quoted(&mut self) -> Result<String, ExpandError> {
        self.rest.next();
        let mut result = self.quote('\'');
        result.push_str(self.rest.take_while(|c| c != '\''));
        self.rest.next().ok_or(ExpandError::SingleQuote)?;
        result.push_str(&self.quote('\''));
        Ok(result)
    }

    fn double_quoted(&mut self) -> Result<String, ExpandError> {
        self.rest.next();
        let mut result = self.quote('"');
        let escape = self.lexer.escape;
        loop {
            result.push_str(self.rest.take_while(|c| !matches!(c, '"' | '$') && c != escape));
            match self.peek() {
                None => return Err(ExpandError::DoubleQuote),
                Some('"') => {
                    self.rest.next();
                    result.push_str(&self.quote('"'));
                    return Ok(result);
                }
                Some('$') => result.push_str(&self.dollar()?),
                Some(mut c) => {
                    self.rest.next();
                    if c == self.lexer.escape {
                        if self.keep_escapes {
                            result.push(c);
                        }
                        match self.peek() {
                            None => continue,
                            Some(next) if next == '"' || next == '$' || next == c => {
                                self.rest.next();
                                c = next;
                            }
                            Some(_) => {}
                        }
                    }
                    result.push(c);
                }
            }
            if result.len() > MAX_EXPANDED && !self.lexer.keep_unset {
                return Err(ExpandError::TooLarge);
            }
        }
    }

    fn quote(&self, quote: char) -> String {
        if self.lexer.keep_quotes {
            quote.to_string()
        } else {
            String::new()
        }
    }

    fn look_up(&mut self, name: &str) -> Option<&'a str> {
        let value = self.variables.value(name);
        self.seen.unknown |= !self.variables.is_known(name);
        self.seen.work += value.map_or(0, str::len);
        let names = if value.is_some() { &mut self.seen.set } else { &mut self.seen.unset };
        names.insert(name.to_owned());
        value
    }

    fn dollar(&mut self) -> Result<String, ExpandError> {
        self.rest.next();
        if self.rest.next_if_eq('{') {
            return self.braces();
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(match self.look_up(name) {
            Some(value) => value.to_owned(),
            None if self.lexer.keep_unset => format!("${name}"),
            None => String::new(),
        })
    }

    fn braces(&mut self) -> Result<String, ExpandError> {
        match self.peek() {
            None => return Err(ExpandError::Brace),
            Some('{' | '}' | ':') => return Err(ExpandError::Name),
            Some(_) => {}
        }
        let name = self.name();
        match self.rest.next() {
            None => Err(ExpandError::Brace),
            Some('}') => Ok(match self.look_up(name) {
                Some(value) => value.to_owned(),
                None if self.lexer.keep_unset => format!("${{{name}}}"),
                None => String::new(),
            }),
            Some(':') => match self.rest.next() {
                None => Err(ExpandError::Brace),
                Some(c @ ('#' | '%')) => Err(ExpandError::Modifier(format!(":{c}"))),
                Some(c) => self.modifier(name, c, true),
            },
            Some(c @ ('+' | '-' | '?' | '#' | '%')) => self.modifier(name, c, false),
            Some('/') => self.replacement(name),
            Some(c) => Err(ExpandError::Modifier(c.to_string())),
        }
    }

    /// `-word}` and its like; `colon` makes an empty value count as none.
    fn modifier(&mut self, name: &str, modifier: char, colon: bool) -> Result<String, ExpandError> {
        let is_pattern = matches!(modifier, '#' | '%');
        let (word, guessed) = self.operand('}', is_pattern)?;
        let modifier_text = if colon { format!(":{modifier}") } else { modifier.to_string() };
        let found = self.look_up(name);
        let value = found.unwrap_or_default();
        if found.is_none() && self.lexer.keep_unset {
            return Ok(format!("${{{name}{modifier_text}{word}}}"));
        }
        let missing = found.is_none() || (colon && value.is_empty());
        match modifier {
            // With the right value it could be none, as long as that is not known.
            '?' if missing && !self.variables.is_known(name) => Ok(String::new()),
            '-' if missing => Ok(word),
            '+' if missing => Ok(String::new()),
            '+' => Ok(word),
            '?' if found.is_none() => Err(ExpandError::Unset { name: name.to_owned(), message: word }),
            '?' if missing => Err(ExpandError::Empty { name: name.to_owned(), message: word }),
            '-' | '?' => Ok(value.to_owned()),
            '#' | '%' if guessed => Ok(value.to_owned()),
            '#' | '%' => {
                let (word, longest) = match word.strip_prefix(modifier) {
                    Some(word) => (word, true),
                    None => (word.as_str(), false),
                };
                self.seen.work += (value.len() + 1) * (word.len() + 1);
                let trim = if modifier == '#' { pattern::trim_start } else { pattern::trim_end };
                trim(value, word, longest)
            }
            _ => Err(ExpandError::Modifier(modifier_text)),
        }
    }

    /// `pattern/word}` or, for every match, `/pattern/word}`.
    fn replacement(&mut self, name: &str) -> Result<String, ExpandError> {
        let all = self.rest.next_if_eq('/');
        let (searched, guessed) = self.operand('/', true)?;
        let (replacement, _) = self.operand('}', true)?;
        let found = self.look_up(name);
        if found.is_none() && self.lexer.keep_unset {
            return Ok(format!("${{{name}/{searched}/{replacement}}}"));
        }
        let value = found.unwrap_or_default();
        if guessed {
            return Ok(value.to_owned());
        }
        self.seen.work += (value.len() + 1) * (searched.len() + 1);
        let pattern = Pattern::parse(&searched, true)?;
        if all {
            pattern.replace_all(value, &replacement)
        } else {
            pattern.replace(value, &replacement)
        }
    }

    /// What stands behind a modifier, and whether it holds a value that is not known.
    fn operand(&mut self, stop: char, keep_escapes: bool) -> Result<(String, bool), ExpandError> {
        let before = std::mem::take(&mut self.seen.unknown);
        let word = self.until(Some(stop), keep_escapes);
        let guessed = self.seen.unknown;
        self.seen.unknown |= before;
        Ok((word?, guessed))
    }

    fn name(&mut self) -> &'a str {
        match self.peek() {
            Some(c) if is_digit(c) => self.rest.take_while(is_digit),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => self.rest.take(1),
            _ => self.rest.take_while(|c| c == '_' || is_letter(c) || is_digit(c)),
        }
    }
}

/// What was not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let next = chars.next();
        self.0 = chars.as_str();
        next
    }

    fn next_if_eq(&mut self, expected: char) -> bool {
        let rest = self.0.strip_prefix(expected);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// So many bytes.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        self.take(self.0.find(|c| !wanted(c)).unwrap_or(self.0.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl Variables for BTreeMap<&str, &str> {
        fn value(&self, name: &str) -> Option<&str> {
            self.get(name).copied()
        }
    }

    fn expand(word: &str) -> Result<String, ExpandError> {
        let variables = BTreeMap::from([
            ("V", "3.20.1"),
            ("X", "aXbXc"),
            ("E", ""),
            ("DOLLAR", "$0"),
            ("STAR", "*"),
            ("LINES", "a\nb"),
            ("é", "accent"),
        ]);
        Lexer::new('\\').expand(word, &variables).map(|e| e.text).map_err(|(error, _)| error)
    }

    #[track_caller]
    fn check(word: &str, expected: &str) {
        assert_eq!(expand(word).as_deref(), Ok(expected), "{word}");
    }

    #[track_caller]
    fn check_err(word: &str, expected: ExpandError) {
        assert_eq!(expand(word), Err(expected), "{word}");
    }

    #[test]
    fn names() {
        check("a:$V-slim", "a:3.20.1-slim");
        check("a:${V}x", "a:3.20.1x");
        check("$NOPE.$", ".$");
        check("$10 $@x $-y", " x y");
        check("$é", "accent");
        check("$(V)", "$(V)");
        check("${@}${1}", "");
    }

    #[test]
    fn quotes_and_escapes() {
        check("\"$V\"'$V'\\$V", "3.20.1$V$V");
        check(r#""a\"b\$c\\d\e""#, r#"a"b$c\d\e"#);
        check("a\\", "a");
        check("'it''s'", "its");
        check_err("'a", ExpandError::SingleQuote);
        check_err("\"a", ExpandError::DoubleQuote);
        check_err("\"$V\\", ExpandError::DoubleQuote);
        let backtick = Lexer::new('`').expand("a`$V\\b", &NoVariables).map(|e| e.text);
        assert_eq!(backtick.as_deref(), Ok("a$V\\b"));
    }

    #[test]
    fn defaults() {
        check("${N:-a}${N-b}${E:-c}${E-d}", "abc");
        check("${N:+a}${N+b}${E:+c}${E+d}${V:+e}", "de");
        check("${N:-${M:-$V}}", "3.20.1");
        check("${N:-\"a}b\"}", "a}b");
        check("${V:?no}", "3.20.1");
        check("${E?no}", "");
        check("a:${N:-1}}", "a:1}");
        check_err("${N?set N}", ExpandError::Unset { name: "N".into(), message: "set N".into() });
        check_err("${N:?}", ExpandError::Unset { name: "N".into(), message: String::new() });
        check_err("${E:?}", ExpandError::Empty { name: "E".into(), message: String::new() });
    }

    #[test]
    fn patterns() {
        check("${V%.*}", "3.20");
        check("${V%%.*}", "3");
        check("${V#*.}", "20.1");
        check("${V##*.}", "1");
        check("${X#*X}", "bXc");
        check("${X%X*}", "aXb");
        check("${X#\"$STAR\"X}", "bXc");
        check("${X%[bc]}", "aXbXc");
        check("${V#?.}", "20.1");
        check("${LINES#*b}", "a\nb");
        check("${LINES#*?}", "\nb");
        check_err("${V#\\a}", ExpandError::Pattern("\\a".into()));
        check_err("${V%a\\b}", ExpandError::Pattern("a\\b".into()));
    }

    #[test]
    fn replacements() {
        check("${V/./-}", "3-20.1");
        check("${V//./-}", "3-20-1");
        check("${V/?./x}", "x20.1");
        check("${V//./$DOLLAR}", "3.20.1");
        check("${V/./$DOLLAR}", "3$020.1");
        check("${V//./\\$\\$1}", "3\\$\\20\\$\\1");
        check("${V//x*/y}", "3.20.1");
        check("${V//*/y}", "y");
        check("${E/*/y}", "y");
        check_err("${V/\\./x}", ExpandError::Pattern("\\.".into()));
    }

    #[test]
    fn errors() {
        check_err("${", ExpandError::Brace);
        check_err("${V", ExpandError::Brace);
        check_err("${V:-a", ExpandError::Brace);
        check_err("${V/a}", ExpandError::Slash);
        check_err("${}", ExpandError::Name);
        check_err("${:-a}", ExpandError::Name);
        check_err("${{V}}", ExpandError::Name);
        check_err("${V:=a}", ExpandError::Modifier(":=".into()));
        check_err("${V:0:2}", ExpandError::Modifier(":0".into()));
        check_err("${V^^}", ExpandError::Modifier("^".into()));
        check_err("${V:#a}", ExpandError::Modifier(":#".into()));
        check_err(&"${a:-".repeat(100), ExpandError::TooLarge);
    }

    #[test]
    fn words_keep_quoted_blanks() {
        let lexer = Lexer { keep_quotes: true, keep_escapes: true, keep_unset: true, ..Lexer::new('\\') };
        let words = |line| lexer.words(line, &NoVariables);
        assert_eq!(
            words("cat << EOF 'a b' c\\ d $x"),
            Ok(vec!["cat".into(), "<< EOF".into(), "'a b'".into(), "c\\ d".into(), "$x".into(),])
        );
        assert_eq!(words("a${x:-y}"), Ok(vec!["${x:-y}".into()]));
        assert!(words("a 'b").is_err());
    }

    #[test]
    fn tells_the_names_it_read() {
        let variables = BTreeMap::from([("V", "1")]);
        let expanded = Lexer::new('\\').expand("$V${N:-$M}", &variables).expect("no error in it");
        assert_eq!(expanded.set, SortedSet::from("V".to_owned()));
        assert_eq!(expanded.unset, ["M", "N"].map(str::to_owned).into_iter().collect());
    }
}

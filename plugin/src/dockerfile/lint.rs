//! What BuildKit's linter finds, where `check=error=true` makes a finding an error.
//!
//! ```text
//! # check=error=true;skip=UndefinedVar       at the top: for the whole file
//! # check=skip=SecretsUsedInArgOrEnv         right before an instruction: only for it
//! ARG TOKEN
//! ```
//!
//! The rules are those of BuildKit 0.32 (`frontend/dockerfile/linter`, and where `instructions` and
//! `dockerfile2llb` call it). Those about lines and FROM see the whole file; the others only the
//! stages that the target needs. Only the build of the first platform is linted.
//!
//! What hangs on the configuration of a base image is a warning, unless the stage begins with
//! `scratch`. Two rules are left out: CopyIgnoredFile, since `.dockerignore` is not read here, and
//! InvalidBaseImagePlatform, since the platform that an image has is not known.

use std::ops::Range;

use super::arguments::{Arguments, Value};
use super::error::shortened;
use super::expand::{Expanded, Lexer, Variables};
use super::instruction::{is_go_bool, Kind};
use super::lines::{Directives, LogicalLine};
use super::platform::Platform;
use super::stages::{Command, File};
use super::syntax;
use super::words::{lower, upper, Keyword, Word};
use super::{Options, MAX_DIAGNOSTICS};
use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::reference::ImageReference;
use crate::sorted::{SortedMap, SortedSet};

/// The build argument that replaces the directive.
const ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";
/// What a platform is redundant with.
const TARGET: &str = "TARGETPLATFORM";

/// How many errors are told, and how many warnings.
const MOST: usize = MAX_DIAGNOSTICS / 2;

/// The rules, in the order of [`RULES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    StageNameCasing,
    FromAsCasing,
    NoEmptyContinuation,
    ConsistentInstructionCasing,
    DuplicateStageName,
    ReservedStageName,
    JsonArgsRecommended,
    MaintainerDeprecated,
    UndefinedArgInFrom,
    WorkdirRelativePath,
    UndefinedVar,
    MultipleInstructionsDisallowed,
    LegacyKeyValueFormat,
    RedundantTargetPlatform,
    SecretsUsedInArgOrEnv,
    InvalidDefaultArgInFrom,
    FromPlatformFlagConstDisallowed,
    ExposeProtoCasing,
    ExposeInvalidFormat,
    InvalidDefinitionDescription,
}

/// The name of each rule, what a word that breaks it does, and how to mend it; one text takes less
/// room in the module than sixty.
const RULES: &str = "\
StageNameCasing|names a build stage in upper case|write
FromAsCasing|is not in the case of its FROM|write
NoEmptyContinuation|is continued over an empty line|delete the empty line
ConsistentInstructionCasing|is not in the case of most instructions|write
DuplicateStageName|names another build stage too|give it another name:
ReservedStageName|names a build stage, and is reserved|give it another name:
JSONArgsRecommended|is run by a shell, which signals do not pass|write a JSON list: `[\"command\"]`
MaintainerDeprecated|is deprecated|write `LABEL org.opencontainers.image.authors=name`
UndefinedArgInFrom|is declared by no ARG|declare it before the first FROM:
WorkdirRelativePath|is relative, and no WORKDIR before it is absolute|write `WORKDIR /path`
UndefinedVar|is not defined|declare it before:
MultipleInstructionsDisallowed|stands in the stage again, and the last one counts|delete this one
LegacyKeyValueFormat|separates name and value by a blank|write `NAME=value`
RedundantTargetPlatform|is the platform anyway|delete `--platform`
SecretsUsedInArgOrEnv|looks like a secret, and the image holds it|mount it:
InvalidDefaultArgInFrom|is no image without build arguments|give each a default: `ARG NAME=value`
FromPlatformFlagConstDisallowed|is the platform whatever is built for|write `--platform=$BUILDPLATFORM`
ExposeProtoCasing|has its protocol in upper case|write
ExposeInvalidFormat|names an address or a port of the host|write
InvalidDefinitionDescription|is not what the comment above describes|put `#` between, or write";

/// Those that are off unless they are asked for.
const EXPERIMENTAL: u32 = 1 << Rule::InvalidDefinitionDescription as u32;
const USUAL: u32 = EXPERIMENTAL - 1;

/// Check options: sets of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Check {
    skip: u32,
    experimental: u32,
    is_error: bool,
}

impl Check {
    /// Reads options; the first that BuildKit does not know is the error.
    fn parse(text: &str) -> Result<Self, &str> {
        let mut check = Check::default();
        for part in text.trim().splitn(3, ';').filter(|_| !text.trim().is_empty()) {
            let (key, value) = part.split_once('=').ok_or(part)?;
            let value = value.trim();
            // A list replaces the one before it, but not `all`.
            let add = |all: u32, before: u32| match value {
                _ if before == all => all,
                "all" => all,
                _ => {
                    let position = |name: &str| {
                        RULES.lines().position(|rule| rule.split('|').next() == Some(name.trim()))
                    };
                    value.split(',').filter_map(position).fold(0, |set, at| set | 1 << at) & all
                }
            };
            match key.trim() {
                "skip" => check.skip = add(USUAL, check.skip),
                "experimental" => check.experimental = add(EXPERIMENTAL, check.experimental),
                "error" if is_go_bool(value) => check.is_error = value.starts_with(['1', 't', 'T']),
                _ => return Err(part),
            }
        }
        Ok(check)
    }

    fn merged(self, rules: u32) -> u32 {
        rules & !self.skip | self.experimental
    }
}

/// The check options that are in force, where they make findings errors; what can't be read, and
/// where, is the error.
pub fn check(text: &str, options: &Options) -> Result<Option<Check>, (String, Range<usize>)> {
    // A conversion without a client knows no such argument.
    let given = options.build_args.get(ARGUMENT).filter(|_| options.named_contexts);
    let word = syntax::check(text);
    let (value, span) = match (given, &word) {
        (Some(given), _) => (given.as_str(), 0..0),
        (None, Some(word)) => (word.text.as_str(), word.span.clone()),
        (None, None) => return Ok(None),
    };
    match Check::parse(value) {
        Ok(check) => Ok(Some(check).filter(|check| check.is_error)),
        Err(part) if given.is_some() => Err(([ARGUMENT, "=", part].concat(), span)),
        Err(part) => Err((part.to_owned(), span)),
    }
}

/// What a stage hands on to those that are built on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// It begins with nothing, so no base image has a say.
    is_sure: bool,
    is_windows: bool,
    has_workdir: bool,
    has_shell: bool,
    /// Which names are set is not known any more.
    pub is_lost: bool,
}

/// The linter.
pub struct Lint<'a> {
    file: &'a str,
    text: &'a str,
    /// The rules that are on.
    rules: u32,
    /// Where the comments of the next instruction begin.
    from: usize,
    directives: Directives,
    /// The stages so far.
    names: SortedSet,
    /// The keywords since the first FROM, and their case.
    keywords: Vec<(Keyword, Range<usize>, isize)>,
    /// Other rules for some instructions, by their places.
    special: Vec<(usize, u32)>,
    /// The rules for the instruction that is run.
    current: u32,
    /// That instruction, and the names in it that were told.
    span: Range<usize>,
    unset: Vec<String>,
    /// For a trigger: the FROM that runs it.
    place: Option<Range<usize>>,
    /// CMD, ENTRYPOINT and HEALTHCHECK of the stage that is run.
    once: [Option<Range<usize>>; 3],
    /// How many are errors, and how many warnings.
    told: [usize; 2],
    /// What is broken for sure, and what may be.
    pub found: Vec<Diagnostic>,
}

impl<'a> Lint<'a> {
    /// A linter that has seen nothing yet.
    pub fn new(file: &'a str, text: &'a str, check: Check) -> Self {
        let rules = check.merged(USUAL);
        Lint {
            file,
            text,
            rules,
            from: text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len(),
            directives: Directives::new("#"),
            names: SortedSet::new(),
            keywords: Vec::new(),
            special: Vec::new(),
            current: rules,
            span: 0..0,
            unset: Vec::new(),
            place: None,
            once: [None, None, None],
            told: [0; 2],
            found: Vec::new(),
        }
    }

    /// Looks at one line after the other.
    #[cold]
    #[inline(never)]
    pub fn line(&mut self, line: &LogicalLine<'_>) {
        let (source, node, text) = (&line.source, &line.node, self.text);
        let span = source.span(node.keyword_span.clone());
        let mut rules = self.rules;
        // The comments before it: since an empty comment, or the instruction before.
        let mut at = self.from;
        let mut comment = "";
        let mut check = None;
        for physical in text[at..].split_inclusive('\n') {
            let trimmed = trimmed(physical);
            if !trimmed.is_empty() && !trimmed.starts_with('#') {
                break;
            }
            at += physical.len();
            let is_directive = matches!(self.directives.read(physical.trim_start()), Ok(Some(_)));
            if is_directive || trimmed.is_empty() {
                continue;
            }
            // BuildKit takes one byte off the line, a blank where it is indented.
            comment = physical.strip_prefix('#').map_or(trimmed, self::trimmed);
            check = match Directives::new("").read(comment) {
                _ if comment.is_empty() => None,
                Ok(Some((name, value))) if check.is_none() && name == "check" => Some(value),
                _ => check,
            };
        }
        self.directives.read("").ok();
        let options = check.as_deref().and_then(|value| value.split(' ').next());
        if let Some(Ok(check)) = options.map(Check::parse) {
            rules = check.merged(rules);
            self.special.push((span.start, rules));
        }
        let written = &source.text[node.keyword_span.clone()];
        let case = case(written);
        // ARG before the first FROM does not count.
        if node.keyword == Keyword::From || !self.keywords.is_empty() {
            self.keywords.push((node.keyword, span.clone(), case));
        }
        for (index, physical) in text[at..line.end].split('\n').enumerate() {
            if index > 0 && trimmed(physical).is_empty() {
                self.find(self.rules, Rule::NoEmptyContinuation, node.keyword.name(), &[], &(at..at));
                break;
            }
            at += physical.len() + 1;
        }
        let end = line.heredocs.last().map_or(line.end, |heredoc| heredoc.body.end);
        self.from = text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1);

        let first = comment.split(' ').next().unwrap_or_default();
        let is_described = comment.is_empty()
            || match (node.keyword, node.arguments.as_slice()) {
                (Keyword::Arg, names) => {
                    names.is_empty() || names.iter().any(|word| word.text.split('=').next() == Some(first))
                }
                (Keyword::From, [_, _, name]) => lower(&name.text) == first,
                _ => true,
            };
        if !is_described {
            let name = match node.arguments.as_slice() {
                [_, _, name] if node.keyword == Keyword::From => lower(&name.text).into_owned(),
                names => names[0].text.split('=').next().unwrap_or_default().to_owned(),
            };
            let wanted = &["# ", &name, " what it is"];
            self.find(rules, Rule::InvalidDefinitionDescription, &name, wanted, &span);
        }
        match (node.keyword, node.arguments.as_slice()) {
            (Keyword::Maintainer, _) => {
                self.find(rules, Rule::MaintainerDeprecated, node.keyword.name(), &[], &span);
            }
            (Keyword::From, [_, word, name]) => {
                let stage = lower(&name.text).into_owned();
                let place = source.span(name.span.clone());
                if stage != name.text {
                    self.find(rules, Rule::StageNameCasing, &name.text, &["AS ", &stage], &place);
                }
                let right = if case < 0 { lower(&word.text).into_owned() } else { upper(&word.text) };
                if case != 0 && right != word.text {
                    let place = source.span(word.span.clone());
                    self.find(rules, Rule::FromAsCasing, &word.text, &[&right], &place);
                }
                let other: &[&str] = &["AS ", &stage, "-2"];
                if matches!(stage.as_str(), "context" | "scratch") {
                    self.find(self.rules, Rule::ReservedStageName, &stage, other, &place);
                }
                if !self.names.insert(stage.clone()) {
                    self.find(self.rules, Rule::DuplicateStageName, &stage, other, &place);
                }
            }
            _ => {}
        }
    }

    /// Looks at the keywords, and at the FROM lines once their arguments are known.
    #[cold]
    #[inline(never)]
    pub fn headers(&mut self, file: &File, arguments: &Arguments<'_>, builder: &Platform) {
        self.place = None;
        let upper_case: isize = self.keywords.iter().map(|(.., case)| case).sum();
        let most = if upper_case < 0 { -1 } else { 1 };
        for (keyword, span, case) in std::mem::take(&mut self.keywords) {
            if case != most {
                let name = keyword.name();
                let right = if most < 0 { lower(name) } else { name.into() };
                let written = &self.text[span.clone()];
                self.find(self.rules, Rule::ConsistentInstructionCasing, written, &[&right], &span);
            }
        }
        let defaults = arguments.by_default();
        let mut defaults = defaults.as_ref();
        for instruction in &file.instructions {
            let Kind::From { base, name, platform } = &instruction.kind else { continue };
            let rules = self.rules_at(instruction.span.start);
            self.undeclared(rules, base, arguments);
            if let Some(word) = platform {
                self.undeclared(rules, word, arguments);
                let stage = name.as_ref().map_or("", |name| &name.text);
                if let Ok(expanded) = Lexer::new(file.escape).expand(&word.text, arguments) {
                    let is_target = arguments.value(TARGET) == Some(&expanded.text);
                    self.platform(rules, word, stage, &expanded, is_target, builder);
                }
            }
            let Some(Ok(value)) = defaults.map(|defaults| defaults.expand(&base.text)) else {
                // BuildKit then looks at none of the others.
                defaults = None;
                continue;
            };
            if ImageReference::parse(&value.text).is_err() {
                let rule = Rule::InvalidDefaultArgInFrom;
                self.find(self.rules, rule, &base.text, &[], &base.span);
            }
        }
    }

    #[inline(never)]
    fn undeclared(&mut self, rules: u32, word: &Word, arguments: &Arguments<'_>) {
        if let Ok(Value { undeclared: Some(name), .. }) = arguments.expand(&word.text) {
            let wanted = &["ARG ", &name, "=value"];
            self.find(rules, Rule::UndefinedArgInFrom, &name, wanted, &word.span);
        }
    }

    fn platform(
        &mut self,
        rules: u32,
        word: &Word,
        stage: &str,
        expanded: &Expanded,
        is_target: bool,
        builder: &Platform,
    ) {
        if !expanded.unset.is_empty() || expanded.set.len() > 1 {
            return;
        }
        let rule = match expanded.set.iter().next() {
            Some(name) if name == TARGET && is_target => Rule::RedundantTargetPlatform,
            Some(_) => return,
            None => {
                let Some(platform) = Platform::parse(&expanded.text, builder) else { return };
                if stage.contains(&platform.os) || stage.contains(&platform.architecture) {
                    return;
                }
                Rule::FromPlatformFlagConstDisallowed
            }
        };
        self.find(rules, rule, &word.text, &[], &word.span);
    }

    fn rules_at(&self, place: usize) -> u32 {
        let found = self.special.binary_search_by_key(&place, |(at, _)| *at);
        found.map_or(self.rules, |at| self.special[at].1)
    }

    /// A rule is broken for sure by a word, which should be another.
    #[inline(never)]
    fn find(&mut self, rules: u32, rule: Rule, value: &str, wanted: &[&str], span: &Range<usize>) {
        self.tell(rules, rule, value, wanted, span, "");
    }

    /// The same, `unless` something is so.
    #[inline(never)]
    fn tell(
        &mut self,
        rules: u32,
        rule: Rule,
        value: &str,
        wanted: &[&str],
        span: &Range<usize>,
        unless: &str,
    ) {
        let told = &mut self.told[usize::from(unless.is_empty())];
        if rules & 1 << rule as u32 == 0 || *told >= MOST {
            return;
        }
        *told += 1;
        let span = self.place.as_ref().unwrap_or(span);
        let mut parts = RULES.lines().nth(rule as usize).unwrap_or_default().split('|');
        let [name, what, mend] = [(); 3].map(|()| parts.next().unwrap_or_default());
        let message = ["`", value, "` ", what, ": `check=error=true` refuses that", unless, " (", name, ")"];
        let tick = if wanted.is_empty() { ["", ""] } else { [" `", "`"] };
        // What is experimental can't be skipped.
        let skip = match 1 << rule as u32 {
            EXPERIMENTAL => ["", "", ""],
            _ => [", or list `", name, "` in `skip=` of the check options"],
        };
        let hint = [mend, tick[0], &wanted.concat(), tick[1], skip[0], skip[1], skip[2]].concat();
        let mut diagnostic = Diagnostic::error("IF0729", shortened(message.concat()))
            .at(Location::of(self.file, self.text, span.clone()))
            .hint(shortened(hint));
        if !unless.is_empty() {
            diagnostic.severity = Severity::Warning;
        }
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// A stage begins; `os` is told unless it is built on another stage.
    pub fn begin(&mut self, known: &mut Known, is_empty: bool, os: Option<&str>) {
        self.once = [None, None, None];
        known.is_sure |= is_empty;
        known.is_windows |= os == Some("windows");
    }

    /// An instruction begins.
    #[cold]
    #[inline(never)]
    pub fn enter(&mut self, command: &Command, known: &mut Known) {
        let instruction = &command.instruction;
        let keyword = instruction.keyword;
        self.place = command.place.clone();
        self.span = instruction.span.clone();
        self.unset.clear();
        self.current = if self.place.is_some() { self.rules } else { self.rules_at(self.span.start) };
        if keyword == Keyword::Expose {
            // BuildKit does not look for names in ports.
            self.current &= !(1 << Rule::UndefinedVar as u32);
        }
        let span = command.span(&self.span);
        if let Some(at) =
            [Keyword::Cmd, Keyword::Entrypoint, Keyword::HealthCheck].iter().position(|once| *once == keyword)
        {
            if let Some(before) = self.once[at].replace(span.clone()) {
                self.find(self.current, Rule::MultipleInstructionsDisallowed, keyword.name(), &[], &before);
            }
        }
        known.has_shell |= keyword == Keyword::Shell;
        if !instruction.is_old_form {
            return;
        }
        if matches!(keyword, Keyword::Env | Keyword::Label) {
            self.find(self.current, Rule::LegacyKeyValueFormat, keyword.name(), &[], &span);
        } else if !known.has_shell {
            let unless = if known.is_sure { "" } else { " unless the base image has a SHELL" };
            self.tell(self.current, Rule::JsonArgsRecommended, keyword.name(), &[], &span, unless);
        }
    }

    /// Names are looked up and have no value that is known.
    #[cold]
    #[inline(never)]
    pub fn unset(
        &mut self,
        names: &SortedSet,
        values: &SortedMap<Option<String>>,
        known: Known,
        is_open: bool,
    ) {
        let is_sure = known.is_sure && !is_open;
        let unless = if is_sure { "" } else { " unless the base image defines it" };
        for name in names.iter() {
            // BuildKit sets the first, and knows the others.
            let is_set = name == "PATH" || name.starts_with("BUILDKIT_SBOM_SCAN_");
            let is_set = is_set || values.contains_key(name) || values.contains_key(&declared(name));
            let is_told = self.told[usize::from(is_sure)] >= MOST || self.unset.contains(name);
            if is_set || is_told || known.is_lost {
                continue;
            }
            self.unset.push(name.clone());
            let span = match &self.place {
                Some(place) => place.clone(),
                None => self.look_up(name),
            };
            self.tell(self.current, Rule::UndefinedVar, name, &["ARG ", name, "=value"], &span, unless);
        }
    }

    /// Where a name is looked up.
    fn look_up(&self, name: &str) -> Range<usize> {
        let bytes = self.text.as_bytes();
        let found = self.span.clone().find_map(|at| {
            let rest = bytes[at..].strip_prefix(b"$")?;
            let rest = rest.strip_prefix(b"{").unwrap_or(rest);
            rest.starts_with(name.as_bytes()).then(|| at..bytes.len() - rest.len() + name.len())
        });
        found.unwrap_or_else(|| self.span.clone())
    }

    /// ARG or ENV sets a name.
    pub fn secret(&mut self, name: &str, span: &Range<usize>) {
        const SECRET: &[&str] = &[
            "apikey",
            "auth",
            "credential",
            "credentials",
            "key",
            "password",
            "pword",
            "passwd",
            "secret",
            "token",
        ];
        let has = |words: &[&str]| name.split('_').any(|part| words.contains(&folded(part).as_str()));
        if has(SECRET) && !has(&["public", "file", "version"]) {
            let wanted = &["RUN --mount=type=secret,id=", name];
            self.find(self.current, Rule::SecretsUsedInArgOrEnv, name, wanted, span);
        }
    }

    /// WORKDIR: as written, and what it becomes if that is known.
    pub fn workdir(&mut self, word: &Word, value: Option<&str>, known: &mut Known) {
        if std::mem::replace(&mut known.has_workdir, true) {
            return;
        }
        let path = value.unwrap_or(word.text.trim_start_matches(['"', '\'']));
        let on_drive = match path.split_once(':') {
            Some((drive, path)) if drive.eq_ignore_ascii_case("c") => path,
            _ => path,
        };
        let is_absolute = match known.is_windows {
            true => on_drive.starts_with(['/', '\\']),
            false => path.starts_with('/'),
        };
        if is_absolute {
            return;
        }
        let is_sure = value.is_some() || !(known.is_windows || path.starts_with(['$', '\\', '`']));
        let unless = if is_sure { "" } else { " unless the base image makes it absolute" };
        self.tell(self.current, Rule::WorkdirRelativePath, path, &[], &word.span, unless);
    }

    /// One port of EXPOSE.
    #[cold]
    #[inline(never)]
    pub fn port(&mut self, port: &str, span: &Range<usize>) {
        let container = port.rsplit(':').next().unwrap_or_default();
        let wanted = &["EXPOSE ", &lower(container)];
        let protocol = container.split_once('/').map_or("", |(_, protocol)| protocol);
        if lower(protocol) != protocol {
            self.find(self.current, Rule::ExposeProtoCasing, port, wanted, span);
        }
        if port.trim_start_matches(':').len() > container.len() {
            self.find(self.current, Rule::ExposeInvalidFormat, port, wanted, span);
        }
    }
}

/// The key of a name that ARG declares, with a value or without, among the variables.
pub fn declared(name: &str) -> String {
    ["ARG ", name].concat()
}

/// Lower case as Go's regular expressions compare.
fn folded(text: &str) -> String {
    let fold = |c: char| match c {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        c => c.to_ascii_lowercase(),
    };
    text.chars().map(fold).collect()
}

#[inline(never)]
fn trimmed(text: &str) -> &str {
    text.trim()
}

/// -1 for a word in lower case, 1 for one in upper case, 0 where both stand in it.
fn case(word: &str) -> isize {
    match word {
        word if word == lower(word) => -1,
        word if word == upper(word) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_check_options() {
        let rule = |rule: Rule| 1 << rule as u32;
        let check = |text: &'static str| Check::parse(text);
        assert_eq!(check(" "), Ok(Check::default()));
        assert_eq!(check("skip=all").map(|check| check.skip), Ok(USUAL));
        assert_eq!(check("experimental=all").map(|check| check.experimental), Ok(EXPERIMENTAL));
        assert_eq!(
            check("error=T; skip = UndefinedVar , Nothing"),
            Ok(Check { skip: rule(Rule::UndefinedVar), experimental: 0, is_error: true })
        );
        assert_eq!(check("skip=InvalidDefinitionDescription").map(|check| check.skip), Ok(0));
        assert_eq!(check("error=true;error=0").map(|check| check.is_error), Ok(false));
        for text in ["x", "error=maybe", "skip=a;y=1", "skip=a;", "error=true; "] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_is_in_order() {
        let name = |rule: Rule| RULES.lines().nth(rule as usize).and_then(|line| line.split('|').next());
        for rule in [Rule::StageNameCasing, Rule::UndefinedVar, Rule::InvalidDefinitionDescription] {
            assert_eq!(name(rule), Some(format!("{rule:?}").as_str()));
        }
        assert!(RULES.lines().all(|line| line.split('|').count() == 3));
        assert_eq!(RULES.lines().count(), 1 + Rule::InvalidDefinitionDescription as usize);
    }
}

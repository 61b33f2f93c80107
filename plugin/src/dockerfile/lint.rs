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

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use super::arguments::Arguments;
use super::error::{Explain, Problem};
use super::expand::{Expanded, Lexer, Variables};
use super::instruction::{is_go_bool, Kind};
use super::lines::{self, Directives, LogicalLine};
use super::platform::Platform;
use super::stages::{Command, File};
use super::syntax;
use super::words::{lower, upper, Word};
use super::{Options, MAX_DIAGNOSTICS};
use crate::diagnostic::Severity;
use crate::reference::ImageReference;
use crate::sorted::SortedSet;

/// The build argument that replaces the directive.
const ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";
/// What a platform is redundant with.
const TARGET: &str = "TARGETPLATFORM";
/// How many declared arguments may be copied from stage to stage in all; beyond, none is missed.
const MAX_COPIED: usize = 1_000_000;

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
    InvalidDefinitionDescription,
    ExposeProtoCasing,
    ExposeInvalidFormat,
}

/// The name of each rule, what a word that breaks it does, and how to mend it.
const RULES: [[&str; 3]; 20] = [
    ["StageNameCasing", "names a build stage in upper case", "write"],
    ["FromAsCasing", "is not in the case of its FROM", "write"],
    ["NoEmptyContinuation", "is continued over an empty line", "delete the empty line"],
    ["ConsistentInstructionCasing", "is not in the case of most instructions", "write"],
    ["DuplicateStageName", "names another build stage too", "give it another name:"],
    ["ReservedStageName", "names a build stage, and is reserved", "give it another name:"],
    ["JSONArgsRecommended", "is run by a shell, which signals do not pass", "write a JSON list:"],
    ["MaintainerDeprecated", "is deprecated", "write"],
    ["UndefinedArgInFrom", "is declared by no ARG", "declare it before the first FROM:"],
    ["WorkdirRelativePath", "is relative, and no WORKDIR before it is absolute", "write"],
    ["UndefinedVar", "is not defined", "declare it before:"],
    [
        "MultipleInstructionsDisallowed",
        "stands in the stage again, and the last one counts",
        "delete this one",
    ],
    ["LegacyKeyValueFormat", "separates name and value by a blank", "write"],
    ["RedundantTargetPlatform", "is the platform anyway", "delete `--platform`"],
    ["SecretsUsedInArgOrEnv", "looks like a secret, and the image tells it", "mount it:"],
    ["InvalidDefaultArgInFrom", "is no image without build arguments", "give each a default:"],
    ["FromPlatformFlagConstDisallowed", "is the platform whatever is built for", "write"],
    ["InvalidDefinitionDescription", "is not what the comment above describes", "write"],
    ["ExposeProtoCasing", "has its protocol in upper case", "write"],
    ["ExposeInvalidFormat", "names an address or a port of the host", "write"],
];

/// Those that are off unless they are asked for.
const EXPERIMENTAL: u32 = 1 << Rule::InvalidDefinitionDescription as u32;
const USUAL: u32 = (1 << RULES.len()) - 1 - EXPERIMENTAL;

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
                    let position = |name: &str| RULES.iter().position(|[known, ..]| *known == name.trim());
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
        Err(part) => Err((part.to_owned(), span)),
    }
}

/// A rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    rule: Rule,
    value: String,
    /// To be written instead; may be empty.
    wanted: String,
    is_sure: bool,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, what, _] = RULES[self.rule as usize];
        let unless = match self.rule {
            _ if self.is_sure => "",
            Rule::UndefinedVar => " unless the base image defines it",
            Rule::JsonArgsRecommended => " unless the base image has a SHELL",
            _ => " unless the base image makes it absolute",
        };
        let parts =
            ["`", &self.value, "` ", what, ": `check=error=true` refuses that", unless, " (", name, ")"];
        parts.into_iter().try_for_each(|part| f.write_str(part))
    }
}

impl Explain for Violation {
    fn code(&self) -> &'static str {
        "IF0729"
    }

    fn hint(&self) -> Option<String> {
        let [name, _, mend] = RULES[self.rule as usize];
        let tick = if self.wanted.is_empty() { ["", ""] } else { [" `", "`"] };
        let skip = ", or add `;skip=";
        Some([mend, tick[0], &self.wanted, tick[1], skip, name, "` to the check options"].concat())
    }

    fn severity(&self) -> Severity {
        if self.is_sure {
            Severity::Error
        } else {
            Severity::Warning
        }
    }
}

/// What a stage hands on to those that are built on it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// It begins with nothing, so no base image has a say.
    is_sure: bool,
    is_windows: bool,
    has_workdir: bool,
    has_shell: bool,
    declared: Rc<SortedSet>,
}

/// The linter.
pub struct Lint<'a> {
    text: &'a str,
    /// The rules that are on.
    rules: u32,
    /// Other rules for some instructions, by their places.
    special: Vec<(usize, u32)>,
    /// The rules for the instruction that is run.
    current: u32,
    unset: RefCell<Vec<String>>,
    /// CMD, ENTRYPOINT and HEALTHCHECK of the stage that is run.
    once: [Option<Range<usize>>; 3],
    copied: usize,
    /// What is broken for sure, and what may be.
    pub found: [Vec<Problem<Violation>>; 2],
}

impl<'a> Lint<'a> {
    /// Looks at the lines of a file, which can be read.
    pub fn new(text: &'a str, check: Check) -> Self {
        let rules = check.merged(USUAL);
        let found = [Vec::new(), Vec::new()];
        let unset = RefCell::default();
        let once = [None, None, None];
        let mut lint = Lint { text, rules, special: Vec::new(), current: 0, unset, once, copied: 0, found };
        let mut directives = Directives::new("#");
        let mut at = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
        let mut names = SortedSet::new();
        let mut keywords = Vec::new();
        lines::split(text, &mut |line| {
            let (begin, comments) = comments(text, at, &line, &mut directives);
            lint.line(&line, begin, &comments, &mut names, &mut keywords);
            let end = line.heredocs.last().map_or(line.end, |heredoc| heredoc.body.end);
            at = text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1);
        });
        let count = |case| keywords.iter().filter(|(_, _, found)| *found == Some(case)).count();
        let wanted = count(Case::Lower) > count(Case::Upper);
        let wanted = if wanted { Case::Lower } else { Case::Upper };
        for (keyword, span, case) in keywords {
            if case != Some(wanted) {
                let written = if wanted == Case::Lower { lower(keyword) } else { keyword.to_owned() };
                let rule = Rule::ConsistentInstructionCasing;
                lint.find(lint.rules, rule, &text[span.clone()], written, span);
            }
        }
        lint
    }

    fn line(
        &mut self,
        line: &LogicalLine<'_>,
        begin: usize,
        comments: &[&str],
        names: &mut SortedSet,
        keywords: &mut Vec<(&'static str, Range<usize>, Option<Case>)>,
    ) {
        let (source, node) = (&line.source, &line.node);
        let span = source.span(node.keyword_span.clone());
        let mut rules = self.rules;
        let options = comments.iter().find_map(|comment| match Directives::new("").read(comment) {
            Ok(Some((name, value))) if name == "check" => Some(value),
            _ => None,
        });
        let options = options.as_deref().and_then(|value| value.split(' ').next());
        if let Some(Ok(check)) = options.map(Check::parse) {
            rules = check.merged(rules);
            self.special.push((span.start, rules));
        }
        let written = &source.text[node.keyword_span.clone()];
        let case = Case::of(written);
        if node.keyword == "FROM" || !keywords.is_empty() {
            keywords.push((node.keyword, span.clone(), case));
        }
        let mut at = begin;
        for (index, physical) in self.text[begin..line.end].split('\n').enumerate() {
            if index > 0 && physical.trim().is_empty() {
                let rule = Rule::NoEmptyContinuation;
                self.find(self.rules, rule, node.keyword, String::new(), at..at);
                break;
            }
            at += physical.len() + 1;
        }
        let mut described: Vec<&str> = Vec::new();
        let stage;
        match (node.keyword, node.arguments.as_slice()) {
            ("MAINTAINER", _) => {
                let wanted = "LABEL org.opencontainers.image.authors=name".to_owned();
                self.find(rules, Rule::MaintainerDeprecated, "MAINTAINER", wanted, span);
            }
            ("ARG", arguments) => {
                described.extend(arguments.iter().filter_map(|word| word.text.split('=').next()));
            }
            ("FROM", [_, word, name]) => {
                stage = lower(&name.text);
                described.push(&stage);
                let place = source.span(name.span.clone());
                let wanted = ["AS ", &stage].concat();
                if stage != name.text {
                    self.find(rules, Rule::StageNameCasing, &name.text, wanted.clone(), place.clone());
                }
                let right = if case == Some(Case::Lower) { lower(&word.text) } else { upper(&word.text) };
                if case.is_some() && right != word.text {
                    let place = source.span(word.span.clone());
                    self.find(rules, Rule::FromAsCasing, &word.text, right, place);
                }
                let other = wanted + "-2";
                if matches!(stage.as_str(), "context" | "scratch") {
                    self.find(self.rules, Rule::ReservedStageName, &stage, other.clone(), place.clone());
                }
                if !names.insert(stage.clone()) {
                    self.find(self.rules, Rule::DuplicateStageName, &stage, other, place);
                }
            }
            _ => {}
        }
        if let (Some(comment), Some(name)) = (comments.last(), described.first()) {
            let first = comment.split(' ').next().unwrap_or_default();
            if !described.contains(&first) {
                let wanted = ["# ", name, " what it is"].concat();
                let place = source.span(node.keyword_span.clone());
                self.find(rules, Rule::InvalidDefinitionDescription, name, wanted, place);
            }
        }
    }

    /// Looks at the FROM lines once their arguments are known.
    pub fn headers(&mut self, file: &File, arguments: &Arguments<'_>, builder: &Platform) {
        let defaults = arguments.by_default();
        let mut defaults = defaults.as_ref();
        for instruction in &file.instructions {
            let Kind::From { base, name, platform } = &instruction.kind else { continue };
            let rules = self.rules_at(instruction.span.start);
            for word in [Some(base), platform.as_ref()].into_iter().flatten() {
                let undeclared = arguments.expand(&word.text).ok().and_then(|value| value.undeclared);
                if let Some(name) = undeclared {
                    let wanted = ["ARG ", &name, "=value"].concat();
                    self.find(rules, Rule::UndefinedArgInFrom, &name, wanted, word.span.clone());
                }
            }
            if let Some(word) = platform {
                let stage = name.as_ref().map_or("", |name| &name.text);
                let expanded = Lexer::new(file.escape).expand(&word.text, arguments);
                if let Ok(expanded) = expanded {
                    let target = arguments.value(TARGET) == Some(&expanded.text);
                    self.platform(rules, word, stage, &expanded, target, builder);
                }
            }
            let Some(Ok(value)) = defaults.map(|defaults| defaults.expand(&base.text)) else {
                // BuildKit then looks at none of the others.
                defaults = None;
                continue;
            };
            if ImageReference::parse(&value.text).is_err() {
                let (rule, wanted) = (Rule::InvalidDefaultArgInFrom, "ARG NAME=value".to_owned());
                self.find(self.rules, rule, &base.text, wanted, base.span.clone());
            }
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
        let (rule, wanted) = match expanded.set.iter().next() {
            Some(name) if name == TARGET && is_target => (Rule::RedundantTargetPlatform, ""),
            Some(_) => return,
            None => {
                let Some(platform) = Platform::parse(&expanded.text, builder) else { return };
                if stage.contains(&platform.os) || stage.contains(&platform.architecture) {
                    return;
                }
                (Rule::FromPlatformFlagConstDisallowed, "--platform=$BUILDPLATFORM")
            }
        };
        self.find(rules, rule, &word.text, wanted.to_owned(), word.span.clone());
    }

    fn rules_at(&self, place: usize) -> u32 {
        let found = self.special.binary_search_by_key(&place, |(at, _)| *at);
        found.map_or(self.rules, |at| self.special[at].1)
    }

    fn find(&mut self, rules: u32, rule: Rule, value: &str, wanted: String, span: Range<usize>) {
        self.push(rules, Violation { rule, value: value.to_owned(), wanted, is_sure: true }, span);
    }

    fn push(&mut self, rules: u32, error: Violation, span: Range<usize>) {
        let found = &mut self.found[usize::from(!error.is_sure)];
        if rules & 1 << error.rule as u32 != 0 && found.len() < MAX_DIAGNOSTICS {
            found.push(Problem { error, span });
        }
    }

    /// A stage begins; `os` is told unless it is built on another stage.
    pub fn begin(&mut self, known: &mut Known, is_empty: bool, os: Option<&str>) {
        self.once = [None, None, None];
        known.is_sure |= is_empty;
        known.is_windows |= os == Some("windows");
    }

    /// An instruction begins.
    pub fn enter(&mut self, command: &Command, known: &mut Known) {
        let instruction = &command.instruction;
        let (keyword, span) = (instruction.keyword, command.span(&instruction.span));
        let is_trigger = command.place.is_some();
        self.current = if is_trigger { self.rules } else { self.rules_at(instruction.span.start) };
        if let Some(at) = ["CMD", "ENTRYPOINT", "HEALTHCHECK"].iter().position(|once| *once == keyword) {
            if let Some(before) = self.once[at].replace(span.clone()) {
                let rule = Rule::MultipleInstructionsDisallowed;
                self.find(self.current, rule, keyword, String::new(), before);
            }
        }
        known.has_shell |= keyword == "SHELL";
        if !instruction.is_old_form {
            return;
        }
        let value = keyword.to_owned();
        if matches!(keyword, "ENV" | "LABEL") {
            let wanted = [keyword, " NAME=value"].concat();
            self.find(self.current, Rule::LegacyKeyValueFormat, &value, wanted, span);
        } else if !known.has_shell {
            let wanted = [keyword, " [\"command\"]"].concat();
            let rule = Rule::JsonArgsRecommended;
            self.push(self.current, Violation { rule, value, wanted, is_sure: known.is_sure }, span);
        }
    }

    /// Names are looked up and have no value.
    pub fn unset<'n>(&self, names: impl Iterator<Item = &'n String>, known: &Known) {
        const ALWAYS: [&str; 3] = ["PATH", "BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];
        let mut unset = self.unset.borrow_mut();
        for name in names {
            let is_new = !known.declared.contains(name) && !ALWAYS.contains(&name.as_str());
            if is_new && unset.len() < MAX_DIAGNOSTICS && !unset.contains(name) {
                unset.push(name.clone());
            }
        }
    }

    /// An instruction ends.
    pub fn leave(&mut self, command: &Command, known: &Known, is_open: bool) {
        let unset = std::mem::take(self.unset.get_mut());
        // BuildKit does not look at the names in ports, nor do we once too much was declared.
        if command.instruction.keyword == "EXPOSE" || self.copied > MAX_COPIED {
            return;
        }
        for value in unset {
            let span = match &command.place {
                Some(place) => place.clone(),
                None => self.place(&command.instruction.span, &value),
            };
            let wanted = ["ARG ", &value, "=value"].concat();
            let is_sure = known.is_sure && !is_open;
            let violation = Violation { rule: Rule::UndefinedVar, value, wanted, is_sure };
            self.push(self.current, violation, span);
        }
    }

    /// Where a name is looked up.
    fn place(&self, span: &Range<usize>, name: &str) -> Range<usize> {
        let text = &self.text[span.clone()];
        let is_lookup = |at: &usize| text[..*at].ends_with('$') || text[..*at].ends_with("${");
        match text.match_indices(name).map(|(at, _)| at).find(is_lookup) {
            Some(at) => span.start + at..span.start + at + name.len(),
            None => span.clone(),
        }
    }

    /// ARG declares a name, with a value or without.
    pub fn declare(&mut self, known: &mut Known, name: &str) {
        if Rc::strong_count(&known.declared) > 1 {
            self.copied += known.declared.len();
        }
        if self.copied <= MAX_COPIED {
            Rc::make_mut(&mut known.declared).insert(name.to_owned());
        }
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
            let wanted = ["RUN --mount=type=secret,id=", name].concat();
            self.find(self.current, Rule::SecretsUsedInArgOrEnv, name, wanted, span.clone());
        }
    }

    /// WORKDIR: as written, and what it becomes if that is known.
    pub fn workdir(&mut self, word: &str, value: Option<&str>, span: &Range<usize>, known: &mut Known) {
        if std::mem::replace(&mut known.has_workdir, true) {
            return;
        }
        let path = value.unwrap_or(word.trim_start_matches(['"', '\'']));
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
        let wanted = "WORKDIR /path".to_owned();
        let violation =
            Violation { rule: Rule::WorkdirRelativePath, value: path.to_owned(), wanted, is_sure };
        self.push(self.current, violation, span.clone());
    }

    /// One port of EXPOSE.
    pub fn port(&mut self, port: &str, span: &Range<usize>) {
        let container = port.rsplit(':').next().unwrap_or_default();
        let wanted = ["EXPOSE ", &lower(container)].concat();
        let protocol = container.split_once('/').map_or("", |(_, protocol)| protocol);
        if lower(protocol) != protocol {
            self.find(self.current, Rule::ExposeProtoCasing, port, wanted.clone(), span.clone());
        }
        if port.trim_start_matches(':').len() > container.len() {
            self.find(self.current, Rule::ExposeInvalidFormat, port, wanted, span.clone());
        }
    }
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

impl Case {
    /// `None` where both stand in a word.
    fn of(word: &str) -> Option<Self> {
        if word == lower(word) {
            return Some(Case::Lower);
        }
        (word == upper(word)).then_some(Case::Upper)
    }
}

/// Where the line of an instruction begins, and the comments before it: since an empty comment, or
/// the instruction before. Directives are none.
fn comments<'t>(
    text: &'t str,
    from: usize,
    line: &LogicalLine<'_>,
    directives: &mut Directives,
) -> (usize, Vec<&'t str>) {
    let end = line.source.span(0..0).start;
    let mut comments = Vec::new();
    let mut at = from;
    for physical in text[from..end.max(from)].split_inclusive('\n') {
        let trimmed = physical.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            break;
        }
        at += physical.len();
        let is_directive = matches!(directives.read(physical.trim_start()), Ok(Some(_)));
        if is_directive || trimmed.is_empty() {
            continue;
        }
        // BuildKit takes one byte off the line, a blank where it is indented.
        match physical.strip_prefix('#').map_or(trimmed, str::trim) {
            "" => comments.clear(),
            comment => comments.push(comment),
        }
    }
    directives.read("").ok();
    (at, comments)
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
        assert_eq!(RULES[Rule::ExposeInvalidFormat as usize][0], "ExposeInvalidFormat");
        assert_eq!(RULES[Rule::UndefinedVar as usize][0], "UndefinedVar");
        assert_eq!(RULES[Rule::InvalidDefinitionDescription as usize][0], "InvalidDefinitionDescription");
    }
}

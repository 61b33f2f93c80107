//! Lines as instructions: what FROM, ARG, COPY, RUN and ONBUILD say, and whether the others are
//! well formed.
//!
//! BuildKit checks every instruction of the file here, those of unused stages too
//! (`frontend/dockerfile/instructions`, dockerfile/1.26).

use std::ops::Range;
use std::rc::Rc;

use thiserror::Error;

use super::error::{Explain, LineError, Problem};
use super::flags::{comma_separated, Flags};
use super::lines::{self, heredoc_name, Heredoc, LogicalLine, Mapped};
use super::lint::Lint;
use super::mount::Mount;
use super::suggest;
use super::words::{lower, upper, Keyword, Node, Word, KEYWORDS};

/// What an instruction says, as far as images depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `FROM --platform=… base AS name`.
    From {
        /// As written.
        base: Word,
        /// In lower case.
        name: Option<Word>,
        /// As written.
        platform: Option<Word>,
    },
    /// `ARG name=value …`.
    Arg(Vec<Argument>),
    /// `ENV name=value …`: name, value, name, …
    Env(Vec<Word>),
    /// COPY and ADD.
    Copy(Box<Copy>),
    /// RUN: its mounts, and the first of its devices.
    Run(Vec<Mount>, Option<Word>),
    /// `ONBUILD instruction`, as a Dockerfile of its own.
    Onbuild(String),
    /// STOPSIGNAL.
    StopSignal(Word),
    /// The others: the words that are expanded.
    Other(Vec<Word>),
}

/// What COPY and ADD say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    /// `--from`, unless empty; ADD has none.
    pub from: Option<Word>,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--checksum`, which only ADD has.
    pub checksum: Option<Word>,
    /// Sources that are no heredocs.
    pub sources: Vec<Word>,
    /// The bodies of heredocs that variables are replaced in.
    pub contents: Vec<Word>,
    /// Where to.
    pub destination: Word,
}

/// One name of an ARG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The name, as written.
    pub name: String,
    /// The default, before it is expanded.
    pub default: Option<String>,
    /// Where, in the file.
    pub span: Range<usize>,
}

/// One instruction; all its places are bytes of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// `FROM`, in upper case.
    pub keyword: Keyword,
    /// What it says.
    pub kind: Kind,
    /// The keyword and all behind it.
    pub span: Range<usize>,
    /// CMD and ENTRYPOINT without a JSON list, ENV and LABEL without `=`.
    pub is_old_form: bool,
}

/// Wrong with an instruction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InstructionError {
    /// No such keyword.
    #[error("there is no instruction `{0}`")]
    Unknown(String),
    /// Before the first FROM, and no ARG.
    #[error("{0} stands before the first FROM")]
    BeforeFrom(Keyword),
    /// No such flag.
    #[error("{keyword} has no flag `{flag}`")]
    UnknownFlag {
        /// The instruction.
        keyword: Keyword,
        /// With its dashes.
        flag: String,
        /// What it has, without dashes.
        known: Vec<&'static str>,
    },
    /// The flag stands twice.
    #[error("the flag `{0}` stands twice")]
    FlagTwice(String),
    /// `--flag` without `=value`.
    #[error("the flag `{0}` has no value")]
    FlagWithoutValue(String),
    /// `--link=maybe`.
    #[error("the flag `{flag}` is true or false, not `{value}`")]
    FlagNotBoolean {
        /// With its dashes.
        flag: String,
        /// What stands there.
        value: String,
    },
    /// Nothing behind the keyword.
    #[error("{0} has no argument")]
    NoArgument(Keyword),
    /// COPY and ADD with one argument.
    #[error("{0} needs a source and a destination")]
    NoDestination(Keyword),
    /// FROM with two or more than three words.
    #[error("FROM takes an image, or an image and `AS name`")]
    FromArguments,
    /// Not `[a-z][a-z0-9-_.]*`.
    #[error("a build stage can't be named `{0}`")]
    StageName(String),
    /// `=value`.
    #[error("a name in {0} is empty")]
    BlankName(Keyword),
    /// A heredoc as the last argument of COPY.
    #[error("a heredoc can't be the destination of {0}")]
    HeredocDestination(Keyword),
    /// `ONBUILD ONBUILD`, `ONBUILD FROM`.
    #[error("{0} can't stand behind ONBUILD")]
    Trigger(String),
    /// SHELL without a JSON list.
    #[error("SHELL takes a JSON list")]
    ShellForm,
    /// HEALTHCHECK with neither CMD nor NONE, or in the wrong way.
    #[error("{0}")]
    Healthcheck(String),
    /// A value of a flag.
    #[error("`{value}` is no value of `{flag}`")]
    FlagValue {
        /// With its dashes.
        flag: &'static str,
        /// What stands there.
        value: String,
    },
    /// VOLUME with an empty string.
    #[error("a VOLUME is empty")]
    EmptyVolume,
    /// Not fields separated by commas.
    #[error("`{0}` is no list of fields separated by commas")]
    Fields(String),
    /// `$` in `--mount=from=`.
    #[error("`from` of a mount can't hold a variable: `{0}`")]
    MountVariable(String),
}

impl Explain for InstructionError {
    fn code(&self) -> &'static str {
        match self {
            InstructionError::Unknown(_) => "IF0620",
            InstructionError::BeforeFrom(_) => "IF0621",
            InstructionError::UnknownFlag { .. } => "IF0622",
            InstructionError::FlagTwice(_) => "IF0623",
            InstructionError::FlagWithoutValue(_) => "IF0624",
            InstructionError::FlagNotBoolean { .. } => "IF0625",
            InstructionError::NoArgument(_) => "IF0626",
            InstructionError::NoDestination(_) => "IF0627",
            InstructionError::FromArguments => "IF0628",
            InstructionError::StageName(_) => "IF0629",
            InstructionError::BlankName(_) => "IF0630",
            InstructionError::HeredocDestination(_) => "IF0631",
            InstructionError::Trigger(_) => "IF0632",
            InstructionError::ShellForm => "IF0633",
            InstructionError::Healthcheck(_) => "IF0634",
            InstructionError::FlagValue { .. } => "IF0635",
            InstructionError::EmptyVolume => "IF0636",
            InstructionError::Fields(_) => "IF0637",
            InstructionError::MountVariable(_) => "IF0638",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            InstructionError::Unknown(keyword) => {
                match suggest::nearest(&keyword.to_ascii_uppercase(), KEYWORDS) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "continue the line before it with a backslash, or delete it".to_owned(),
                }
            }
            InstructionError::BeforeFrom(_) => {
                "begin with `FROM image`; only ARG may stand before".to_owned()
            }
            InstructionError::UnknownFlag { flag, known, .. } => {
                let name = flag.trim_start_matches('-');
                match suggest::nearest(name, known) {
                    Some(nearest) => format!("did you mean `--{nearest}`?"),
                    None if known.is_empty() => format!("delete `{flag}`"),
                    None => format!("its flags are --{}", known.join(", --")),
                }
            }
            InstructionError::FlagTwice(flag) => format!("keep one `{flag}`"),
            InstructionError::FlagWithoutValue(flag) => format!("write `{flag}=value`"),
            InstructionError::FlagNotBoolean { flag, .. } => format!("write `{flag}` or `{flag}=false`"),
            InstructionError::NoArgument(keyword) => format!("write `{}`", example(*keyword)),
            InstructionError::NoDestination(keyword) => format!("write `{keyword} source /destination`"),
            InstructionError::FromArguments => {
                "write `FROM image AS name`; comments need a line of their own".to_owned()
            }
            InstructionError::StageName(_) => {
                "begin it with a letter, then letters, digits, `-`, `_` and `.`".to_owned()
            }
            InstructionError::BlankName(keyword) => {
                format!("write `{keyword} NAME=value` without blanks around `=`")
            }
            InstructionError::HeredocDestination(keyword) => format!("write `{keyword} <<EOF /destination`"),
            InstructionError::Trigger(_) => "put another instruction behind ONBUILD, such as RUN".to_owned(),
            InstructionError::ShellForm => "write `SHELL [\"/bin/sh\", \"-c\"]`".to_owned(),
            InstructionError::Healthcheck(_) => {
                "write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`".to_owned()
            }
            InstructionError::FlagValue { flag, .. } => match *flag {
                "--network" => "write `--network=default`, `none` or `host`".to_owned(),
                "--security" => "write `--security=sandbox` or `insecure`".to_owned(),
                "--retries" => "write `--retries=3`".to_owned(),
                flag => format!("write `{flag}=30s`"),
            },
            InstructionError::EmptyVolume => "write `VOLUME /data`".to_owned(),
            InstructionError::Fields(_) => "write `--mount=type=bind,from=image,target=/path`".to_owned(),
            InstructionError::MountVariable(_) => {
                "name a build stage for it before: `FROM $IMAGE AS tools`, then `from=tools`".to_owned()
            }
        })
    }
}

fn example(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Arg => "ARG NAME=value",
        Keyword::Env => "ENV NAME=value",
        Keyword::Expose => "EXPOSE 8080",
        Keyword::HealthCheck => "HEALTHCHECK CMD command",
        Keyword::Label => "LABEL name=value",
        Keyword::Maintainer => "LABEL maintainer=name",
        Keyword::OnBuild => "ONBUILD RUN command",
        Keyword::Shell => "SHELL [\"/bin/sh\", \"-c\"]",
        Keyword::StopSignal => "STOPSIGNAL SIGTERM",
        Keyword::User => "USER 1000",
        Keyword::Volume => "VOLUME /data",
        Keyword::Workdir => "WORKDIR /app",
        _ => "RUN command",
    }
}

/// A file, or a trigger, that was read.
#[derive(Debug)]
pub struct Instructions {
    /// Backslash or backtick.
    pub escape: char,
    /// In order.
    pub instructions: Vec<Rc<Instruction>>,
    /// The lines as they stand in the file.
    pub physical: Vec<Range<usize>>,
    /// What BuildKit refuses before it looks at any instruction.
    pub line_problems: Vec<Problem<LineError>>,
    /// What it refuses then, in the order of the lines.
    pub problems: Vec<Problem<InstructionError>>,
}

/// Reads a text; a trigger needs no FROM before its instruction. The linter sees each line.
pub fn read(text: &str, is_trigger: bool, mut lint: Option<&mut Lint<'_>>) -> Instructions {
    let mut in_stage = is_trigger;
    let mut instructions = Vec::with_capacity(text.len() / 64 + 1);
    let mut problems = Vec::new();
    let lines = lines::split(text, &mut |line| {
        if let Some(lint) = &mut lint {
            lint.line(&line);
        }
        let LogicalLine { source, node, heredocs, .. } = line;
        let (keyword, keyword_span) = (node.keyword, node.keyword_span.clone());
        let reader = Reader { source: &source, heredocs: &heredocs, text };
        in_stage |= keyword == Keyword::From;
        let is_old_form = match keyword {
            Keyword::Cmd | Keyword::Entrypoint => !node.json,
            Keyword::Env | Keyword::Label => {
                node.arguments.first().is_some_and(|name| !source.text[name.span.clone()].ends_with('='))
            }
            _ => false,
        };
        match reader.kind(node) {
            Ok(kind) => {
                if !in_stage && keyword != Keyword::Arg {
                    let error = InstructionError::BeforeFrom(keyword);
                    problems.push(Problem { error, span: source.span(keyword_span.clone()) });
                }
                let span = source.span(keyword_span.start..source.text.trim_end().len());
                instructions.push(Rc::new(Instruction { keyword, kind, span, is_old_form }));
            }
            Err((error, span)) => problems.push(Problem { error, span: source.span(span) }),
        }
    });
    let lines::Lines { escape, physical, problems: line_problems } = lines;
    Instructions { escape, instructions, physical, line_problems, problems }
}

type Failure = (InstructionError, Range<usize>);

struct Reader<'a> {
    source: &'a Mapped<'a>,
    heredocs: &'a [Heredoc],
    text: &'a str,
}

impl Reader<'_> {
    /// BuildKit's order of checks decides which of several errors is told.
    fn kind(&self, mut node: Node) -> Result<Kind, Failure> {
        let keyword = node.keyword;
        let no_argument = |node: &Node| Err((InstructionError::NoArgument(keyword), node.span()));
        match keyword {
            Keyword::From => self.from(node),
            Keyword::Arg => self.arg(node),
            Keyword::Copy | Keyword::Add => self.copy(node),
            Keyword::Run => self.run(node),
            Keyword::OnBuild => self.onbuild(node),
            Keyword::HealthCheck => self.healthcheck(node),
            Keyword::Env | Keyword::Label => {
                Flags::parse(&mut node)?;
                if node.arguments.is_empty() {
                    return no_argument(&node);
                }
                if let Some(name) = node.arguments.iter().step_by(2).find(|name| name.text.is_empty()) {
                    return Err((InstructionError::BlankName(keyword), name.span.clone()));
                }
                let words = self.all(node);
                Ok(if keyword == Keyword::Env { Kind::Env(words) } else { Kind::Other(words) })
            }
            Keyword::StopSignal => match node.arguments.pop() {
                Some(signal) => Ok(Kind::StopSignal(self.word(signal))),
                None => no_argument(&node),
            },
            Keyword::Shell => {
                Flags::parse(&mut node)?;
                match node.arguments.is_empty() {
                    true => no_argument(&node),
                    false if node.json => Ok(Kind::Other(Vec::new())),
                    false => Err((InstructionError::ShellForm, node.span())),
                }
            }
            Keyword::Cmd | Keyword::Entrypoint => Flags::parse(&mut node).map(|_| Kind::Other(Vec::new())),
            Keyword::Maintainer | Keyword::User | Keyword::Workdir | Keyword::Expose | Keyword::Volume => {
                if node.arguments.is_empty() {
                    return no_argument(&node);
                }
                Flags::parse(&mut node)?;
                if keyword == Keyword::Volume && node.arguments.iter().any(|word| word.text.trim().is_empty())
                {
                    return Err((InstructionError::EmptyVolume, node.span()));
                }
                Ok(Kind::Other(if keyword == Keyword::Maintainer { Vec::new() } else { self.all(node) }))
            }
            _ => {
                let written = self.source.text[node.keyword_span.clone()].to_owned();
                Err((InstructionError::Unknown(written), node.keyword_span))
            }
        }
    }

    fn word(&self, word: Word) -> Word {
        Word { text: word.text, span: self.source.span(word.span) }
    }

    fn all(&self, node: Node) -> Vec<Word> {
        let mut words = node.arguments;
        for word in &mut words {
            word.span = self.source.span(word.span.clone());
        }
        words
    }

    fn from(&self, mut node: Node) -> Result<Kind, Failure> {
        let name = match node.arguments.as_slice() {
            [_] => None,
            [_, word, name] if is_as(&word.text) => Some(name),
            _ => return Err((InstructionError::FromArguments, node.span())),
        };
        let name = match name {
            None => None,
            Some(name) => {
                let text = lower(&name.text).into_owned();
                if !is_stage_name(&text) {
                    return Err((InstructionError::StageName(name.text.clone()), name.span.clone()));
                }
                Some(self.word(Word { text, span: name.span.clone() }))
            }
        };
        let mut flags = Flags::parse(&mut node)?;
        let platform = flags.take("platform").filter(|word| !word.text.is_empty());
        let base = self.word(node.arguments.swap_remove(0));
        Ok(Kind::From { base, name, platform: platform.map(|word| self.word(word)) })
    }

    fn arg(&self, node: Node) -> Result<Kind, Failure> {
        if node.arguments.is_empty() {
            return Err((InstructionError::NoArgument(Keyword::Arg), node.span()));
        }
        let mut arguments = Vec::with_capacity(node.arguments.len());
        for Word { text: mut name, span } in node.arguments {
            let default = match name.find('=') {
                Some(0) => return Err((InstructionError::BlankName(Keyword::Arg), span)),
                Some(equals) => {
                    let default = name[equals + 1..].to_owned();
                    name.truncate(equals);
                    Some(default)
                }
                None => None,
            };
            arguments.push(Argument { name, default, span: self.source.span(span) });
        }
        Ok(Kind::Arg(arguments))
    }

    fn copy(&self, mut node: Node) -> Result<Kind, Failure> {
        let keyword = node.keyword;
        if node.arguments.len() < 2 {
            return Err((InstructionError::NoDestination(keyword), node.span()));
        }
        let mut flags = Flags::parse(&mut node)?;
        let destination = node.arguments.pop().expect("there are two at least");
        if let Ok(Some(_)) = heredoc_name(&destination.text) {
            return Err((InstructionError::HeredocDestination(keyword), destination.span));
        }
        let mut flag =
            |name| flags.take(name).filter(|word| !word.text.is_empty()).map(|word| self.word(word));
        let mut copy = Copy {
            from: flag("from"),
            chown: flag("chown"),
            chmod: flag("chmod"),
            checksum: flag("checksum"),
            destination: self.word(destination),
            sources: Vec::with_capacity(node.arguments.len()),
            contents: Vec::new(),
        };
        for source in node.arguments {
            let Ok(Some(mark)) = heredoc_name(&source.text) else {
                copy.sources.push(self.word(source));
                continue;
            };
            let heredoc = self.heredocs.iter().rev().find(|heredoc| heredoc.mark.name == mark.name);
            if let Some(heredoc) = heredoc.filter(|_| mark.expand) {
                let span = heredoc.body.clone();
                copy.contents.push(Word { text: self.text[span.clone()].to_owned(), span });
            }
        }
        Ok(Kind::Copy(Box::new(copy)))
    }

    fn run(&self, mut node: Node) -> Result<Kind, Failure> {
        let mut flags = Flags::parse(&mut node)?;
        if let Some(device) = flags.all("device").find(|device| !is_device(&device.text)) {
            return Err((InstructionError::Fields(device.text.clone()), device.span.clone()));
        }
        let mut mounts = Vec::new();
        for word in flags.take_all("mount") {
            let span = word.span.clone();
            mounts.push(Mount::parse(self.word(word)).map_err(|error| (error, span))?);
        }
        let allowed: [(&str, &'static str, &[&str]); 2] = [
            ("network", "--network", &["default", "none", "host"]),
            ("security", "--security", &["sandbox", "insecure"]),
        ];
        for (name, flag, values) in allowed {
            if let Some(word) = flags.take(name).filter(|word| !values.contains(&word.text.as_str())) {
                return Err((InstructionError::FlagValue { flag, value: word.text }, word.span));
            }
        }
        Ok(Kind::Run(mounts, flags.take("device").map(|word| self.word(word))))
    }

    fn onbuild(&self, mut node: Node) -> Result<Kind, Failure> {
        // A trigger in a trigger in … is not looked into, but it is there.
        let Some(trigger) = node.trigger.take() else {
            return Err((InstructionError::NoArgument(Keyword::OnBuild), node.span()));
        };
        Flags::parse(&mut node)?;
        let line = &self.source.text;
        let keyword = upper(&line[trigger.keyword_span.clone()]);
        if matches!(keyword.as_str(), "ONBUILD" | "MAINTAINER" | "FROM") {
            return Err((InstructionError::Trigger(keyword), trigger.keyword_span));
        }
        let mut expression = line[node.keyword_span.end..].trim_start().to_owned();
        for heredoc in self.heredocs {
            expression.push('\n');
            expression.push_str(&self.text[heredoc.body.clone()]);
            expression.push_str(&heredoc.mark.name);
        }
        Ok(Kind::Onbuild(expression))
    }

    fn healthcheck(&self, mut node: Node) -> Result<Kind, Failure> {
        let span = node.span();
        let fail = |message: String| Err((InstructionError::Healthcheck(message), span.clone()));
        let Some(kind) = node.arguments.first() else {
            return Err((InstructionError::NoArgument(Keyword::HealthCheck), span.clone()));
        };
        let kind = upper(&kind.text);
        let has_command = node.arguments.len() > 1;
        if kind == "NONE" {
            return match has_command {
                false => Ok(Kind::Other(Vec::new())),
                true => fail("HEALTHCHECK NONE takes no argument".to_owned()),
            };
        }
        let mut flags = Flags::parse(&mut node)?;
        if kind != "CMD" {
            return fail(format!("HEALTHCHECK is followed by CMD or NONE, not `{kind}`"));
        }
        if !has_command {
            return fail("HEALTHCHECK CMD has no command".to_owned());
        }
        for (name, flag) in [
            ("interval", "--interval"),
            ("timeout", "--timeout"),
            ("start-period", "--start-period"),
            ("start-interval", "--start-interval"),
            ("retries", "--retries"),
        ] {
            let is_valid = if name == "retries" { is_count } else { is_interval };
            if let Some(word) = flags.take(name).filter(|word| !is_valid(&word.text)) {
                return Err((InstructionError::FlagValue { flag, value: word.text }, word.span));
            }
        }
        Ok(Kind::Other(Vec::new()))
    }
}

/// `AS`, as Go's `strings.EqualFold` compares: the long s folds to an s.
fn is_as(word: &str) -> bool {
    let mut chars = word.chars();
    matches!((chars.next(), chars.next(), chars.next()), (Some('a' | 'A'), Some('s' | 'S' | '\u{17f}'), None))
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}

fn is_device(text: &str) -> bool {
    let Some(fields) = comma_separated(text) else { return false };
    let mut has_name = false;
    fields.iter().all(|field| match field.split_once('=') {
        Some((key, _)) if lower(key) == "name" => !std::mem::replace(&mut has_name, true),
        Some((key, value)) if lower(key) == "required" => is_go_bool(value),
        None if lower(field) == "required" => true,
        _ => !std::mem::replace(&mut has_name, true),
    })
}

/// What Go's `strconv.ParseBool` reads.
pub fn is_go_bool(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE" | "False")
}

/// A count that Go's `strconv.ParseInt` reads in 32 bits, and not below zero; empty is the default.
fn is_count(text: &str) -> bool {
    text.is_empty() || text.parse::<i32>().is_ok_and(|count| count >= 0)
}

/// A time that Go's `time.ParseDuration` reads, zero or at least a millisecond; empty is the default.
fn is_interval(text: &str) -> bool {
    text.is_empty() || go_duration(text).is_some_and(|nanos| nanos == 0 || nanos >= 1_000_000)
}

/// Nanoseconds, counted as Go 1.26 does: whole numbers and fractions on their own, and with a float
/// only for the fraction.
fn go_duration(text: &str) -> Option<i64> {
    const MOST: u64 = 1 << 63;
    let is_negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let (whole, behind) = leading_digits(rest);
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => leading_digits(behind),
            None => ("", behind),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit_end = behind.bytes().position(|b| b == b'.' || b.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut time = whole.checked_mul(nanos).filter(|time| *time <= MOST)?;
        let (mut part, mut scale) = (0_u64, 1.0);
        for digit in fraction.bytes() {
            // Go leaves out the digits that a number of 63 bits has no room for.
            let next = part * 10 + u64::from(digit - b'0');
            if part > (MOST - 1) / 10 || next > MOST {
                break;
            }
            part = next;
            scale *= 10.0;
        }
        if part > 0 {
            time += (part as f64 * (nanos as f64 / scale)) as u64;
        }
        sum = sum.checked_add(time).filter(|sum| *sum <= MOST)?;
        rest = behind;
    }
    if is_negative {
        return Some((sum as i64).wrapping_neg());
    }
    i64::try_from(sum).ok()
}

fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len()))
}

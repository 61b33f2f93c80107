//! Global build arguments: what FROM lines can see.
//!
//! ```text
//! ARG NODE=22                    given by the build, or 22
//! ARG IMAGE=node:${NODE}         sees those before it
//! ARG REGISTRY                   no value unless the build gives one
//! FROM --platform=$BUILDPLATFORM ${REGISTRY:-docker.io}/${IMAGE}
//! ```
//!
//! Only ARG before the first FROM counts; what the build gives replaces the default as it is; the
//! platform's names are set without an ARG (BuildKit's `convert.go` and `platform.go`,
//! dockerfile/1.26).

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use super::error::Problem;
use super::expand::{ExpandError, Lexer, Variables};
use super::instruction::{Argument, Instruction, Kind};
use super::platform::Platform;
use super::words::Word;
use super::Options;
use crate::sorted::{SortedMap, SortedSet};

/// How many global arguments a file may have.
const MAX_ARGUMENTS: usize = 10_000;
/// How many names are kept of those that shaped a value.
const MAX_NAMES: usize = 64;
/// How many characters all expansions of one evaluation may read and compare.
const MAX_WORK: usize = 64 * 1024 * 1024;

/// The argument that BuildKit itself reads.
pub const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// A value and what it depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// The text.
    pub text: String,
    /// The arguments that shaped it, or could have.
    pub names: SortedSet,
    /// Those of them that are declared and have no value.
    pub missing: SortedSet,
    /// A name that was looked up and is not declared.
    pub undeclared: Option<String>,
}

/// Why a value can't be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The reason.
    pub error: ExpandError,
    /// The arguments that are declared, have no value, and were looked up.
    pub missing: SortedSet,
}

/// The global arguments.
pub struct Arguments<'a> {
    /// Those that are declared and have a value.
    values: SortedMap<Value>,
    /// `BUILDPLATFORM` and `TARGETPLATFORM`, once one of them was looked at.
    platforms: OnceCell<[String; 2]>,
    scope: Scope<'a>,
    /// Declared, without default, and not given.
    missing: SortedSet,
    escape: char,
    work: Cell<usize>,
}

impl Variables for Arguments<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(value) => Some(&value.text),
            None => self.automatic(name),
        }
    }
}

/// What an evaluation of the global arguments depends on.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Those instructions of the file that are ARG and stand before the first FROM.
    pub instructions: &'a [Rc<Instruction>],
    /// Backslash or backtick.
    pub escape: char,
    /// What the build gives.
    pub options: &'a Options,
    /// What is built for.
    pub target: &'a Platform,
    /// What is built on.
    pub builder: &'a Platform,
    /// `TARGETSTAGE`.
    pub stage: &'a str,
}

impl<'a> Scope<'a> {
    /// Evaluates them; `guess` stands for those that have no value.
    pub fn evaluate(&self, guess: Option<&str>) -> (Arguments<'a>, Vec<Problem<Failure>>) {
        self.evaluate_given(&self.options.build_args, guess)
    }

    fn evaluate_given(
        &self,
        given: &SortedMap<String>,
        guess: Option<&str>,
    ) -> (Arguments<'a>, Vec<Problem<Failure>>) {
        let mut arguments = Arguments {
            values: SortedMap::new(),
            platforms: OnceCell::new(),
            scope: *self,
            missing: SortedSet::new(),
            escape: self.escape,
            work: Cell::new(0),
        };
        let mut problems = Vec::new();
        let global = self.instructions.iter().filter_map(|instruction| match &instruction.kind {
            Kind::Arg(arguments) => Some(arguments),
            _ => None,
        });
        for (index, argument) in global.flatten().enumerate() {
            let problem = |failure| Problem { error: failure, span: argument.span.clone() };
            if index >= MAX_ARGUMENTS {
                let error = ExpandError::TooLarge;
                problems.push(problem(Failure { error, missing: SortedSet::new() }));
                break;
            }
            if let Err(failure) = arguments.declare(argument, given, guess) {
                problems.push(problem(failure));
            }
        }
        (arguments, problems)
    }
}

impl Arguments<'_> {
    /// The names that need no ARG.
    fn automatic(&self, name: &str) -> Option<&str> {
        let Scope { builder, target, stage, .. } = self.scope;
        let platforms = || self.platforms.get_or_init(|| [builder.short(), target.to_string()]);
        let text = match name {
            "BUILDPLATFORM" => &platforms()[0],
            "BUILDOS" => &builder.os,
            "BUILDOSVERSION" => &builder.os_version,
            "BUILDARCH" => &builder.architecture,
            "BUILDVARIANT" => &builder.variant,
            "TARGETPLATFORM" => &platforms()[1],
            "TARGETOS" => &target.os,
            "TARGETOSVERSION" => &target.os_version,
            "TARGETARCH" => &target.architecture,
            "TARGETVARIANT" => &target.variant,
            "TARGETSTAGE" if stage.is_empty() => "default",
            "TARGETSTAGE" => stage,
            _ => return None,
        };
        Some(self.scope.options.build_args.get(name).map_or(text, String::as_str))
    }

    fn declare(
        &mut self,
        argument: &Argument,
        given: &SortedMap<String>,
        guess: Option<&str>,
    ) -> Result<(), Failure> {
        let name = argument.name.clone();
        let own = SortedSet::from(name.clone());
        let value = match (given.get(&name), &argument.default) {
            (Some(given), _) => Value { text: given.clone(), names: own, ..Value::default() },
            (None, Some(default)) => {
                let mut value = match self.expand(default) {
                    Ok(value) => value,
                    Err(failure) => {
                        // What is built on it is then missing too, and told once.
                        let missing = failure.missing.clone();
                        self.values.insert(name, Value { names: own, missing, ..Value::default() });
                        return Err(failure);
                    }
                };
                value.names.insert(name.clone());
                value
            }
            (None, None) if self.value(&name).is_some() => return Ok(()),
            (None, None) => match guess {
                Some(guess) => Value { text: guess.to_owned(), names: own, ..Value::default() },
                None => {
                    self.missing.insert(name);
                    return Ok(());
                }
            },
        };
        self.missing.remove(&name);
        self.values.insert(name, value);
        Ok(())
    }

    /// The arguments as they would be if the build gave none; `None` where that is an error.
    pub fn by_default(&self) -> Option<Self> {
        let (arguments, problems) = self.scope.evaluate_given(&SortedMap::new(), None);
        problems.is_empty().then_some(arguments)
    }

    /// Replaces the names in a word.
    pub fn expand(&self, word: &str) -> Result<Value, Failure> {
        if !self.has_room() {
            return Err(Failure { error: ExpandError::TooLarge, missing: SortedSet::new() });
        }
        if Lexer::new(self.escape).is_plain(word) {
            self.spend(word.len());
            return Ok(Value { text: word.to_owned(), ..Value::default() });
        }
        let (text, expanded, error) = match Lexer::new(self.escape).expand(word, self) {
            Ok(expanded) => (expanded.text.clone(), expanded, None),
            Err((error, seen)) => (String::new(), *seen, Some(error)),
        };
        let mut value = Value { text, ..Value::default() };
        for name in &expanded.set {
            let Some(part) = self.values.get(name) else {
                // One of the platform's.
                if value.names.len() < MAX_NAMES {
                    value.names.insert(name.clone());
                }
                continue;
            };
            value.names.extend(part.names.iter().take(MAX_NAMES - value.names.len().min(MAX_NAMES)).cloned());
            value.missing.extend(part.missing.iter().take(MAX_NAMES).cloned());
        }
        let is_missing = |name: &&String| self.missing.contains(name);
        value.undeclared = expanded.unset.iter().find(|name| !is_missing(name)).cloned();
        for name in expanded.unset.iter().filter(is_missing).take(MAX_NAMES) {
            value.names.insert(name.clone());
            value.missing.insert(name.clone());
        }
        self.spend(expanded.work + value.text.len());
        match error {
            Some(error) => Err(Failure { error, missing: value.missing }),
            None => Ok(value),
        }
    }

    /// Counts work that was done with variables.
    pub fn spend(&self, work: usize) {
        self.work.set(self.work.get().saturating_add(work));
    }

    /// Whether more may be done.
    pub fn has_room(&self) -> bool {
        self.work.get() <= MAX_WORK
    }

    /// Whether a word expands to something that is right.
    pub fn would_do(&self, word: &Word, is_right: impl Fn(&str) -> bool) -> bool {
        self.expand(&word.text).is_ok_and(|value| is_right(&value.text))
    }

    /// Writes the time of [`EPOCH`] as BuildKit does once it has read it: `+7` and `007` are `7`.
    pub fn tidy_epoch(&mut self) {
        if let Some(value) = self.values.get_mut(EPOCH) {
            if let Ok(time) = value.text.parse::<i64>() {
                value.text = time.to_string();
            }
        }
    }

    /// Whether any argument is declared and has no value.
    pub fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }
}

/// What can stand for a value that nobody gave, to see whether any value would do: a name or tag, a
/// platform, a digest with and without its algorithm.
const GUESSES: &[&str] = &[
    "x",
    "linux/amd64",
    "amd64",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
];

impl<'a> Scope<'a> {
    /// The arguments as they would be if those without a value had one, in several ways.
    pub fn guesses(&self) -> Vec<Arguments<'a>> {
        GUESSES.iter().map(|guess| self.evaluate(Some(guess)).0).collect()
    }
}

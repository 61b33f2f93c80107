//! The instructions of the stages that the target needs, in the order of the file: their variables,
//! and which sources they really take files from.
//!
//! A base image's environment is not known here, so a value that depends on a name which the file
//! does not set is no error, whatever BuildKit would say once it has the image
//! (`dockerfile2llb/convert.go`, `convert_copy.go` and `convert_runmount.go`, dockerfile/1.26).

use std::borrow::Cow;
use std::rc::Rc;

use super::expand::{ExpandError, Lexer, Variables};
use super::instruction::{Copy, Instruction, Kind};
use super::lint::{declared, Known, Lint};
use super::mount::{self, Mount};
use super::stage_error::StageError;
use super::stages::{Command, Graph, SCRATCH};
use super::values::{self, Source};
use super::words::{Keyword, Word};
use crate::reference::is_digest;
use crate::sorted::SortedMap;

/// How many variables may be copied from stage to stage in all; beyond, nothing is known.
const MAX_COPIED: usize = 1_000_000;

/// The variables of a stage.
#[derive(Clone, Default)]
struct Environment {
    /// `None` is a value that can't be known.
    values: Rc<SortedMap<Option<String>>>,
    /// Other names may have values: those of the base image.
    open: bool,
    /// Where relative paths begin, if that is known.
    directory: Option<Rc<str>>,
    /// What the rules of the linter hang on.
    known: Known,
}

impl Variables for Environment {
    fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Option::as_deref)
    }

    fn is_known(&self, name: &str) -> bool {
        self.values.get(name).map_or(!self.open, Option::is_some)
    }
}

struct Dispatcher<'g, 'a, 't> {
    graph: &'g mut Graph<'a>,
    environment: Environment,
    copied: usize,
    lint: Option<&'g mut Lint<'t>>,
}

/// Runs through the stages; tells for each state which states it really takes files from.
pub fn dispatch(graph: &mut Graph<'_>, reached: &[bool], lint: Option<&mut Lint<'_>>) -> Vec<Vec<usize>> {
    let mut uses = vec![Vec::new(); graph.states.len()];
    let mut environments: Vec<Option<Environment>> = vec![None; reached.len()];
    let mut dispatcher = Dispatcher { graph, environment: Environment::default(), copied: 0, lint };
    for state in 0..reached.len() {
        if !reached[state] || dispatcher.graph.states[state].dispatched {
            continue;
        }
        dispatcher.graph.states[state].dispatched = true;
        let base = dispatcher.graph.states[state].base;
        let is_scratch = base.is_none() && dispatcher.graph.states[state].is_scratch;
        let of_base = base.and_then(|base| environments[base].clone());
        dispatcher.environment =
            of_base.unwrap_or_else(|| Environment { open: !is_scratch, ..Environment::default() });
        if !dispatcher.environment.open {
            dispatcher.environment.directory.get_or_insert_with(|| Rc::from("/"));
            let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
            if !dispatcher.environment.values.contains_key("PATH") {
                dispatcher.set("PATH", Some(path.to_owned()));
            }
        }
        if let Some(lint) = &mut dispatcher.lint {
            let graph = &dispatcher.graph;
            let is_empty = is_scratch && graph.states[state].base_name == SCRATCH;
            let platform = graph.states[state].platform.as_ref().filter(|_| !is_empty);
            let os = base.is_none().then(|| platform.unwrap_or(graph.platform).os.as_str());
            lint.begin(&mut dispatcher.environment.known, is_empty, os);
        }
        let commands = std::mem::take(&mut dispatcher.graph.states[state].commands);
        for command in &commands {
            dispatcher.command(command, &mut uses[state]);
        }
        dispatcher.graph.states[state].commands = commands;
        environments[state] = Some(std::mem::take(&mut dispatcher.environment));
    }
    uses
}

impl Dispatcher<'_, '_, '_> {
    fn set(&mut self, name: &str, value: Option<String>) {
        if Rc::strong_count(&self.environment.values) > 1 {
            self.copied += self.environment.values.len();
        }
        if self.copied > MAX_COPIED {
            self.forget();
        } else {
            Rc::make_mut(&mut self.environment.values).insert(name.to_owned(), value);
        }
    }

    /// Nothing is known of the variables any more.
    fn forget(&mut self) {
        self.environment.values = Rc::default();
        self.environment.open = true;
        self.environment.known.is_lost = true;
    }

    fn problem(&mut self, error: StageError, command: &Command, span: &std::ops::Range<usize>) {
        self.graph.problem(error, command.span(span));
    }

    /// A word with its variables replaced; `None` where that can't be known or is an error.
    fn expand<'w>(&mut self, word: &'w Word, command: &Command) -> Option<Cow<'w, str>> {
        let lexer = Lexer::new(self.graph.escape);
        match self.expand_text(&word.text, lexer) {
            Ok(value) => value,
            Err(error) => {
                self.problem(StageError::Expand(error), command, &word.span);
                None
            }
        }
    }

    fn expand_text<'w>(&mut self, text: &'w str, lexer: Lexer) -> Result<Option<Cow<'w, str>>, ExpandError> {
        if !self.graph.arguments.has_room() {
            return Ok(None);
        }
        if lexer.is_plain(text) {
            return Ok(Some(Cow::Borrowed(text)));
        }
        let result = lexer.expand(text, &self.environment);
        self.graph
            .arguments
            .spend(result.as_ref().map_or_else(|(_, seen)| seen.work, |expanded| expanded.work));
        if let (Some(lint), Ok(expanded)) = (&mut self.lint, &result) {
            let environment = &self.environment;
            lint.unset(&expanded.unset, &environment.values, environment.known, environment.open);
        }
        match result {
            Ok(expanded) if expanded.unknown => Ok(None),
            Ok(expanded) => Ok(Some(Cow::Owned(expanded.text))),
            // Long values are ours to refuse where an image depends on them; here none does.
            Err((ExpandError::TooLarge, _)) => Ok(None),
            Err((error, _)) => Err(error),
        }
    }

    fn command(&mut self, command: &Command, uses: &mut Vec<usize>) {
        let instruction = Rc::clone(&command.instruction);
        if let Some(lint) = &mut self.lint {
            lint.enter(command, &mut self.environment.known);
        }
        match &instruction.kind {
            Kind::Arg(arguments) => {
                for argument in arguments {
                    let given = self.graph.options.build_args.get(&argument.name).cloned();
                    let value = match (given, &argument.default) {
                        (Some(given), _) => Some(Some(given)),
                        (None, Some(default)) => {
                            let value = self.expand_text(default, Lexer::new(self.graph.escape));
                            let value = value.unwrap_or_else(|error| {
                                self.problem(StageError::Expand(error), command, &argument.span);
                                None
                            });
                            Some(value.map(Cow::into_owned))
                        }
                        (None, None) => {
                            self.graph.arguments.value(&argument.name).map(|value| Some(value.to_owned()))
                        }
                    };
                    if let Some(value) = value {
                        self.set(&argument.name, value);
                    }
                    if let Some(lint) = &mut self.lint {
                        lint.secret(&argument.name, &argument.span);
                        self.set(&declared(&argument.name), None);
                    }
                }
            }
            Kind::Env(words) => {
                // All of a line are expanded before any of them is set.
                let expanded: Vec<Option<Cow<'_, str>>> =
                    words.iter().map(|word| self.expand(word, command)).collect();
                for (pair, word) in expanded.chunks_exact(2).zip(words.iter().step_by(2)) {
                    match &pair[0] {
                        Some(name) => {
                            if let Some(lint) = &mut self.lint {
                                lint.secret(name, &word.span);
                            }
                            self.set(name, pair[1].as_deref().map(str::to_owned));
                        }
                        None => {
                            self.forget();
                        }
                    }
                }
            }
            Kind::Copy(copy) => self.copy(copy, command, uses),
            Kind::Run(mounts, device) => {
                self.run(mounts, command, uses);
                if let Some(device) = device.as_ref().filter(|_| !self.graph.labs) {
                    self.problem(StageError::Device, command, &device.span);
                }
            }
            Kind::StopSignal(word) => {
                if let Some(signal) = self.expand(word, command).filter(|signal| !values::is_signal(signal)) {
                    self.problem(StageError::Signal(signal.into_owned()), command, &word.span);
                }
            }
            Kind::Other(words) if instruction.keyword == Keyword::Expose => self.expose(words, command),
            Kind::Other(words) => self.other(words, &instruction, command),
            Kind::Onbuild(_) | Kind::From { .. } => {}
        }
    }

    fn other(&mut self, words: &[Word], instruction: &Instruction, command: &Command) {
        for word in words {
            let value = self.expand(word, command);
            if instruction.keyword == Keyword::Workdir {
                if let Some(lint) = &mut self.lint {
                    lint.workdir(word, value.as_deref(), &mut self.environment.known);
                }
                let directory = self.environment.directory.as_deref();
                self.environment.directory = match (&value, directory) {
                    (Some(path), _) if path.starts_with('/') => Some(mount::joined("", path).into()),
                    (Some(path), Some(directory)) => Some(mount::joined(directory, path).into()),
                    _ => None,
                };
            }
            if instruction.keyword == Keyword::Volume && value.is_some_and(|value| value.is_empty()) {
                self.problem(StageError::EmptyVolume, command, &word.span);
            }
        }
    }

    fn expose(&mut self, words: &[Word], command: &Command) {
        for word in words {
            if self.expand(word, command).is_none() {
                continue;
            }
            let ports =
                Lexer::new(self.graph.escape).words(&word.text, &self.environment).unwrap_or_default();
            if let Some(lint) = &mut self.lint {
                ports.iter().for_each(|port| lint.port(port, &word.span));
            }
            if let Some(port) = ports.into_iter().find(|port| !values::is_port(port)) {
                self.problem(StageError::Port(port), command, &word.span);
            }
        }
    }

    fn copy(&mut self, copy: &Copy, command: &Command, uses: &mut Vec<usize>) {
        let flags = [&copy.chown, &copy.chmod, &copy.checksum];
        let [_, chmod, checksum] =
            flags.map(|word| word.as_ref().and_then(|word| self.expand(word, command)));
        let sources: Vec<Option<(Source, Cow<'_, str>)>> = copy
            .sources
            .iter()
            .map(|word| self.expand(word, command).map(|text| (values::source(&text), text)))
            .collect();
        self.expand(&copy.destination, command);
        for content in &copy.contents {
            // A heredoc's text has variables, but no quotes, and its escape is the backslash.
            let lexer = Lexer { ignore_quotes: true, ..Lexer::new('\\') };
            if let Err(error) = self.expand_text(&content.text, lexer) {
                self.problem(StageError::Expand(error), command, &content.span);
            }
        }
        if let Some(&source) = command.sources.first() {
            let state = &self.graph.states[source];
            if !state.dispatched {
                let name = state.name.clone().unwrap_or_else(|| source.to_string());
                let span = copy.from.as_ref().map_or(0..0, |from| from.span.clone());
                self.problem(StageError::StageOrder(name), command, &span);
            } else if !copy.sources.is_empty() {
                uses.push(source);
            }
        }
        if let (Some(chmod), Some(word)) = (chmod.filter(|chmod| !values::is_mode(chmod)), &copy.chmod) {
            self.problem(StageError::Chmod(chmod.into_owned()), command, &word.span);
        }
        let is_add = command.instruction.keyword == Keyword::Add;
        for (word, source) in copy.sources.iter().zip(&sources) {
            let Some((kind, text)) = source else { continue };
            let url = || text.clone().into_owned();
            match kind {
                Source::BadGit(reason) => {
                    let error = StageError::GitQuery { url: url(), reason: reason.clone() };
                    self.problem(error, command, &word.span);
                }
                Source::Http | Source::Git if !is_add => {
                    self.problem(StageError::RemoteCopy(url()), command, &word.span);
                }
                _ => {}
            }
        }
        if let Some(word) = &copy.checksum {
            match (checksum, sources.as_slice()) {
                // It is not known whether the checksum is there at all, or of what.
                (None, _) | (_, [None]) => {}
                (Some(checksum), _) if checksum.is_empty() => {}
                (Some(checksum), [Some((Source::Http, _))]) if !is_digest(&checksum) => {
                    self.problem(StageError::NoDigest(checksum.into_owned()), command, &word.span);
                }
                (Some(_), [Some((Source::Http | Source::Git | Source::BadGit(_), _))]) => {}
                _ => self.problem(StageError::Checksum, command, &word.span),
            }
        }
    }

    fn run(&mut self, mounts: &[Mount], command: &Command, uses: &mut Vec<usize>) {
        let mut checked = Vec::new();
        for mount in mounts {
            let lexer = Lexer::new(self.graph.escape);
            match mount.check(|value| self.expand_text(value, lexer)) {
                Ok(Ok(mount)) => checked.push(mount),
                Ok(Err(message)) => {
                    return self.problem(StageError::Mount(message), command, &mount.place.span);
                }
                Err(error) => {
                    return self.problem(StageError::Expand(error), command, &mount.place.span);
                }
            }
        }
        for ((mount, checked), &source) in mounts.iter().zip(&checked).zip(&command.sources) {
            let takes_files = checked.has_from || checked.kind == mount::Kind::Cache;
            let state = &self.graph.states[source];
            if takes_files && !state.dispatched {
                let name = state.name.clone().unwrap_or_else(|| source.to_string());
                self.problem(StageError::StageOrder(name), command, &mount.place.span);
                continue;
            }
            let is_mounted = !matches!(checked.kind, mount::Kind::Secret | mount::Kind::Ssh);
            if is_mounted && checked.covers_root(self.environment.directory.as_deref()) {
                let message = "files can't be mounted over `/`".to_owned();
                self.problem(StageError::Mount(message), command, &mount.place.span);
                continue;
            }
            if takes_files && is_mounted && checked.kind != mount::Kind::Tmpfs {
                uses.push(source);
            }
        }
    }
}

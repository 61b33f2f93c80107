//! Instructions as a graph of build stages, and the images that it needs.
//!
//! ```text
//! headers   every FROM: base and platform expanded, stage or image
//! target    the stage that is built
//! graph     COPY --from and RUN --mount of every stage: stage or image
//! resolve   image references of every stage; what the target reaches; ONBUILD
//! dispatch  the instructions of the stages that are reached, in the order of the file
//! ```
//!
//! The steps, and which of them look at stages that nothing uses, are those of BuildKit's
//! `dockerfile2llb/convert.go` (dockerfile/1.26).

use std::ops::Range;
use std::rc::Rc;

use super::arguments::{Arguments, Failure, Scope, EPOCH};
use super::contexts::Contexts;
use super::error::Problem;
use super::expand::Variables;
use super::instruction::{Instruction, Kind};
use super::platform::Platform;
use super::stage_error::StageError;
use super::suggest;
use super::words::{lower, Keyword, Word};
use super::{Options, Role};
use crate::reference::ImageReference;
use crate::sorted::{SortedMap, SortedSet};

/// The base that is no image.
pub const SCRATCH: &str = "scratch";

/// A file that was read.
pub struct File {
    /// Its instructions, in order.
    pub instructions: Vec<Rc<Instruction>>,
    /// Backslash or backtick.
    pub escape: char,
    /// It asks for the labs channel of the frontend.
    pub labs: bool,
}

/// An instruction of a stage.
pub struct Command {
    /// What it says.
    pub instruction: Rc<Instruction>,
    /// The states that COPY and each mount take files from.
    pub sources: Vec<usize>,
    /// For a trigger: the FROM that runs it.
    pub place: Option<Range<usize>>,
}

impl Command {
    /// A place of the instruction in the file.
    pub fn span(&self, span: &Range<usize>) -> Range<usize> {
        self.place.clone().unwrap_or_else(|| span.clone())
    }
}

/// A build stage, or an image that COPY or a mount names.
pub struct State {
    /// The base, expanded.
    pub base_name: String,
    /// As the file has it.
    pub word: Word,
    /// In lower case.
    pub name: Option<String>,
    /// The place of the base's name.
    pub span: Range<usize>,
    /// The stage that is the base.
    pub base: Option<usize>,
    /// `--platform`.
    pub platform: Option<Platform>,
    /// The build context that replaces the stage.
    pub context: Option<String>,
    /// For an image that COPY or a mount names: what names it.
    pub implicit: Option<Role>,
    /// What is done in it.
    pub commands: Vec<Command>,
    /// What it must wait for.
    pub needs: Vec<usize>,
    /// The arguments that shaped it.
    pub names: SortedSet,
    /// Those of them without a value.
    pub missing: SortedSet,
    /// A name in the base that nothing declares.
    pub undeclared: Option<String>,
    /// The base can't be told without an argument.
    pub unresolved: bool,
    /// The image, once it is known.
    pub image: Option<Image>,
    /// Nothing, or a build context without an image.
    pub is_scratch: bool,
    /// Its instructions were run, or never will be.
    pub dispatched: bool,
    /// Its image was looked up.
    pub asked: bool,
    /// Its image is pulled if it is used, but BuildKit does not ask whether it exists.
    pub never_asked: bool,
    /// Its triggers were found.
    pub triggers_taken: bool,
}

impl State {
    fn new(word: Word, span: Range<usize>) -> Self {
        State {
            base_name: String::new(),
            word,
            name: None,
            span,
            base: None,
            platform: None,
            context: None,
            implicit: None,
            commands: Vec::new(),
            needs: Vec::new(),
            names: SortedSet::new(),
            missing: SortedSet::new(),
            undeclared: None,
            unresolved: false,
            image: None,
            is_scratch: false,
            dispatched: false,
            asked: false,
            never_asked: false,
            triggers_taken: false,
        }
    }

    /// An image that COPY or a mount names.
    pub fn implicit(word: Word, span: Range<usize>, role: Role) -> Self {
        State { base_name: word.text.clone(), implicit: Some(role), ..State::new(word, span) }
    }
}

/// An image that BuildKit would ask a registry for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What is asked for.
    pub reference: ImageReference,
    /// For which platform.
    pub platform: String,
    /// It stands in a build context, not in the file.
    pub by_context: bool,
}

impl Image {
    /// An image that the file names; its platform follows.
    pub fn new(reference: ImageReference) -> Self {
        Image { reference, platform: String::new(), by_context: false }
    }
}

/// The graph of one file for one platform.
pub struct Graph<'a> {
    /// What was asked.
    pub options: &'a Options,
    /// Global arguments.
    pub arguments: Arguments<'a>,
    guesses: Vec<Arguments<'a>>,
    /// Backslash or backtick.
    pub escape: char,
    /// The labs channel of the frontend reads it.
    pub labs: bool,
    /// What is built for.
    pub platform: &'a Platform,
    builder: &'a Platform,
    /// Named build contexts.
    pub contexts: &'a Contexts,
    /// Stages in the order of the file, then images in the order they were met.
    pub states: Vec<State>,
    by_name: SortedMap<usize>,
    /// How many triggers were run.
    pub triggers: usize,
    /// What BuildKit would refuse.
    pub problems: Vec<Problem<StageError>>,
    /// What it would refuse for want of a value: the state and the arguments; no state for an
    /// argument's own default.
    pub unresolved: Vec<(Option<usize>, Problem<SortedSet>)>,
}

impl<'a> Graph<'a> {
    /// Reads the FROM lines of all stages.
    pub fn headers(
        file: &'a File,
        options: &'a Options,
        contexts: &'a Contexts,
        platform: &'a Platform,
        builder: &'a Platform,
    ) -> Self {
        let is_from = |instruction: &&Rc<Instruction>| matches!(instruction.kind, Kind::From { .. });
        let count = file.instructions.iter().filter(is_from).count();
        let first = file.instructions.iter().take_while(|instruction| !is_from(instruction)).count();
        let last_name = file.instructions.iter().rev().find_map(|instruction| match &instruction.kind {
            Kind::From { name, .. } => Some(name.as_ref().map_or("", |name| name.text.as_str())),
            _ => None,
        });
        let target = options.target.as_deref().filter(|target| !target.is_empty());
        let scope = Scope {
            instructions: &file.instructions[..first],
            escape: file.escape,
            options,
            target: platform,
            builder,
            stage: target.or(last_name).unwrap_or_default(),
        };
        let (arguments, problems) = scope.evaluate(None);
        let guesses = if arguments.has_missing() { scope.guesses() } else { Vec::new() };
        let mut graph = Graph {
            options,
            arguments,
            guesses,
            escape: file.escape,
            labs: file.labs,
            platform,
            builder,
            contexts,
            states: Vec::with_capacity(count),
            by_name: SortedMap::new(),
            triggers: 0,
            problems: Vec::new(),
            unresolved: Vec::new(),
        };
        if first == file.instructions.len() {
            graph.problem(StageError::NoStage, 0..0);
            return graph;
        }
        for problem in problems {
            graph.failure(problem.error, problem.span, None);
        }
        if let Some((value, span)) = epoch(file, &graph, first) {
            graph.problem(StageError::Epoch(value), span);
        }
        graph.arguments.tidy_epoch();
        for instruction in &file.instructions[first..] {
            match &instruction.kind {
                Kind::From { base, name, platform } => graph.header(base, name.as_ref(), platform.as_ref()),
                _ => {
                    let command =
                        Command { instruction: Rc::clone(instruction), sources: Vec::new(), place: None };
                    graph.states.last_mut().expect("the first instruction is a FROM").commands.push(command);
                }
            }
        }
        graph
    }

    /// Remembers an error.
    pub fn problem(&mut self, error: StageError, span: Range<usize>) {
        self.problems.push(Problem { error, span });
    }

    /// An error, unless it is one only for want of a value.
    fn failure(&mut self, failure: Failure, span: Range<usize>, state: Option<usize>) {
        use super::expand::ExpandError::{Empty, Unset};
        if failure.missing.is_empty() || !matches!(failure.error, Unset { .. } | Empty { .. }) {
            self.problem(StageError::Expand(failure.error), span);
        } else {
            self.unresolved.push((state, Problem { error: failure.missing, span }));
        }
    }

    /// Whether a word would be right if the arguments without a value had one.
    pub fn would_do(&self, word: &Word, is_right: impl Fn(&str) -> bool) -> bool {
        self.guesses.iter().any(|arguments| arguments.would_do(word, &is_right))
    }

    fn header(&mut self, base: &Word, name: Option<&Word>, platform: Option<&Word>) {
        let index = self.states.len();
        let mut state = State::new(base.clone(), base.span.clone());
        state.name = name.map(|name| name.text.clone());
        match self.arguments.expand(&base.text) {
            Ok(value) if value.text.is_empty() => {
                state.unresolved = true;
                if !value.missing.is_empty()
                    && self.would_do(base, |text| ImageReference::parse(text).is_ok())
                {
                    let problem = Problem { error: value.missing, span: base.span.clone() };
                    self.unresolved.push((Some(index), problem));
                } else {
                    let error =
                        StageError::BlankBase { word: base.text.clone(), undeclared: value.undeclared };
                    self.problem(error, base.span.clone());
                }
            }
            Ok(value) => {
                state.base_name = value.text;
                state.names = value.names;
                state.missing = value.missing;
                state.undeclared = value.undeclared;
            }
            Err(failure) => {
                state.unresolved = true;
                self.failure(failure, base.span.clone(), Some(index));
            }
        }
        if let Some(word) = platform {
            state.platform = self.read_platform(word, &mut state.names, index);
            state.unresolved |= state.platform.is_none();
        }
        if let Some(word) = name {
            match self.contexts.of_stage(&word.text, state.platform.as_ref().unwrap_or(self.platform)) {
                Ok(context) => state.context = context.map(str::to_owned),
                Err(()) => self.problem(StageError::ContextName(word.text.clone()), word.span.clone()),
            }
        }
        if state.context.is_none() {
            state.base = self.by_name.get(&state.base_name).copied();
        }
        self.states.push(state);
        if let Some(word) = name {
            self.by_name.insert(word.text.clone(), index);
        }
    }

    fn read_platform(&mut self, word: &Word, names: &mut SortedSet, index: usize) -> Option<Platform> {
        let value = match self.arguments.expand(&word.text) {
            Ok(value) => value,
            Err(failure) => {
                self.failure(failure, word.span.clone(), Some(index));
                return None;
            }
        };
        names.extend(value.names);
        let platform = Platform::parse(&value.text, self.builder);
        if platform.is_none() {
            let is_right = |text: &str| Platform::parse(text, self.builder).is_some();
            if !value.missing.is_empty() && self.would_do(word, is_right) {
                let problem = Problem { error: value.missing, span: word.span.clone() };
                self.unresolved.push((Some(index), problem));
            } else if value.text.is_empty() {
                self.problem(StageError::EmptyPlatform(word.text.clone()), word.span.clone());
            } else {
                self.problem(StageError::Platform(value.text), word.span.clone());
            }
        }
        platform
    }

    /// The stage of a name; the last of the file where several have it.
    pub fn stage(&self, name: &str) -> Option<usize> {
        self.by_name.get(&lower(name)).copied()
    }

    /// The stage that is built; the last one where none is asked for.
    pub fn target(&mut self) -> Option<usize> {
        let Some(name) = self.options.target.as_deref().filter(|target| !target.is_empty()) else {
            return self.states.len().checked_sub(1);
        };
        let found = self.stage(name);
        if found.is_none() {
            let names: Vec<&str> = self.by_name.keys().map(String::as_str).take(1000).collect();
            let nearest = suggest::nearest(&lower(name), &names).map(str::to_owned);
            let span = self.states.last().map_or(0..0, |state| state.span.clone());
            self.problem(StageError::Target { name: name.to_owned(), nearest }, span);
        }
        found
    }
}

/// `SOURCE_DATE_EPOCH` where BuildKit refuses it, and where it stands (`dockerfile2llb/epoch.go`).
///
/// It is a time in seconds, `context`, a named build context, or a stage that is `scratch` with one
/// remote ADD, whose time then counts.
fn epoch(file: &File, graph: &Graph<'_>, first: usize) -> Option<(String, Range<usize>)> {
    let given = graph.options.build_args.get(EPOCH).map(String::as_str);
    let value = given.or_else(|| graph.arguments.value(EPOCH)).filter(|value| !value.is_empty())?;
    if value.parse::<i64>().is_ok() || value == "context" {
        return None;
    }
    let place = file.instructions[..first].iter().rev().find_map(|instruction| match &instruction.kind {
        Kind::Arg(arguments) => arguments.iter().rfind(|argument| argument.name == EPOCH),
        _ => None,
    });
    let bad = Some((value.to_owned(), place.map_or(0..0, |argument| argument.span.clone())));
    if graph.contexts.enabled {
        match ImageReference::parse(value) {
            Err(_) => return bad,
            Ok(name) if graph.contexts.of_image(&name, graph.builder).is_some() => return None,
            Ok(_) => {}
        }
    }
    let is_stage = |instruction: &Rc<Instruction>| match &instruction.kind {
        Kind::From { name: Some(name), .. } => lower(&name.text) == lower(value),
        _ => false,
    };
    let Some(stage) = file.instructions.iter().position(is_stage) else { return bad };
    let Kind::From { base, .. } = &file.instructions[stage].kind else { return bad };
    if graph.arguments.expand(&base.text).map_or(true, |base| base.text != SCRATCH) {
        return bad;
    }
    let mut sources = 0;
    for instruction in &file.instructions[stage + 1..] {
        match &instruction.kind {
            Kind::From { .. } => break,
            Kind::Arg(_) => {}
            Kind::Copy(copy) if instruction.keyword == Keyword::Add && copy.sources.len() == 1 => {
                sources += 1
            }
            _ => return bad,
        }
    }
    if sources == 1 {
        None
    } else {
        bad
    }
}

//! What stages need: COPY --from, RUN --mount, ONBUILD, and the images behind them.

use std::ops::Range;
use std::rc::Rc;

use super::contexts::{self, Content};
use super::error::Problem;
use super::expand::{Lexer, NoVariables};
use super::instruction::{self, Instruction, Kind};
use super::stage_error::StageError;
use super::stages::{Command, Graph, Image, State, SCRATCH};
use super::words::Word;
use super::Role;
use crate::reference::ImageReference;

/// How many triggers may be run in all.
const MAX_TRIGGERS: usize = 10_000;
/// How often triggers may bring in images that have triggers; an image whose trigger copies from
/// the image does so forever.
const MAX_ROUNDS: usize = 64;

impl Graph<'_> {
    /// Finds what each stage needs; all stages of the file, used or not.
    pub fn connect(&mut self) {
        for state in 0..self.states.len() {
            let mut commands = std::mem::take(&mut self.states[state].commands);
            for command in &mut commands {
                self.find_sources(command, state);
            }
            self.states[state].commands = commands;
        }
        self.check_cycles();
    }

    /// Finds the sources of one instruction.
    fn find_sources(&mut self, command: &mut Command, state: usize) {
        let instruction = Rc::clone(&command.instruction);
        match &instruction.kind {
            Kind::Copy(copy) => {
                let Some(from) = &copy.from else { return };
                let span = command.span(&from.span);
                let expanded = Lexer::new(self.escape).expand(&from.text, &NoVariables);
                match expanded {
                    Err((error, _)) => return self.problem(StageError::Expand(error), span),
                    Ok(expanded) if expanded.text != from.text => {
                        return self.problem(StageError::CopyVariable(from.text.clone()), span);
                    }
                    Ok(_) => {}
                }
                let source = match go_number(&from.text) {
                    Some(index) => match usize::try_from(index).ok().filter(|at| *at < self.states.len()) {
                        Some(index) => index,
                        None => return self.problem(StageError::StageIndex(from.text.clone()), span),
                    },
                    None => self.stage_or_image(&from.text, span, role(command, Role::CopyFrom)),
                };
                command.sources.push(source);
                self.states[state].needs.push(source);
            }
            Kind::Run(mounts, _) => {
                for mount in mounts {
                    let span = command.span(&mount.place.span);
                    let from = mount.from.as_deref().unwrap_or(SCRATCH);
                    let source = self.stage_or_image(from, span, role(command, Role::MountFrom));
                    command.sources.push(source);
                    self.states[state].needs.push(source);
                }
            }
            _ => {}
        }
    }

    fn stage_or_image(&mut self, name: &str, span: Range<usize>, role: Role) -> usize {
        if let Some(stage) = self.stage(name) {
            return stage;
        }
        let word = Word { text: name.to_owned(), span: span.clone() };
        self.states.push(State::implicit(word, span, role));
        self.states.len() - 1
    }

    fn check_cycles(&mut self) {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut marks = vec![NEW; self.states.len()];
        for start in 0..self.states.len() {
            let mut path = vec![(start, 0)];
            while let Some((state, next)) = path.last_mut() {
                let state = *state;
                if *next == 0 && marks[state] != NEW {
                    path.pop();
                    continue;
                }
                marks[state] = OPEN;
                let Some(&needed) = self.states[state].needs.get(*next) else {
                    marks[state] = DONE;
                    path.pop();
                    continue;
                };
                *next += 1;
                if marks[needed] == OPEN {
                    let names = &self.states[needed];
                    let name = names.name.clone().unwrap_or_else(|| needed.to_string());
                    let span = names.span.clone();
                    return self.problem(StageError::Circular(name), span);
                }
                if marks[needed] == NEW {
                    path.push((needed, 0));
                }
            }
        }
    }

    /// Which states the target needs.
    pub fn reachable(&self, target: usize) -> Vec<bool> {
        let mut reached = vec![false; self.states.len()];
        let mut open = vec![target];
        while let Some(state) = open.pop() {
            if !std::mem::replace(&mut reached[state], true) {
                open.extend(self.states[state].base);
                open.extend(&self.states[state].needs);
            }
        }
        reached
    }

    /// Reads the reference of every image, asks for those that the target needs, and runs ONBUILD
    /// triggers until they bring in nothing new.
    pub fn resolve(&mut self, target: usize) -> Vec<bool> {
        let mut read = 0;
        for round in 0.. {
            let reached = self.reachable(target);
            while read < self.states.len() {
                self.read_reference(read);
                let state = &mut self.states[read];
                if state.implicit.is_some() && !reached[read] {
                    // BuildKit marks it as done, and does not ask for it if a trigger needs it after
                    // all: neither contexts nor its own triggers count, the build just pulls it.
                    state.never_asked = true;
                    state.asked = true;
                    state.triggers_taken = true;
                    if let Some(image) = &mut state.image {
                        image.platform = self.platform.to_string();
                    }
                }
                read += 1;
            }
            let mut brought_in = false;
            for state in (0..self.states.len()).filter(|state| reached[*state]) {
                let triggers = self.take_triggers(state);
                brought_in |= !triggers.is_empty();
                self.run_triggers(state, triggers);
            }
            if !brought_in || !self.problems.is_empty() {
                break;
            }
            if round == MAX_ROUNDS {
                let span = self.states[target].span.clone();
                self.problem(StageError::TooMuch("ONBUILD triggers bring in one another"), span);
                break;
            }
        }
        self.reachable(target)
    }

    /// The image of a state that has no base in the file.
    fn read_reference(&mut self, index: usize) {
        let state = &mut self.states[index];
        if state.base.is_some() || state.unresolved {
            return;
        }
        state.dispatched |= state.implicit.is_some();
        if state.base_name == SCRATCH && state.context.is_none() {
            state.is_scratch = true;
            return;
        }
        let span = state.span.clone();
        match ImageReference::parse(&state.base_name) {
            Ok(reference) => state.image = Some(Image::new(reference)),
            Err(error) => {
                state.unresolved = true;
                let missing = state.missing.clone();
                let word = state.word.clone();
                let text = state.base_name.clone();
                if !missing.is_empty() && self.would_do(&word, |text| ImageReference::parse(text).is_ok()) {
                    self.unresolved.push((Some(index), Problem { error: missing, span }));
                } else {
                    let undeclared = self.states[index].undeclared.clone();
                    self.problem(StageError::Reference { text, error, undeclared }, span);
                }
            }
        }
    }

    /// Looks a state's image up in the build contexts, once the target needs it.
    fn ask(&mut self, index: usize) {
        let state = &mut self.states[index];
        if std::mem::replace(&mut state.asked, true) {
            return;
        }
        let Some(image) = &mut state.image else { return };
        let platform = state.platform.as_ref().unwrap_or(self.platform);
        // Where neither says one, BuildKit asks for what replaces a stage without a platform.
        let is_unsaid =
            state.platform.is_none() && state.context.is_some() && self.options.platforms.is_empty();
        image.platform = if is_unsaid { String::new() } else { platform.to_string() };
        let context = match &state.context {
            Some(context) => {
                state.dispatched = true;
                Some(context.clone())
            }
            None => self.contexts.of_image(&image.reference, platform).map(str::to_owned),
        };
        let Some(context) = context else { return };
        match contexts::content(&context) {
            Ok(Content::Image(reference)) => {
                image.reference = reference;
                image.by_context = true;
            }
            Ok(Content::Other) => {
                state.image = None;
                state.is_scratch = true;
            }
            Err(error) => {
                let (name, span) = (state.base_name.clone(), state.span.clone());
                self.problem(StageError::Context { name, error }, span);
            }
        }
    }

    /// The triggers that a stage runs: those in its image's configuration, and those of the stage
    /// that it is built on.
    fn take_triggers(&mut self, index: usize) -> Vec<String> {
        self.ask(index);
        let state = &mut self.states[index];
        if std::mem::replace(&mut state.triggers_taken, true) {
            return Vec::new();
        }
        let mut triggers = Vec::new();
        if let Some(image) = &state.image {
            triggers.extend(self.options.onbuild_of(&image.reference).iter().cloned());
        }
        if let Some(base) = self.states[index].base {
            for command in &self.states[base].commands {
                if let Kind::Onbuild(trigger) = &command.instruction.kind {
                    triggers.push(trigger.clone());
                }
            }
        }
        triggers
    }

    fn run_triggers(&mut self, index: usize, triggers: Vec<String>) {
        let span = self.states[index].span.clone();
        let mut commands = Vec::new();
        for trigger in triggers {
            self.triggers += 1;
            if self.triggers > MAX_TRIGGERS {
                return self.problem(StageError::TooMuch("too many ONBUILD triggers"), span);
            }
            match read_trigger(&trigger) {
                Ok(instruction) => {
                    let place = Some(span.clone());
                    let mut command = Command { instruction, sources: Vec::new(), place };
                    self.find_sources(&mut command, index);
                    commands.push(command);
                }
                Err(reason) => {
                    self.problem(StageError::Trigger { trigger, reason }, span.clone());
                }
            }
        }
        let state = &mut self.states[index];
        commands.append(&mut state.commands);
        state.commands = commands;
    }
}

fn role(command: &Command, role: Role) -> Role {
    if command.place.is_some() {
        Role::Onbuild
    } else {
        role
    }
}

/// A trigger is a Dockerfile of one instruction, which is no FROM.
fn read_trigger(text: &str) -> Result<Rc<Instruction>, String> {
    let mut read = instruction::read(text, true, None);
    if let Some(problem) = read.line_problems.first() {
        return Err(problem.error.to_string());
    }
    if let Some(problem) = read.problems.first() {
        return Err(problem.error.to_string());
    }
    match (read.instructions.pop(), read.instructions.is_empty()) {
        (Some(instruction), true) if !matches!(instruction.kind, Kind::From { .. }) => Ok(instruction),
        (Some(_), true) => Err("it is a FROM".to_owned()),
        _ => Err("it is more than one instruction".to_owned()),
    }
}

/// What Go's `strconv.Atoi` reads.
fn go_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

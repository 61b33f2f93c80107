//! Which images a Dockerfile needs: BuildKit's answer.
//!
//! ```text
//! text -> logical lines -> instructions -> build stages -> images
//! ```
//!
//! The rules were read in moby/buildkit `73ed6825` (frontend dockerfile/1.26); each module names
//! the file that its part comes from. Nothing here guesses: what BuildKit would refuse is an error
//! at its place, and what it would refuse only because nobody gave a build argument its value is
//! [`Unresolved`].

pub mod arguments;
pub mod contexts;
pub mod dispatch;
pub mod error;
pub mod expand;
pub mod flags;
pub mod graph;
pub mod instruction;
pub mod json;
pub mod lines;
pub mod lint;
pub mod mount;
pub mod pattern;
pub mod platform;
pub mod stage_error;
pub mod stages;
pub mod suggest;
pub mod syntax;
pub mod unicode;
pub mod values;
pub mod words;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use contexts::Contexts;
use error::{Explain, LineError, Problem};
use lint::Lint;
use platform::Platform;
use stage_error::StageError;
use stages::{File, Graph};

use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::reference::ImageReference;
use crate::sorted::{sort_by, SortedMap, SortedSet};

/// How many platforms one build may have.
const MAX_PLATFORMS: usize = 32;
/// How many findings are told of one file.
const MAX_DIAGNOSTICS: usize = 100;

/// What a build says beside its Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `--build-arg`.
    pub build_args: SortedMap<String>,
    /// `--target`: a stage by its name.
    pub target: Option<String>,
    /// `--platform`: what is built for; nothing is what is built on.
    pub platforms: Vec<String>,
    /// What is built on.
    pub build_platform: String,
    /// `--build-context`: name to `docker-image://…` or anything else, which is no image.
    pub contexts: SortedMap<String>,
    /// The ONBUILD triggers in the configuration of images, as far as they are known.
    pub onbuild: SortedMap<Vec<String>>,
    /// Whether every stage is looked up as a named context, as each build through a client does; a
    /// stage then can't be named `b-`.
    pub named_contexts: bool,
    /// Whether a file that another frontend reads is answered as BuildKit's own would read it, with a
    /// warning; else that is an error, since nobody here knows what the other makes of it.
    pub any_frontend: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            build_args: SortedMap::new(),
            target: None,
            platforms: Vec::new(),
            build_platform: "linux/amd64".to_owned(),
            contexts: SortedMap::new(),
            onbuild: SortedMap::new(),
            named_contexts: true,
            any_frontend: false,
        }
    }
}

impl Options {
    fn onbuild_of(&self, reference: &ImageReference) -> &[String] {
        self.onbuild.get(&reference.normalized()).map_or(&[], Vec::as_slice)
    }
}

/// What an image is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The result is built on it.
    Final,
    /// Another build stage is built on it.
    Stage,
    /// `COPY --from`.
    CopyFrom,
    /// `RUN --mount=from=`.
    MountFrom,
    /// An ONBUILD trigger names it.
    Onbuild,
    /// A named build context is it.
    Context,
    /// `# syntax=`.
    Frontend,
}

impl Role {
    /// The name in files and answers.
    pub fn name(self) -> &'static str {
        match self {
            Role::Final => "final",
            Role::Stage => "stage",
            Role::CopyFrom => "copy-from",
            Role::MountFrom => "mount-from",
            Role::Onbuild => "onbuild",
            Role::Context => "context",
            Role::Frontend => "frontend",
        }
    }
}

/// What one image is needed for: a set of roles, in their order.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    const ALL: [Role; 7] = [
        Role::Final,
        Role::Stage,
        Role::CopyFrom,
        Role::MountFrom,
        Role::Onbuild,
        Role::Context,
        Role::Frontend,
    ];

    /// Adds one.
    pub fn insert(&mut self, role: Role) {
        self.0 |= 1 << role as u8;
    }

    /// Adds those of another set.
    pub fn extend(&mut self, others: Roles) {
        self.0 |= others.0;
    }

    /// Whether it is among them.
    pub fn contains(self, role: Role) -> bool {
        self.0 & 1 << role as u8 != 0
    }

    /// The roles, in order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Self::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Roles(1 << role as u8)
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// An image that the build needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseImage {
    /// Which one.
    pub reference: ImageReference,
    /// For which platform it is asked for; empty where a build context replaces a
    /// stage, and neither the stage nor the build names one.
    pub platform: String,
    /// What it is needed for.
    pub roles: Roles,
    /// Whether its content goes into the build; if not, it must only exist.
    pub used: bool,
    /// Line and column of each place that names it.
    pub places: Vec<(u32, u32)>,
    /// The build arguments that its name or platform depends on.
    pub arguments: SortedSet,
}

/// An image that can't be told because a build argument has no value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// Where it is needed.
    pub location: Location,
    /// The argument.
    pub argument: String,
    /// What needs it, as written.
    pub word: String,
    /// Whether the target needs the image.
    pub used: bool,
}

impl Unresolved {
    /// As people read it.
    pub fn diagnostic(&self) -> Diagnostic {
        let name = &self.argument;
        Diagnostic::error("IF0701", format!("build argument `{name}` has no value")).at(self.location.clone()).hint(
            format!("build with `--build-arg {name}=value`, or write `{name}: value` under `source.buildArgs` in images.yaml"),
        )
    }
}

/// The answer for one Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bases {
    /// By reference and platform; empty where BuildKit would refuse the file.
    pub images: Vec<BaseImage>,
    /// What hangs on arguments that nobody gave.
    pub unresolved: Vec<Unresolved>,
    /// What BuildKit would refuse, and what should be looked at.
    pub diagnostics: Diagnostics,
}

/// Which images a Dockerfile needs.
pub fn bases(file: &str, text: &str, options: &Options) -> Bases {
    let mut options = Cow::Borrowed(options);
    if !options.onbuild.is_empty() {
        let triggers = std::mem::take(&mut options.to_mut().onbuild);
        let normalized = |key: String| ImageReference::parse(&key).map_or(key, |key| key.normalized());
        options.to_mut().onbuild =
            triggers.into_iter().map(|(key, triggers)| (normalized(key), triggers)).collect();
    }
    let places = Places { text, lines: Vec::new() };
    let mut answer = Answer { file, text, bases: Bases::default(), places, told: 0 };
    answer.read(&options);
    answer.bases.diagnostics.sort();
    if answer.bases.diagnostics.has_errors() {
        answer.bases.images.clear();
    }
    sort_by(&mut answer.bases.unresolved, Ord::cmp);
    answer.bases.unresolved.dedup();
    answer.bases
}

struct Answer<'a> {
    file: &'a str,
    text: &'a str,
    bases: Bases,
    places: Places<'a>,
    told: usize,
}

impl Answer<'_> {
    /// Goes through the steps; each tells all it finds before the next is tried.
    fn read(&mut self, options: &Options) {
        let check = lint::check(self.text, options);
        // BuildKit lints what it converts for the first platform.
        let mut lint =
            check.as_ref().ok().copied().flatten().map(|check| Lint::new(self.file, self.text, check));
        let mut read = instruction::read(self.text, false, lint.as_mut());
        if let Err((option, span)) = check {
            read.line_problems.push(Problem { error: LineError::Check(option), span });
        }
        if self.has_problems(&read.line_problems) || self.has_problems(&read.problems) {
            return;
        }
        self.places.lines = read.physical;
        let Some((builder, platforms)) = self.platforms(options) else { return };
        let labs = self.frontend(options, &builder);
        let file = File { instructions: read.instructions, escape: read.escape, labs };
        let contexts = Contexts::new(&options.contexts, options.named_contexts);
        for platform in &platforms {
            self.evaluate(&file, options, &contexts, platform, &builder, lint.take());
        }
    }

    fn has_problems<E: Explain>(&mut self, problems: &[Problem<E>]) -> bool {
        for problem in problems {
            let room = MAX_DIAGNOSTICS.saturating_sub(self.told);
            if room == 0 {
                break;
            }
            let diagnostic = problem.diagnostic(self.file, self.text);
            if !self.bases.diagnostics.0.contains(&diagnostic) {
                self.told += 1;
                self.bases.diagnostics.push(diagnostic);
            }
        }
        !problems.is_empty()
    }

    fn platforms(&mut self, options: &Options) -> Option<(Platform, Vec<Platform>)> {
        let default =
            Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), ..Platform::default() };
        let mut read = |text: &str, builder: &Platform| {
            let platform = Platform::parse(text, builder).map(|platform| platform.normalized());
            if platform.is_none() {
                let error = StageError::Platform(text.to_owned());
                let diagnostic = Diagnostic::error(error.code(), error.to_string()).in_file(self.file);
                self.bases.diagnostics.push(diagnostic.hint("build for `linux/amd64` or `linux/arm64`"));
            }
            platform
        };
        let builder = match options.build_platform.as_str() {
            "" => default,
            text => read(text, &default)?,
        };
        if options.platforms.is_empty() {
            return Some((builder.clone(), vec![builder]));
        }
        let platforms = options
            .platforms
            .iter()
            .take(MAX_PLATFORMS)
            .map(|text| read(text, &builder))
            .collect::<Option<_>>()?;
        Some((builder, platforms))
    }

    /// The frontend's image, and a warning where it is not BuildKit's own; whether it is of the labs
    /// channel.
    fn frontend(&mut self, options: &Options, builder: &Platform) -> bool {
        let given = options.build_args.get("BUILDKIT_SYNTAX").map(|given| given.trim());
        let word = match given.and_then(|given| given.split(' ').next()).filter(|given| !given.is_empty()) {
            Some(given) => words::Word { text: given.to_owned(), span: 0..0 },
            None => match syntax::frontend(self.text) {
                Some(word) => word,
                None => return false,
            },
        };
        let reference = match ImageReference::parse(&word.text) {
            Ok(reference) => reference,
            Err(error) => {
                let error = StageError::Frontend { text: word.text, error };
                self.has_problems(&[Problem { error, span: word.span }]);
                return false;
            }
        };
        let name = reference.repository();
        let is_own = ["docker/dockerfile", "docker/dockerfile-upstream"]
            .iter()
            .any(|own| name.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('/')));
        if !is_own {
            let message = error::shortened(format!(
                "the frontend `{}` reads this file, and what it makes of it is not known",
                word.text
            ));
            let diagnostic = match options.any_frontend {
                true => Diagnostic::warning("IF0725", message + ": this is how BuildKit's own reads it"),
                false => Diagnostic::error("IF0725", message),
            };
            self.bases.diagnostics.push(
                diagnostic.at(Location::of(self.file, self.text, word.span.clone())).hint(
                    "write `# syntax=docker/dockerfile:1`; where the build replaces the frontend, \
                     write `BUILDKIT_SYNTAX: docker/dockerfile:1` under `source.buildArgs` in images.yaml",
                ),
            );
        }
        let places = if word.span.is_empty() { Vec::new() } else { vec![self.places.of(&word.span)] };
        let labs = reference.tag().is_some_and(|tag| tag.ends_with("labs"));
        self.bases.images.push(BaseImage {
            reference,
            platform: builder.to_string(),
            roles: Roles::from(Role::Frontend),
            used: false,
            places,
            arguments: SortedSet::new(),
        });
        labs
    }

    fn evaluate(
        &mut self,
        file: &File,
        options: &Options,
        contexts: &Contexts,
        platform: &Platform,
        builder: &Platform,
        mut lint: Option<Lint<'_>>,
    ) {
        let mut graph = Graph::headers(file, options, contexts, platform, builder);
        if self.has_problems(&graph.problems) {
            return;
        }
        let target = graph.target();
        if self.has_problems(&graph.problems) {
            return;
        }
        let target = target.expect("a file without stages and a target that is no stage are problems");
        graph.connect();
        if self.has_problems(&graph.problems) {
            return;
        }
        let reached = graph.resolve(target);
        if self.has_problems(&graph.problems) {
            return;
        }
        let uses = dispatch::dispatch(&mut graph, &reached, lint.as_mut());
        if self.has_problems(&graph.problems) {
            return;
        }
        if let Some(mut lint) = lint {
            lint.headers(file, &graph.arguments, builder);
            self.bases.diagnostics.extend(lint.found);
        }
        self.unresolved(&graph, &reached);
        self.images(&graph, target, &reached, &uses);
    }

    fn unresolved(&mut self, graph: &Graph<'_>, reached: &[bool]) {
        for (state, problem) in graph.unresolved.iter().take(MAX_DIAGNOSTICS) {
            let used = state.is_none_or(|state| reached[state]);
            let location = Location::of(self.file, self.text, problem.span.clone());
            let word = self.text[problem.span.clone()].to_owned();
            for argument in &problem.error {
                self.bases.unresolved.push(Unresolved {
                    location: location.clone(),
                    argument: argument.clone(),
                    word: word.clone(),
                    used,
                });
            }
        }
    }

    fn images(&mut self, graph: &Graph<'_>, target: usize, reached: &[bool], uses: &[Vec<usize>]) {
        let mut used = vec![false; graph.states.len()];
        let mut open = vec![target];
        while let Some(state) = open.pop() {
            if !std::mem::replace(&mut used[state], true) {
                open.extend(graph.states[state].base);
                open.extend(&uses[state]);
            }
        }
        let mut root = target;
        while let Some(base) = graph.states[root].base {
            root = base;
        }
        let mut images: SortedMap<BaseImage> = SortedMap::new();
        for image in std::mem::take(&mut self.bases.images) {
            images.insert(key(&image), image);
        }
        for (index, state) in graph.states.iter().enumerate().filter(|(index, _)| reached[*index]) {
            let Some(image) = &state.image else { continue };
            if state.never_asked && !used[index] {
                continue;
            }
            let role = state.implicit.unwrap_or(if index == root { Role::Final } else { Role::Stage });
            let mut roles = Roles::from(role);
            if image.by_context {
                roles.insert(Role::Context);
            }
            let found = BaseImage {
                reference: image.reference.clone(),
                platform: image.platform.clone(),
                roles,
                used: used[index],
                places: vec![self.places.of(&state.span)],
                arguments: state.names.clone(),
            };
            let key = key(&found);
            match images.get_mut(&key) {
                Some(image) => {
                    image.roles.extend(found.roles);
                    image.used |= found.used;
                    image.places.extend(found.places);
                    image.arguments.extend(found.arguments);
                }
                None => drop(images.insert(key, found)),
            }
        }
        self.bases.images = images
            .into_values()
            .map(|mut image| {
                sort_by(&mut image.places, Ord::cmp);
                image.places.dedup();
                image
            })
            .collect();
    }
}

/// Sorts as reference and platform do, since a blank is less than all that a reference has.
fn key(image: &BaseImage) -> String {
    [&image.reference.normalized(), " ", &image.platform].concat()
}

/// Lines and columns, without a walk through the whole text for each.
struct Places<'a> {
    text: &'a str,
    /// As the file was read; the first begins behind a byte order mark, which has a column, too.
    lines: Vec<Range<usize>>,
}

impl Places<'_> {
    fn of(&self, span: &Range<usize>) -> (u32, u32) {
        let line = self.lines.partition_point(|line| line.start <= span.start).max(1);
        let start = if line == 1 { 0 } else { self.lines[line - 1].start };
        let column = self.text.get(start..span.start).map_or(0, |before| before.chars().count());
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(line), number(column + 1))
    }
}

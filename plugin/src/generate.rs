//! `generate`: images.yaml and state in, Kargo Warehouses out.

use crate::abi::{Answer, Arguments, Manifest, Request};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::duration::Duration;
use crate::entry::{self, Entry, Monitored};
use crate::factory::{self, Factory};
use crate::images::{self, Empty, Enrolments};
use crate::manifest::{Head, Render};
use crate::name;
use crate::pipeline;
use crate::sorted::SortedMap;
use crate::state::{self, State};
use crate::warehouse::{self, selection, KargoVersion, Selection, Strategy};

/// The arguments of `generate`.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The Kargo to write for, before factory.yaml's.
    pub kargo_version: Option<String>,
    /// Whether a render without any object is meant.
    pub allow_empty: bool,
    /// The digest of the module that runs, as its host knows it.
    pub module: Option<String>,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        Args {
            kargo_version: arguments.text("kargoVersion"),
            allow_empty: arguments.flag("allowEmpty"),
            module: arguments.text("module"),
        }
    }

    /// The version that the flag names; an error is the flag's.
    pub(crate) fn kargo_version(&self) -> Result<Option<KargoVersion>, Diagnostic> {
        self.kargo_version.as_deref().map(factory::kargo_version).transpose().map_err(|(message, hint)| {
            Diagnostic::error("IF0306", format!("--kargo-version: {message}")).hint(hint)
        })
    }
}

/// Renders the Warehouses of a factory, sorted by name, and where factory.yaml says `pipelines` the
/// objects of the loop, role by role; with an error among the diagnostics, nothing.
pub fn generate(request: &Request, args: &Args) -> Answer {
    if let Err(refusal) = args.kargo_version() {
        return Answer { diagnostics: vec![refusal], exit: 2, ..Answer::default() };
    }
    let mut found = Diagnostics::default();
    let mut rendered = Vec::new();
    if let Some(inputs) = Inputs::read(request, args, &mut found) {
        if !found.has_errors() {
            rendered = warehouses(&inputs);
            if inputs.factory.pipelines {
                rendered.extend(pipeline::render(&inputs));
            }
        }
    }
    found.sort();
    let exit = u8::from(found.has_errors());
    Answer { manifests: rendered, diagnostics: found.0, exit, ..Answer::default() }
}

/// All that a render depends on.
pub(crate) struct Inputs<'t> {
    pub factory: Factory,
    pub kargo: KargoVersion,
    pub enrolments: Enrolments,
    pub state: State<'t>,
    pub entries: SortedMap<Entry>,
}

impl<'t> Inputs<'t> {
    /// Reads and merges; each step reports all it finds, and the merge is tried only on good files.
    pub fn read(request: &'t Request, args: &Args, found: &mut Diagnostics) -> Option<Self> {
        let factory = factory::read(&request.tree, found);
        check_pin(&factory, args, request, found);
        let kargo = args.kargo_version().ok().flatten().unwrap_or(factory.kargo);
        let empty = if args.allow_empty { Empty::Taken } else { Empty::Refused };
        let enrolments = images::read(&request.tree, empty, found);
        let state = state::read(&request.tree, found);
        if found.has_errors() {
            return None;
        }
        let entries = entry::merge(&enrolments, &state, found);
        check_watched(request, &enrolments, &state, &entries, found);
        let is_silent = !factory.pipelines && entries.values().all(|entry| entry.monitored().is_none());
        let state_is_empty = state.images.is_empty() && state.base_images.is_empty();
        if is_silent && !state_is_empty && !args.allow_empty && !found.has_errors() {
            found.push(
                Diagnostic::error(
                    "IF0502",
                    "nothing is left to watch, and an empty render would delete every Warehouse",
                )
                .in_file(images::PATH)
                .hint("pass `--allow-empty` if that is meant"),
            );
        }
        let inputs = Inputs { factory, kargo, enrolments, state, entries };
        if inputs.factory.pipelines {
            pipeline::check(&inputs, &request.tree, found);
        }
        Some(inputs)
    }

    /// What all objects share.
    pub fn render(&self) -> Render<'_> {
        Render {
            namespace: &self.factory.project,
            module: self.factory.module.as_ref().map(|pin| pin.value.as_str()),
            shard: self.factory.shard.as_deref(),
        }
    }

    /// The Warehouse of an image, asked as often as its registry and role say.
    pub fn image_warehouse(
        &self,
        head: &Head<'_>,
        repo_url: &str,
        selection: &Selection,
        discovery_limit: &str,
        interval: Interval,
    ) -> Manifest {
        let registry = repo_url.split('/').next().unwrap_or_default();
        let interval = match interval {
            Interval::Exactly(interval) => interval,
            Interval::OfRole(interval) => spread(self.factory.interval(registry, interval), head.name),
        };
        let insecure = self.factory.insecure_registries.iter().any(|host| host == registry);
        let kargo = self.kargo;
        let image = warehouse::Image { repo_url, selection, discovery_limit, interval, insecure, kargo };
        warehouse::of_image(&self.render(), head, &image)
    }
}

/// How often a Warehouse looks.
pub(crate) enum Interval {
    /// As an enrolment says.
    Exactly(Duration),
    /// As its role says, unless its registry does; spread.
    OfRole(Duration),
}

/// The module that factory.yaml pins is the only one that may render.
fn check_pin(factory: &Factory, args: &Args, request: &Request, found: &mut Diagnostics) {
    let (Some(pin), Some(running)) = (&factory.module, &args.module) else { return };
    if pin.value != *running {
        let source = factory::source(&request.tree);
        let message = format!("this is module {running}, and factory.yaml pins {}", pin.value);
        found.push(
            source
                .error("IF0307", pin.place, message)
                .hint("run the pinned version, or commit the new digest if the upgrade is meant"),
        );
    }
}

fn check_watched(
    request: &Request,
    enrolments: &Enrolments,
    state: &State<'_>,
    entries: &SortedMap<Entry>,
    found: &mut Diagnostics,
) {
    let source = images::source(&request.tree);
    // An image stands in images.yaml, and a base image that is not enrolled in state.
    let at = |name: &str, finding: Diagnostic| {
        let enrolled = enrolments.get(name).map(|enrolment| source.location(enrolment.place));
        let discovered = || {
            let base = state.base_images.get(name)?;
            Some(base.source.location(base.repo_url.as_ref()?.place))
        };
        match enrolled.or_else(discovered) {
            Some(location) => finding.at(location),
            None => finding.in_file(images::PATH),
        }
    };
    for (name, entry) in entries {
        match entry {
            Entry::External(None) => {
                let message =
                    format!("`{name}` has neither a `source` nor `allowTags`, so nothing happens to it");
                let hint = "add `allowTags: ^TAG$`, or a `source` if your CI builds it";
                found.push(at(name, Diagnostic::warning("IF0503", message)).hint(hint));
            }
            Entry::External(Some(monitored)) | Entry::Base(Some(monitored)) => {
                if !state::is_repo_url(&monitored.repo_url) {
                    let message = format!("Kargo does not take `{}` for a repository", monitored.repo_url);
                    let hint = "its webhook knows words joined by single `.` or `-`, with `/` between them";
                    found.push(at(name, Diagnostic::error("IF0405", message)).hint(hint));
                }
                if let Err(problem) = selection(&monitored.watch) {
                    let message = format!("`{name}`: {}", problem.message);
                    found.push(at(name, Diagnostic::error(problem.code, message)).hint(problem.hint));
                }
            }
            Entry::Managed | Entry::Base(None) => {}
        }
    }
}

fn warehouses(inputs: &Inputs<'_>) -> Vec<Manifest> {
    let mut rendered = Vec::new();
    for (name, entry) in &inputs.entries {
        let Some(monitored) = entry.monitored() else { continue };
        let Ok(selection) = selection(&monitored.watch) else { continue };
        let intervals = &inputs.factory.intervals;
        let (kind, of_role) = match entry {
            Entry::Base(_) => ("base", intervals.base),
            _ => ("external", intervals.external),
        };
        let own_interval = inputs.enrolments.get(name).and_then(|enrolment| enrolment.interval);
        let head = Head {
            kind: "Warehouse",
            name,
            labels: &[("image-factory.dev/kind", Some(kind))],
            color: None,
            description: &description(monitored),
            links: &[("registry", warehouse::link(&monitored.repo_url))],
        };
        let discovery_limit = if selection.strategy == Strategy::Digest { "20" } else { "5" };
        let interval = own_interval.map_or(Interval::OfRole(of_role), Interval::Exactly);
        rendered.push(inputs.image_warehouse(
            &head,
            &monitored.repo_url,
            &selection,
            discovery_limit,
            interval,
        ));
    }
    rendered
}

/// A deterministic part of up to a twentieth of the interval and ten minutes is added, so that
/// Warehouses made together do not ask one registry together for ever.
pub(crate) fn spread(interval: Duration, name: &str) -> Duration {
    let room = (interval.seconds() / 20).min(600);
    Duration::from_seconds(interval.seconds() + name::hash(name) % (room + 1)).unwrap_or(interval)
}

fn description(monitored: &Monitored) -> String {
    match monitored.dependents.is_empty() {
        true => monitored.title.clone(),
        false => [&monitored.title, ", base image of ", &listed(&monitored.dependents)].concat(),
    }
}

/// Some names, and how many more there are.
pub(crate) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

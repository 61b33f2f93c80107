//! `analyze`: Dockerfiles in, changed state files out.
//!
//! The first answer says which Dockerfiles to fetch; the second, with them, holds what changed in
//! state/**. A file is rewritten only if more than `lastChecked` or `lastDiscovery` would change,
//! so looking makes no commit.

pub mod live;
pub(crate) mod record;

use crate::abi::{Answer, Arguments, GitFetched, GitNeed, Needs, Request};
use crate::decide;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::dockerfile::{self, Bases, Options, Role, Roles};
use crate::factory::Factory;
use crate::fields::nearest;
use crate::images::{self, Build, Enrolment, Enrolments, Provider};
use crate::look::Looker;
use crate::reference::ImageReference;
use crate::sorted::{SortedMap, SortedSet};

use crate::state::records::{Files, Records};

/// The arguments of `analyze`; flags say what images.yaml does not.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The images to analyze, by name.
    pub images: Vec<String>,
    /// All enrolled images; state of others goes to the archive.
    pub all: bool,
    /// The tag that the one image was published under.
    pub tag: Option<String>,
    /// The digest that the one image was published as.
    pub digest: Option<String>,
    /// The Dockerfile, where images.yaml names none.
    pub dockerfile: Option<String>,
    /// Must agree with images.yaml; without `images`, chooses all that are built from it.
    pub source_repo: Option<String>,
    /// Must agree with images.yaml.
    pub source_provider: Option<String>,
    /// The branch, where images.yaml names none; without `images`, chooses beside `source_repo`.
    pub source_branch: Option<String>,
    /// The commit to look at instead of the branch's tip.
    pub source_commit: Option<String>,
    /// Build arguments, where images.yaml gives none of the name.
    pub build_args: SortedMap<String>,
    /// The stage that is built, where images.yaml names none.
    pub target: Option<String>,
    /// Whether to look at the one image in its registry, too.
    pub live: bool,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        Args {
            images: arguments.texts("images"),
            all: arguments.flag("all"),
            tag: arguments.text("tag"),
            digest: arguments.text("digest"),
            dockerfile: arguments.text("dockerfile"),
            source_repo: arguments.text("sourceRepo"),
            source_provider: arguments.text("sourceProvider"),
            source_branch: arguments.text("sourceBranch"),
            source_commit: arguments.text("sourceCommit"),
            build_args: arguments.text_map("buildArgs"),
            target: arguments.text("target"),
            live: arguments.flag("live"),
        }
    }
}

/// One image's Dockerfile, and how it is built.
pub(crate) struct Job<'e> {
    enrolment: &'e Enrolment,
    build: &'e Build,
    url: String,
    reference: String,
    path: String,
}

/// What came of looking at one managed image.
pub(crate) enum Outcome {
    /// What its Dockerfile names.
    Bases(Vec<Edge>),
    /// Its Dockerfile is missing or wrong: recorded, earlier bases kept.
    Failed(Box<Diagnostic>),
    /// Nobody could look: nothing is recorded.
    Unreachable,
    /// Nobody had to look: its source is the one it was.
    Kept,
}

/// A base image of a managed image, as its Dockerfile names it.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub reference: ImageReference,
    pub roles: Roles,
}

/// Looks at the Dockerfiles of the chosen images and brings their state up to date.
pub fn analyze(request: &Request, args: &Args) -> Answer {
    let (Files { factory, enrolments, state }, now, mut found) =
        match Files::of(request, Diagnostics::default()) {
            Ok(files) => files,
            Err(refusal) => return *refusal,
        };
    let of_source = of_source(&enrolments, args, &factory);
    let mut args = of_source.as_ref().unwrap_or(args).clone();
    if of_source.is_some() && args.images.is_empty() {
        // A late event: it left images.yaml meanwhile.
        let messages = vec!["no image is built from this source: nothing recorded".to_owned()];
        return Answer { messages, ..Answer::default() };
    }
    let chosen = choose(&enrolments, &args, &mut found);
    check_flags(&chosen, &args, &mut found);
    if found.has_errors() {
        return refuse(found, 2);
    }
    let jobs = jobs(&chosen, &args, &factory);
    let git = missing(&jobs, request);
    // Where someone looks, the event's own values do not count.
    let built = match chosen[..] {
        [enrolment] if args.live && enrolment.build.is_some() => Some((enrolment, args.tag.clone())),
        _ => None,
    };
    if built.is_some() {
        (args.tag, args.digest) = (None, None);
    }
    let args = &args;
    let mut records = Records::new(&request.tree, &state, &enrolments, &request.now);
    let mut looker = Looker::new(&request.fetched);
    let (mut messages, mut exit) = (Vec::new(), 0);
    if git.is_empty() {
        (messages, exit) = record_all(&mut records, &chosen, &jobs, request, args, &factory, &mut found);
    }
    if let Some((enrolment, tag)) = built {
        let name = &enrolment.name;
        let look = live::look_around(&mut records, &factory, &mut looker, name, tag.as_deref(), now);
        if let Some(look) = look {
            messages.push(format!("{name}: {}", look.digest));
            live::add_look(&mut records, name, &look, now);
        }
    }
    let Looker { needs: registry, found: more, exit: looked, .. } = looker;
    if !(git.is_empty() && registry.is_empty()) {
        return Answer { needs: Some(Needs { git, registry, ..Needs::default() }), ..Answer::default() };
    }
    found.extend(more);
    exit = exit.max(looked);
    if args.all {
        messages.extend(records.archive_removed());
    }
    records.relate(args.all);
    decide::derive(&mut records, &factory);
    Answer { files: records.changes(), messages, diagnostics: found.0, exit, ..Answer::default() }
}

/// Records what looking at the chosen images gave; a line for each, and the exit code.
pub(crate) fn record_all(
    records: &mut Records<'_>,
    chosen: &[&Enrolment],
    jobs: &[Job<'_>],
    request: &Request,
    args: &Args,
    factory: &Factory,
    found: &mut Diagnostics,
) -> (Vec<String>, u8) {
    let mut exit = 0;
    let mut messages = Vec::new();
    for enrolment in chosen {
        let job = jobs.iter().find(|job| job.enrolment.name == enrolment.name);
        let outcome = match job {
            Some(job) => Some(look(job, request, args, factory, found)),
            None => enrolment.build.as_ref().map(|_| Outcome::Kept),
        };
        exit = exit.max(match &outcome {
            Some(Outcome::Failed(_)) => 1,
            Some(Outcome::Unreachable) => 3,
            _ => 0,
        });
        messages.push(records.image(enrolment, outcome.as_ref(), args));
    }
    (messages, exit)
}

/// The answer to a request whose `now` is none.
pub(crate) fn no_time(request: &Request) -> Answer {
    let message = format!("`now` is `{}`, and not a time as RFC 3339 writes it", request.now);
    refuse(Diagnostic::error("IF0006", message).into(), 70)
}

pub(crate) fn refuse(mut found: Diagnostics, exit: u8) -> Answer {
    found.sort();
    Answer { diagnostics: found.0, exit, ..Answer::default() }
}

/// The same arguments for all images of a source, where no image is named but a source is: its
/// repository as images.yaml has it or as git is asked, and its branch, `HEAD` for the default one.
fn of_source(enrolments: &Enrolments, args: &Args, factory: &Factory) -> Option<Args> {
    if args.all || !args.images.is_empty() {
        return None;
    }
    let repo = args.source_repo.as_ref()?;
    let branch = args.source_branch.as_deref().map(|branch| if branch == "HEAD" { "" } else { branch });
    let mut images = Vec::new();
    for enrolment in enrolments.values() {
        let Some(build) = &enrolment.build else { continue };
        let is_repo = build.repo == *repo || factory.git_url(build) == *repo;
        if is_repo && branch.is_none_or(|branch| branch == build.branch) {
            images.push(enrolment.name.clone());
        }
    }
    Some(Args { images, source_repo: None, source_branch: None, ..args.clone() })
}

fn choose<'e>(enrolments: &'e Enrolments, args: &Args, found: &mut Diagnostics) -> Vec<&'e Enrolment> {
    if args.all {
        if !args.images.is_empty() {
            found.push(
                Diagnostic::error("IF0901", "`--all` and `--image` exclude each other")
                    .hint("give one of them"),
            );
        }
        return enrolments.values().collect();
    }
    if args.images.is_empty() {
        found.push(Diagnostic::error("IF0901", "no image is chosen").hint("give `--image NAME` or `--all`"));
    }
    let mut chosen = SortedMap::new();
    for name in &args.images {
        if let Some(enrolment) = enrolments.get(name) {
            chosen.insert(name, enrolment);
            continue;
        }
        let error = Diagnostic::error("IF0902", format!("`{name}` is not enrolled in {}", images::PATH));
        found.push(match nearest(name, enrolments.keys().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `--image {near}`?")),
            None => error.hint("enrol it first, or give one of the names there"),
        });
    }
    chosen.into_values().collect()
}

/// Flags that name one image's facts need one image; images.yaml wins over a flag that differs.
fn check_flags(chosen: &[&Enrolment], args: &Args, found: &mut Diagnostics) {
    let of_one_image = [
        ("--tag", &args.tag),
        ("--digest", &args.digest),
        ("--dockerfile", &args.dockerfile),
        ("--source-repo", &args.source_repo),
        ("--source-provider", &args.source_provider),
        ("--source-branch", &args.source_branch),
        ("--source-commit", &args.source_commit),
    ];
    if args.all || chosen.len() > 1 {
        for (flag, _) in of_one_image.iter().filter(|(_, value)| value.is_some()) {
            let message = format!("`{flag}` speaks of one image, and several are chosen");
            found.push(Diagnostic::error("IF0903", message).hint("give one `--image NAME` with it"));
        }
    }
    if let Some(digest) = &args.digest {
        if ImageReference::parse(&format!("image@{digest}")).is_err() {
            let message = format!("`--digest {digest}` is not a digest");
            found.push(
                Diagnostic::error("IF0904", message).hint("it is `sha256:` and 64 hex digits in lower case"),
            );
        }
    }
    if let Some(tag) = &args.tag {
        if ImageReference::parse(&format!("image:{tag}")).is_err() {
            found.push(
                Diagnostic::error("IF0904", format!("`--tag {tag}` is not a tag")).hint("give the tag alone"),
            );
        }
    }
    let [enrolment] = chosen else { return };
    let build = enrolment.build.as_ref();
    let provider = build.map(|build| match build.provider {
        Provider::GitHub => "github",
        Provider::GitLab => "gitlab",
        Provider::Git => "git",
    });
    let written = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let pairs = [
        ("--source-repo", &args.source_repo, written(build.map(|build| build.repo.as_str()))),
        ("--source-provider", &args.source_provider, written(provider)),
        ("--source-branch", &args.source_branch, written(build.map(|build| build.branch.as_str()))),
        ("--target", &args.target, build.and_then(|build| build.target.clone())),
        (
            "--dockerfile",
            &args.dockerfile,
            build.filter(|build| build.dockerfile_is_given).map(|build| build.dockerfile.value.clone()),
        ),
    ];
    for (flag, value, written) in pairs {
        match (value, written) {
            (Some(value), Some(written)) if *value != written => found.push(Diagnostic::warning(
                "IF0905",
                format!(
                    "`{flag} {value}` differs from images.yaml, which says `{written}` for `{}` and wins",
                    enrolment.name
                ),
            )),
            (Some(value), None) if build.is_none() => found.push(Diagnostic::warning(
                "IF0905",
                format!(
                    "`{flag} {value}` has no effect: `{}` is enrolled without a `source`",
                    enrolment.name
                ),
            )),
            _ => {}
        }
    }
    for (name, value) in &args.build_args {
        if let Some(written) =
            build.and_then(|build| build.build_args.get(name)).filter(|written| *written != value)
        {
            let message = format!(
                "`--build-arg {name}={value}` differs from images.yaml, which says `{written}` and wins"
            );
            found.push(Diagnostic::warning("IF0905", message));
        }
    }
}

pub(crate) fn jobs<'e>(chosen: &[&'e Enrolment], args: &Args, factory: &Factory) -> Vec<Job<'e>> {
    let job = |enrolment: &&'e Enrolment| {
        let build = enrolment.build.as_ref()?;
        let branch =
            if build.branch.is_empty() { args.source_branch.clone() } else { Some(build.branch.clone()) };
        let path = match &args.dockerfile {
            Some(path) if !build.dockerfile_is_given => path.clone(),
            _ => build.dockerfile.value.clone(),
        };
        Some(Job {
            enrolment,
            build,
            url: factory.git_url(build),
            reference: args.source_commit.clone().or(branch).unwrap_or_default(),
            path: path.trim_start_matches("./").to_owned(),
        })
    };
    chosen.iter().filter_map(job).collect()
}

fn fetched<'r>(request: &'r Request, url: &str, reference: &str) -> Option<&'r GitFetched> {
    request.fetched.git.iter().find(|git| git.url == url && git.reference == reference)
}

/// What is not fetched yet: one need for each repository and reference.
pub(crate) fn missing(jobs: &[Job<'_>], request: &Request) -> Vec<GitNeed> {
    let mut needs: SortedMap<(&Job<'_>, SortedSet)> = SortedMap::new();
    for job in jobs {
        let is_there = fetched(request, &job.url, &job.reference)
            .is_some_and(|git| git.error.is_some() || git.files.contains_key(&job.path));
        if !is_there {
            let key = [job.url.as_str(), "\n", &job.reference].concat();
            needs.get_or_insert_with(key, || (job, SortedSet::new())).1.insert(&job.path);
        }
    }
    needs
        .into_values()
        .map(|(job, paths)| GitNeed {
            url: job.url.clone(),
            reference: job.reference.clone(),
            paths: paths.into_iter().collect(),
        })
        .collect()
}

fn look(
    job: &Job<'_>,
    request: &Request,
    args: &Args,
    factory: &Factory,
    found: &mut Diagnostics,
) -> Outcome {
    let name = &job.enrolment.name;
    let git = fetched(request, &job.url, &job.reference).expect("all that is missing was asked for before");
    if let Some(error) = &git.error {
        found.push(
            Diagnostic::error(
                "IF0910",
                format!("`{name}`: {} cannot be fetched: {error}", images::shown_url(&job.url)),
            )
            .hint("nothing was recorded for it; run again when the repository can be reached"),
        );
        return Outcome::Unreachable;
    }
    let Some(text) = git.files.get(&job.path).and_then(Option::as_ref) else {
        // The commit is left out: the error is recorded, and a look that finds nothing new changes no file.
        let error = Diagnostic::error(
            "IF0911",
            format!("`{name}`: there is no such file in {}", images::shown_url(&job.url)),
        )
        .in_file(&job.path)
        .hint("correct `source.dockerfile` in images.yaml");
        found.push(error.clone());
        return Outcome::Failed(Box::new(error));
    };
    let mut build_args = args.build_args.clone();
    build_args.extend(job.build.build_args.clone());
    let platforms = if job.build.platforms.is_empty() { &factory.platforms } else { &job.build.platforms };
    let options = Options {
        build_args,
        target: job.build.target.clone().or_else(|| args.target.clone()),
        platforms: platforms.clone(),
        contexts: job.build.build_contexts.clone(),
        ..Options::default()
    };
    let bases = dockerfile::bases(&job.path, text, &options);
    let mut diagnostics = bases.diagnostics.0.clone();
    if !bases.diagnostics.has_errors() {
        // An image that the build uses and that hangs on an argument nobody gave is an error, too.
        let used = bases.unresolved.iter().filter(|unresolved| unresolved.used);
        diagnostics.extend(used.map(|unresolved| unresolved.diagnostic()));
    }
    let error = diagnostics.iter().find(|diagnostic| diagnostic.is_error()).cloned();
    for mut diagnostic in diagnostics {
        // Most Dockerfiles are called just that, so the image says which one.
        diagnostic.message = format!("`{name}`: {}", diagnostic.message);
        found.push(diagnostic);
    }
    if let Some(error) = error {
        return Outcome::Failed(Box::new(error));
    }
    Outcome::Bases(edges(job, &bases, factory, found))
}

fn edges(job: &Job<'_>, bases: &Bases, factory: &Factory, found: &mut Diagnostics) -> Vec<Edge> {
    let roles = job.enrolment.roles.as_ref().unwrap_or(&factory.roles);
    let wants_frontend = roles.iter().any(|role| role == Role::Frontend.name());
    let mut edges: SortedMap<Edge> = SortedMap::new();
    for image in &bases.images {
        if !(image.used || wants_frontend && image.roles.contains(Role::Frontend)) {
            continue;
        }
        if image.reference.name() == job.enrolment.image.name() {
            let (line, column) = image.places.first().copied().unwrap_or_default();
            let message = format!(
                "`{}` builds on its own repository `{}`",
                job.enrolment.name,
                image.reference.familiar()
            );
            found.push(
                Diagnostic::warning("IF0912", message)
                    .at(crate::diagnostic::Location::at(&job.path, line, column))
                    .hint("it is not watched: each build would ask for the next one"),
            );
            continue;
        }
        let edge = || Edge { reference: image.reference.clone(), roles: Roles::default() };
        edges.get_or_insert_with(image.reference.normalized(), edge).roles.extend(image.roles);
    }
    edges.into_values().collect()
}

#[cfg(test)]
mod tests {
    use crate::abi::{answer, Answer};

    #[test]
    fn a_time_that_is_none_is_refused() {
        for now in ["", "now", "2026-01-05"] {
            let request = format!(r#"{{"abi":1,"verb":"analyze","now":"{now}","args":{{"all":true}}}}"#);
            let answer: Answer = serde_json::from_slice(&answer(request.as_bytes())).expect("an answer");
            assert_eq!((answer.diagnostics[0].code.as_str(), answer.exit), ("IF0006", 70));
        }
    }
}

//! `check`: what a pull request runs. Everything that `generate` would refuse, and more warnings.

use crate::abi::{Answer, Arguments, GitNeed, Needs, Request};
use crate::decide::Fleet;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::generate::{self, Inputs};
use crate::go_regex::GoRegex;
use crate::images;
use crate::sorted::SortedMap;
use crate::state::records::Records;
use crate::warehouse::selection;
use crate::yaml::Source;

/// Files that build several images at once, as their tools look for them at a repository's root.
const BUILD_FILES: [&str; 6] = [
    "compose.yaml",
    "compose.yml",
    "docker-bake.hcl",
    "docker-bake.json",
    "docker-compose.yaml",
    "docker-compose.yml",
];

/// The arguments of `check`.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// As for `generate`.
    pub kargo_version: Option<String>,
    /// As for `generate`.
    pub allow_empty: bool,
    /// As for `generate`.
    pub module: Option<String>,
    /// Whether the host has the sources at hand, so that bake and compose files can be looked at.
    pub sources: bool,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        let generate::Args { kargo_version, allow_empty, module } = generate::Args::read(arguments);
        Args { kargo_version, allow_empty, module, sources: arguments.flag("sources") }
    }
}

/// Checks a factory's folder.
pub fn check(request: &Request, args: &Args) -> Answer {
    let generate_args = generate::Args {
        kargo_version: args.kargo_version.clone(),
        allow_empty: args.allow_empty,
        module: args.module.clone(),
    };
    if let Err(refusal) = generate_args.kargo_version() {
        return Answer { diagnostics: vec![refusal], exit: 2, ..Answer::default() };
    }
    let mut found = Diagnostics::default();
    if let Some(inputs) = Inputs::read(request, &generate_args, &mut found) {
        let source = images::source(&request.tree);
        if args.sources {
            let needs = needs(&inputs, request);
            if !needs.is_empty() {
                return Answer { needs: Some(Needs { git: needs, ..Needs::default() }), ..Answer::default() };
            }
            build_files(&inputs, request, source, &mut found);
        }
        twice(&inputs, source, &mut found);
        patterns(&inputs, source, &mut found);
        own_repository(&inputs, source, &mut found);
        cycles(&inputs, request, source, &mut found);
    }
    found.sort();
    let exit = u8::from(found.has_errors());
    Answer { diagnostics: found.0, exit, ..Answer::default() }
}

/// One image enrolled under two names is rebuilt, or watched, twice.
fn twice(inputs: &Inputs<'_>, source: Source<'_>, found: &mut Diagnostics) {
    let mut first: SortedMap<&str> = SortedMap::new();
    for enrolment in inputs.enrolments.values() {
        let mut watched = enrolment.image.name();
        if enrolment.build.is_none() {
            if let Ok(selection) = selection(&enrolment.watch) {
                for part in
                    [Some(selection.strategy.name().to_owned()), selection.constraint, selection.pattern]
                {
                    watched.push('\n');
                    watched.push_str(&part.unwrap_or_default());
                }
            }
        }
        match first.get(&watched) {
            Some(other) => {
                let message = format!("`{}` is enrolled as `{other}` too", enrolment.image.name());
                found.push(source.warning("IF0510", enrolment.place, message).hint("keep one of the two"));
            }
            None => drop(first.insert(watched, &enrolment.name)),
        }
    }
}

/// A pattern that no tag can match is a Warehouse that never finds anything.
fn patterns(inputs: &Inputs<'_>, source: Source<'_>, found: &mut Diagnostics) {
    for enrolment in inputs.enrolments.values() {
        let Some(pattern) = &enrolment.watch.allow_tags else { continue };
        let matches = |text| GoRegex::parse(text).map_or(true, |regex| regex.can_match_tag());
        if !matches(&pattern.value.text) {
            let message = format!("no tag can match `{}`", pattern.value.text);
            let hint = if pattern.value.text.contains("\\\\") {
                "outside double quotes YAML keeps a backslash, so one is enough: `^22\\.04$`"
            } else {
                "a tag is at most 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two"
            };
            found.push(source.warning("IF0511", pattern.place, message).hint(hint));
        }
    }
}

/// A commit of state starts CI, which publishes an image, which is analyzed, which commits state.
fn own_repository(inputs: &Inputs<'_>, source: Source<'_>, found: &mut Diagnostics) {
    let Some(own) = inputs.factory.git_url.as_deref().filter(|_| !inputs.factory.skip_ci) else { return };
    for enrolment in inputs.enrolments.values() {
        let Some(build) = &enrolment.build else { continue };
        if same_repository(&inputs.factory.git_url(build), own) {
            let message = format!(
                "the state is committed to the repository that builds `{}`, and `skipCI` is off",
                enrolment.name
            );
            found.push(source.warning("IF0512", enrolment.place, message).hint(
                "write `git: {skipCI: true}` in factory.yaml, or keep the state in a repository of its own",
            ));
        }
    }
}

/// Whether two URLs lead to one repository, whatever the transport and the user:
/// `git@host:acme/web.git` and `https://host/acme/web`.
fn same_repository(a: &str, b: &str) -> bool {
    let place = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
        let rest = rest.strip_suffix(".git").unwrap_or(rest);
        let host_end = rest.find('/').unwrap_or(rest.len());
        let host = rest[..host_end].rfind('@').map_or(0, |at| at + 1);
        rest[host..].replacen(':', "/", 1).to_ascii_lowercase()
    };
    place(a) == place(b)
}

/// Each image of a cycle would make the next one due for ever, so none is rebuilt.
fn cycles(inputs: &Inputs<'_>, request: &Request, source: Source<'_>, found: &mut Diagnostics) {
    let records = Records::new(&request.tree, &inputs.state, &inputs.enrolments, &request.now);
    let fleet = Fleet::of(&records, &inputs.factory);
    for image in fleet.cycles.iter().filter_map(|group| fleet.images.get(*group.first()?)) {
        let Some(enrolment) = inputs.enrolments.get(image.name) else { continue };
        let cycle = image.cycle.as_deref().unwrap_or_default();
        let message = format!("these images are built on one another: {cycle}");
        let hint = "none of them is rebuilt: let one be built on something else";
        found.push(source.warning("IF0514", enrolment.place, message).hint(hint));
    }
}

/// What is not fetched yet: one need for each repository and branch.
fn needs(inputs: &Inputs<'_>, request: &Request) -> Vec<GitNeed> {
    let mut needs = SortedMap::new();
    for build in inputs.enrolments.values().filter_map(|enrolment| enrolment.build.as_ref()) {
        let (url, reference) = (inputs.factory.git_url(build), build.branch.clone());
        if !request.fetched.git.iter().any(|git| git.url == url && git.reference == reference) {
            let paths = BUILD_FILES.iter().map(|&path| path.to_owned()).collect();
            needs.insert([&url, "\n", &reference].concat(), GitNeed { url, reference, paths });
        }
    }
    needs.into_values().collect()
}

/// Arguments and target that a bake or compose file passes are not read; images.yaml must say them.
fn build_files(inputs: &Inputs<'_>, request: &Request, source: Source<'_>, found: &mut Diagnostics) {
    for enrolment in inputs.enrolments.values() {
        let Some(build) = &enrolment.build else { continue };
        let url = inputs.factory.git_url(build);
        let fetched = request.fetched.git.iter().find(|git| git.url == url && git.reference == build.branch);
        let Some(git) = fetched else { continue };
        if let Some(error) = &git.error {
            let message =
                format!("`{}`: {} cannot be looked at: {error}", enrolment.name, images::shown_url(&url));
            found.push(source.warning("IF0513", enrolment.place, message));
            continue;
        }
        let says_all = !build.build_args.is_empty() || build.target.is_some();
        for (path, text) in &git.files {
            let Some(text) = text else { continue };
            let names_it = names(text, &build.dockerfile.value);
            if names_it && !says_all {
                let message =
                    format!("{path} builds `{}` too, and what it passes is not read", build.dockerfile.value);
                found.push(
                    source
                        .warning("IF0513", build.dockerfile.place, message)
                        .hint("if it passes arguments or a target, write them as `source.buildArgs` and `source.target`"),
                );
            }
        }
    }
}

/// Whether a bake or compose file names a Dockerfile or, as `build` and `context` do, its folder.
fn names(text: &str, dockerfile: &str) -> bool {
    let folder = dockerfile.rsplit_once('/').map_or(".", |(folder, _)| folder);
    let mut words = text.split(|c: char| c.is_whitespace() || "\"',=[]{}".contains(c));
    words.any(|word| {
        let word = word.trim_end_matches('/');
        let word = word.strip_prefix("./").unwrap_or(word);
        !word.is_empty() && (word == dockerfile || word == folder)
    })
}

/// A finding as GitHub's runner reads it from a job's output.
pub fn github_annotation(diagnostic: &Diagnostic) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let kind = if diagnostic.is_error() { "error" } else { "warning" };
    let place = diagnostic.location.as_ref().map_or(String::new(), |place| match place.line {
        0 => format!("file={},", property(&place.file)),
        line => {
            let end = place.column + place.length.saturating_sub(1);
            format!("file={},line={line},col={},endColumn={end},", property(&place.file), place.column)
        }
    });
    let hint = diagnostic.hint.as_ref().map_or(String::new(), |hint| format!("\nhint: {hint}"));
    format!("::{kind} {place}title={}::{}", diagnostic.code, escape(&format!("{}{hint}", diagnostic.message)))
}

#[cfg(test)]
mod tests {
    use super::{names, same_repository};

    #[test]
    fn one_repository_has_many_urls() {
        let same = |a: &str, b: &str| assert!(same_repository(a, b), "{a} {b}");
        same("https://github.com/acme/web.git", "https://github.com/Acme/web/");
        same("https://github.com/acme/web.git", "git@github.com:acme/web.git");
        same("ssh://git@github.com/acme/web", "https://token@github.com/acme/web");
        assert!(!same_repository("https://github.com/acme/web.git", "https://github.com/acme/web2"));
        assert!(!same_repository("https://github.com/acme/web.git", "https://gitlab.com/acme/web"));
    }

    #[test]
    fn bake_and_compose_files_name_a_dockerfile_or_its_folder() {
        let finds = |text: &str, dockerfile: &str| assert!(names(text, dockerfile), "{text}");
        finds("services:\n  web:\n    build: ./apps/web/\n", "apps/web/Dockerfile");
        finds("    build: {context: apps/web, dockerfile: Dockerfile.prod}\n", "apps/web/Dockerfile.prod");
        finds("target \"web\" {\n  dockerfile = \"apps/web/Dockerfile\"\n}\n", "apps/web/Dockerfile");
        finds("{\"target\":{\"web\":{\"context\":\".\"}}}", "Dockerfile");
        finds("    dockerfile: Dockerfile\n", "Dockerfile");
        assert!(!names("    build: apps/web2\n    volumes: [./apps/web:/srv]\n", "apps/web/Dockerfile"));
        assert!(!names("    image: ghcr.io/acme/web\n    volumes: [.:/srv]\n", "Dockerfile"));
    }
}

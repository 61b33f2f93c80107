//! The loop in Kargo: the Warehouses and Stages that make the Jobs run and the rebuilds happen.
//!
//! ```text
//! factory              -> reconcile
//! sweep                -> sweep
//! source-<repository>  -> discover-<repository>
//! built-<image>        -> analyze-<image> -> analyzed-<image>
//! <base>, <external>, published-<base>    -> observe-<name>
//! what was observed, built and swept      -> rebuild-<image>
//! ```
//!
//! What never varies stands in `kustomize/`: the AnalysisTemplates that the Stages verify with, and
//! the PromotionTasks that rebuild. A test holds both sides to each other.
//!
//! Read in Kargo 1.11.2 and seen on a running one: a Stage without a step never verifies; an
//! argument that looks like a number ends the verification unless it went through `quote()`; a Stage
//! that names an absent Warehouse promotes nothing at all.

use crate::abi::Manifest;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::duration::Duration;
use crate::entry::{self, Entry};
use crate::factory::{self, Factory};
use crate::generate::{listed, spread, Inputs, Interval};
use crate::images::{self, Build, Enrolment, Provider};
use crate::json::quote;
use crate::manifest::{Head, Object, Render};
use crate::name;
use crate::reference::ImageReference;
use crate::sorted::{SortedMap, SortedSet};
use crate::state;
use crate::tree::Tree;
use crate::warehouse::{self, selection, KargoVersion, Selection, Strategy};

/// What a Stage or Warehouse does in the loop: its label `image-factory.dev/role`, and the color
/// that Kargo's user interface gives it (of those that Stages and Warehouses both may have).
#[derive(Clone, Copy)]
struct Role(&'static str, &'static str);

const FACTORY: Role = Role("factory", "indigo");
const RECONCILE: Role = Role("reconcile", "indigo");
const SWEEP: Role = Role("sweep", "purple");
const SOURCE: Role = Role("source", "blue");
const DISCOVER: Role = Role("discover", "blue");
const BUILT: Role = Role("built", "teal");
const ANALYZE: Role = Role("analyze", "teal");
const ANALYZED: Role = Role("analyzed", "teal");
const PUBLISHED: Role = Role("published", "green");
const OBSERVE: Role = Role("observe", "green");
const REBUILD: Role = Role("rebuild", "orange");

/// Whether Kargo promotes to a Stage by itself: the policy of the ProjectConfig in `kustomize/base`
/// selects by this label.
const AUTO: &str = "image-factory.dev/auto";

/// Finds what only Kargo would find out, too late or for good.
pub(crate) fn check(inputs: &Inputs<'_>, tree: &Tree, found: &mut Diagnostics) {
    let factory = &inputs.factory;
    let mut of_factory = |code: &str, keys: &[&str], message: &str, hint: &str| {
        found.push(factory::blame(tree, keys, Diagnostic::error(code, message)).hint(hint));
    };
    if inputs.kargo < KargoVersion::PIPELINES {
        of_factory(
            "IF0520",
            &["kargo"],
            "`pipelines` needs Kargo 1.11 or newer",
            "upgrade Kargo and write `kargo: \"1.11\"`, or write `pipelines: false`",
        );
    }
    match &factory.git_url {
        Some(url) if is_git_url(url) && is_branch(&factory.git_branch) => {}
        Some(url) => of_factory(
            "IF0521",
            &["git", if is_git_url(url) { "branch" } else { "url" }],
            "Kargo cannot watch the repository and branch that `git` names",
            "write `git: {url: https://github.com/acme/platform.git, branch: main}`",
        ),
        None => of_factory(
            "IF0521",
            &["git"],
            "with `pipelines` the Jobs must know where state is kept, and `git.url` is not given",
            "write `git: {url: https://github.com/acme/platform.git, branch: main, path: image-factory}`",
        ),
    }
    if StateHost::of(factory).is_none() && factory.git_url.is_some() {
        of_factory(
            "IF0522",
            &["git", "url"],
            "no `stateURL` is given, and `git.url` is not at `providers.github.url` or `providers.gitlab.url`",
            "write the URL of a state file: `stateURL: https://git.example.com/acme/platform/raw/{branch}/{path}`",
        );
    }
    let texts_of_factory: [(&[&str], Option<&str>); 4] = [
        (&["git", "url"], factory.git_url.as_deref()),
        (&["git", "branch"], Some(&factory.git_branch)),
        (&["git", "path"], Some(&factory.git_path)),
        (&["stateURL"], factory.state_url.as_deref()),
    ];
    for (keys, text) in texts_of_factory {
        if text.is_some_and(is_expression) {
            of_factory(
                "IF0524",
                keys,
                "Kargo would evaluate the `${` in `git` or `stateURL`",
                "write it without `${`",
            );
        }
    }
    let source = images::source(tree);
    for enrolment in inputs.enrolments.values() {
        let Some(build) = &enrolment.build else { continue };
        let url = factory.git_url(build);
        let finding = if !is_git_url(&url) || !(build.branch.is_empty() || is_branch(&build.branch)) {
            ("IF0523", "Kargo cannot watch the repository and branch of its `source`", "Kargo watches https, http and ssh URLs, and branches of letters, digits, `.`, `_`, `/` and `-`")
        } else if texts(build).any(is_expression) {
            ("IF0524", "Kargo would evaluate the `${` in its `source`", "write it without `${`")
        } else if !state::is_repo_url(&enrolment.image.name()) {
            (
                "IF0405",
                "Kargo does not take its `repository` for one",
                "its webhook knows words joined by single `.` or `-`, with `/` between them",
            )
        } else {
            continue;
        };
        let (code, message, hint) = finding;
        let message = ["`", &enrolment.name, "`: ", message].concat();
        found.push(source.error(code, enrolment.place, message).hint(hint));
    }
}

/// What Kargo's webhook takes for a git repository, as far as images.yaml lets through more (the
/// pattern of `repoURL` in `pkg/subscription/schemas/git.json`).
fn is_git_url(url: &str) -> bool {
    ["https://", "http://", "ssh://"].iter().any(|scheme| url.starts_with(scheme)) || !url.contains("://")
}

/// What it takes for a branch.
fn is_branch(branch: &str) -> bool {
    branch.len() < 256
        && branch.starts_with(|c: char| c.is_ascii_alphanumeric())
        && branch.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && branch.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
}

fn is_expression(text: &str) -> bool {
    text.contains("${")
}

/// What people wrote and Kargo evaluates.
fn texts(build: &Build) -> impl Iterator<Item = &str> {
    let inputs = build.inputs.iter().flat_map(|(key, value)| [key.as_str(), value]);
    [build.repo.as_str(), &build.branch].into_iter().chain(build.workflow.as_deref()).chain(inputs)
}

/// The objects of the loop: its Warehouses role by role, then its Stages.
pub(crate) fn render(inputs: &Inputs<'_>) -> Vec<Manifest> {
    let factory = &inputs.factory;
    let (Some(state), Some(git_url)) = (StateHost::of(factory), &factory.git_url) else { return Vec::new() };
    let render = inputs.render();
    let mut pipelines =
        Pipelines { inputs, factory, render, git_url, state, warehouses: Vec::new(), stages: Vec::new() };
    pipelines.once();
    pipelines.sources();
    pipelines.built();
    let observed = pipelines.observed();
    for enrolment in inputs.enrolments.values() {
        if let Some(build) = &enrolment.build {
            pipelines.rebuild(enrolment, build, &observed);
        }
    }
    pipelines.warehouses.append(&mut pipelines.stages);
    pipelines.warehouses
}

struct Pipelines<'a> {
    inputs: &'a Inputs<'a>,
    factory: &'a Factory,
    render: Render<'a>,
    git_url: &'a str,
    state: StateHost<'a>,
    warehouses: Vec<Manifest>,
    stages: Vec<Manifest>,
}

/// An object of the loop, apart from its spec.
struct About<'a> {
    role: Role,
    name: &'a str,
    /// The image or base image that it is about.
    subject: Option<&'a str>,
    description: &'a str,
    links: &'a [(&'a str, Option<String>)],
}

/// A branch of a repository that images are built from.
#[derive(Default)]
struct Source {
    url: String,
    branch: String,
    dockerfiles: SortedSet,
    images: Vec<String>,
}

impl Pipelines<'_> {
    /// What exists once: the Warehouses of the factory's own files, and what they make run.
    fn once(&mut self) {
        let at = |path: &str| match self.factory.git_path.as_str() {
            "" => path.to_owned(),
            folder => [folder, "/", path].concat(),
        };
        let intervals = &self.factory.intervals;
        let files = [at(images::PATH), at(factory::PATH)];
        // A new factory has no state yet, and a Warehouse that finds no commit is unhealthy until it polls again.
        let state = [at(images::PATH), at("state")];
        self.watch_git(FACTORY, "factory", "what is enrolled", &files, intervals.factory);
        self.watch_git(SWEEP, "sweep", "state, whose heartbeat arms the next sweep", &state, intervals.sweep);
        let about =
            |role: Role, description| About { role, name: role.0, subject: None, description, links: &[] };
        let arguments = [("freight", &*freight("commitFrom", self.git_url, "ID"))];
        self.job(
            &about(RECONCILE, "brings state in line with images.yaml"),
            "factory",
            "reconcile",
            &arguments,
        );
        let description = "looks at every image, so that no lost event stays lost";
        self.job(&about(SWEEP, description), "sweep", "sweep", &arguments);
    }

    fn watch_git(&mut self, role: Role, name: &str, description: &str, paths: &[String], interval: Duration) {
        let links = [("source", web(self.git_url))];
        let about = About { role, name, subject: None, description, links: &links };
        let git = warehouse::Git { url: self.git_url, branch: &self.factory.git_branch, paths, interval };
        let warehouse =
            with_head(&about, "Warehouse", None, |head| warehouse::of_git(&self.render, head, &git));
        self.warehouses.push(warehouse);
    }

    /// One Warehouse and one Job for each branch that images are built from.
    fn sources(&mut self) {
        let mut sources: SortedMap<Source> = SortedMap::new();
        for enrolment in self.inputs.enrolments.values() {
            let Some(build) = &enrolment.build else { continue };
            let url = self.factory.git_url(build);
            let source = sources.get_or_insert_with(name::of_source(&url, &build.branch), Source::default);
            source.url = url;
            source.branch.clone_from(&build.branch);
            source.dockerfiles.insert(build.dockerfile.value.trim_start_matches("./").to_owned());
            source.images.push(enrolment.name.clone());
        }
        for (name, source) in &sources {
            let warehouse = name::with_role("source-", name);
            let description = ["Dockerfiles of ", &listed(&source.images)].concat();
            let links = [("source", web(&source.url))];
            let about = About {
                role: SOURCE,
                name: &warehouse,
                subject: None,
                description: &description,
                links: &links,
            };
            let paths: Vec<String> = source.dockerfiles.iter().cloned().collect();
            let interval = spread(self.factory.intervals.source, &warehouse);
            let git = warehouse::Git { url: &source.url, branch: &source.branch, paths: &paths, interval };
            let object =
                with_head(&about, "Warehouse", None, |head| warehouse::of_git(&self.render, head, &git));
            self.warehouses.push(object);
            let stage = name::with_role("discover-", name);
            let description = ["looks at the Dockerfiles of ", &listed(&source.images)].concat();
            let about = About { role: DISCOVER, name: &stage, description: &description, ..about };
            // An argument without a value is none at all (Argo Rollouts).
            let branch = if source.branch.is_empty() { "HEAD" } else { &source.branch };
            let arguments = [
                ("source-repo", source.url.as_str()),
                ("source-branch", branch),
                ("freight", &freight("commitFrom", &source.url, "ID")),
            ];
            self.job(&about, &warehouse, "analyze-source", &arguments);
        }
    }

    /// What CI published: a Warehouse, a Job, and a place to subscribe to, for each managed image.
    fn built(&mut self) {
        for enrolment in self.inputs.enrolments.values() {
            let Some(build) = &enrolment.build else { continue };
            let Ok(selection) = selection(&build.published) else { continue };
            let image = enrolment.name.as_str();
            let warehouse = name::with_role("built-", image);
            let stage = name::with_role("analyze-", image);
            let repo_url = enrolment.image.name();
            let links =
                [("registry", warehouse::link(&repo_url)), ("source", web(&self.factory.git_url(build)))];
            let description = ["what CI publishes as ", &repo_url].concat();
            let about = About {
                role: BUILT,
                name: &warehouse,
                subject: Some(image),
                description: &description,
                links: &links,
            };
            let of_role = Interval::OfRole(self.factory.intervals.built);
            let interval = enrolment.interval.map_or(of_role, Interval::Exactly);
            self.watch_image(&about, &repo_url, &selection, interval);
            let description = ["records which version ", image, " has, and what it holds"].concat();
            let about = About { role: ANALYZE, name: &stage, description: &description, ..about };
            let published = ["${{ quote(imageFrom(\"", &repo_url, "\")."].concat();
            let arguments = [
                ("image", image),
                ("tag", &[&published, "Tag) }}"].concat()),
                ("digest", &[&published, "Digest) }}"].concat()),
                ("freight", &freight("imageFrom", &repo_url, "Digest")),
            ];
            self.job(&about, &warehouse, "analyze-image", &arguments);
            let name = name::with_role("analyzed-", image);
            let description = ["for deployment pipelines: analyzed versions of ", image].concat();
            let about = About { role: ANALYZED, name: &name, description: &description, ..about };
            let mut object = self.stage(&about, None);
            object.open("requestedFreight", '[');
            freight_of(&mut object, &warehouse, Some(&stage));
            object.close(']');
            object.optional("shard", self.render.shard);
            self.stages.push(object.finish());
        }
    }

    /// Everything that is watched as a base image or external image: a Job each, and a Warehouse
    /// where it has none because a managed image publishes it. The Warehouse by name.
    fn observed(&mut self) -> SortedMap<String> {
        let published = entry::published(&self.inputs.enrolments);
        let mut observed = SortedMap::new();
        for (name, entry) in &self.inputs.entries {
            let (warehouse, title, repo_url) = match entry {
                Entry::Managed | Entry::External(None) => continue,
                Entry::External(Some(watched)) | Entry::Base(Some(watched)) => {
                    (name.clone(), watched.title.clone(), watched.repo_url.clone())
                }
                Entry::Base(None) => {
                    let full_image =
                        self.inputs.state.base_images.get(name).and_then(|b| b.full_image.as_deref());
                    let reference = full_image.and_then(|text| ImageReference::parse(text).ok());
                    let Some(reference) = reference.filter(|image| published.contains(&image.name())) else {
                        continue;
                    };
                    let warehouse = name::with_role("published-", name);
                    let description =
                        [full_image.unwrap_or_default(), ", which a managed image publishes"].concat();
                    let repo_url = reference.name();
                    let links = [("registry", warehouse::link(&repo_url))];
                    let about = About {
                        role: PUBLISHED,
                        name: &warehouse,
                        subject: Some(name),
                        description: &description,
                        links: &links,
                    };
                    let tag = reference.tag().unwrap_or("latest").to_owned();
                    let selection =
                        Selection { strategy: Strategy::Digest, constraint: Some(tag), pattern: None };
                    let interval = Interval::OfRole(self.factory.intervals.published);
                    self.watch_image(&about, &repo_url, &selection, interval);
                    (warehouse, full_image.unwrap_or_default().to_owned(), repo_url)
                }
            };
            let stage = name::with_role("observe-", name);
            let description = ["records the digest of ", &title].concat();
            let links = [("registry", warehouse::link(&repo_url))];
            let about = About {
                role: OBSERVE,
                name: &stage,
                subject: Some(name),
                description: &description,
                links: &links,
            };
            let arguments =
                [("name", name.as_str()), ("freight", &freight("imageFrom", &repo_url, "Digest"))];
            self.job(&about, &warehouse, "observe", &arguments);
            observed.insert(name.clone(), warehouse);
        }
        observed
    }

    /// The Stage that waits until an image is due, has CI build it, and proves that it did; for an
    /// image with a base image that is watched, and a CI that can be asked.
    fn rebuild(&mut self, enrolment: &Enrolment, build: &Build, observed: &SortedMap<String>) {
        let image = enrolment.name.as_str();
        let Some(state) = self.inputs.state.images.get(image) else { return };
        let bases: SortedSet = state.base_images.iter().map(|base| base.value.clone()).collect();
        if !bases.iter().any(|base| observed.contains_key(base)) {
            return;
        }
        let providers = &self.factory.providers;
        let mut vars: Vec<(&str, String)> = vec![("image", image.to_owned())];
        let source = web(&self.factory.git_url(build));
        let mut workflow_link = None;
        let task = match build.provider {
            Provider::GitHub => {
                let Some(workflow) = &build.workflow else { return };
                workflow_link = source.as_ref().map(|url| [url, "/actions/workflows/", workflow].concat());
                vars.push(("repo", build.repo.clone()));
                vars.push(("workflow", workflow.clone()));
                vars.extend(providers.github_api().map(|url| ("api", url)));
                vars.extend(providers.github_secret.clone().map(|secret| ("secret", secret)));
                "rebuild-github"
            }
            Provider::GitLab => {
                vars.push(("project", build.repo.replace('/', "%2F")));
                vars.extend((providers.gitlab != GITLAB).then(|| ("url", providers.gitlab.clone())));
                vars.extend(providers.gitlab_secret.clone().map(|secret| ("secret", secret)));
                "rebuild-gitlab"
            }
            Provider::Git => {
                vars.push(("repo", build.repo.clone()));
                "rebuild-http"
            }
        };
        if !build.branch.is_empty() {
            vars.push(("ref", build.branch.clone()));
        }
        if !build.inputs.is_empty() {
            vars.push(("inputs", json_of(build)));
        }
        vars.push(("stateURL", self.state.url_of(self.factory, image)));
        vars.extend(self.state.accept.map(|accept| ("stateAccept", accept.to_owned())));
        vars.extend(self.state.secret.map(|secret| ("stateSecret", secret.to_owned())));
        vars.push(("pollInterval", self.factory.poll_interval.to_go()));

        let name = name::with_role("rebuild-", image);
        let description =
            ["rebuilds ", image, " when a base image moved: waits until it is due, asks CI, proves"].concat();
        let links = [
            ("registry", warehouse::link(&enrolment.image.name())),
            ("source", source),
            ("state", self.state.page_of(self.factory, image)),
            ("workflow", workflow_link),
        ];
        let about = About {
            role: REBUILD,
            name: &name,
            subject: Some(image),
            description: &description,
            links: &links,
        };
        let is_auto = enrolment.auto_rebuild.unwrap_or(self.factory.auto_rebuild) && !self.factory.paused;
        let auto = if is_auto { "true" } else { "false" };
        let mut object = self.stage(&about, Some(auto));
        object.open("promotionTemplate", '{');
        object.open("spec", '{');
        object.open("steps", '[');
        object.item();
        object.text("as", "rebuild");
        object.open("task", '{');
        object.text("name", task);
        object.close('}');
        object.open("vars", '[');
        for (name, value) in &vars {
            object.pair(name, value);
        }
        object.close(']');
        object.close('}');
        object.close(']');
        object.close('}');
        object.close('}');
        object.open("requestedFreight", '[');
        for base in &bases {
            if let Some(warehouse) = observed.get(base) {
                freight_of(&mut object, warehouse, Some(&name::with_role("observe-", base)));
            }
        }
        freight_of(&mut object, &name::with_role("built-", image), Some(&name::with_role("analyze-", image)));
        freight_of(&mut object, "sweep", Some("sweep"));
        object.close(']');
        object.optional("shard", self.render.shard);
        // A label alone wakes no Stage; with this beside it, a flip acts at once.
        object.open("vars", '[');
        object.pair("autoRebuild", auto);
        object.close(']');
        let note = "${{ quote(stageMetadata(ctx.stage)?.rebuild ?? {}) }}";
        self.verification(&mut object, "prove", &name, &[("image", image), ("note", note)]);
        self.stages.push(object.finish());
    }

    fn watch_image(&mut self, about: &About<'_>, repo_url: &str, selection: &Selection, interval: Interval) {
        let warehouse = with_head(about, "Warehouse", None, |head| {
            self.inputs.image_warehouse(head, repo_url, selection, "1", interval)
        });
        self.warehouses.push(warehouse);
    }

    fn stage(&self, about: &About<'_>, auto: Option<&str>) -> Object {
        with_head(about, "Stage", auto, |head| Object::begin(&self.render, head))
    }

    /// A Stage that runs a Job for each Freight of a Warehouse.
    fn job(&mut self, about: &About<'_>, warehouse: &str, template: &str, arguments: &[(&str, &str)]) {
        let mut object = self.stage(about, Some("true"));
        // A step that does nothing: a Stage without any never verifies.
        let step = r#"{"spec":{"steps":[{"as":"run","config":{"role":""#;
        object.raw("promotionTemplate", &[step, about.role.0, r#""},"uses":"compose-output"}]}}"#].concat());
        object.open("requestedFreight", '[');
        freight_of(&mut object, warehouse, None);
        object.close(']');
        object.optional("shard", self.render.shard);
        self.verification(&mut object, template, about.name, arguments);
        self.stages.push(object.finish());
    }

    /// The Job: which AnalysisTemplate of `kustomize/base`, and its arguments.
    fn verification(&self, object: &mut Object, template: &str, stage: &str, arguments: &[(&str, &str)]) {
        object.open("verification", '{');
        object.open("analysisTemplates", '[');
        object.item();
        object.text("name", template);
        object.close('}');
        object.close(']');
        object.open("args", '[');
        for (name, value) in arguments {
            object.pair(name, value);
        }
        object.pair("git-repo", self.git_url);
        object.pair("git-branch", &self.factory.git_branch);
        object.pair("git-path", if self.factory.git_path.is_empty() { "." } else { &self.factory.git_path });
        object.pair("stage", stage);
        object.close(']');
        object.close('}');
    }
}

/// What a Freight brought, for the commit's message: a verification is not told the Freight's name
/// (Kargo 1.11).
fn freight(from: &str, repository: &str, id: &str) -> String {
    ["${{ quote(\"", repository, "@\" + ", from, "(\"", repository, "\").", id, ") }}"].concat()
}

/// Hands the head of an object of the loop on.
fn with_head<T>(about: &About<'_>, kind: &str, auto: Option<&str>, make: impl FnOnce(&Head<'_>) -> T) -> T {
    let Role(role, color) = about.role;
    make(&Head {
        kind,
        name: about.name,
        labels: &[
            (AUTO, auto),
            ("image-factory.dev/name", about.subject),
            ("image-factory.dev/role", Some(role)),
        ],
        color: Some(color),
        description: about.description,
        links: about.links,
    })
}

/// Freight of a Warehouse, as it comes or as a Stage verified it.
fn freight_of(object: &mut Object, warehouse: &str, stage: Option<&str>) {
    object.item();
    object.open("origin", '{');
    object.text("kind", "Warehouse");
    object.text("name", warehouse);
    object.close('}');
    object.open("sources", '{');
    match stage {
        None => object.raw("direct", "true"),
        Some(stage) => {
            object.open("stages", '[');
            object.text_item(stage);
            object.close(']');
        }
    }
    object.close('}');
    object.close('}');
}

/// Where promotions read state.
struct StateHost<'a> {
    /// With `{path}`, `{encodedPath}` and `{branch}` in it.
    template: String,
    /// Where people read it, up to its path.
    page: Option<String>,
    /// The header `Accept`, where it is not what GitHub's API wants.
    accept: Option<&'static str>,
    /// The Secret with its token, where it is not the PromotionTasks' own.
    secret: Option<&'a str>,
}

const GITLAB: &str = "https://gitlab.com";

impl<'a> StateHost<'a> {
    /// As factory.yaml says, or by the provider that has the repository.
    fn of(factory: &'a Factory) -> Option<Self> {
        let providers = &factory.providers;
        let url = factory.git_url.as_deref().unwrap_or_default();
        let api = providers.github_api().unwrap_or_else(|| "https://api.github.com".to_owned());
        let below =
            |host: &str| url.strip_prefix(host)?.strip_prefix('/').map(|path| path.trim_end_matches(".git"));
        let branch = &factory.git_branch;
        let mut host = if let Some(repository) = below(&providers.github) {
            StateHost {
                template: [&api, "/repos/", repository, "/contents/{path}?ref={branch}"].concat(),
                page: Some([&providers.github, "/", repository, "/blob/", branch, "/"].concat()),
                accept: None,
                secret: providers.github_secret.as_deref(),
            }
        } else if let Some(repository) = below(&providers.gitlab) {
            let project = repository.replace('/', "%2F");
            StateHost {
                template: [
                    &providers.gitlab,
                    "/api/v4/projects/",
                    &project,
                    "/repository/files/{encodedPath}/raw?ref={branch}",
                ]
                .concat(),
                page: Some([&providers.gitlab, "/", repository, "/-/blob/", branch, "/"].concat()),
                accept: Some("*/*"),
                secret: Some(providers.gitlab_secret.as_deref().unwrap_or("gitlab-token")),
            }
        } else {
            // No token of a provider is ever sent to another host.
            StateHost {
                template: factory.state_url.clone()?,
                page: None,
                accept: Some("*/*"),
                secret: Some("state-credentials"),
            }
        };
        if let Some(template) = &factory.state_url {
            if !(host.accept.is_none() && template.starts_with(&api)) {
                host = StateHost {
                    template: template.clone(),
                    page: host.page,
                    accept: Some("*/*"),
                    secret: Some("state-credentials"),
                };
            }
        }
        Some(host)
    }

    fn url_of(&self, factory: &Factory, image: &str) -> String {
        let path = path_of(factory, image);
        self.template
            .replace("{path}", &path)
            .replace("{encodedPath}", &path.replace('/', "%2F"))
            .replace("{branch}", &factory.git_branch)
    }

    fn page_of(&self, factory: &Factory, image: &str) -> Option<String> {
        self.page.as_ref().map(|page| [page, path_of(factory, image).as_str()].concat())
    }
}

/// The path of an image's state in its repository.
fn path_of(factory: &Factory, image: &str) -> String {
    let folder = &factory.git_path;
    let slash = if folder.is_empty() { "" } else { "/" };
    [folder, slash, state::IMAGES, "/", image, ".yaml"].concat()
}

/// The page of a repository, where its URL is one of the web.
fn web(url: &str) -> Option<String> {
    url.starts_with("http").then(|| images::shown_url(url).trim_end_matches(".git").to_owned())
}

/// `inputs` of a source, as one text.
fn json_of(build: &Build) -> String {
    let mut json = String::from("{");
    for (key, value) in &build.inputs {
        if json.len() > 1 {
            json.push(',');
        }
        quote(&mut json, key);
        json.push(':');
        quote(&mut json, value);
    }
    json.push('}');
    json
}

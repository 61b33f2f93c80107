//! factory.yaml: where the factory runs and its defaults. All of it is optional.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::duration::Duration;
use crate::fields::{Fields, Spanned};
use crate::images::{self, Build, Provider};
use crate::name;
use crate::sorted::SortedMap;
use crate::tree::Tree;
use crate::warehouse::KargoVersion;
use crate::yaml::{self, Content, Place, Source};

/// The file's path in the factory's folder.
pub const PATH: &str = "factory.yaml";

const MAX_BYTES: usize = 1 << 20;

/// What factory.yaml says, with the defaults where it is silent.
#[derive(Clone, Debug)]
pub struct Factory {
    /// Kargo Project, and the namespace of all that is rendered.
    pub project: String,
    /// The Kargo that is written for.
    pub kargo: KargoVersion,
    /// The pin of the module: `sha256:` and 64 hex digits.
    pub module: Option<Spanned<String>>,
    /// Platforms that images are built for where their `source` says nothing.
    pub platforms: Vec<String>,
    /// Which uses of a base image count.
    pub roles: Vec<String>,
    /// How long a rebuild waits after a base image moved.
    pub rebuild_delay: Duration,
    /// How long a base image must be quiet before a rebuild.
    pub settle: Duration,
    /// The longest that `settle` may hold a rebuild back.
    pub max_wait: Duration,
    /// Over how long rebuilds that fall due together are spread.
    pub spread: Duration,
    /// Whether rebuilds are started without a person.
    pub auto_rebuild: bool,
    /// How often a waiting promotion looks.
    pub poll_interval: Duration,
    /// Whether the Stages of the loop are rendered, and the Warehouses that feed them.
    pub pipelines: bool,
    /// Whether no rebuild is started without a person, whatever images.yaml says.
    pub paused: bool,
    /// The roles' intervals.
    pub intervals: Intervals,
    /// Where `owner/name` repositories are.
    pub providers: Providers,
    /// Registries whose certificate goes unchecked.
    pub insecure_registries: Vec<String>,
    /// Registries that speak HTTP; the look at them only, Kargo finds out itself.
    pub plain_registries: Vec<String>,
    /// By registry, what is asked before it: `host[:port][/path]`, which stands for the registry's name.
    pub mirrors: SortedMap<Vec<String>>,
    /// The Kargo controller that handles the Project; `None` for the default one.
    pub shard: Option<String>,
    /// The repository that holds this folder, if it is told.
    pub git_url: Option<String>,
    /// The branch of that repository.
    pub git_branch: String,
    /// This folder's path in it; empty for its root.
    pub git_path: String,
    /// Whether commits carry `[skip ci]`.
    pub skip_ci: bool,
    /// Where a promotion reads a state file, with `{path}` and `{branch}` in it.
    pub state_url: Option<String>,
}

/// How often registries are asked.
#[derive(Clone, Debug)]
pub struct Intervals {
    /// For base images.
    pub base: Duration,
    /// For external images.
    pub external: Duration,
    /// For the tags that managed images publish.
    pub built: Duration,
    /// For the tags of managed images that others build on.
    pub published: Duration,
    /// For the repositories that managed images are built from.
    pub source: Duration,
    /// For images.yaml and factory.yaml.
    pub factory: Duration,
    /// Between two looks at everything.
    pub sweep: Duration,
    /// By the registry's host, before those of images above.
    pub registries: SortedMap<Duration>,
}

/// The hosts behind `owner/name`.
#[derive(Clone, Debug)]
pub struct Providers {
    /// GitHub's or a GitHub Enterprise's URL, without a trailing `/`.
    pub github: String,
    /// GitLab's URL, without a trailing `/`.
    pub gitlab: String,
    /// The URL of GitHub's API, if it is not that of github.com; without a trailing `/`.
    pub github_api: Option<String>,
    /// The Secret with a token for GitHub, if it is another than the PromotionTasks name.
    pub github_secret: Option<String>,
    /// The same for GitLab.
    pub gitlab_secret: Option<String>,
}

impl Default for Factory {
    fn default() -> Self {
        let duration = |text| Duration::parse(text).expect("a constant duration");
        let day = duration("24h");
        Factory {
            project: "image-factory".to_owned(),
            kargo: KargoVersion::NEWEST,
            module: None,
            platforms: vec!["linux/amd64".to_owned()],
            roles: ["final", "stage", "copy-from", "mount-from", "onbuild", "context"]
                .map(String::from)
                .to_vec(),
            rebuild_delay: duration("7d"),
            settle: duration("30m"),
            max_wait: day,
            spread: Duration::default(),
            auto_rebuild: false,
            poll_interval: duration("15m"),
            pipelines: false,
            paused: false,
            intervals: Intervals {
                base: day,
                external: day,
                built: duration("15m"),
                published: duration("15m"),
                source: duration("15m"),
                factory: duration("5m"),
                sweep: day,
                registries: SortedMap::new(),
            },
            providers: Providers {
                github: "https://github.com".to_owned(),
                gitlab: "https://gitlab.com".to_owned(),
                github_api: None,
                github_secret: None,
                gitlab_secret: None,
            },
            insecure_registries: Vec::new(),
            plain_registries: Vec::new(),
            mirrors: SortedMap::new(),
            shard: None,
            git_url: None,
            git_branch: "main".to_owned(),
            git_path: "image-factory".to_owned(),
            skip_ci: true,
            state_url: None,
        }
    }
}

impl Factory {
    /// The URL of a source: `owner/name` under its provider's URL, or as it is.
    pub fn git_url(&self, build: &Build) -> String {
        let host = match build.provider {
            _ if images::is_git_url(&build.repo) => return build.repo.clone(),
            Provider::GitHub => &self.providers.github,
            Provider::GitLab => &self.providers.gitlab,
            Provider::Git => return build.repo.clone(),
        };
        format!("{host}/{}.git", build.repo)
    }

    /// The interval of an image's Warehouse: the registry's, else the role's.
    pub fn interval(&self, registry: &str, of_role: Duration) -> Duration {
        self.intervals.registries.get(registry).copied().unwrap_or(of_role)
    }
}

impl Providers {
    /// The URL of GitHub's API, if it is not that of github.com (GitHub Enterprise has it below
    /// `/api/v3`).
    pub fn github_api(&self) -> Option<String> {
        let is_enterprise = self.github != "https://github.com";
        self.github_api.clone().or_else(|| is_enterprise.then(|| [&self.github, "/api/v3"].concat()))
    }
}

/// Reads and checks factory.yaml; the defaults where there is none.
pub fn read(tree: &Tree, found: &mut Diagnostics) -> Factory {
    let mut factory = Factory::default();
    if !tree.0.contains_key(PATH) {
        return factory;
    }
    let Some(text) = images::text(tree, PATH, MAX_BYTES, found) else { return factory };
    let source = Source { file: PATH, text };
    let root = match yaml::parse(source) {
        Ok(Some(root)) => root,
        Ok(None) => return factory,
        Err(diagnostics) => {
            found.extend(diagnostics);
            return factory;
        }
    };
    let Some(mut fields) = Fields::of(source, &root, "factory.yaml", found) else { return factory };
    project(&mut fields, &mut factory);
    kargo(&mut fields, &mut factory);
    module(&mut fields, &mut factory);
    if let Some(node) = fields.node("git") {
        git(source, node, &mut factory, fields.found);
    }
    factory.pipelines = fields.boolean("pipelines") == Some(true);
    factory.paused = fields.boolean("paused") == Some(true);
    if let Some(node) = fields.node("defaults") {
        defaults(source, node, &mut factory, fields.found);
    }
    if let Some(node) = fields.node("intervals") {
        intervals(source, node, &mut factory, fields.found);
    }
    if let Some(node) = fields.node("providers") {
        providers(source, node, &mut factory, fields.found);
    }
    if let Some(node) = fields.node("registries") {
        registries(source, node, &mut factory, fields.found);
    }
    if let Some(url) = fields.string("stateURL") {
        if check_url(source, "stateURL", &url, fields.found) {
            factory.state_url = Some(url.value);
        }
    }
    if let Some(interval) = images::interval(&mut fields, "pollInterval") {
        factory.poll_interval = interval;
    }
    factory.shard = fields.string("shard").map(|shard| shard.value).filter(|shard| !shard.is_empty());
    fields.finish();
    factory
}

/// factory.yaml, to say where in it something is.
pub(crate) fn source(tree: &Tree) -> Source<'_> {
    Source { file: PATH, text: tree.text(PATH).unwrap_or_default() }
}

/// A finding about what `pipelines` asks of this file, at the value that the keys lead to, as far as they
/// do; at that of `pipelines` where they lead nowhere.
pub(crate) fn blame(tree: &Tree, keys: &[&str], finding: Diagnostic) -> Diagnostic {
    let source = source(tree);
    let Ok(Some(root)) = yaml::parse(source) else { return finding.in_file(PATH) };
    let place = |keys: &[&str]| {
        let (mut node, mut place) = (&root, None);
        for key in keys {
            let Content::Map(entries) = &node.content else { break };
            let Some((_, value)) = yaml::find(entries, key) else { break };
            (node, place) = (value, Some(value.place));
        }
        place
    };
    match place(keys).or_else(|| place(&["pipelines"])) {
        Some(place) => finding.at(source.location(place)),
        None => finding.in_file(PATH),
    }
}

fn project(fields: &mut Fields<'_, '_>, factory: &mut Factory) {
    let Some(project) = fields.string("project") else { return };
    // A Project is also a Namespace, so its name is a DNS label: no dots.
    if name::check(&project.value).is_err() && !name::ROLE_NAMES.contains(&project.value.as_str())
        || project.value.contains('.')
    {
        let message = format!("`{}` cannot name a Kargo Project, which is also a namespace", project.value);
        let diagnostic = fields.source().error("IF0301", project.place, message);
        fields.found.push(diagnostic.hint("write for example `project: image-factory`"));
    } else {
        factory.project = project.value;
    }
}

fn kargo(fields: &mut Fields<'_, '_>, factory: &mut Factory) {
    let Some(text) = fields.string("kargo") else { return };
    match kargo_version(&text.value) {
        Ok(version) => factory.kargo = version,
        Err((message, hint)) => {
            let diagnostic = fields.source().error("IF0302", text.place, format!("`kargo`: {message}"));
            fields.found.push(diagnostic.hint(hint));
        }
    }
}

/// A Kargo version that Warehouses can be written for, or what is wrong and the remedy.
///
/// # Errors
/// Not a version, or one before 1.7.
pub fn kargo_version(text: &str) -> Result<KargoVersion, (String, String)> {
    let newest = KargoVersion::NEWEST;
    let hint = format!("write for example \"{}.{}\"", newest.0, newest.1);
    match KargoVersion::parse(text) {
        Some(version) if version >= KargoVersion::OLDEST => Ok(version),
        Some(_) => Err((format!("version {text} is too old: Warehouses need Kargo 1.7 or newer"), hint)),
        None => Err((format!("`{text}` is not a version"), hint)),
    }
}

fn module(fields: &mut Fields<'_, '_>, factory: &mut Factory) {
    let Some(pin) = fields.string("module") else { return };
    let is_digest = pin.value.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    if is_digest {
        factory.module = Some(pin);
    } else {
        let message = "`module` must be `sha256:` and 64 hex digits in lower case";
        let diagnostic = fields.source().error("IF0303", pin.place, message);
        fields.found.push(diagnostic.hint("`image-factory --version` prints the digest of its module"));
    }
}

fn git(source: Source<'_>, node: &yaml::Node<'_>, factory: &mut Factory, found: &mut Diagnostics) {
    let Some(mut fields) = Fields::of(source, node, "`git`", found) else { return };
    if let Some(url) = fields.string("url") {
        if images::is_git_url(&url.value) {
            factory.git_url = Some(url.value);
        } else {
            let diagnostic = source.error("IF0304", url.place, format!("`{}` is not a git URL", url.value));
            fields
                .found
                .push(diagnostic.hint("write for example `url: https://github.com/acme/platform.git`"));
        }
    }
    if let Some(branch) = fields.string("branch").filter(|branch| !branch.value.is_empty()) {
        factory.git_branch = branch.value;
    }
    if let Some(path) = fields.string("path") {
        let path = path.value.trim_start_matches("./").trim_matches('/');
        factory.git_path = if path == "." { String::new() } else { path.to_owned() };
    }
    factory.skip_ci = fields.boolean("skipCI").unwrap_or(true);
    fields.finish();
}

fn defaults(source: Source<'_>, node: &yaml::Node<'_>, factory: &mut Factory, found: &mut Diagnostics) {
    let Some(mut fields) = Fields::of(source, node, "`defaults`", found) else { return };
    let durations = [
        ("rebuildDelay", &mut factory.rebuild_delay),
        ("settle", &mut factory.settle),
        ("maxWait", &mut factory.max_wait),
        ("spread", &mut factory.spread),
    ];
    for (key, value) in durations {
        if let Some(duration) = images::duration(&mut fields, key) {
            *value = duration;
        }
    }
    factory.auto_rebuild = fields.boolean("autoRebuild").unwrap_or(false);
    if let Some(platforms) = fields.strings("platforms").filter(|platforms| !platforms.is_empty()) {
        factory.platforms = platforms.into_iter().map(|platform| platform.value).collect();
    }
    if let Some(roles) = images::roles(&mut fields) {
        factory.roles = roles;
    }
    fields.finish();
}

fn intervals(source: Source<'_>, node: &yaml::Node<'_>, factory: &mut Factory, found: &mut Diagnostics) {
    let Some(mut fields) = Fields::of(source, node, "`intervals`", found) else { return };
    let intervals = &mut factory.intervals;
    let roles = [
        ("base", &mut intervals.base),
        ("external", &mut intervals.external),
        ("built", &mut intervals.built),
        ("published", &mut intervals.published),
        ("source", &mut intervals.source),
        ("factory", &mut intervals.factory),
        ("sweep", &mut intervals.sweep),
    ];
    for (role, value) in roles {
        if let Some(interval) = images::interval(&mut fields, role) {
            *value = interval;
        }
    }
    for (registry, text) in fields.string_map("registries").unwrap_or_default() {
        match Duration::parse(&text.value) {
            Ok(interval) if interval.interval().is_ok() => {
                factory.intervals.registries.insert(registry, interval);
            }
            Ok(_) => fields.found.push(
                source
                    .error("IF0209", text.place, "an interval is at least one second long")
                    .hint(format!("write `{registry}: 24h`")),
            ),
            Err(error) => {
                let message = format!("the interval of `{registry}` is no duration: {error}");
                fields.found.push(
                    source.error("IF0209", text.place, message).hint(format!("write `{registry}: 24h`")),
                );
            }
        }
    }
    fields.finish();
}

fn providers(source: Source<'_>, node: &yaml::Node<'_>, factory: &mut Factory, found: &mut Diagnostics) {
    let Some(mut fields) = Fields::of(source, node, "`providers`", found) else { return };
    let Providers { github, gitlab, github_api, github_secret, gitlab_secret } = &mut factory.providers;
    let hosts = [
        ("github", "`providers.github`", github, Some(github_api), github_secret),
        ("gitlab", "`providers.gitlab`", gitlab, None, gitlab_secret),
    ];
    for (key, what, url, api, secret) in hosts {
        let Some(node) = fields.node(key) else { continue };
        let Some(mut fields) = Fields::of(source, node, what, fields.found) else { continue };
        if let Some(found) = provider_url(&mut fields, "url") {
            *url = found;
        }
        if let Some(api) = api {
            *api = provider_url(&mut fields, "api");
        }
        *secret = fields.string("secret").map(|name| name.value).filter(|name| !name.is_empty());
        fields.finish();
    }
    fields.finish();
}

fn provider_url(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<String> {
    let text = fields.string(key)?;
    check_url(fields.source(), key, &text, fields.found).then(|| text.value.trim_end_matches('/').to_owned())
}

/// Kargo finds out only while it promotes that a URL has no scheme, and that Promotion then fails
/// for good (seen on Kargo 1.11.2).
fn check_url(source: Source<'_>, key: &str, url: &Spanned<String>, found: &mut Diagnostics) -> bool {
    let is_url =
        ["https://", "http://", "file://", "ssh://"].iter().any(|scheme| url.value.starts_with(scheme));
    if !is_url {
        let message = format!("`{key}` must be a URL with its scheme, this is `{}`", url.value);
        found.push(
            source.error("IF0304", url.place, message).hint(format!("write `{key}: https://{}`", url.value)),
        );
    }
    is_url
}

fn registries(source: Source<'_>, node: &yaml::Node<'_>, factory: &mut Factory, found: &mut Diagnostics) {
    let Content::Map(entries) = &node.content else {
        let place = Place { ..node.place };
        found.push(source.error(
            "IF0110",
            place,
            format!("`registries` must be a map, this is {}", node.kind()),
        ));
        return;
    };
    for (host, node) in entries {
        let Some(mut fields) = Fields::of(source, node, "a registry", found) else { continue };
        if fields.boolean("insecureSkipTLSVerify") == Some(true) {
            factory.insecure_registries.push(host.text.to_string());
        }
        if fields.boolean("plainHTTP") == Some(true) {
            factory.plain_registries.push(host.text.to_string());
        }
        let mirrors = fields.strings("mirrors").unwrap_or_default();
        for mirror in &mirrors {
            if crate::reference::ImageReference::parse(&format!("{}/image", mirror.value))
                .map_or(true, |image| !image.name().starts_with(&mirror.value))
            {
                let message = format!("`{}` is no host of a registry", mirror.value);
                let error = source.error("IF0308", mirror.place, message);
                fields.found.push(error.hint("write `host`, `host:port` or `host/path`, without a scheme"));
            }
        }
        if !mirrors.is_empty() {
            let mirrors = mirrors.into_iter().map(|mirror| mirror.value).collect();
            factory.mirrors.insert(host.text.to_string(), mirrors);
        }
        fields.finish();
    }
}

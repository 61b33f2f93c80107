//! images.yaml: what people enrol.
//!
//! ```yaml
//! - name: backstage                  # managed: our CI builds it from its source
//!   registry: ghcr.io
//!   repository: acme/backstage
//!   source: {provider: github, repo: acme/app, branch: main, dockerfile: Dockerfile, workflow: ci.yml}
//!   rebuildDelay: 7d
//!   autoRebuild: true
//! - name: postgres                   # external: someone else builds it, we watch it
//!   registry: docker.io
//!   repository: library/postgres
//!   allowTags: ^16-alpine$
//! ```

use crate::diagnostic::Diagnostics;
use crate::duration::Duration;
use crate::fields::{nearest, Fields, Spanned};
use crate::go_regex::GoRegex;
use crate::name::{self, NameError};
use crate::reference::ImageReference;
use crate::sorted::SortedMap;
use crate::tree::{File, Refusal, Tree};
use crate::warehouse::{Strategy, TagPattern};
use crate::yaml::{self, Content, Node, Place, Scalar, Source, Value};

/// The file's path in the factory's folder.
pub const PATH: &str = "images.yaml";

/// The largest images.yaml that is read, in bytes: room for some 200,000 enrolments.
const MAX_BYTES: usize = 64 << 20;

/// After so many errors the rest of images.yaml is left: nobody reads more, and a large file that is
/// wrong throughout would fill the memory.
const MOST_ERRORS: usize = 100;

/// What images.yaml says, by name.
pub type Enrolments = SortedMap<Enrolment>;

/// One entry of images.yaml.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// Where its name stands.
    pub place: Place,
    /// Unique in the file, and a Kubernetes name.
    pub name: String,
    /// The repository with its registry, normalized: `docker.io/library/postgres`.
    pub image: ImageReference,
    /// How CI builds it; `None` for an external image.
    pub build: Option<Build>,
    /// What to watch an external image for.
    pub watch: Watch,
    /// How long a rebuild waits after a base image moved.
    pub rebuild_delay: Option<Duration>,
    /// Whether a rebuild is started without a person.
    pub auto_rebuild: Option<bool>,
    /// How long a base image must be quiet before a rebuild.
    pub settle: Option<Duration>,
    /// The longest that `settle` may hold a rebuild back.
    pub max_wait: Option<Duration>,
    /// How often its registry is asked.
    pub interval: Option<Duration>,
    /// Which uses of a base image count; factory.yaml's where `None`.
    pub roles: Option<Vec<String>>,
    /// The entry as it is written, for the copy in its state.
    pub written: Value,
}

/// Which tags of a repository are watched; shared by images.yaml and state.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// A regular expression over tags.
    pub allow_tags: Option<Spanned<TagPattern>>,
    /// A tag (with Digest) or a semantic version range (with SemVer).
    pub constraint: Option<Spanned<String>>,
    /// How Kargo picks among the tags.
    pub strategy: Option<Spanned<Strategy>>,
}

impl Watch {
    /// Whether it says which tags: the contract between analyze and generate.
    pub fn is_given(&self) -> bool {
        self.allow_tags.is_some() || self.constraint.is_some()
    }

    /// Reads `allowTags`, `constraint` and `imageSelectionStrategy`.
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Watch {
        let source = fields.source();
        let mut watch = Watch::default();
        if let Some((scalar, place)) = fields.scalar("allowTags") {
            watch.allow_tags = allow_tags(source, scalar, place, fields.found);
        }
        watch.constraint = fields.string("constraint").filter(|text| !text.value.is_empty());
        if let Some(text) = fields.string("imageSelectionStrategy") {
            match Strategy::parse(&text.value) {
                Some(value) => watch.strategy = Some(Spanned { value, place: text.place }),
                None => {
                    let names = Strategy::ALL.map(Strategy::name);
                    let message = format!("unknown imageSelectionStrategy `{}`", text.value);
                    let hint = match nearest(&text.value, names.into_iter()) {
                        Some(name) => format!("did you mean `{name}`?"),
                        None => format!("use one of {}", names.join(", ")),
                    };
                    fields.found.push(source.error("IF0208", text.place, message).hint(hint));
                }
            }
        }
        watch
    }
}

fn allow_tags(
    source: Source<'_>,
    scalar: &Scalar<'_>,
    place: Place,
    found: &mut Diagnostics,
) -> Option<Spanned<TagPattern>> {
    if scalar.text.is_empty() {
        return None;
    }
    match GoRegex::parse(&scalar.text) {
        Ok(regex) => Some(Spanned { value: TagPattern::new(&regex), place }),
        Err(error) => {
            let message = format!("`allowTags` is not a regular expression that Kargo reads: {error}");
            let diagnostic = source.error("IF0207", place.within(scalar, error.span.clone()), message);
            found.push(match error.hint {
                Some(hint) => diagnostic.hint(hint),
                None => {
                    diagnostic.hint("Kargo uses Go's RE2 syntax: https://github.com/google/re2/wiki/Syntax")
                }
            });
            None
        }
    }
}

/// Who runs CI for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// GitHub Actions, by workflow_dispatch.
    GitHub,
    /// GitLab CI, by pipeline trigger.
    GitLab,
    /// Any other git host.
    Git,
}

impl Provider {
    const ALL: [(&'static str, Provider); 3] =
        [("github", Provider::GitHub), ("gitlab", Provider::GitLab), ("git", Provider::Git)];

    /// From its name in images.yaml.
    pub fn parse(text: &str) -> Option<Provider> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, provider)| *provider)
    }
}

/// `source`: where the Dockerfile is and how it is built.
#[derive(Clone, Debug)]
pub struct Build {
    /// Who runs CI.
    pub provider: Provider,
    /// `owner/name` at the provider, or a full git URL.
    pub repo: String,
    /// The branch; empty for the repository's default one.
    pub branch: String,
    /// Path of the Dockerfile from the repository's root.
    pub dockerfile: Spanned<String>,
    /// Whether images.yaml names the Dockerfile itself.
    pub dockerfile_is_given: bool,
    /// What the build passes with `--build-arg`.
    pub build_args: SortedMap<String>,
    /// The stage that is built; the last one if `None`.
    pub target: Option<String>,
    /// The platforms that are built; factory.yaml's where empty.
    pub platforms: Vec<String>,
    /// What the build passes with `--build-context`.
    pub build_contexts: SortedMap<String>,
    /// GitHub's workflow that builds the image.
    pub workflow: Option<String>,
    /// Which of the image's own tags CI publishes; semantic versions where it says nothing.
    pub published: Watch,
    /// What a rebuild passes to CI besides.
    pub inputs: SortedMap<String>,
}

/// Whether an images.yaml may enrol no image at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// It may not: with pruning on, a silent render deletes.
    Refused,
    /// Only where it says so itself, by `[]`: then every image is archived.
    Listed,
    /// Also where the file has no content.
    Taken,
}

/// Reads and checks images.yaml.
pub fn read(tree: &Tree, empty: Empty, found: &mut Diagnostics) -> Enrolments {
    let Some(text) = text(tree, PATH, MAX_BYTES, found) else { return Enrolments::new() };
    let source = Source { file: PATH, text };
    let root = match yaml::parse(source) {
        Ok(root) => root,
        Err(diagnostics) => {
            found.extend(diagnostics);
            return Enrolments::new();
        }
    };
    let is_empty_list = matches!(&root, Some(Node { content: Content::List(items), .. }) if items.is_empty());
    let refused = match empty {
        Empty::Refused if root.is_none() || is_empty_list => Some((
            "no image is enrolled; an empty render would delete every Warehouse",
            "enrol an image, or pass `--allow-empty` if that is meant",
        )),
        Empty::Listed if root.is_none() => {
            Some(("no image is enrolled", "enrol an image, or write `[]` if every image is to be archived"))
        }
        _ => None,
    };
    if let Some((message, hint)) = refused {
        let place = Place { line: 1, column: 1, length: 1, start: 0 };
        found.push(source.error("IF0202", place, message).hint(hint));
    }
    let Some(root) = root else { return Enrolments::new() };
    let Content::List(items) = &root.content else {
        let message = format!("images.yaml must be a list of images, this is {}", root.kind());
        found.push(source.error("IF0203", root.place, message).hint("begin each image with `- name: …`"));
        return Enrolments::new();
    };
    let mut enrolments = Enrolments::new();
    let (mut errors, mut seen) = (0, found.0.len());
    for item in items {
        errors += found.0[seen..].iter().filter(|diagnostic| diagnostic.is_error()).count();
        seen = found.0.len();
        if errors >= MOST_ERRORS {
            let message = format!("{errors} errors stand before this line; what follows was not read");
            found.push(source.error("IF0220", item.place, message).hint("mend those first"));
            break;
        }
        let Some(enrolment) = enrolment(source, item, found) else { continue };
        if let Some(first) = enrolments.get(&enrolment.name) {
            let message = format!("the name `{}` is enrolled twice", enrolment.name);
            let hint = format!("rename one of the two; the first is in line {}", first.place.line);
            found.push(source.error("IF0204", enrolment.place, message).hint(hint));
            continue;
        }
        enrolments.insert(enrolment.name.clone(), enrolment);
    }
    enrolments
}

/// images.yaml, to say where in it something is.
pub(crate) fn source(tree: &Tree) -> Source<'_> {
    Source { file: PATH, text: tree.text(PATH).unwrap_or_default() }
}

/// The text of a file of the factory's folder, or an error in `found` that says why there is none.
pub(crate) fn text<'t>(
    tree: &'t Tree,
    path: &str,
    max_bytes: usize,
    found: &mut Diagnostics,
) -> Option<&'t str> {
    use crate::diagnostic::{Diagnostic, Location};
    let error = |code: &str, message: String| Diagnostic::error(code, message).in_file(path);
    let too_large = |bytes: u64, limit: u64| {
        error("IF0121", format!("the file has {bytes} bytes, {limit} are read at most"))
            .hint("remove what does not belong into it")
    };
    let diagnostic = match tree.0.get(path) {
        Some(File::Text(text)) if text.len() <= max_bytes => return Some(text),
        Some(File::Text(text)) => too_large(text.len() as u64, max_bytes as u64),
        Some(File::Refused { refused }) => match refused {
            Refusal::Symlink => {
                error("IF0122", "the file is a symbolic link, and those are not followed".into())
                    .hint("commit the file itself")
            }
            Refusal::NotUtf8 { line, column } => Diagnostic::error("IF0123", "the file is not UTF-8 here")
                .at(Location::at(path, *line, *column))
                .hint("save it as UTF-8 without other encodings"),
            Refusal::TooLarge { bytes, limit } => too_large(*bytes, *limit),
            Refusal::NotAFile => error("IF0124", "this is not a regular file".into())
                .hint("put a file in its place, or remove it"),
            Refusal::Unreadable(why) => error("IF0124", format!("the file cannot be read: {why}"))
                .hint("let the user that runs this read it"),
        },
        None => error("IF0201", "there is no such file".into())
            .hint("create it with a list of images, or name the folder that holds it"),
    };
    found.push(diagnostic);
    None
}

fn enrolment(source: Source<'_>, node: &Node<'_>, found: &mut Diagnostics) -> Option<Enrolment> {
    let before = found.0.len();
    let mut fields = Fields::of(source, node, "an image", found)?;
    let name = fields.required_string("name", "backstage");
    if let Some(name) = &name {
        check_name(source, name, fields.found);
    }
    let image = image(&mut fields);
    let watch = Watch::read(&mut fields);
    let rebuild_delay = duration(&mut fields, "rebuildDelay");
    let auto_rebuild = fields.boolean("autoRebuild");
    let interval = interval(&mut fields, "interval");
    let settle = duration(&mut fields, "settle");
    let max_wait = duration(&mut fields, "maxWait");
    fields.string("owner");
    let roles = roles(&mut fields);
    let build = match fields.node("source") {
        Some(node) => build(source, node, auto_rebuild == Some(true), fields.found),
        None => None,
    };
    let is_managed = fields.node("source").is_some();
    fields.finish();
    check_watch(source, node.place, is_managed, &watch, found);
    if found.0[before..].iter().any(|diagnostic| diagnostic.is_error()) {
        return None;
    }
    let name = name?;
    Some(Enrolment {
        place: name.place,
        name: name.value,
        image: image?,
        build,
        watch,
        rebuild_delay,
        auto_rebuild,
        settle,
        max_wait,
        interval,
        roles,
        written: node.to_value(),
    })
}

fn check_name(source: Source<'_>, name: &Spanned<String>, found: &mut Diagnostics) {
    if let Err(error) = name::check(&name.value) {
        let diagnostic = source.error("IF0205", name.place, format!("the name `{}` {error}", name.value));
        found.push(match error {
            NameError::Reserved => diagnostic.hint(format!(
                "names may not be {} or begin with {}",
                name::ROLE_NAMES.join(", "),
                name::ROLE_PREFIXES.join(", ")
            )),
            NameError::NotDns => match suggestion(&name.value) {
                Some(suggestion) => diagnostic.hint(format!("write `name: {suggestion}`")),
                None => diagnostic.hint("a name looks like `backstage` or `node-22`"),
            },
            NameError::TooLong => diagnostic.hint("shorten it; the repository may be as long as it is"),
        });
    }
}

fn suggestion(name: &str) -> Option<String> {
    let dashed: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let dashed = dashed.trim_matches('-').to_owned();
    name::check(&dashed).is_ok().then_some(dashed)
}

fn image(fields: &mut Fields<'_, '_>) -> Option<ImageReference> {
    let registry = fields.required_string("registry", "ghcr.io");
    let repository = fields.required_string("repository", "acme/backstage");
    let (registry, repository) = (registry?, repository?);
    let source = fields.source();
    let whole = format!("{}/{}", registry.value, repository.value);
    let problem = match ImageReference::parse(&whole) {
        Ok(image) if image.tag().is_some() || image.digest().is_some() => {
            Some((repository.place, format!("`{whole}` has a tag or digest")))
        }
        Ok(image) if image.name().split('/').next() != Some(canonical_registry(&registry.value)) => {
            Some((registry.place, format!("`{}` is not the host of a registry", registry.value)))
        }
        Ok(image) => return Some(image),
        Err(error) => {
            let is_registry = ImageReference::parse(&format!("{}/x", registry.value)).is_ok();
            let place = if is_registry { repository.place } else { registry.place };
            Some((place, format!("`{whole}` is not an image: {error}")))
        }
    };
    if let Some((place, problem)) = problem {
        fields.found.push(
            source
                .error(
                    "IF0206",
                    place,
                    format!("`registry` and `repository` must name a repository: {problem}"),
                )
                .hint("write for example `registry: ghcr.io` and `repository: acme/backstage`"),
        );
    }
    None
}

fn canonical_registry(registry: &str) -> &str {
    if registry == "index.docker.io" {
        "docker.io"
    } else {
        registry
    }
}

/// A duration; what is wrong with it is reported at its place.
pub(crate) fn duration(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Duration> {
    let (scalar, place) = fields.scalar(key)?;
    match Duration::parse(&scalar.text) {
        Ok(duration) => Some(duration),
        Err(error) => {
            let message = format!("`{key}` is no duration: {error}");
            let place = place.within(scalar, error.span.clone());
            let diagnostic = fields.source().error("IF0209", place, message);
            fields.found.push(diagnostic.hint(error.hint));
            None
        }
    }
}

/// A duration that Kargo takes as `spec.interval`.
pub(crate) fn interval(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Duration> {
    let duration = duration(fields, key)?;
    let place = fields.node(key).map_or(fields.place(), |node| node.place);
    let Err(error) = duration.interval() else { return Some(duration) };
    fields.found.push(fields.source().error("IF0209", place, format!("`{key}`: {error}")).hint(error.hint));
    None
}

/// `roles`: which uses of a base image count as reasons to rebuild.
pub(crate) fn roles(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    const ROLES: [&str; 7] = ["final", "stage", "copy-from", "mount-from", "onbuild", "context", "frontend"];
    let source = fields.source();
    let roles = fields.strings("roles")?;
    for role in &roles {
        if !ROLES.contains(&role.value.as_str()) {
            let hint = match nearest(&role.value, ROLES.into_iter()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("use some of {}", ROLES.join(", ")),
            };
            fields.found.push(
                source.error("IF0210", role.place, format!("unknown role `{}`", role.value)).hint(hint),
            );
        }
    }
    Some(roles.into_iter().map(|role| role.value).collect())
}

fn build(source: Source<'_>, node: &Node<'_>, auto_rebuild: bool, found: &mut Diagnostics) -> Option<Build> {
    let mut fields = Fields::of(source, node, "`source`", found)?;
    let provider = fields.string("provider");
    let repo = fields.required_string("repo", "acme/backstage");
    let branch = fields.string("branch").map(|branch| branch.value).unwrap_or_default();
    let dockerfile = fields.string("dockerfile").filter(|path| !path.value.is_empty());
    let workflow = fields.string("workflow").filter(|name| !name.value.is_empty());
    fields.string("pipeline");
    let build_args = fields.string_map("buildArgs").unwrap_or_default();
    let target = fields.string("target").map(|target| target.value).filter(|target| !target.is_empty());
    let platforms = fields.strings("platforms").unwrap_or_default();
    let build_contexts = fields.string_map("buildContexts").unwrap_or_default();
    let published = match fields.node("published") {
        Some(node) => published(source, node, fields.found)?,
        None => Watch::default(),
    };
    let inputs = fields.string_map("inputs").unwrap_or_default();

    let is_url = repo.as_ref().is_some_and(|repo| is_git_url(&repo.value));
    let known = match &provider {
        Some(name) => Provider::parse(&name.value),
        None if is_url => Some(Provider::Git),
        None => None,
    };
    match (&provider, known) {
        (Some(name), None) => {
            let names = Provider::ALL.map(|(name, _)| name);
            let hint = match nearest(&name.value, names.into_iter()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("use one of {}; `git` is for any other host", names.join(", ")),
            };
            let message = format!("unknown provider `{}`", name.value);
            fields.found.push(source.error("IF0211", name.place, message).hint(hint));
        }
        (None, None) if repo.is_some() => {
            let message = "`source` needs `provider` where `repo` is no URL";
            fields.found.push(source.error("IF0111", fields.place(), message).hint("add `provider: github`"));
        }
        _ => {}
    }
    if let Some(repo) = &repo {
        check_repo(source, repo, known, is_url, fields.found);
    }
    if let Some(place) = branch_problem(&branch, fields.node("branch")) {
        let message = format!("`{branch}` is not a branch");
        fields.found.push(source.error("IF0212", place, message).hint("write for example `branch: main`"));
    }
    if let Some(path) = &dockerfile {
        check_path(source, path, fields.found);
    }
    if known == Some(Provider::GitHub) && workflow.is_none() {
        let message = "`source` has no `workflow`, so nothing can be rebuilt";
        let hint = "add `workflow: build.yml`, the file below .github/workflows that builds the image";
        fields.found.push(if auto_rebuild {
            source.error("IF0214", fields.place(), format!("{message}, and `autoRebuild` is on")).hint(hint)
        } else {
            source.warning("IF0214", fields.place(), message).hint(hint)
        });
    }
    let place = fields.place();
    fields.finish();
    let texts = |map: SortedMap<Spanned<String>>| map.into_iter().map(|(k, v)| (k, v.value)).collect();
    Some(Build {
        provider: known?,
        repo: repo?.value,
        branch,
        dockerfile_is_given: dockerfile.is_some(),
        dockerfile: dockerfile.unwrap_or(Spanned { value: "Dockerfile".to_owned(), place }),
        build_args: texts(build_args),
        target,
        platforms: platforms.into_iter().map(|platform| platform.value).collect(),
        build_contexts: texts(build_contexts),
        workflow: workflow.map(|name| name.value),
        published,
        inputs: texts(inputs),
    })
}

fn published(source: Source<'_>, node: &Node<'_>, found: &mut Diagnostics) -> Option<Watch> {
    let mut fields = Fields::of(source, node, "`published`", found)?;
    let watch = Watch::read(&mut fields);
    fields.finish();
    check_watch(source, node.place, false, &watch, found);
    Some(watch)
}

/// Whether `repo` is a URL (or scp-like address) rather than `owner/name`.
pub fn is_git_url(repo: &str) -> bool {
    repo.contains("://")
        || repo.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'))
}

fn check_repo(
    source: Source<'_>,
    repo: &Spanned<String>,
    provider: Option<Provider>,
    is_url: bool,
    found: &mut Diagnostics,
) {
    let text = &repo.value;
    let is_word = |part: &str| {
        !part.is_empty()
            && part != ".."
            && part != "."
            && !part.starts_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let parts = text.split('/').count();
    let problem = if is_url {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let bad_scheme =
            scheme.is_some_and(|scheme| !["https", "http", "ssh", "git", "file"].contains(&scheme));
        if bad_scheme {
            Some("only https, http, ssh, git and file URLs are fetched")
        } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) || text.starts_with('-') {
            Some("this is not a git URL")
        } else if scheme.is_some_and(|scheme| scheme.starts_with("http")) && holds_secret(text) {
            Some("a URL here must not hold a password or token: everybody can read images.yaml")
        } else {
            None
        }
    } else if !text.split('/').all(is_word) || parts < 2 {
        Some("it must be `owner/name` or a full git URL")
    } else if parts > 2 && provider == Some(Provider::GitHub) {
        Some("a GitHub repository is `owner/name`")
    } else if provider == Some(Provider::Git) {
        Some("with `provider: git` it must be a full git URL")
    } else {
        None
    };
    if let Some(problem) = problem {
        found.push(
            source
                .error("IF0213", repo.place, format!("`repo` is not a repository: {problem}"))
                .hint("write `repo: acme/backstage` or `repo: https://git.example.com/acme/backstage.git`"),
        );
    }
}

/// A password before the host, or a token in a query or in what a `/` cut off from the host.
fn holds_secret(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    path.contains(['?', '#', '@']) || authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// A URL as people are shown it: some hosts take a token in place of the user.
pub fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| scheme.starts_with("http")) else {
        return url.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}

fn branch_problem(branch: &str, node: Option<&Node<'_>>) -> Option<Place> {
    // git-check-ref-format(1), as far as text from a file can do harm or never names a branch.
    let is_bad = branch.starts_with('-')
        || branch.contains("..")
        || branch.ends_with('/')
        || branch.ends_with(".lock")
        || branch.chars().any(|c| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c));
    node.filter(|_| is_bad).map(|node| node.place)
}

fn check_path(source: Source<'_>, path: &Spanned<String>, found: &mut Diagnostics) {
    let text = &path.value;
    let problem = if text.starts_with('/') {
        Some(format!("write `dockerfile: {}`", text.trim_start_matches('/')))
    } else if text.split('/').any(|part| part == "..") {
        Some("the path begins at the repository's root and stays in it".to_owned())
    } else if text.ends_with('/') || text.chars().any(char::is_control) {
        Some("write the path of the file, for example `dockerfile: apps/web/Dockerfile`".to_owned())
    } else {
        None
    };
    if let Some(hint) = problem {
        let message = format!("`{text}` is not a path below the repository's root");
        found.push(source.error("IF0216", path.place, message).hint(hint));
    }
}

fn check_watch(source: Source<'_>, place: Place, is_managed: bool, watch: &Watch, found: &mut Diagnostics) {
    if is_managed {
        let given = [
            ("allowTags", watch.allow_tags.as_ref().map(|spanned| spanned.place)),
            ("constraint", watch.constraint.as_ref().map(|spanned| spanned.place)),
        ];
        for (key, place) in given {
            if let Some(place) = place {
                let message = format!("`{key}` has no effect on an image with a `source`: CI builds it");
                found.push(
                    source.warning("IF0217", place, message).hint(format!("delete `{key}`, or the `source`")),
                );
            }
        }
        return;
    }
    if let Err(problem) = crate::warehouse::selection(watch) {
        let place = problem.place.unwrap_or(place);
        let diagnostic = source.error(problem.code, place, problem.message);
        found.push(diagnostic.hint(problem.hint));
    } else if watch
        .strategy
        .as_ref()
        .is_some_and(|s| matches!(s.value, Strategy::Lexical | Strategy::NewestBuild))
    {
        if let Some(constraint) = &watch.constraint {
            let message = "Kargo ignores `constraint` with this imageSelectionStrategy";
            found.push(source.warning("IF0219", constraint.place, message).hint("use `allowTags`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{holds_secret, read, shown_url, PATH};
    use crate::diagnostic::{Diagnostic, Diagnostics};
    use crate::tree::Tree;

    #[test]
    fn a_file_that_is_wrong_throughout_is_left_after_a_hundred_errors() {
        let errors_of = |entries: usize| {
            let (mut tree, mut found) = (Tree::default(), Diagnostics::default());
            tree.insert(PATH, "- name: a\n  repository: b\n".repeat(entries));
            read(&tree, super::Empty::Refused, &mut found);
            assert!(found.0.iter().all(Diagnostic::is_error));
            found.0
        };
        assert_eq!(errors_of(100).len(), 100);
        let found = errors_of(150_000);
        assert_eq!(found.len(), 101);
        let last = &found[100];
        assert_eq!(last.message, "100 errors stand before this line; what follows was not read");
        let place = last.location.as_ref().expect("it names a line");
        assert_eq!((place.line, place.source.as_str()), (201, "- name: a"));
    }

    #[test]
    fn no_secret_of_a_url_is_kept_or_shown() {
        for url in ["https://me:word@host/x", "https://host/x?private_token=word", "https://wo/rd@host/x"] {
            assert!(holds_secret(url), "{url}");
        }
        for url in ["https://host/x.git", "https://me@host/x.git", "https://host:8443/a/b"] {
            assert!(!holds_secret(url), "{url}");
        }
        assert_eq!(shown_url("https://token@host/x.git"), "https://host/x.git");
        assert_eq!(shown_url("ssh://git@host/x.git"), "ssh://git@host/x.git");
        assert_eq!(shown_url("git@host:x.git"), "git@host:x.git");
    }
}

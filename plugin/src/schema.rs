//! JSON Schemas (draft 2020-12) of the files, for editors and other programs.
//!
//! They are made at build time and are no part of the module. The tables below hold the same keys
//! as the readers in `images.rs` and `factory.rs` ask for, and a test holds them to that; a validator
//! that is not ours holds the sample, the state that is written and the bad-input cases against them.

use serde_json::{json, Map, Value};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
const DURATION: &str = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d|w)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d|w))*$|^0$";
const NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const DIGEST: &str = "^sha256:[0-9a-f]{64}$";

/// The schemas by the name that `image-factory schema` takes.
pub fn all() -> [(&'static str, Value); 3] {
    [("images", images()), ("factory", factory()), ("state", state())]
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A text that YAML may hold without quotes, where JSON would call it a number: `tag: 22`.
fn scalar(description: &str) -> Value {
    json!({"type": ["string", "number"], "description": description})
}

fn pattern(pattern: &str, description: &str) -> Value {
    json!({"type": "string", "pattern": pattern, "description": description})
}

fn duration(description: &str) -> Value {
    pattern(DURATION, description)
}

fn boolean(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

fn one_of(values: &[&str], description: &str) -> Value {
    json!({"enum": values, "description": description})
}

fn strings(description: &str) -> Value {
    json!({"type": "array", "items": {"type": ["string", "number"]}, "description": description})
}

fn string_map(description: &str) -> Value {
    let values = json!({"type": ["string", "number", "boolean", "null"]});
    json!({"type": "object", "additionalProperties": values, "description": description})
}

fn nullable(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned() {
        let mut kinds = match kind {
            Value::Array(kinds) => kinds,
            kind => vec![kind],
        };
        kinds.push(json!("null"));
        schema["type"] = Value::Array(kinds);
    } else if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.push(Value::Null);
    }
    schema
}

/// A map whose keys are all optional but `required`; a `null` counts as absent.
fn object(description: &str, required: &[&str], keys: Vec<(&str, Value)>) -> Value {
    let is_required = |key: &str| required.contains(&key);
    let properties: Map<String, Value> = keys
        .into_iter()
        .map(|(key, schema)| (key.to_owned(), if is_required(key) { schema } else { nullable(schema) }))
        .collect();
    json!({"type": "object", "description": description, "required": required, "properties": properties})
}

fn watch_keys() -> Vec<(&'static str, Value)> {
    vec![
        ("allowTags", scalar("The tags to watch, a regular expression in Go's RE2 syntax. One that matches exactly one tag, like `^16-alpine$`, follows that tag's digest.")),
        ("constraint", scalar("With SemVer a version range like `^1.2.0`, with Digest the one tag to follow.")),
        ("imageSelectionStrategy", one_of(&["Digest", "Lexical", "NewestBuild", "SemVer"], "How Kargo picks among the tags.")),
    ]
}

fn roles(description: &str) -> Value {
    let roles = ["final", "stage", "copy-from", "mount-from", "onbuild", "context", "frontend"];
    json!({"type": "array", "items": {"enum": roles}, "description": description})
}

fn source() -> Value {
    object(
        "Where the Dockerfile is and how it is built: the image is managed.",
        &["repo"],
        vec![
            ("provider", one_of(&["github", "gitlab", "git"], "Who runs CI; `git` is for any other host.")),
            ("repo", text("`owner/name` at the provider, or a full git URL.")),
            ("branch", text("The branch that is built; the repository's default one where absent.")),
            (
                "dockerfile",
                text("Path of the Dockerfile from the repository's root; `Dockerfile` where absent."),
            ),
            ("workflow", text("GitHub: the workflow file that builds the image.")),
            ("pipeline", scalar("GitLab: the pipeline that builds the image.")),
            ("buildArgs", string_map("What the build passes with --build-arg.")),
            ("target", text("The stage that is built; the last one where absent.")),
            ("platforms", strings("The platforms that are built, like `linux/arm64`.")),
            ("buildContexts", string_map("What the build passes with --build-context.")),
            ("published", object("Which of the image's own tags count as published.", &[], watch_keys())),
            ("inputs", string_map("Inputs that a rebuild passes to CI.")),
        ],
    )
}

fn enrolment_keys() -> Vec<(&'static str, Value)> {
    let mut keys = vec![
        (
            "name",
            json!({"type": ["string", "number"], "pattern": NAME, "maxLength": crate::name::MAX_LENGTH, "description": "Unique name, also of the Kargo objects."}),
        ),
        ("registry", text("Host of the registry, like `ghcr.io` or `docker.io`.")),
        ("repository", text("Path in the registry, like `acme/backstage` or `library/postgres`.")),
        ("source", source()),
        ("rebuildDelay", duration("How long a rebuild waits after a base image moved, like `7d`.")),
        ("autoRebuild", boolean("Whether a rebuild starts without a person.")),
        ("interval", duration("How often the registry is asked, like `24h`.")),
        ("settle", duration("How long a base image must be quiet before a rebuild.")),
        ("maxWait", duration("The longest that `settle` may hold a rebuild back.")),
        ("roles", roles("Which uses of a base image count.")),
        ("owner", scalar("Who to ask about it.")),
    ];
    keys.extend(watch_keys());
    keys
}

fn images() -> Value {
    let item = object("An image.", &["name", "registry", "repository"], enrolment_keys());
    json!({
        "$schema": DRAFT,
        "title": "Image Factory: images.yaml",
        "type": "array",
        "items": item,
    })
}

fn factory() -> Value {
    let defaults = object(
        "What images.yaml leaves open.",
        &[],
        vec![
            ("rebuildDelay", duration("As in images.yaml.")),
            ("settle", duration("As in images.yaml.")),
            ("maxWait", duration("As in images.yaml.")),
            ("spread", duration("Over how long rebuilds that fall due together are spread.")),
            ("autoRebuild", boolean("As in images.yaml.")),
            ("platforms", strings("As in images.yaml.")),
            ("roles", roles("As in images.yaml.")),
        ],
    );
    let role_intervals = ["base", "external", "built", "published", "source", "factory", "sweep"];
    let mut interval_keys: Vec<(&str, Value)> =
        role_intervals.map(|role| (role, duration("How often Kargo looks."))).to_vec();
    interval_keys.push((
        "registries",
        json!({"type": "object", "additionalProperties": duration("How often Kargo looks."), "description": "By the registry's host, before the roles'."}),
    ));
    let git = vec![
        ("url", text("URL of the repository that holds this folder.")),
        ("branch", text("Its branch.")),
        ("path", text("This folder's path in it.")),
        ("skipCI", boolean("Whether commits of state carry [skip ci].")),
    ];
    let github = vec![
        ("url", text("https://github.com, or a GitHub Enterprise.")),
        ("api", text("URL of its API.")),
        ("secret", text("Name of the Secret with its token.")),
    ];
    let gitlab = vec![
        ("url", text("https://gitlab.com, or one's own.")),
        ("secret", text("Name of the Secret with its token.")),
    ];
    let providers =
        vec![("github", object("GitHub.", &[], github)), ("gitlab", object("GitLab.", &[], gitlab))];
    let registry = object(
        "A registry.",
        &[],
        vec![
            ("insecureSkipTLSVerify", boolean("Whether its certificate goes unchecked.")),
            ("plainHTTP", boolean("Whether the Job speaks HTTP to it.")),
            (
                "mirrors",
                json!({"type": "array", "items": {"type": "string"}, "description": "host[:port][/path] of each mirror that the Job asks first."}),
            ),
        ],
    );
    let mut schema = object(
        "Where the factory runs, and its defaults.",
        &[],
        vec![
            (
                "project",
                pattern(
                    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
                    "Kargo Project, and the namespace of all that is rendered.",
                ),
            ),
            ("kargo", scalar("The Kargo that is written for, like \"1.11\".")),
            ("module", pattern(DIGEST, "The digest of the module that may render.")),
            ("git", object("The repository that holds this folder.", &[], git)),
            ("pipelines", boolean("Whether the Stages of the loop are rendered too.")),
            ("paused", boolean("Whether nothing is rebuilt without a person.")),
            ("defaults", defaults),
            ("intervals", object("How often Kargo looks.", &[], interval_keys)),
            ("providers", object("The hosts behind `owner/name`.", &[], providers)),
            (
                "registries",
                json!({"type": "object", "additionalProperties": registry, "description": "By host."}),
            ),
            ("stateURL", text("Where a promotion reads the state, with {path} and {branch}.")),
            ("pollInterval", duration("How often a waiting promotion looks.")),
            ("shard", text("The Kargo controller that handles the Project.")),
        ],
    );
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!("Image Factory: factory.yaml");
    schema
}

fn time(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn rebuild_state() -> Value {
    let reason = object(
        "A base image whose newest content the image lacks.",
        &[],
        vec![
            ("base", scalar("Its file in state/base-images.")),
            ("from", text("The digest that the image holds.")),
            ("to", text("The digest that it should hold.")),
            ("since", time("When the first change was seen that the image lacks.")),
        ],
    );
    let attempt = object(
        "A run of CI, and what came of it.",
        &["key", "at", "outcome"],
        vec![
            ("key", scalar("What its name carries: the image's name and a number, or a Promotion's name.")),
            ("at", time("When it was recorded.")),
            ("targets", string_map("By base image, the digest that was newest when the run began.")),
            ("image", text("The digest that the image had after it.")),
            ("outcome", one_of(&["fresh", "stale", "failed", "unpublished", "unproven"], "What came of it.")),
            ("evidence", text("How that is known.")),
            ("cause", text("What probably went wrong.")),
            ("run", text("URL of the run.")),
            ("by", text("The person who asked for it.")),
            ("unkeyed", boolean("Whether the API refused the inputs, so that the run carries no key.")),
        ],
    );
    let statuses = ["monitoring", "pending", "held"];
    object(
        "What must be rebuilt, and when; all but the attempts is derived.",
        &[],
        vec![
            ("status", one_of(&statuses, "`held` goes no further by itself.")),
            ("pendingRebuild", boolean("Whether there is a reason to rebuild.")),
            ("cause", text("Why it is held.")),
            ("key", scalar("What the next run's name carries.")),
            ("reasons", json!({"type": "array", "items": reason, "description": "Why it must be rebuilt."})),
            ("driftSince", time("The earliest `since`.")),
            ("eligibleAt", time("Not before.")),
            ("deadline", time("At the latest.")),
            ("waitingFor", strings("Managed images that are to be rebuilt first.")),
            (
                "attempts",
                json!({"type": "array", "items": attempt, "description": "What was tried, oldest first."}),
            ),
        ],
    )
}

fn state() -> Value {
    let base = object(
        "A base image as the Dockerfile names it.",
        &[],
        vec![
            ("name", scalar("Its file in state/base-images; absent if only its digest is named.")),
            ("reference", text("The whole reference, where it names a digest.")),
            ("roles", roles("How the Dockerfile uses it.")),
            ("pinned", boolean("Whether the Dockerfile names a digest, so that a rebuild changes nothing.")),
            (
                "holds",
                pattern(
                    "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$",
                    "The digest that the published image was built on.",
                ),
            ),
            (
                "evidence",
                one_of(&["provenance", "annotation", "label", "layers", "assumed"], "How that is known."),
            ),
        ],
    );
    let error = json!({"type": "object", "description": "Why the last look failed.", "properties": {
        "code": {"type": "string"}, "message": {"type": "string"}, "file": {"type": "string"},
        "line": {"type": "integer"}, "column": {"type": "integer"}}});
    let mut image = vec![
        ("name", scalar("The file's name.")),
        ("enrolledAt", time("When it was first seen in images.yaml.")),
        ("lastDiscovery", time("When the last look changed something.")),
        ("discoveryStatus", one_of(&["success", "failed", "external"], "How the last look ended.")),
        ("discoveryError", error),
        ("enrollment", json!({"type": "object", "description": "Its entry in images.yaml."})),
        ("repoURL", text("The repository that is watched.")),
        ("baseImages", strings("The names of its watched base images.")),
        ("bases", json!({"type": "array", "items": base, "description": "All its base images."})),
        ("currentVersion", scalar("The tag that it was last published under.")),
        ("currentDigest", text("The digest that it was last published as.")),
        ("lastBuilt", time("When that was built.")),
        ("currentSeen", time("When a look first saw that digest; an older look is dropped.")),
        ("rebuildState", rebuild_state()),
    ];
    image.extend(watch_keys());
    let entry = object(
        "A digest that was seen.",
        &["digest", "seen"],
        vec![
            ("digest", text("The digest of the tag.")),
            ("seen", time("When it was seen first.")),
            ("content", string_map("By platform, a hash of what an image built on it takes over.")),
        ],
    );
    let history =
        json!({"type": "array", "items": entry, "description": "The digests that were seen, in order."});
    let mut base_image = vec![
        ("name", scalar("The file's name.")),
        ("fullImage", text("As people write it, like `node:22`.")),
        ("registry", text("Host of its registry.")),
        ("repository", text("Path in the registry.")),
        ("tag", scalar("Its tag.")),
        ("repoURL", text("The repository that is watched.")),
        ("firstDiscovered", time("When a Dockerfile first named it.")),
        ("lastChecked", time("When the last look changed something.")),
        ("dependentImages", strings("The images built on it.")),
        ("currentDigest", text("The newest digest that was seen.")),
        ("previousDigest", text("The one before.")),
        ("lastUpdated", time("When the newest digest was seen.")),
        ("updateHistory", history),
    ];
    base_image.extend(watch_keys());
    json!({
        "$schema": DRAFT,
        "title": "Image Factory: state/images/*.yaml and state/base-images/*.yaml",
        "$comment": "Keys that are not here are kept.",
        "if": {"required": ["fullImage"]},
        "then": object("state/base-images/NAME.yaml", &["name"], base_image),
        "else": object("state/images/NAME.yaml", &["name"], image),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::diagnostic::Diagnostics;
    use crate::fields::asked;
    use crate::tree::Tree;

    /// A file in which each map stands once, so that its reader asks for all of its keys.
    const IMAGES: &str = "- {name: web, registry: ghcr.io, repository: acme/web, \
        source: {provider: git, repo: 'https://host/web.git', published: {constraint: ^1.0.0}}}\n";
    const FACTORY: &str = "git: {branch: main}\ndefaults: {spread: 0s}\nintervals: {base: 24h}\n\
        providers: {github: {secret: a}, gitlab: {secret: a}}\nregistries: {local: {insecureSkipTLSVerify: true}}\n";

    fn keys<'s>(schema: &'s Value, path: &[&str]) -> BTreeSet<&'s str> {
        let found = path.iter().fold(schema, |schema, step| &schema[*step]);
        let keys = found["properties"].as_object().unwrap_or_else(|| panic!("{path:?} is no map: {found}"));
        keys.keys().map(String::as_str).collect()
    }

    #[test]
    fn the_readers_ask_for_the_keys_of_the_schemas_and_no_others() {
        let mut tree = Tree::default();
        tree.insert("images.yaml", IMAGES);
        tree.insert("factory.yaml", FACTORY);
        let mut found = Diagnostics::default();
        asked::take();
        crate::images::read(&tree, crate::images::Empty::Refused, &mut found);
        crate::factory::read(&tree, &mut found);
        assert_eq!(found.0, []);
        let (images, factory) = (super::images(), super::factory());
        let mut asked = asked::take();
        let source = ["items", "properties", "source"];
        for (what, schema, path) in [
            ("an image", &images, &["items"][..]),
            ("`source`", &images, &source),
            ("`published`", &images, &["items", "properties", "source", "properties", "published"]),
            ("factory.yaml", &factory, &[]),
            ("`git`", &factory, &["properties", "git"]),
            ("`defaults`", &factory, &["properties", "defaults"]),
            ("`intervals`", &factory, &["properties", "intervals"]),
            ("`providers`", &factory, &["properties", "providers"]),
            ("`providers.github`", &factory, &["properties", "providers", "properties", "github"]),
            ("`providers.gitlab`", &factory, &["properties", "providers", "properties", "gitlab"]),
            ("a registry", &factory, &["properties", "registries", "additionalProperties"]),
        ] {
            assert_eq!(asked.remove(what), Some(keys(schema, path)), "{what}");
        }
        assert!(asked.is_empty(), "no schema has {asked:?}");
    }

    #[test]
    fn the_schema_of_state_has_all_that_its_reader_asks_for() {
        let mut tree = Tree::default();
        tree.insert("state/images/web.yaml", "name: web\nbaseImages: [node-22]\n");
        tree.insert("state/base-images/node-22.yaml", "name: node-22\nfullImage: node:22\n");
        let mut found = Diagnostics::default();
        asked::take();
        crate::state::read(&tree, &mut found);
        assert_eq!(found.0, []);
        let (state, asked) = (super::state(), asked::take());
        for (what, branch) in [("the state of an image", "else"), ("the state of a base image", "then")] {
            let unknown: Vec<_> = asked[what].difference(&keys(&state, &[branch])).copied().collect();
            assert!(unknown.is_empty(), "{what}: {unknown:?}");
        }
    }
}

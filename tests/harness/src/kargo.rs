//! Kargo's objects, judged as strictly as can be: a schema of the kinds that we write, and the rules
//! that no schema says.
//!
//! Read in Kargo 1.11.2: the CRDs (`charts/kargo/resources/crds`), the webhooks
//! (`pkg/webhook/kubernetes`), the schemas of subscriptions and steps (`pkg/subscription/schemas`,
//! `pkg/promotion/runner/builtin/schemas`). The API server keeps keys that it does not know inside
//! subscriptions and steps, and fills in what is missing there; both are refused here, as the first
//! is a typing error and the second shows as drift for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use image_factory::duration::Duration;
use image_factory::fields::Spanned;
use image_factory::images::Watch;
use image_factory::name;
use image_factory::state::is_repo_url;
use image_factory::warehouse::{selection, Strategy};
use image_factory::yaml::{self, Content, Node, Place, Source};
use serde_json::{Map, Value};

/// What a value must be.
enum Shape {
    /// Any string that a rule takes; the words say what the rule wants.
    Text(fn(&str) -> bool, &'static str),
    /// One of some words.
    Word(&'static [&'static str]),
    /// A whole number between two.
    Number(i64, i64),
    Boolean,
    /// A list with at least so many items.
    List(usize, Box<Shape>),
    /// A map with these keys and no other.
    Keys(Vec<Key>),
    /// A map with any keys and strings.
    Texts,
    /// A map with at least one key.
    AnyMap,
    /// As a function finds.
    Judged(fn(&Value, &mut Problems)),
}

struct Key(&'static str, Need, Shape);

#[derive(Clone, Copy, PartialEq)]
enum Need {
    Must,
    May,
}

use Need::{May, Must};
use Shape::{AnyMap, Boolean, Judged, Keys, List, Number, Text, Texts, Word};

/// What is wrong, each with the path that leads there.
#[derive(Default)]
struct Problems {
    path: Vec<String>,
    found: Vec<String>,
}

impl Problems {
    fn push(&mut self, what: impl std::fmt::Display) {
        self.found.push(format!("{}: {what}", self.path.concat()));
    }
}

/// What is wrong with one object of a kind of Kargo's; an object of another kind is passed over.
pub fn judge(object: &Value) -> Vec<String> {
    let mut problems = Problems::default();
    let is_kargo =
        object["apiVersion"].as_str().is_some_and(|version| version.starts_with("kargo.akuity.io"));
    if !is_kargo {
        return problems.found;
    }
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let spec = match kind.as_str() {
        "Warehouse" => Some(warehouse()),
        "Stage" => Some(stage()),
        "ProjectConfig" => Some(project_config()),
        "PromotionTask" => Some(promotion_task()),
        "Project" => None,
        _ => {
            problems.push(format!("a kind that we do not write: `{kind}`"));
            return problems.found;
        }
    };
    let namespace = if kind == "Project" { None } else { Some(Key("namespace", Must, dns())) };
    let mut metadata =
        vec![Key("name", Must, dns()), Key("labels", May, Judged(labels)), Key("annotations", May, Texts)];
    metadata.extend(namespace);
    let mut keys = vec![
        Key("apiVersion", Must, Word(&["kargo.akuity.io/v1alpha1"])),
        Key("kind", Must, text()),
        Key("metadata", Must, Keys(metadata)),
    ];
    keys.extend(spec.map(|spec| Key("spec", Must, spec)));
    let name = object["metadata"]["name"].as_str().unwrap_or("?");
    problems.path.push(format!("{kind} {name}"));
    check(object, &Keys(keys), &mut problems);
    problems.found
}

fn text() -> Shape {
    Text(|text| !text.is_empty(), "a string that is not empty")
}

fn dns() -> Shape {
    Text(|text| name::check_object(text).is_ok(), "a DNS name of at most 63 characters")
}

/// A duration in Go's own spelling, so that the webhook writes back what it read.
fn duration() -> Shape {
    Text(
        |text| {
            Duration::parse(text)
                .is_ok_and(|duration| duration.to_go() == text && duration.interval().is_ok())
        },
        "a duration as Go writes it",
    )
}

fn labels(value: &Value, problems: &mut Problems) {
    let Some(labels) = value.as_object() else { return problems.push("not a map") };
    for (key, value) in labels {
        let is_word = |text: &str| {
            text.len() <= 63
                && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.ends_with(|c: char| c.is_ascii_alphanumeric())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if !is_word(key.rsplit('/').next().unwrap_or_default()) || !value.as_str().is_some_and(is_word) {
            problems.push(format!("`{key}: {value}` is no label"));
        }
        // The webhook writes this one itself, from spec.shard.
        if key == "kargo.akuity.io/shard" {
            problems.push("`kargo.akuity.io/shard` is the webhook's");
        }
    }
}

fn warehouse() -> Shape {
    Keys(vec![
        Key("freightCreationPolicy", Must, Word(&["Automatic", "Manual"])),
        Key("interval", Must, duration()),
        Key("shard", May, text()),
        Key("subscriptions", Must, List(1, Box::new(Judged(subscription)))),
    ])
}

fn subscription(value: &Value, problems: &mut Problems) {
    let image = vec![
        Key("allowTagsRegexes", May, List(1, Box::new(text()))),
        Key("constraint", May, text()),
        Key("discoveryLimit", Must, Number(1, 100)),
        Key("imageSelectionStrategy", Must, Word(&["Digest", "Lexical", "NewestBuild", "SemVer"])),
        Key("insecureSkipTLSVerify", May, Judged(must_be_true)),
        Key("repoURL", Must, Text(is_repo_url, "an image's repository")),
        Key("strictSemvers", Must, Boolean),
    ];
    let git = vec![
        Key("branch", May, Text(is_branch, "a branch")),
        Key("commitSelectionStrategy", Must, Word(&["NewestFromBranch"])),
        Key("discoveryLimit", Must, Number(1, 100)),
        Key("includePaths", May, List(1, Box::new(text()))),
        Key("insecureSkipTLSVerify", May, Judged(must_be_true)),
        Key("repoURL", Must, Text(is_git_url, "a git repository's URL")),
        Key("strictSemvers", Must, Boolean),
    ];
    let one_of = vec![Key("image", May, Keys(image)), Key("git", May, Keys(git))];
    check(value, &Keys(one_of), problems);
    if value.as_object().is_some_and(|map| map.len() != 1) {
        problems.push("a subscription is either `image` or `git`");
    }
    let image = &value["image"];
    let strategy = image["imageSelectionStrategy"].as_str().and_then(Strategy::parse);
    let spanned = |text: &str| {
        let place = Place { line: 1, column: 1, length: 1, start: 0 };
        Spanned { value: text.to_owned(), place }
    };
    match (strategy, image["constraint"].as_str()) {
        (Some(Strategy::Digest), None) => problems.push("Digest needs `constraint`, the tag"),
        (Some(Strategy::SemVer), Some(range)) => {
            let watch = Watch { constraint: Some(spanned(range)), ..Watch::default() };
            if selection(&watch).is_err() {
                problems.push(format!("`{range}` is no range of versions"));
            }
        }
        _ => {}
    }
}

/// A zero value that is written shows as drift where the API leaves it out.
fn must_be_true(value: &Value, problems: &mut Problems) {
    if *value != Value::Bool(true) {
        problems.push("must be `true`, or absent");
    }
}

fn is_branch(text: &str) -> bool {
    text.len() < 256
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
}

fn is_git_url(text: &str) -> bool {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            ["ssh", "http", "https"].contains(&scheme)
                && rest.split_once('/').is_some_and(|(host, _)| !host.is_empty())
        }
        None => text.split_once('@').is_some_and(|(user, rest)| !user.is_empty() && rest.contains(':')),
    }
}

fn stage() -> Shape {
    let template = Keys(vec![Key("steps", Must, List(1, Box::new(Judged(step)))), Key("vars", May, vars())]);
    let origin = Keys(vec![Key("kind", Must, Word(&["Warehouse"])), Key("name", Must, dns())]);
    let sources = Keys(vec![
        Key("direct", May, Judged(must_be_true)),
        Key("requiredSoakTime", May, duration()),
        Key("stages", May, List(1, Box::new(dns()))),
    ]);
    let freight = Keys(vec![Key("origin", Must, origin), Key("sources", Must, sources)]);
    let argument = Keys(vec![Key("name", Must, text()), Key("value", Must, Judged(argument))]);
    let template_name = Keys(vec![
        Key("kind", May, Word(&["AnalysisTemplate", "ClusterAnalysisTemplate"])),
        Key("name", Must, text()),
    ]);
    let verification = Keys(vec![
        Key("analysisTemplates", Must, List(1, Box::new(template_name))),
        Key("args", May, List(1, Box::new(argument))),
    ]);
    Keys(vec![
        Key("promotionTemplate", May, Keys(vec![Key("spec", Must, template)])),
        Key("requestedFreight", Must, List(1, Box::new(freight))),
        Key("shard", May, text()),
        Key("vars", May, vars()),
        Key("verification", May, verification),
    ])
}

/// A variable without a value must be given elsewhere, so only a task may have one.
fn vars() -> Shape {
    let value = Text(|text| !text.is_empty(), "a value");
    List(1, Box::new(Keys(vec![Key("name", Must, variable_name()), Key("value", Must, value)])))
}

fn variable_name() -> Shape {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    Text(is_name, "a variable's name")
}

/// An argument's text becomes a number or truth value where it looks like one, unless it went
/// through `quote()`; the verification then ends in an error. Text without an expression stays.
fn argument(value: &Value, problems: &mut Problems) {
    let Some(text) = value.as_str().filter(|text| !text.is_empty()) else {
        return problems.push("an argument without a value counts as not given");
    };
    let is_quoted =
        text.starts_with("${{ quote(") && text.ends_with(") }}") && text.matches("${").count() == 1;
    if text.contains("${") && !is_quoted {
        problems.push(format!("`{text}` is not one `quote()`"));
    }
}

/// A step of a promotion: a task, or one of Kargo's own steps.
fn step(value: &Value, problems: &mut Problems) {
    if value["task"].is_null() {
        return task_step(value, problems);
    }
    let task = Keys(vec![Key("kind", May, Word(&["PromotionTask"])), Key("name", Must, dns())]);
    check(
        value,
        &Keys(vec![Key("as", May, text()), Key("task", Must, task), Key("vars", May, vars())]),
        problems,
    );
}

fn task_step(value: &Value, problems: &mut Problems) {
    let named = || {
        let pair = Keys(vec![Key("name", Must, text()), Key("value", Must, text())]);
        List(1, Box::new(pair))
    };
    let config = match value["uses"].as_str() {
        Some("compose-output") => AnyMap,
        Some("set-metadata") => {
            let update = Keys(vec![
                Key("kind", Must, Word(&["Stage", "Freight"])),
                Key("name", Must, text()),
                // An expression that gives a map, or a map.
                Key("values", Must, Judged(|_, _| ())),
            ]);
            Keys(vec![Key("updates", Must, List(1, Box::new(update)))])
        }
        Some("http") => {
            let output = Keys(vec![Key("name", Must, variable_name()), Key("fromExpression", Must, text())]);
            let content = Word(&["application/json", "application/yaml", "text/plain"]);
            Keys(vec![
                Key("body", May, text()),
                Key("errorExpression", May, text()),
                Key("failureExpression", May, text()),
                Key("headers", May, named()),
                Key("method", May, text()),
                Key("outputs", May, List(1, Box::new(output))),
                Key("pollInterval", May, Judged(duration_or_expression)),
                Key("queryParams", May, named()),
                Key("responseContentType", May, content),
                Key("successExpression", Must, text()),
                Key("timeout", May, Judged(duration_or_expression)),
                Key("url", Must, text()),
            ])
        }
        other => return problems.push(format!("a step that we do not use: {other:?}")),
    };
    let retry = Keys(vec![
        Key("errorThreshold", May, Number(1, i64::from(i32::MAX))),
        Key("timeout", May, duration()),
    ]);
    let keys = vec![
        Key("as", Must, text()),
        Key("config", Must, config),
        Key("continueOnError", May, Judged(must_be_true)),
        Key("if", May, text()),
        Key("retry", May, retry),
        Key("uses", Must, text()),
        Key("vars", May, vars()),
    ];
    check(value, &Keys(keys), problems);
    balanced(value, problems);
}

fn duration_or_expression(value: &Value, problems: &mut Problems) {
    let is_expression = value.as_str().is_some_and(|text| text.starts_with("${{"));
    if !is_expression {
        check(value, &duration(), problems);
    }
}

/// Every expression ends, and the first `}}` ends it.
fn balanced(value: &Value, problems: &mut Problems) {
    match value {
        Value::String(text) => {
            for (open, close) in [("${{", "}}"), ("${%", "%}")] {
                for rest in text.split(open).skip(1) {
                    let expression = rest.split(close).next().unwrap_or_default();
                    // What stands in quotes is text.
                    let code = expression.split('"').step_by(2);
                    let depth = code.flat_map(str::chars).fold(0, |depth, c| match c {
                        '(' | '[' | '{' => depth + 1,
                        ')' | ']' | '}' => depth - 1,
                        _ => depth,
                    });
                    if depth != 0 || !rest.contains(close) {
                        problems.push(format!("`{open}{expression}` ends too early"));
                    }
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| balanced(item, problems)),
        Value::Object(map) => map.values().for_each(|item| balanced(item, problems)),
        _ => {}
    }
}

fn promotion_task() -> Shape {
    let value = Text(|_| true, "a string");
    let var = Keys(vec![Key("name", Must, variable_name()), Key("value", May, value)]);
    Keys(vec![
        Key("steps", Must, List(1, Box::new(Judged(task_step)))),
        Key("vars", May, List(1, Box::new(var))),
    ])
}

fn project_config() -> Shape {
    let selector = Keys(vec![Key("matchLabels", May, Judged(labels)), Key("name", May, text())]);
    let policy = Keys(vec![Key("autoPromotionEnabled", May, Boolean), Key("stageSelector", Must, selector)]);
    let secret = Keys(vec![Key("secretRef", Must, Keys(vec![Key("name", Must, dns())]))]);
    let receiver = Keys(vec![Key("name", Must, dns()), Key("github", Must, secret)]);
    Keys(vec![
        Key("promotionPolicies", May, List(1, Box::new(policy))),
        Key("webhookReceivers", May, List(1, Box::new(receiver))),
    ])
}

fn check(value: &Value, shape: &Shape, problems: &mut Problems) {
    match (shape, value) {
        (Text(rule, wanted), _) => match value.as_str() {
            Some(text) if rule(text) => {}
            _ => problems.push(format!("{value} is not {wanted}")),
        },
        (Word(words), _) => {
            if !value.as_str().is_some_and(|text| words.contains(&text)) {
                problems.push(format!("{value} is not one of {}", words.join(", ")));
            }
        }
        (Number(low, high), _) => {
            if !value.as_i64().is_some_and(|number| (*low..=*high).contains(&number)) {
                problems.push(format!("{value} is no number from {low} to {high}"));
            }
        }
        (Boolean, Value::Bool(_)) => {}
        (List(least, shape), Value::Array(items)) => {
            if items.len() < *least {
                problems.push(format!("fewer than {least} items"));
            }
            for (at, item) in items.iter().enumerate() {
                problems.path.push(format!("[{at}]"));
                check(item, shape, problems);
                problems.path.pop();
            }
        }
        (Keys(keys), Value::Object(map)) => check_keys(map, keys, problems),
        (Texts, Value::Object(map)) if map.values().all(Value::is_string) => {}
        (AnyMap, Value::Object(map)) if !map.is_empty() => {}
        (Judged(judge), _) => judge(value, problems),
        _ => problems.push(format!("{value} is of another type")),
    }
}

fn check_keys(map: &Map<String, Value>, keys: &[Key], problems: &mut Problems) {
    for Key(name, need, shape) in keys {
        problems.path.push(format!(".{name}"));
        match map.get(*name) {
            Some(value) => check(value, shape, problems),
            None if *need == Must => problems.push("is missing"),
            None => {}
        }
        problems.path.pop();
    }
    for key in map.keys().filter(|key| !keys.iter().any(|known| known.0 == key.as_str())) {
        problems.push(format!("unknown key `{key}`"));
    }
}

/// What is wrong between objects that are applied together: every name that one gives must be of
/// another. Templates and tasks are looked for only where any are among the objects.
pub fn judge_together(objects: &[Value]) -> Vec<String> {
    let mut problems = Problems::default();
    let mut by_kind: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    for object in objects {
        let (kind, name) = (str_of(&object["kind"]), str_of(&object["metadata"]["name"]));
        if by_kind.entry(kind).or_default().insert(name, object).is_some() {
            problems.push(format!("two objects are {kind} {name}"));
        }
    }
    let of = |kind: &str| by_kind.get(kind).cloned().unwrap_or_default();
    let (warehouses, stages) = (of("Warehouse"), of("Stage"));
    let (templates, tasks) = (of("AnalysisTemplate"), of("PromotionTask"));
    let namespaces: BTreeSet<&str> =
        objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
    if namespaces.len() > 1 {
        problems.push(format!("several namespaces: {namespaces:?}"));
    }
    for (name, stage) in &stages {
        problems.path = vec![format!("Stage {name}")];
        let mut origins = BTreeSet::new();
        let mut subscribed = BTreeSet::new();
        for freight in items(&stage["spec"]["requestedFreight"]) {
            let origin = str_of(&freight["origin"]["name"]);
            if !origins.insert(origin) {
                problems.push(format!("the origin `{origin}` twice"));
            }
            match warehouses.get(origin) {
                Some(warehouse) => subscribed.extend(
                    items(&warehouse["spec"]["subscriptions"])
                        .flat_map(|subscription| {
                            [&subscription["image"]["repoURL"], &subscription["git"]["repoURL"]]
                        })
                        .filter_map(Value::as_str),
                ),
                None => problems.push(format!("no Warehouse `{origin}`, so nothing at all is promoted")),
            }
            for source in items(&freight["sources"]["stages"]).map(str_of) {
                let upstream = stages.get(source);
                let takes_it = upstream.is_some_and(|stage| {
                    items(&stage["spec"]["requestedFreight"])
                        .any(|freight| str_of(&freight["origin"]["name"]) == origin)
                });
                if !takes_it {
                    problems.push(format!("no Stage `{source}` that takes Freight of `{origin}`"));
                }
            }
            if freight["sources"]["direct"].is_null() == freight["sources"]["stages"].is_null() {
                problems.push("Freight comes directly or from Stages");
            }
        }
        let steps: Vec<&Value> = items(&stage["spec"]["promotionTemplate"]["spec"]["steps"]).collect();
        let verification = &stage["spec"]["verification"];
        if steps.is_empty() && !verification.is_null() {
            problems.push("a Stage without a step never verifies");
        }
        for step in steps.iter().filter(|step| !step["task"].is_null() && !tasks.is_empty()) {
            let task = str_of(&step["task"]["name"]);
            match tasks.get(task) {
                Some(task) => check_vars(step, task, &mut problems),
                None => problems.push(format!("no PromotionTask `{task}`")),
            }
        }
        let given: BTreeMap<&str, &str> = items(&verification["args"])
            .map(|pair| (str_of(&pair["name"]), str_of(&pair["value"])))
            .collect();
        for value in given.values() {
            for function in ["imageFrom(\"", "commitFrom(\""] {
                for rest in value.split(function).skip(1) {
                    let url = rest.split('"').next().unwrap_or_default();
                    if !subscribed.contains(url) {
                        problems
                            .push(format!("`{url}` is not spelled as a Warehouse of this Stage spells it"));
                    }
                }
            }
        }
        for template in items(&verification["analysisTemplates"]).filter(|_| !templates.is_empty()) {
            let name = str_of(&template["name"]);
            let Some(template) = templates.get(name) else {
                problems.push(format!("no AnalysisTemplate `{name}`"));
                continue;
            };
            let declared: BTreeSet<&str> =
                items(&template["spec"]["args"]).map(|argument| str_of(&argument["name"])).collect();
            let given: BTreeSet<&str> = given.keys().copied().collect();
            if declared != given {
                problems.push(format!("`{name}` wants {declared:?}, and is given {given:?}"));
            }
        }
    }
    problems.found
}

fn check_vars(step: &Value, task: &Value, problems: &mut Problems) {
    let given: BTreeSet<&str> = items(&step["vars"]).map(|var| str_of(&var["name"])).collect();
    let mut declared = BTreeSet::new();
    for var in items(&task["spec"]["vars"]) {
        let name = str_of(&var["name"]);
        declared.insert(name);
        if str_of(&var["value"]).is_empty() && !given.contains(name) {
            problems.push(format!("the task wants the variable `{name}`"));
        }
    }
    for name in given.difference(&declared) {
        problems.push(format!("the task has no variable `{name}`"));
    }
}

fn str_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The objects of a YAML text with several documents.
///
/// # Panics
/// Where it is not YAML.
pub fn documents(file: &str, text: &str) -> Vec<Value> {
    let parts = text.strip_prefix("---\n").unwrap_or(text).split("\n---\n");
    parts
        .filter_map(|text| {
            yaml::parse(Source { file, text })
                .unwrap_or_else(|problems| panic!("{file}: {problems:?}"))
                .map(|node| json(&node))
        })
        .collect()
}

/// The same of a file.
///
/// # Panics
/// Where it cannot be read, or is not YAML.
pub fn read_documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    documents(&path.to_string_lossy(), &text)
}

fn json(node: &Node<'_>) -> Value {
    match &node.content {
        Content::Map(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.text.to_string(), json(value))).collect())
        }
        Content::List(items) => Value::Array(items.iter().map(json).collect()),
        Content::Scalar(scalar) if scalar.plain => match scalar.text.as_ref() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" | "~" | "" => Value::Null,
            text => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        },
        Content::Scalar(scalar) => Value::from(scalar.text.as_ref()),
    }
}

//! Kargo's objects, what we generate and what stands in `kustomize/`, held to a strict schema, and
//! to each other.

#![allow(clippy::disallowed_methods, reason = "a test, not the core, runs a program")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use image_factory_harness::kargo::{documents, judge, judge_together, read_documents};
use image_factory_harness::oracle::skipped;
use image_factory_harness::{cases, tests_folder};
use serde_json::Value;

/// What `kubectl kustomize` builds, by the name of its golden file.
const BUILDS: [(&str, &str); 4] = [
    ("base", "kustomize/base"),
    ("github", "kustomize/overlays/github"),
    ("gitlab", "kustomize/overlays/gitlab"),
    ("everything", "tests/kustomize/everything"),
];

fn golden(name: &str) -> PathBuf {
    tests_folder().join("kustomize").join(format!("{name}.yaml"))
}

/// The manifests of all golden cases, by the case.
fn rendered() -> BTreeMap<String, Vec<Value>> {
    let mut rendered = BTreeMap::new();
    for case in cases("generate") {
        let file = tests_folder().join("generate").join(case.name()).join("expected/manifests.yaml");
        if file.exists() {
            rendered.insert(case.name().to_owned(), read_documents(&file));
        }
    }
    assert!(rendered.len() > 10, "{} cases render something", rendered.len());
    rendered
}

#[test]
fn all_that_is_generated_fits_the_schema_and_itself() {
    let mut count = 0;
    for (case, objects) in rendered() {
        // Those are written for an older Kargo, whose objects are others.
        if case.starts_with("kargo-") {
            continue;
        }
        let mut problems: Vec<String> = objects.iter().flat_map(judge).collect();
        problems.extend(judge_together(&objects));
        assert!(problems.is_empty(), "{case}:\n{}", problems.join("\n"));
        count += objects.len();
    }
    assert!(count > 100, "{count} objects were judged");
}

#[test]
fn the_static_objects_are_what_kustomize_builds() {
    let root = tests_folder().join("..");
    let is_there =
        Command::new("kubectl").args(["version", "--client"]).output().is_ok_and(|out| out.status.success());
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "CI must have kubectl");
        skipped("kustomize/ was not built: there is no kubectl");
        return;
    }
    for (name, folder) in BUILDS {
        let out =
            Command::new("kubectl").arg("kustomize").arg(root.join(folder)).output().expect("kubectl runs");
        let built = String::from_utf8(out.stdout).expect("kubectl prints UTF-8");
        assert!(out.status.success(), "{folder}: {}", String::from_utf8_lossy(&out.stderr));
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            fs::write(golden(name), &built).expect("the golden file can be written");
        }
        let expected = fs::read_to_string(golden(name)).unwrap_or_default();
        assert!(built == expected, "{folder} builds other objects (UPDATE_GOLDEN=1 accepts them)");
    }
}

#[test]
fn the_static_objects_fit_the_schema_and_themselves() {
    for (name, _) in BUILDS {
        let objects = read_documents(&golden(name));
        let mut problems: Vec<String> = objects.iter().flat_map(judge).collect();
        problems.extend(judge_together(&objects));
        assert!(problems.is_empty(), "{name}:\n{}", problems.join("\n"));
    }
}

/// Every reference between what is generated and what is static, in both directions.
#[test]
fn generated_and_static_objects_fit_together() {
    let fixed = read_documents(&golden("everything"));
    let of = |kind: &'static str| fixed.iter().filter(move |object| object["kind"] == kind);
    let names = |kind| -> BTreeSet<&str> {
        of(kind).filter_map(|object| object["metadata"]["name"].as_str()).collect()
    };
    let mut used: BTreeSet<String> = BTreeSet::new();
    for (case, generated) in rendered() {
        if !case.starts_with("pipelines") {
            continue;
        }
        let mut objects = generated.clone();
        objects.extend(fixed.iter().cloned());
        let mut problems = judge_together(&objects);
        // One case renders for a Project of another name; the rest must still fit.
        problems.retain(|problem| {
            !(case == "pipelines-at-an-enterprise" && problem.contains("several namespaces"))
        });
        // The one thing that people must give: where to ask.
        problems.retain(|problem| !problem.ends_with("the task wants the variable `url`"));
        assert!(problems.is_empty(), "{case}:\n{}", problems.join("\n"));
        for stage in generated.iter().filter(|object| object["kind"] == "Stage") {
            for template in
                stage["spec"]["verification"]["analysisTemplates"].as_array().into_iter().flatten()
            {
                used.extend(template["name"].as_str().map(str::to_owned));
            }
            for step in stage["spec"]["promotionTemplate"]["spec"]["steps"].as_array().into_iter().flatten() {
                used.extend(step["task"]["name"].as_str().map(str::to_owned));
            }
            // Only the control-flow Stages, and those of a person, act without the policy.
            let role = stage["metadata"]["labels"]["image-factory.dev/role"].as_str().unwrap_or_default();
            let auto = stage["metadata"]["labels"]["image-factory.dev/auto"].as_str();
            assert_eq!(auto.is_none(), role == "analyzed", "{case}: {stage}");
            assert!(role == "rebuild" || role == "analyzed" || auto == Some("true"), "{case}: {stage}");
        }
    }
    for kind in ["AnalysisTemplate", "PromotionTask"] {
        for name in names(kind) {
            assert!(used.contains(name), "no case uses {kind} {name}");
        }
    }
    let policies: Vec<&Value> = of("ProjectConfig")
        .flat_map(|config| config["spec"]["promotionPolicies"].as_array().expect("a list"))
        .collect();
    assert_eq!(policies.len(), 1);
    assert_eq!(
        policies[0]["stageSelector"]["matchLabels"],
        serde_json::json!({"image-factory.dev/auto": "true"})
    );

    let secrets = names("Secret");
    let mut mentioned: BTreeSet<String> = BTreeSet::new();
    for template in of("AnalysisTemplate") {
        let job = &template["spec"]["metrics"][0]["provider"]["job"]["spec"];
        let pod = &job["template"]["spec"];
        assert!(names("ServiceAccount").contains(pod["serviceAccountName"].as_str().expect("it is said")));
        let label = &job["template"]["metadata"]["labels"]["app.kubernetes.io/name"];
        for policy in of("NetworkPolicy") {
            assert_eq!(policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"], *label);
        }
        for volume in pod["volumes"].as_array().expect("a list") {
            let Some(secret) = volume["secret"]["secretName"].as_str() else { continue };
            mentioned.insert(secret.to_owned());
            let object = of("Secret").find(|object| object["metadata"]["name"] == secret).expect(secret);
            for item in volume["secret"]["items"].as_array().expect("a list") {
                let key = item["key"].as_str().expect("a string");
                assert!(object["stringData"][key].is_string(), "{secret} has no key {key}");
            }
        }
        let arguments = pod["containers"][0]["args"].as_array().expect("a list");
        let text: String = arguments.iter().filter_map(Value::as_str).collect();
        for argument in template["spec"]["args"].as_array().expect("a list") {
            let name = argument["name"].as_str().expect("a string");
            assert!(text.contains(&format!("{{{{args.{name}}}}}")), "{template} does not use {name}");
        }
        let placeholders = text.matches("{{args.").count();
        assert_eq!(placeholders, template["spec"]["args"].as_array().map_or(0, Vec::len), "{text}");
        assert!(pod["containers"][0]["command"].is_null(), "the Job runs the image's program, no shell");
    }
    for task in of("PromotionTask") {
        let name = task["metadata"]["name"].as_str().expect("a string");
        let vars: BTreeMap<&str, &str> = task["spec"]["vars"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|var| (var["name"].as_str().unwrap_or_default(), var["value"].as_str().unwrap_or_default()))
            .collect();
        for var in ["secret", "stateSecret"] {
            mentioned.insert(vars[var].to_owned());
        }
        let text = task["spec"]["steps"].to_string();
        for var in vars.keys() {
            // What a rebuild is for need not be told to everyone.
            let is_used = text.contains(&format!("vars.{var}"));
            assert!(is_used || ["image", "settle"].contains(var), "{name} does not use {var}");
        }
        for rest in text.split("vars.").skip(1) {
            let var: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            assert!(vars.contains_key(var.as_str()) || var == "id", "{name} has no variable {var}");
        }
        let steps: BTreeSet<&str> = task["spec"]["steps"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|step| step["as"].as_str())
            .collect();
        for rest in text.split("task.outputs.").skip(1) {
            let step: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            // What every task ends with speaks of a step that only GitHub's has.
            assert!(steps.contains(step.as_str()) || step == "bare", "{name} has no step {step}");
        }
    }
    mentioned.insert("github-webhook".to_owned());
    let missing: Vec<&String> = mentioned.iter().filter(|name| !secrets.contains(name.as_str())).collect();
    assert_eq!(missing, ["http-credentials"], "Secrets that no component shows");
    assert!(secrets.iter().all(|name| mentioned.contains(*name)), "{secrets:?}, and used are {mentioned:?}");
}

/// Objects that the real API server and webhooks were asked about (tests/cluster): what they refuse,
/// ours refuses; what they take, ours takes, unless the table says why not.
#[test]
fn the_schema_agrees_with_the_real_one() {
    let table = fs::read_to_string(tests_folder().join("cluster/objects.yaml")).expect("it is committed");
    let mut count = 0;
    for entry in documents("objects.yaml", &table) {
        let problems = judge(&entry["object"]);
        let is_taken = entry["kargo"] == "takes" && entry["stricter"].is_null();
        assert_eq!(problems.is_empty(), is_taken, "{}: {problems:?}", entry["shows"]);
        count += 1;
    }
    assert!(count > 20, "{count} objects");
}

/// Each rule finds what breaks it.
#[test]
fn what_is_broken_is_found() {
    let whole: Vec<Value> =
        rendered()["pipelines"].iter().cloned().chain(read_documents(&golden("everything"))).collect();
    let found = |objects: &[Value]| -> Vec<String> {
        let mut problems: Vec<String> = objects.iter().flat_map(judge).collect();
        problems.extend(judge_together(objects));
        problems.retain(|problem| !problem.ends_with("the task wants the variable `url`"));
        problems
    };
    assert_eq!(found(&whole), Vec::<String>::new());
    let broken = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut objects = whole.clone();
        change(&mut objects);
        assert_ne!(objects, whole, "nothing was broken");
        found(&objects).join("\n")
    };
    let at = |objects: &[Value], kind: &str, name: &str| {
        objects
            .iter()
            .position(|object| object["kind"] == kind && object["metadata"]["name"] == name)
            .expect(name)
    };
    let without = |kind: &'static str, name: &'static str| {
        broken(&|objects| drop(objects.remove(at(objects, kind, name))))
    };
    let put = |kind: &'static str, name: &'static str, path: &'static str, value: Value| {
        broken(&|objects| {
            let at = at(objects, kind, name);
            *objects[at].pointer_mut(path).expect(path) = value.clone();
        })
    };
    for (problems, expected) in [
        (without("Warehouse", "node-22-bookworm-slim"), "no Warehouse `node-22-bookworm-slim`"),
        (without("Stage", "observe-node-22-bookworm-slim"), "no Stage `observe-node-22-bookworm-slim`"),
        (without("AnalysisTemplate", "observe"), "no AnalysisTemplate `observe`"),
        (without("PromotionTask", "rebuild-gitlab"), "no PromotionTask `rebuild-gitlab`"),
        (
            put(
                "Stage",
                "analyze-backstage",
                "/spec/verification/args/1/value",
                Value::from("${{ imageFrom(\"x\").Tag }}"),
            ),
            "is not one `quote()`",
        ),
        (
            put(
                "Warehouse",
                "built-backstage",
                "/spec/subscriptions/0/image/repoURL",
                Value::from("GHCR.io/acme/backstage"),
            ),
            "is not spelled as",
        ),
        (put("AnalysisTemplate", "observe", "/spec/args/0/name", Value::from("base")), "`observe` wants"),
        (
            put("PromotionTask", "rebuild-github", "/spec/vars/0/name", Value::from("repository")),
            "has no variable `repo`",
        ),
        (put("Warehouse", "sweep", "/spec/interval", Value::from("1d")), "a duration as Go writes it"),
        (put("Stage", "reconcile", "/metadata/namespace", Value::from("other")), "several namespaces"),
        (put("Stage", "reconcile", "/metadata/name", Value::from("sweep")), "two objects are Stage sweep"),
        (
            put("Stage", "reconcile", "/spec/promotionTemplate/spec/steps", Value::Array(Vec::new())),
            "never verifies",
        ),
    ] {
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
}

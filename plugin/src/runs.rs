//! Runs of CI: which of them are of an image, by the key in their names.
//!
//! The rebuild tasks in `kustomize/base` give each run a name that holds the image's key as a whole
//! word, `web-17`, or the name of a person's Promotion, `rebuild-web.01k….abc1234`. What is read
//! here are GitHub's workflow runs (REST API 2022-11-28, "List workflow runs for a workflow") and
//! GitLab's pipelines (API v4, "List project pipelines"), a hundred at a time, the newest first.

use serde_json::Value;

use crate::abi::{CiNeed, Reason};
use crate::images::{Build, Provider};
use crate::json;
use crate::live::Trouble;
use crate::look::{Looker, Run};
use crate::name;
use crate::sorted::sort_by;
use crate::time::Time;

const PAGE: usize = 100;
/// How many pages are read; each is a round of needs.
const PAGES: usize = 4;

/// The runs of an image that ended, asked for at `since` or later, in the order in which they were
/// asked for; `None` where they must be fetched first, or can't be.
///
/// A provider whose runs nobody can list has none.
pub(crate) fn of_image(looker: &mut Looker<'_>, image: &str, build: &Build, since: Time) -> Option<Vec<Run>> {
    let (provider, path) = match (build.provider, &build.workflow) {
        (Provider::GitHub, Some(workflow)) => (
            "github",
            format!(
                "/repos/{}/actions/workflows/{workflow}/runs?event=workflow_dispatch&per_page={PAGE}&created=%3E%3D{since}",
                build.repo
            ),
        ),
        (Provider::GitLab, _) => (
            "gitlab",
            format!(
                "/projects/{}/pipelines?source=api&per_page={PAGE}&updated_after={since}",
                build.repo.replace('/', "%2F")
            ),
        ),
        _ => return Some(Vec::new()),
    };
    let person = [&name::with_role("rebuild-", image), "."].concat();
    let mut runs = Vec::new();
    for page in 1..=PAGES {
        let list = page_of(looker, image, provider, format!("{path}&page={page}"))?;
        runs.extend(list.iter().filter_map(|run| one(run, provider, image, &person)));
        if list.len() < PAGE {
            break;
        }
    }
    sort_by(&mut runs, |a, b| a.began.cmp(&b.began));
    Some(runs)
}

fn page_of(looker: &mut Looker<'_>, image: &str, provider: &str, path: String) -> Option<Vec<Value>> {
    let fetched = looker.fetched.ci.iter().find(|found| found.provider == provider && found.path == path);
    let Some(fetched) = fetched else {
        looker.ci.push(CiNeed { provider: provider.to_owned(), path });
        return None;
    };
    let list = fetched.text.as_deref().and_then(|text| json::parse(text).ok()).and_then(|mut value| {
        let list = if provider == "github" { value.get_mut("workflow_runs")?.take() } else { value };
        match list {
            Value::Array(list) => Some(list),
            _ => None,
        }
    });
    if list.is_some() {
        return list;
    }
    let trouble = Trouble {
        reason: fetched.reason.unwrap_or(Reason::Unreachable),
        message: fetched
            .error
            .clone()
            .unwrap_or_else(|| ["the answer of ", provider, " is no list of runs"].concat()),
    };
    looker.exit = looker.exit.max(trouble.exit());
    looker.found.push(trouble.of_ci(image));
    None
}

/// A run of this image that ended; whether it ended well is what its last word says.
fn one(run: &Value, provider: &str, image: &str, person: &str) -> Option<Run> {
    let text = |key: &str| run.get(key)?.as_str();
    let (title, end, url) = match provider {
        "github" if text("status") != Some("completed") => return None,
        "github" => (text("display_title")?, text("conclusion")?, text("html_url")),
        _ => (text("name")?, text("status")?, text("web_url")),
    };
    // What goes on, or waits for a person, has not ended (GitLab).
    let is_over = provider == "github" || matches!(end, "success" | "failed" | "canceled" | "skipped");
    let is_key = |word: &&str| {
        let number = word.strip_prefix(image).and_then(|rest| rest.strip_prefix('-'));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        number.is_some_and(is_number) || word.starts_with(person)
    };
    let key = title.split(' ').find(is_key).filter(|_| is_over)?;
    Some(Run {
        key: key.to_owned(),
        // Which one is said by the Promotion of this name.
        by: key.starts_with(person).then(|| "a person".to_owned()),
        began: text("created_at").and_then(Time::parse)?,
        ended: text("updated_at").and_then(Time::parse),
        succeeded: end == "success",
        url: url.map(str::to_owned),
        unkeyed: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn github(title: &str, status: &str, conclusion: Value) -> Value {
        json!({"display_title": title, "status": status, "conclusion": conclusion,
               "created_at": "2026-01-19T06:41:00Z", "html_url": "https://github.com/acme/web/actions/runs/43"})
    }

    fn key(run: &Value, provider: &str) -> Option<(String, bool)> {
        one(run, provider, "web", "rebuild-web.").map(|run| (run.key, run.succeeded))
    }

    #[test]
    fn a_key_is_a_whole_word_of_the_name() {
        let check = |title: &str, expected: Option<&str>| {
            let found = key(&github(title, "completed", json!("success")), "github");
            assert_eq!(found, expected.map(|key| (key.to_owned(), true)), "{title}");
        };
        check("Rebuild web-17", Some("web-17"));
        check("web-17 (node moved)", Some("web-17"));
        check("Rebuild rebuild-web.01k8.abc1234", Some("rebuild-web.01k8.abc1234"));
        check("Rebuild web-", None);
        check("Rebuild web-17a", None);
        check("Rebuild web-17,", None);
        check("Rebuild my-web-17", None);
        check("Rebuild web-api-17", None);
        check("", None);
    }

    #[test]
    fn only_what_ended_counts() {
        let run = |status: &str, conclusion: Value| key(&github("web-1", status, conclusion), "github");
        let ended = |succeeded| Some(("web-1".to_owned(), succeeded));
        assert_eq!(run("completed", json!("success")), ended(true));
        for conclusion in ["failure", "cancelled", "timed_out", "action_required"] {
            assert_eq!(run("completed", json!(conclusion)), ended(false));
        }
        for status in ["queued", "in_progress", "waiting"] {
            assert_eq!(run(status, Value::Null), None);
        }
        let gitlab = |status: &str| {
            let run = json!({"name": "web-1", "status": status, "created_at": "2026-01-19T06:41:00.123Z", "web_url": "u"});
            key(&run, "gitlab")
        };
        assert_eq!(gitlab("success"), ended(true));
        assert_eq!(gitlab("failed"), ended(false));
        assert_eq!(gitlab("canceled"), ended(false));
        for status in ["running", "pending", "manual", "created"] {
            assert_eq!(gitlab(status), None);
        }
        assert_eq!(key(&json!({"name": null, "status": "success"}), "gitlab"), None);
    }
}

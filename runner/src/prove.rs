//! `image-factory prove`: looks whether a published image holds its base images, and records a run.

use clap::Args;
use serde::Deserialize;
use serde_json::{json, Value};

use crate::change::{self, Target};
use crate::cli::Global;
use crate::fetch::Sources;
use crate::outcome::Failure;

/// The flags of `prove`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  image-factory prove --image backstage       asks GitHub or GitLab which runs ended
  image-factory prove --image backstage --key backstage-17 --began 2026-01-19T06:00:00Z --succeeded \\
    --run https://github.com/acme/app/actions/runs/43

GitHub's token is the file `github` in the folder $IMAGE_FACTORY_TOKENS, GitLab's is `gitlab`;
else $GITHUB_TOKEN or $GITLAB_TOKEN.")]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    /// The managed image
    #[arg(long, value_name = "NAME")]
    image: String,
    /// The tag that it was published under [default: the last one that is known]
    #[arg(long)]
    tag: Option<String>,
    /// What the run's name carries; without it CI is asked for runs that are not recorded yet
    #[arg(long, requires = "began")]
    key: Option<String>,
    /// When the run was asked for, RFC 3339
    #[arg(long, value_name = "TIME", requires = "key")]
    began: Option<String>,
    /// The run ended well
    #[arg(long, requires = "key")]
    succeeded: bool,
    /// The run's URL; without it the run was never accepted
    #[arg(long, value_name = "URL", requires = "key")]
    run: Option<String>,
    /// The person who asked for it
    #[arg(long, value_name = "WHO", requires = "key")]
    by: Option<String>,
    /// The API refused the inputs, so the run carries no key
    #[arg(long, requires = "key")]
    unkeyed: bool,
    /// All that as JSON, as the step `note` of a PromotionTask leaves it in its Stage
    #[arg(long, value_name = "JSON", conflicts_with = "key")]
    note: Option<String>,
}

/// What the step `note` knows of a run; it writes `none` for what there is not.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Note {
    key: String,
    began: String,
    ended: String,
    conclusion: String,
    run: String,
    by: String,
    unkeyed: String,
    freight: String,
}

impl Note {
    /// The arguments of the verb. A run that was asked for and is not followed is none yet: its image
    /// will tell.
    fn arguments(self) -> Value {
        let given = |text: String| Some(text).filter(|text| !text.is_empty() && text != "none");
        if ["none", "asked"].contains(&self.conclusion.as_str()) {
            return json!({});
        }
        let Some(key) = given(self.key) else { return json!({}) };
        json!({
            "key": key,
            "began": self.began,
            "ended": given(self.ended),
            "succeeded": self.conclusion == "success",
            "run": given(self.run),
            "by": given(self.by),
            "unkeyed": self.unkeyed == "true",
        })
    }
}

pub(crate) fn run(global: &Global, flags: &Flags) -> Result<u8, Failure> {
    let mut sources = Sources::new(&[], false)?;
    let mut target = flags.target.clone();
    let mut args = match &flags.note {
        Some(note) => {
            let note = serde_json::from_str::<Option<Note>>(note)
                .map_err(|error| {
                    Failure::usage(
                        "IF1030",
                        format!("`--note` is not what a PromotionTask notes: {error}"),
                        "leave it out: CI is then asked for the run",
                    )
                })?
                .unwrap_or_default();
            target.add_trailer("Freight", &note.freight);
            note.arguments()
        }
        None => json!({
            "key": flags.key,
            "began": flags.began,
            "succeeded": flags.succeeded,
            "run": flags.run,
            "by": flags.by,
            "unkeyed": flags.unkeyed,
        }),
    };
    args["image"] = json!(flags.image);
    args["tag"] = json!(flags.tag);
    // A run that is told is the one to prove; else CI is asked. A note may be an old one: Kargo 1.11
    // sometimes loses the new one.
    args["runs"] = json!(flags.note.is_some() || args["key"].is_null());
    if let Some(run) = args["run"].as_str() {
        target.add_trailer("Run", run);
    }
    change::run(global, &target, "prove", &args, &mut sources)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json};

    use super::Note;

    #[test]
    fn a_note_is_a_run_where_one_ended() {
        let arguments = |text: &str| from_str::<Note>(text).expect("a note").arguments();
        for nothing in [
            "{}",
            r#"{"key":"none","conclusion":"none","run":"none"}"#,
            r#"{"key":"web-1","conclusion":"asked","run":"none"}"#,
        ] {
            assert_eq!(arguments(nothing), json!({}), "{nothing}");
        }
        assert_eq!(
            arguments(
                r#"{"key":"web-1","began":"2026-01-05T10:00:00Z","ended":"2026-01-05T10:20:00Z","conclusion":"success","by":"jane",
                    "run":"https://ci/1","unkeyed":"false","promotion":"p"}"#
            ),
            json!({"key": "web-1", "began": "2026-01-05T10:00:00Z", "ended": "2026-01-05T10:20:00Z", "succeeded": true,
                "run": "https://ci/1", "by": "jane", "unkeyed": false})
        );
        let missing =
            arguments(r#"{"key":"web-1","began":"","conclusion":"missing","run":"none","by":"none"}"#);
        assert_eq!(
            (&missing["succeeded"], &missing["run"], &missing["by"]),
            (&json!(false), &json!(null), &json!(null))
        );
    }
}

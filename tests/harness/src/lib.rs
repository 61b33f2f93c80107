//! Golden cases: one folder a case, read by every layer.
//!
//! ```text
//! tests/generate/<case>/             one step: input/, args.json, expected/
//! tests/analyze/<case>/              the same, and sources/<owner>/<repository>/…
//! tests/check/<case>/                the same
//! tests/lifecycle/<case>/1-<name>/   one step after the other, each on what the one before left
//!                        2-<name>/
//! ```
//!
//! A step's folder:
//!
//! | | |
//! | --- | --- |
//! | `input/` | the factory's folder; in a later step it is laid over what is there, and an empty file `NAME.deleted` deletes `NAME` |
//! | `sources/` | what git would give, laid over in the same way: `<owner>/<repository>/` for any branch, `<owner>/<repository>@<branch>/` for one; a repository that is absent cannot be fetched |
//! | `args.json` | the verb's arguments, if any; in a numbered step `{"verb": …, "now": …, "args": {…}}`, where `now` is a day later each step unless it is given |
//! | `expected/manifests.yaml` | what the verb prints |
//! | `expected/diagnostics.txt` | as a person reads them |
//! | `expected/state/` | the whole folder afterwards, for a verb that writes |
//! | `expected/{output.json,messages.txt,exit.txt}` | the answer's other parts |
//!
//! What is absent from `expected/` must be absent from the answer. `UPDATE_GOLDEN=1` writes
//! `expected/` anew; read that diff as you read code.
//!
//! A layer brings its own way to answer a request; [`check`] does the rest, and asserts of every
//! step besides that the same request gives the same bytes twice, and that a verb which writes
//! changes nothing more when it is run again on what it left, at once or an hour later.

mod case;
mod expected;
mod folder;
pub mod git;
pub mod kargo;
pub mod oracle;
pub mod properties;
pub mod registry;
mod sources;
pub mod synthetic;
pub mod year;

use std::path::Path;

use image_factory::abi::{Answer, Fetched, Request};
use image_factory::tree::Tree;

pub use case::{Case, Step};
pub use expected::{compare, Outcome};
pub use folder::{copy_over, read_tree, write_tree};
pub use sources::{commit_id, Sources};

/// How often an answer may ask for more before that is an error.
pub const MAX_ROUNDS: usize = 8;

/// The verbs that only look.
const READ_ONLY: &[&str] = &["generate", "check", "bases", "reference", "about", "status", "what-if"];

/// The repository's `tests/`.
pub fn tests_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// What a quarter, half and three quarters of some numbers do not exceed: benchmarks tell their rounds so.
///
/// # Panics
/// Where there are none.
pub fn quarters(mut numbers: Vec<f64>) -> [f64; 3] {
    numbers.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| numbers[numbers.len() * quarter / 4])
}

/// The cases of `tests/<kind>/`, in order of their names; none where there is no such folder.
pub fn cases(kind: &str) -> Vec<Case> {
    Case::all_in(&tests_folder().join(kind), kind)
}

/// Runs every case of a kind and panics with all differences; returns how many cases there were.
///
/// # Panics
/// When a case's answer is not the expected one.
pub fn check_all(kind: &str, mut answer: impl FnMut(&[u8]) -> Vec<u8>) -> usize {
    let cases = cases(kind);
    let failures: Vec<String> = cases.iter().filter_map(|case| check(case, &mut answer).err()).collect();
    assert!(
        failures.is_empty(),
        "{} of {} {kind} cases differ (UPDATE_GOLDEN=1 accepts the answers):\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n\n")
    );
    cases.len()
}

/// Runs one case, its steps one after the other.
///
/// # Errors
/// What differs, for people to read.
pub fn check(case: &Case, answer: impl FnMut(&[u8]) -> Vec<u8>) -> Result<(), String> {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    check_or_update(case, update, answer)
}

fn check_or_update(
    case: &Case,
    update: bool,
    mut answer: impl FnMut(&[u8]) -> Vec<u8>,
) -> Result<(), String> {
    let mut tree = Tree::default();
    let mut sources = Sources::default();
    for step in case.steps() {
        step.lay_over(&mut tree, &mut sources);
        let request = step.request(&tree);
        let failed = |what: String| format!("{}: {what}", step.name());
        let first = converse(&request, &sources, &mut answer).map_err(&failed)?;
        let after = apply(&tree, &first.answer, &request.verb).map_err(&failed)?;
        let outcome =
            Outcome::new(&first.answer, (!is_read_only(&request.verb)).then_some(&after)).map_err(&failed)?;
        if update {
            outcome.write(&step.expected_folder());
        }
        compare(&step.expected_folder(), &outcome).map_err(&failed)?;

        let second = converse(&request, &sources, &mut answer).map_err(&failed)?;
        if first.bytes != second.bytes {
            return Err(failed("the same request gave two different answers".to_owned()));
        }
        if !is_read_only(&request.verb) {
            for now in [request.now.clone(), an_hour_later(&request.now)] {
                let again = Request { tree: after.clone(), now, ..request.clone() };
                let again = converse(&again, &sources, &mut answer).map_err(&failed)?;
                if !again.answer.files.is_empty() {
                    let files: Vec<_> = again.answer.files.keys().map(String::as_str).collect();
                    return Err(failed(format!("run again it changes more: {}", files.join(", "))));
                }
            }
        }
        tree = after;
    }
    Ok(())
}

/// What a harness sends, read back.
pub fn parse(request: &[u8]) -> Request {
    let text = std::str::from_utf8(request).expect("JSON is UTF-8");
    Request::parse(text).expect("the harness sends requests")
}

/// The last answer to a request, as bytes and parsed.
struct Reply {
    bytes: Vec<u8>,
    answer: Answer,
}

/// Asks, fetches what is needed, and asks again.
fn converse(
    request: &Request,
    sources: &Sources,
    mut answer: impl FnMut(&[u8]) -> Vec<u8>,
) -> Result<Reply, String> {
    let mut request = Request { fetched: Fetched::default(), ..request.clone() };
    for _ in 0..MAX_ROUNDS {
        let asked = serde_json::to_vec(&request).expect("a request is plain data");
        let bytes = answer(&asked);
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|error| format!("not an answer: {error}\n{}", String::from_utf8_lossy(&bytes)))?;
        match &answer.needs {
            None => return Ok(Reply { bytes, answer }),
            Some(needs) => request.fetched.git.extend(needs.git.iter().map(|need| sources.fetch(need))),
        }
    }
    Err(format!("still asks for more after {MAX_ROUNDS} rounds"))
}

/// The tree after an answer's files are written.
fn apply(tree: &Tree, answer: &Answer, verb: &str) -> Result<Tree, String> {
    let mut after = tree.clone();
    for (path, text) in &answer.files {
        if is_read_only(verb) || !path.starts_with("state/") {
            return Err(format!("`{verb}` may not write `{path}`"));
        }
        match text {
            Some(text) => after.insert(path, text),
            None => {
                after.0.remove(path).ok_or_else(|| format!("`{path}` is deleted, but isn't there"))?;
            }
        }
    }
    Ok(after)
}

fn is_read_only(verb: &str) -> bool {
    READ_ONLY.contains(&verb)
}

/// `2026-01-05T10:…` becomes `2026-01-05T11:…`; case times are chosen before the last hour of a day.
fn an_hour_later(now: &str) -> String {
    let hour: u32 = now.get(11..13).and_then(|hour| hour.parse().ok()).expect("`now` is RFC 3339");
    assert!(hour < 23, "choose a `now` before the last hour of the day");
    format!("{}{:02}{}", &now[..11], hour + 1, &now[13..])
}

#[cfg(test)]
mod tests;

//! `bases` against BuildKit itself: the same images, or an error where it has one, on generated
//! Dockerfiles.
//!
//! It needs Go 1.26 and the Go module proxy, so it runs only when asked:
//!
//! ```text
//! cargo test --release -p image-factory-plugin --test bases_oracle -- --ignored --nocapture
//! ```
//!
//! `BASES_SEED` and `BASES_FILES` choose other Dockerfiles, and how many; `BASES_FOLDER` adds every
//! file below a folder. What differs is cut down to the smallest file that still does, and printed
//! as a case for `tests/bases/cases.json`.

#![allow(clippy::disallowed_methods, reason = "a test, not the core, reads its environment and files")]

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use image_factory::abi;
use serde_json::{json, Value};

#[path = "bases_oracle/generate.rs"]
mod generate;

#[test]
#[ignore = "needs Go: cargo test --release -p image-factory-plugin --test bases_oracle -- --ignored"]
fn agrees_with_buildkit() {
    let setting =
        |name: &str, default| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let seed = setting("BASES_SEED", 0x00d0_cf11);
    let count = setting("BASES_FILES", 20_000_u64);
    let mut questions = cases();
    if let Ok(folder) = std::env::var("BASES_FOLDER") {
        files(Path::new(&folder), &mut questions);
    }
    let seeds: Vec<String> =
        questions.iter().filter_map(|q| q["dockerfile"].as_str().map(str::to_owned)).collect();
    let mut random = generate::Random::new(seed);
    questions.extend((0..count).map(|_| generate::question(&mut random, &seeds)));

    let mut oracle = Oracle::start();
    let (mut errors, mut images) = (0_usize, 0_usize);
    let mut differences = Vec::new();
    let mut by_code: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for chunk in questions.chunks(500) {
        for (question, theirs) in chunk.iter().zip(oracle.ask(chunk)) {
            match theirs.get("error") {
                Some(_) => errors += 1,
                None => images += theirs["images"].as_array().map_or(0, Vec::len),
            }
            if let Some(error) = ours(question)["error"].as_str() {
                *by_code.entry(error.split(": ").next().unwrap_or_default().to_owned()).or_default() += 1;
            }
            if differs(question, &theirs) && differences.len() < 20 {
                differences.push(question.clone());
            }
        }
    }
    println!(
        "{} Dockerfiles with seed {seed}: {errors} refused, {images} images in the others, {} differ",
        questions.len(),
        differences.len()
    );
    println!("our errors: {by_code:?}");
    let mut shown: Vec<String> = differences.into_iter().map(|question| oracle.smallest(question)).collect();
    shown.sort();
    shown.dedup();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

/// Whether we say something else than BuildKit.
fn differs(question: &Value, theirs: &Value) -> bool {
    let (ours, linted) = answer(question);
    let is_error = ours.get("error").is_some();
    let violation = theirs["error"].as_str().and_then(|error| error.strip_prefix(VIOLATION));
    let is_lint = |code: &str| code.contains("IF0729");
    let ours_is_lint = ours["error"].as_str().is_none_or(is_lint);
    if ours_is_lint && (violation.is_some() || theirs.get("error").is_none()) {
        let otherwise = is_linted_otherwise(&linted, violation.unwrap_or_default());
        if otherwise || violation.is_some() {
            return otherwise && !asks_the_base(&question.to_string());
        }
    }
    match theirs.get("error") {
        Some(_) => !is_error && !asks_the_base(&question.to_string()),
        // The oracle converts, and asks no frontend whether it exists.
        None if ours["error"].as_str().is_some_and(|error| error.contains("IF0723")) => false,
        None => ours != *theirs,
    }
}

const VIOLATION: &str = "lint violation found for rules: ";

/// Whether other rules are broken than BuildKit says. A warning hangs on the base image, and the
/// oracle's define no variable and have no SHELL; only a directory may be absolute all the same.
fn is_linted_otherwise(ours: &[(String, bool)], theirs: &str) -> bool {
    let theirs: Vec<&str> = theirs.split(", ").filter(|rule| !rule.is_empty()).collect();
    let is_told = |rule: &&str| ours.iter().any(|(told, _)| told == rule);
    let is_right = |(rule, is_error): &(String, bool)| {
        theirs.contains(&rule.as_str()) || !is_error && rule == "WorkdirRelativePath"
    };
    !theirs.iter().all(is_told) || !ours.iter().all(is_right)
}

/// Whether the answer hangs on what only a base image knows, and the oracle's base images have set
/// nothing and have a directory of their own: `${NAME?}`, a signal, a port, a volume, a mode or a mount
/// with a variable, a pattern with one, a mount relative to the directory.
fn asks_the_base(text: &str) -> bool {
    let checked = ["STOPSIGNAL", "EXPOSE", "VOLUME", "--CHMOD", "--MOUNT"];
    let is_checked = |line: &str| {
        let line = line.to_uppercase();
        let has = |word: &&str| line.contains(word);
        checked.iter().any(has) && (line.contains('$') || line.contains("--MOUNT") && line.contains(".."))
    };
    let name_end = |c: char| !(c == '_' || c.is_alphanumeric());
    let asks = |part: &str| {
        // A name of one special character is none of these, but a modifier may follow it.
        let behind = part.find(name_end).map_or("", |end| &part[end..]);
        let behind = if behind.len() == part.len() { behind.get(1..).unwrap_or_default() } else { behind };
        let is_pattern = behind.starts_with(['#', '%', '/']);
        let holds_variable = behind.contains('$') || !behind.contains('}');
        behind.starts_with('?') || behind.starts_with(":?") || is_pattern && holds_variable
    };
    text.split("\\n").any(is_checked) || text.split("${").skip(1).any(asks)
}

/// Our answer, in the oracle's spelling.
fn ours(question: &Value) -> Value {
    answer(question).0
}

/// Our answer, the rules of the linter that are broken, and whether that is sure.
fn answer(question: &Value) -> (Value, Vec<(String, bool)>) {
    let options = &question["options"];
    let mut args = json!({"files": [{"file": "Dockerfile", "text": question["dockerfile"]}]});
    for key in ["buildArgs", "target", "platforms", "buildContexts", "onbuild", "namedContexts"] {
        if !options[key].is_null() {
            args[key] = options[key].clone();
        }
    }
    let request = json!({"abi": abi::ABI_VERSION, "verb": "bases", "args": args});
    let answer = abi::answer(request.to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
    let output = &answer["output"][0];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let diagnostics = list(&output["diagnostics"]);
    let linted = diagnostics.iter().filter(|d| d["code"] == "IF0729").filter_map(|d| {
        let rule = d["message"].as_str()?.rsplit('(').next()?.trim_end_matches(')');
        Some((rule.to_owned(), d["severity"] == "error"))
    });
    let linted = linted.collect();
    let errors: Vec<Value> =
        diagnostics.into_iter().filter(|d| d["severity"] == "error" || d["code"] == "IF0701").collect();
    if let Some(error) = errors.first() {
        return (json!({"error": format!("{}: {}", error["code"], error["message"])}), linted);
    }
    let images =
        || list(&output["images"]).into_iter().filter(|i| !list(&i["roles"]).contains(&json!("frontend")));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut asked: Vec<String> =
        images().map(|image| format!("{} {}", text(&image["reference"]), text(&image["platform"]))).collect();
    asked.sort();
    let mut used: Vec<String> =
        images().filter(|image| image["used"] == true).map(|image| text(&image["reference"])).collect();
    used.sort();
    used.dedup();
    (json!({"images": asked, "used": used}), linted)
}

/// The cases that are already there.
fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bases/cases.json");
    let text = std::fs::read_to_string(path).expect("the cases stand in the repository");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("the cases are JSON");
    let simple = cases.into_iter().filter(|case| case["dockerfile"].is_string());
    simple
        .map(|case| json!({"dockerfile": case["dockerfile"], "options": case["options"]}))
        .map(known)
        .collect()
}

/// The oracle wants an object where a case has no options.
fn known(mut question: Value) -> Value {
    if question["options"].is_null() {
        question["options"] = json!({});
    }
    question
}

fn files(folder: &Path, questions: &mut Vec<Value>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            files(&path, questions);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            questions.push(json!({"dockerfile": text, "options": {}}));
        }
    }
}

struct Oracle {
    process: Child,
    to: Option<BufWriter<ChildStdin>>,
    from: BufReader<ChildStdout>,
}

impl Oracle {
    fn start() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle");
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
        let built =
            Command::new("go").args(["build", "-o"]).arg(&binary).arg(".").current_dir(folder).status();
        assert!(built.is_ok_and(|status| status.success()), "Go builds tests/oracle");
        let mut process = Command::new(binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle was just built");
        let to = process.stdin.take().map(BufWriter::new);
        let from = BufReader::new(process.stdout.take().expect("it was piped"));
        Oracle { process, to, from }
    }

    fn ask(&mut self, questions: &[Value]) -> Vec<Value> {
        let to = self.to.as_mut().expect("it is closed only at the end");
        let from = &mut self.from;
        let mut answers = Vec::new();
        // Both pipes are bounded, so one thread writes while the other reads.
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for question in questions {
                    writeln!(to, "{question}").expect("the oracle reads on");
                }
                to.flush().expect("the oracle reads on");
            });
            for question in questions {
                let mut line = String::new();
                from.read_line(&mut line).expect("the oracle writes text");
                answers
                    .push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("no answer for {question}")));
            }
        });
        answers
    }

    fn still_differs(&mut self, question: &Value) -> bool {
        let theirs = self.ask(std::slice::from_ref(question)).remove(0);
        differs(question, &theirs)
    }

    /// Leaves out lines, options and characters as long as the answers differ.
    fn smallest(&mut self, mut question: Value) -> String {
        let keys: Vec<String> =
            question["options"].as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
        for key in keys {
            let mut smaller = question.clone();
            smaller["options"].as_object_mut().map(|options| options.remove(&key));
            if self.still_differs(&smaller) {
                question = smaller;
            }
        }
        let mut pieces_by = |question: &mut Value, split: fn(&str) -> Vec<String>| {
            let mut pieces = split(question["dockerfile"].as_str().unwrap_or_default());
            let mut size = pieces.len().div_ceil(2).max(1);
            loop {
                let mut at = 0;
                while at < pieces.len() {
                    let mut fewer = pieces.clone();
                    fewer.drain(at..(at + size).min(pieces.len()));
                    let mut smaller = question.clone();
                    smaller["dockerfile"] = json!(fewer.concat());
                    if self.still_differs(&smaller) {
                        pieces = fewer;
                        *question = smaller;
                    } else {
                        at += size;
                    }
                }
                if size == 1 {
                    break;
                }
                size = size.div_ceil(2);
            }
        };
        pieces_by(&mut question, |text| text.split_inclusive('\n').map(str::to_owned).collect());
        pieces_by(&mut question, |text| text.chars().map(String::from).collect());
        let theirs = self.ask(std::slice::from_ref(&question)).remove(0);
        format!("{question}\n  BuildKit: {theirs}\n  we:       {}", ours(&question))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.to.take());
        self.process.wait().ok();
    }
}

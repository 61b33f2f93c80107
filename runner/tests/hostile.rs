//! Hostile modules through the program: each ends in its own error and exit code 70, prints nothing
//! on stdout, and takes no more time and memory than it was given.

// Another module than the built-in one needs the compiler.
#![cfg(feature = "jit")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The guest, the verb, the code, and words of the message.
const GUESTS: &[(&str, &str, &str, &str)] = &[
    ("endless-loop", "generate", "IF1001", "ran for more than 1 s"),
    ("endless-start", "generate", "IF1001", "ran for more than 1 s"),
    ("memory-hog", "generate", "IF1002", "16 MiB are allowed"),
    ("extism-hog", "generate", "IF1002", "16 MiB are allowed"),
    ("deep-recursion", "generate", "IF1003", "recursed too deeply"),
    ("trap", "generate", "IF1004", "unreachable"),
    ("extism-outside", "generate", "IF1004", "outside Extism's memory"),
    ("extism-http", "generate", "IF1004", "http_request"),
    ("wasi", "generate", "IF1004", "proc_exit"),
    ("oversize-answer", "generate", "IF1005", "2147483647 bytes"),
    ("not-json", "generate", "IF1006", "not one of ours: expected value"),
    ("unknown-key", "generate", "IF1006", "unknown field `warehouses`"),
    ("unknown-exit", "generate", "IF1006", "exit code is 42"),
    ("error-and-success", "generate", "IF1006", "reports an error"),
    ("error-and-manifests", "generate", "IF1006", "prints manifests"),
    ("forbidden-owner", "generate", "IF1006", "ownerReferences"),
    ("kind-twice", "generate", "IF1006", "duplicate field `kind`"),
    ("extism-nothing", "generate", "IF1006", "gave no output"),
    ("endless-needs", "generate", "IF1007", "after 8 rounds"),
    ("path-outside", "analyze", "IF1008", "`state/../../outside.yaml`"),
    ("path-outside", "generate", "IF1008", "`state/../../outside.yaml`"),
    ("forbidden-kind", "generate", "IF1009", "printed a v1 Secret"),
    ("forbidden-namespace", "generate", "IF1010", "namespace `kube-system`"),
    ("forbidden-annotation", "generate", "IF1011", "annotation `argocd.argoproj.io/sync-options`"),
    ("number-annotation", "generate", "IF1006", "expected a string"),
    ("forbidden-label", "generate", "IF1011", "label `kargo.akuity.io/shard`"),
    ("no-export", "generate", "IF1012", "neither `if_call` nor `generate`"),
    ("other-types", "generate", "IF1012", "`if_alloc`"),
    ("no-room", "generate", "IF1012", "no room in its memory"),
    ("answer-outside-memory", "generate", "IF1012", "outside its memory"),
    ("extism-error", "generate", "IF1013", "reported an error: no"),
    ("no-module", "generate", "IF1014", "cannot be loaded"),
    ("many-memories", "generate", "IF1012", "memory count"),
];

/// Far more than a call that is cut off after a second takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The guest's 16 MiB, the compiler and the program itself, unoptimized.
const MEMORY_KIB: u64 = 160 << 10;

#[test]
fn each_ends_in_its_own_error() {
    let mut failures = Vec::new();
    for &(guest, verb, code, words) in GUESTS {
        for plugin in [false, true] {
            if plugin && verb != "generate" {
                continue;
            }
            // In Argo CD the same, in one line.
            let begins = if plugin { format!("{code}: ") } else { format!("error[{code}]: ") };
            let folder = tempfile::tempdir().expect("a folder can be made");
            let factory = folder.path().join("factory");
            fs::create_dir_all(&factory).expect("a folder can be made");
            fs::write(factory.join("images.yaml"), "[]\n").expect("a file can be written");
            let ended = run(guest, verb, plugin, &factory);
            if ended.exit != Some(70)
                || !ended.stdout.is_empty()
                || !ended.stderr.starts_with(&begins)
                || !ended.stderr.contains(words)
                || ended.peak_kib > MEMORY_KIB
            {
                failures.push(format!("{guest} {verb}, plugin {plugin}, {code} `{words}`: {ended:?}"));
            }
            assert_eq!(files_below(folder.path()), 1, "{guest} left a file");
        }
    }
    assert!(failures.is_empty(), "{} guests get away:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_guest_is_tried() {
    let tried: BTreeSet<String> = GUESTS.iter().map(|(guest, ..)| format!("{guest}.wat")).collect();
    let there: BTreeSet<String> = fs::read_dir(guests())
        .expect("the guests' folder is there")
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(tried, there);
}

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-test/guests")
}

#[derive(Debug)]
struct Ended {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
    /// The most memory that it had at once.
    peak_kib: u64,
}

fn run(guest: &str, verb: &str, plugin: bool, factory: &Path) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-factory"));
    command.arg(verb).args(plugin.then_some("--plugin")).current_dir(factory);
    if verb == "analyze" {
        command.args(["--all", "--offline"]);
    }
    // What ends by itself has all the time that a busy machine needs.
    let seconds = if guest.starts_with("endless-") { "1" } else { "30" };
    command.args(["--timeout", seconds, "--max-memory", "16", "--module"]);
    command.arg(guests().join(format!("{guest}.wat"))).env_remove("ARGOCD_APP_NAME");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let watch = thread::spawn(move || {
        let (begun, mut peak) = (Instant::now(), 0);
        // A process that has ended but is not waited for has no memory left to tell of.
        while let Some(now) = fs::read_to_string(&status).ok().as_deref().and_then(peak_of) {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            peak = now;
            thread::sleep(Duration::from_millis(5));
        }
        peak
    });
    let output = child.wait_with_output().expect("the program can be waited for");
    Ended {
        exit: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        peak_kib: watch.join().expect("it ends in time"),
    }
}

/// `VmHWM:     1234 kB`
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn files_below(folder: &Path) -> usize {
    fs::read_dir(folder)
        .expect("it can be listed")
        .map(|entry| entry.expect("it can be listed").path())
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

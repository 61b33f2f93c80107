//! Lines to answer, against BuildKit's own parser on the same Dockerfiles in one run.
//!
//! ```text
//! cargo bench -p image-factory-plugin --bench dockerfile
//! BASES_FOLDER=~/src cargo bench -p image-factory-plugin --bench dockerfile
//! ```
//!
//! It needs Go and its module proxy for BuildKit's side, and tells ours alone without them. Rounds of
//! both take turns, so what else the machine does is the same for both; the medians are printed, and
//! the median and the quarters of each round's own ratio. Ours answers which images are needed,
//! BuildKit's only reads lines and instructions.

#![allow(clippy::disallowed_methods, reason = "a benchmark has a clock, an environment and files")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use image_factory::dockerfile::{bases, Options};
use image_factory_harness::{quarters, synthetic};

/// Go's allocator belongs to its language; glibc's would take a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FILES: usize = 2000;
const ROUNDS: usize = 41;

fn main() {
    // `cargo test` runs benchmarks too, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut files = Vec::new();
    match std::env::var("BASES_FOLDER") {
        Ok(folder) => read(Path::new(&folder), &mut files),
        Err(_) => files.extend((0..FILES).map(synthetic::dockerfile)),
    }
    files.retain(|text| !bases("Dockerfile", text, &Options::default()).diagnostics.has_errors());
    let bytes: usize = files.iter().map(String::len).sum();
    println!("{} Dockerfiles, {} bytes", files.len(), bytes);
    let mut theirs = BuildKit::start(&files);
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times.0.push(ours(&files));
        times.1.extend(theirs.as_mut().map(BuildKit::round));
    }
    let rounds = times.0.iter().zip(&times.1);
    let ratios: Vec<f64> = rounds.map(|(ours, theirs)| theirs.as_secs_f64() / ours.as_secs_f64()).collect();
    tell("to the answer", &mut times.0, bytes);
    tell("BuildKit's parser", &mut times.1, bytes);
    if !ratios.is_empty() {
        let [low, middle, high] = quarters(ratios);
        println!("{middle:.1} times as fast (half of the rounds {low:.1} to {high:.1})");
    }
    shapes();
}

fn ours(files: &[String]) -> Duration {
    let options = Options::default();
    let start = Instant::now();
    for text in files {
        black_box(bases("Dockerfile", black_box(text), &options));
    }
    start.elapsed()
}

/// Prints the median of some rounds.
fn tell(what: &str, times: &mut [Duration], bytes: usize) {
    times.sort();
    if let Some(median) = times.get(times.len() / 2) {
        let seconds = median.as_secs_f64();
        println!("{what}: {:.1} ms, {:.1} MB/s", seconds * 1e3, bytes as f64 / seconds / 1e6);
    }
}

/// Files of the shapes that readers are slow on, once each.
fn shapes() {
    let deep = |depth: usize| format!("FROM {}x{}\n", "${a:-".repeat(depth), "}".repeat(depth));
    let shapes = [
        ("one long line", format!("FROM a\nRUN {}\n", "x".repeat(10_000_000))),
        ("continuations", format!("FROM a\nRUN x{}\n", " \\\n y".repeat(1_000_000))),
        ("build stages", "FROM a\n".repeat(1_000_000)),
        ("nested defaults", deep(1_500_000)),
        ("continuations within the limit", format!("FROM a\nRUN x{}\n", " \\\n y".repeat(200_000))),
        ("build stages within the limit", "FROM a\n".repeat(149_000)),
        (
            "named stages",
            (0..40_000).fold(String::new(), |mut text, index| {
                writeln!(text, "FROM a AS s{index}").expect("a string takes all");
                text
            }),
        ),
        (
            "a chain of stages",
            (0..40_000).fold("FROM a AS s0\n".to_owned(), |mut text, index| {
                writeln!(text, "FROM s{index} AS s{}", index + 1).expect("a string takes all");
                text
            }),
        ),
        ("nested defaults within the limit", deep(8_000)),
        ("heredocs", "FROM a\n".to_owned() + &"RUN <<E\nx\nE\n".repeat(70_000)),
        ("open heredocs", format!("FROM a\nRUN {}\n", "<<E ".repeat(16_000))),
        ("errors", "FROM a\n".to_owned() + &"X\n".repeat(500_000)),
        ("variables", "FROM a\n".to_owned() + &"ENV A=$A$A$A\n".repeat(70_000)),
    ];
    for (name, text) in shapes {
        let start = Instant::now();
        let answer = bases("Dockerfile", black_box(&text), &Options::default());
        let end = match answer.diagnostics.0.iter().find(|found| found.is_error()) {
            Some(error) => error.code.clone(),
            None => format!("{} images", answer.images.len()),
        };
        println!("{name}, {} KB: {:.1} ms, {end}", text.len() / 1000, start.elapsed().as_secs_f64() * 1e3);
    }
}

fn read(folder: &Path, files: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            read(&path, files);
        } else if path.to_string_lossy().contains("ockerfile") {
            files.extend(std::fs::read_to_string(&path));
        }
    }
}

struct BuildKit {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl BuildKit {
    fn start(files: &[String]) -> Option<Self> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle");
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
        let built =
            Command::new("go").args(["build", "-o"]).arg(&binary).arg(".").current_dir(folder).status();
        if !built.is_ok_and(|status| status.success()) {
            return None;
        }
        // One processor, as ours has.
        let mut process = Command::new(binary)
            .arg("speed")
            .env("GOMAXPROCS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut to = process.stdin.take()?;
        let from = BufReader::new(process.stdout.take()?);
        let files = serde_json::to_string(files).ok()?;
        writeln!(to, "{files}").ok()?;
        Some(BuildKit { process, to, from })
    }

    fn round(&mut self) -> Duration {
        let mut line = String::new();
        writeln!(self.to, "go").and_then(|()| self.to.flush()).expect("it waits for a line");
        self.from.read_line(&mut line).expect("it answers each line");
        Duration::from_nanos(line.trim().parse().expect("it writes nanoseconds"))
    }
}

impl Drop for BuildKit {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

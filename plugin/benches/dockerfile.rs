//! Lines to answer, against BuildKit's own parser on the same Dockerfiles in one run.
//!
//! ```text
//! cargo bench -p image-factory-plugin --bench dockerfile
//! BASES_FOLDER=~/src cargo bench -p image-factory-plugin --bench dockerfile
//! ```
//!
//! It needs Go and its module proxy for BuildKit's side, and tells ours alone without them. Rounds of
//! both take turns, so what else the machine does is the same for both; the medians are printed. Ours
//! answers which images are needed, BuildKit's only reads lines and instructions.

#![allow(clippy::disallowed_methods, reason = "a benchmark has a clock, an environment and files")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use image_factory::dockerfile::{bases, Options};

/// Go's allocator belongs to its language; glibc's would take a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FILES: usize = 2000;
const ROUNDS: usize = 15;

fn main() {
    // `cargo test` runs benchmarks too, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut files = Vec::new();
    match std::env::var("BASES_FOLDER") {
        Ok(folder) => read(Path::new(&folder), &mut files),
        Err(_) => files.extend((0..FILES).map(dockerfile)),
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
    let ours = tell("to the answer", &mut times.0, bytes);
    if let (Some(ours), Some(theirs)) = (ours, tell("BuildKit's parser", &mut times.1, bytes)) {
        println!("{:.1} times as fast", theirs / ours);
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

/// Prints the median of some rounds, and gives it in seconds.
fn tell(what: &str, times: &mut [Duration], bytes: usize) -> Option<f64> {
    times.sort();
    let seconds = times.get(times.len() / 2)?.as_secs_f64();
    println!("{what}: {:.1} ms, {:.1} MB/s", seconds * 1e3, bytes as f64 / seconds / 1e6);
    Some(seconds)
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

/// A Dockerfile as people write them: half are below 1.2 KB, a few have 10 KB and more.
fn dockerfile(index: usize) -> String {
    let mut text = String::new();
    let languages = [
        ("golang", "1.26", "go mod download", "go build -trimpath -ldflags='-s -w' -o /out/app ./cmd/app"),
        ("node", "22-bookworm-slim", "npm ci --omit=dev", "npm run build -- --mode production"),
        ("python", "3.13-slim", "pip install --no-cache-dir -r requirements.txt", "python -m compileall src"),
        ("rust", "1.90-alpine", "cargo fetch --locked", "cargo build --release --locked --bin app"),
    ];
    let (image, tag, fetch, build) = languages[index % languages.len()];
    if index.is_multiple_of(5) {
        text.push_str("# syntax=docker/dockerfile:1\n\n");
    }
    let _ = write!(
        text,
        "# What service {index} is built with and runs in.\nARG VERSION={tag}\nARG REGISTRY=docker.io/library\n\n\
         FROM --platform=$BUILDPLATFORM ${{REGISTRY}}/{image}:${{VERSION}} AS build\n\
         ARG TARGETOS TARGETARCH\nWORKDIR /src\nCOPY go.mod go.sum package.json* requirements.txt* ./\n\
         RUN --mount=type=cache,target=/root/.cache {fetch}\nCOPY . .\n\
         RUN --mount=type=cache,target=/root/.cache \\\n    GOOS=$TARGETOS GOARCH=$TARGETARCH \\\n    {build}\n\n"
    );
    // As large as real ones: of 2,454 public Dockerfiles the median has 1.1 kB, one in ten more than
    // 4.4 kB, one in a hundred more than 9.5 kB.
    let steps = match index % 100 {
        0 => 30,
        1..10 => 10,
        10..40 => 2,
        _ => 0,
    };
    for step in 0..steps {
        let _ = write!(
            text,
            "# Step {step}: tools that the service calls.\nENV TOOL_{step}_VERSION=1.{step}.0 \\\n    TOOL_{step}_HOME=/opt/tool-{step}\n\
             RUN apt-get update \\\n    && apt-get install -y --no-install-recommends \\\n        ca-certificates \\\n        curl \\\n\
             {:8}# comes with its own certificates\n        tool-{step}=${{TOOL_{step}_VERSION}} \\\n    && rm -rf /var/lib/apt/lists/*\n",
            ""
        );
    }
    let _ = write!(
        text,
        "\nFROM gcr.io/distroless/base-debian12:nonroot\n\
         LABEL org.opencontainers.image.title=\"service {index}\" \\\n      org.opencontainers.image.source=\"https://github.com/acme/service-{index}\"\n\
         ENV PORT=8080 PATH=/app/bin:$PATH\nWORKDIR /app\n\
         COPY --from=busybox:1.37-musl /bin/wget /usr/bin/wget\n\
         COPY --from=build --chown=65532:65532 /out/app /app/bin/app\nEXPOSE 8080 9090/tcp\nUSER nonroot\n\
         HEALTHCHECK --interval=30s CMD [\"/usr/bin/wget\", \"-q\", \"-O-\", \"http://localhost:8080/healthz\"]\n\
         ENTRYPOINT [\"/app/bin/app\"]\nCMD [\"serve\", \"--port\", \"8080\"]\n"
    );
    text
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

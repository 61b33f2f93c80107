//! Builds the two container images, each for x86_64 and aarch64, as OCI layouts: no daemon, no root.
//!
//! ```text
//! image-factory       program, CA roots, plugin.yaml               the sidecar of Argo CD
//! image-factory-job   program, CA roots, Debian's git and ssh      the Jobs of kustomize/
//! ```
//!
//! `cargo run --package image-factory-images` builds both into `target/images/`. What could make
//! two builds of a commit differ is pinned: the C compiler (`zig.txt`) and Debian's packages (`debian.lock`) are pinned by
//! digest, the crates by Cargo.lock, and no layer holds a time or an owner of the machine that built it.
//! `--twice` builds all of it a second time, in other folders, and compares.
//! `--lock` writes debian.lock anew, from what Debian serves today.

mod debian;
mod image;
mod layer;
mod layout;
mod program;
mod sbom;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use chrono::DateTime;
use clap::Parser;

use crate::image::{About, Built};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where an image runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Platform {
    Amd64,
    Arm64,
}

impl Platform {
    const ALL: [Platform; 2] = [Platform::Amd64, Platform::Arm64];

    /// The name that OCI, Go and Debian share.
    fn name(self) -> &'static str {
        match self {
            Platform::Amd64 => "amd64",
            Platform::Arm64 => "arm64",
        }
    }

    /// Rust's name of the target.
    fn target(self) -> &'static str {
        match self {
            Platform::Amd64 => "x86_64-unknown-linux-musl",
            Platform::Arm64 => "aarch64-unknown-linux-musl",
        }
    }
}

#[derive(Parser)]
#[command(about = "Builds the container images as OCI layouts")]
struct Options {
    /// Where the layouts go [default: target/images]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Builds everything a second time, in other folders, and compares the digests
    #[arg(long)]
    twice: bool,
    /// The project's address, for the label org.opencontainers.image.source
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// Where Debian's packages come from; `{archive}` is debian or debian-security
    #[arg(long, value_name = "URL", default_value = debian::MIRROR)]
    debian: String,
    /// Writes debian.lock anew and builds nothing
    #[arg(long)]
    lock: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let output = options.output.clone().unwrap_or_else(|| target.join("images"));
    let lock = root.join("runner/images/debian.lock");
    if options.lock {
        fs::write(&lock, debian::lock(&output.join("debian"))?)?;
        println!("{} is of today; read its diff, build, and commit it", lock.display());
        return Ok(());
    }

    let about = about(&root, options.source.clone())?;
    let packages = debian::packages(&fs::read_to_string(&lock)?)?;
    let cache = output.join("debian");
    debian::fetch(&packages, &options.debian, &cache)?;
    let zig = program::zig(&root, &output)?;
    let build = |target: &Path, output: &Path| -> Result<Vec<Built>> {
        let mut programs = BTreeMap::new();
        for platform in Platform::ALL {
            programs.insert(platform, program::build(&root, &zig, target, platform)?);
        }
        let sidecar = image::sidecar(&root, &about, &programs)?;
        let job = image::job(&root, &about, &programs, &packages, &cache)?;
        [sidecar, job].iter().map(|image| layout::write(image, &about, &output.join(image.name))).collect()
    };
    let built = build(&target, &output)?;
    print(&built, &output);
    if options.twice {
        let second = output.join("second");
        let again = build(&second.join("target"), &second)?;
        for (first, second) in built.iter().zip(&again) {
            if first.index != second.index {
                return Err(format!("{}: {} at first, then {}", first.name, first.index, second.index).into());
            }
        }
        fs::remove_dir_all(&second)?;
        println!("built twice, the same digests");
    }
    Ok(())
}

/// What labels say. Time and revision are the commit's, so that who builds it again gets it again;
/// `SOURCE_DATE_EPOCH` (reproducible-builds.org) is heeded first, for a tree without git.
fn about(root: &Path, source: Option<String>) -> Result<About> {
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let seconds = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .or_else(|| git(&["show", "--no-patch", "--format=%ct", "HEAD"]))
        .ok_or(
            "neither SOURCE_DATE_EPOCH nor git says of when this tree is: set SOURCE_DATE_EPOCH to seconds",
        )?;
    let created = DateTime::from_timestamp(seconds.parse()?, 0).ok_or("SOURCE_DATE_EPOCH is no time")?;
    let revision = git(&["rev-parse", "HEAD"]).map(|commit| {
        let clean = git(&["status", "--porcelain"]).is_some_and(|status| status.is_empty());
        if clean {
            commit
        } else {
            commit + "-dirty"
        }
    });
    Ok(About { created: created.format("%Y-%m-%dT%H:%M:%SZ").to_string(), revision, source })
}

fn print(built: &[Built], output: &Path) {
    println!("{:<18} {:<6} {:>11} {:>11} {:>11}  MANIFEST", "IMAGE", "FOR", "PULLED", "UNPACKED", "PROGRAM");
    for image in built {
        for platform in &image.platforms {
            println!(
                "{:<18} {:<6} {:>11} {:>11} {:>11}  {}",
                image.name,
                platform.platform,
                platform.pulled,
                platform.unpacked,
                platform.program,
                platform.digest
            );
        }
    }
    for image in built {
        println!("{}:{}  {}", output.join(image.name).display(), image::VERSION, image.index);
    }
}

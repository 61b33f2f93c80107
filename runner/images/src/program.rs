//! The program, static, for a platform: cargo builds it, with zig as C compiler and linker.
//!
//! ring is C, and a C compiler of a distribution makes other bytes in each of its releases. Zig's comes
//! from PyPI by digest, brings musl, and compiles for both platforms.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{Platform, Result};

/// Installs what `zig.txt` pins, where it is not yet; answers with the folder of its commands.
pub fn zig(root: &Path, output: &Path) -> Result<PathBuf> {
    let pins = root.join("runner/images/zig.txt");
    let folder = output.join("zig");
    let installed = folder.join("installed.txt");
    let bin = folder.join("bin").canonicalize();
    if let (Ok(bin), true) = (bin, fs::read(&installed).ok() == fs::read(&pins).ok()) {
        return Ok(bin);
    }
    eprintln!("installing zig into {}", folder.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .map_err(|error| format!("{error}; it needs Python's module venv: `apt-get install python3-venv`"))?;
    run(Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--requirement"])
        .arg(&pins))?;
    fs::copy(&pins, &installed)?;
    Ok(folder.join("bin").canonicalize()?)
}

/// Builds the program in the target folder `target`.
pub fn build(root: &Path, zig: &Path, target: &Path, platform: Platform) -> Result<Vec<u8>> {
    // As `runner/build.rs` does for the module's target: adding what is there already asks nobody.
    run(Command::new("rustup").args(["--quiet", "target", "add", platform.target()]).current_dir(root))?;
    let home = env::var("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|_| env::var("HOME").map(|home| Path::new(&home).join(".cargo")))?;
    let target = std::path::absolute(target)?;
    // Else paths of this machine stand in the program, where a panic says its place. The last one
    // that fits counts.
    let flags = [
        format!("--remap-path-prefix={}=image-factory", root.display()),
        format!("--remap-path-prefix={}=target", target.display()),
        format!("--remap-path-prefix={}=cargo", home.display()),
    ];
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([zig.to_owned()].into_iter().chain(env::split_paths(&path)))?;
    eprintln!("building the program for {}", platform.target());
    run(Command::new("cargo")
        .current_dir(root)
        .args(["zigbuild", "--quiet", "--locked", "--release", "--package", "image-factory"])
        // The compiler of modules for the other platform.
        .args(["--features", "cross", "--target", platform.target(), "--target-dir"])
        .arg(&target)
        .env("PATH", path)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER"))?;
    let program = target.join(platform.target()).join("release/image-factory");
    fs::read(&program).map_err(|error| format!("{}: {error}", program.display()).into())
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}").into())
    }
}

/// Runs a command and gives what it prints.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{command:?} ended with {}", output.status).into())
    }
}

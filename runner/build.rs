//! Builds the module, compiles it for this machine and makes the schemas, for `main.rs` to embed.
//!
//! The module is built by a cargo of its own, in a target folder of its own: another target, other
//! flags, and no lock that the outer cargo holds.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sha2::{Digest, Sha256};

#[path = "src/host/engine.rs"]
mod engine;

const TARGET: &str = "wasm32-unknown-unknown";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for path in ["plugin/src", "plugin/Cargo.toml", "Cargo.toml", "Cargo.lock", "runner/src/host/engine.rs"] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo:rerun-if-changed=build.rs");

    add_target()?;
    let wasm = build_module(&root, &out)?;
    let bytes = fs::read(&wasm)?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let engine = wasmtime::Engine::new(engine::own().target(&env::var("TARGET")?)?)?;
    fs::write(out.join("plugin.cwasm"), engine.precompile_module(&bytes)?)?;
    fs::write(out.join("plugin.wasm"), &bytes)?;
    println!("cargo:rustc-env=IMAGE_FACTORY_MODULE_DIGEST=sha256:{digest}");
    println!("cargo:rustc-env=IMAGE_FACTORY_MODULE={}", out.join("plugin.wasm").display());

    for (name, schema) in image_factory::schema::all() {
        fs::write(out.join(format!("{name}.schema.json")), serde_json::to_string_pretty(&schema)? + "\n")?;
    }
    Ok(())
}

/// Makes sure that rustc can build for the module's target.
fn add_target() -> Result<(), Box<dyn Error>> {
    if has_target()? {
        return Ok(());
    }
    // rustup picks the toolchain by the folder, and RUSTUP_TOOLCHAIN says which one runs us. It does so
    // also where its automatic installs are off, and rust-toolchain.toml alone changes nothing.
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    if added.as_ref().is_ok_and(std::process::ExitStatus::success) && has_target()? {
        return Ok(());
    }
    let remedy = match added {
        Ok(_) => format!("type `rustup target add {TARGET}` where the network can be reached"),
        Err(_) => "it is not rustup's; install rustup's stable one: https://rustup.rs".to_owned(),
    };
    Err(format!("this toolchain cannot build for {TARGET}: {remedy}").into())
}

fn has_target() -> Result<bool, Box<dyn Error>> {
    let rustc = env::var("RUSTC")?;
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let folder = String::from_utf8(output.stdout)?;
    let Ok(entries) = fs::read_dir(folder.trim()) else { return Ok(false) };
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-")))
}

fn build_module(root: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target_dir = target_dir(out, &env::var("TARGET")?).join("module");
    let home = env::var("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|_| env::var("HOME").map(|home| Path::new(&home).join(".cargo")))?;
    // Paths of this machine would otherwise stand in the module, where a panic says its place.
    let flags = [
        format!("--remap-path-prefix={}=cargo", home.display()),
        format!("--remap-path-prefix={}=image-factory", root.display()),
        // The profile's `strip` leaves the names of functions, a tenth of the module.
        "-Clink-arg=--strip-all".to_owned(),
        // Numbers of functions and addresses in as few bytes as they need: a twelfth of the module.
        "-Clink-arg=--compress-relocations".to_owned(),
    ];
    let mut command = Command::new(env::var("CARGO")?);
    command
        .current_dir(root)
        .args([
            "rustc",
            "--quiet",
            "--locked",
            "--package",
            "image-factory-plugin",
            "--lib",
            "--crate-type",
            "cdylib",
        ])
        .args(["--features", "module", "--profile", "wasm", "--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    // What the outer cargo tells a build script about this package is not for the inner one.
    for (name, _) in
        env::vars().filter(|(name, _)| name.starts_with("CARGO_FEATURE_") || name.starts_with("CARGO_CFG_"))
    {
        command.env_remove(name);
    }
    let status = command.status()?;
    if !status.success() {
        return Err(format!("the module could not be built: {command:?} ended with {status}").into());
    }
    Ok(target_dir.join(TARGET).join("wasm/image_factory.wasm"))
}

/// The outer target folder, found from `OUT_DIR` (`target/<profile>/build/<package>/out`, and with
/// `--target` a folder of that name above the profile's), so that every profile and every target
/// shares one build of the module.
fn target_dir(out: &Path, target: &str) -> PathBuf {
    let mut folders = out.ancestors().skip(4).peekable();
    folders.next_if(|folder| folder.ends_with(target));
    folders.next().unwrap_or(out).to_path_buf()
}

//! Builds the npm package: `cargo run --package image-factory-npm`.
//!
//! It compiles the core with feature `bindgen`, lets wasm-bindgen make the glue, and puts both into
//! `plugin/hosts/javascript/dist/`. The library behind the wasm-bindgen command is a dependency of
//! this program, so its version is the lock file's, and nothing need be installed.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

fn main() -> Result<(), Box<dyn Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let root = package.join("../../..").canonicalize()?;
    let module = build_module(&root)?;
    let dist = package.join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    // One glue for Node, browsers and bundlers: who loads the module's bytes is `node.js` or
    // `browser.js`, so the package holds the module once.
    Bindgen::new()
        .input_path(module)
        .out_name("image_factory")
        .web(true)?
        .omit_default_module_path(true)
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&dist)?;
    for name in ["image_factory_bg.wasm", "image_factory.js"] {
        println!("{name}: {} bytes", fs::metadata(dist.join(name))?.len());
    }
    Ok(())
}

/// Compiles the core in a target folder of its own, since the file has the other module's name.
fn build_module(root: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = target.join("javascript");
    let home = env::var("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|_| env::var("HOME").map(|home| Path::new(&home).join(".cargo")))?;
    // Paths of this machine would otherwise stand in the module, where a panic says its place.
    let flags = [
        format!("--remap-path-prefix={}=cargo", home.display()),
        format!("--remap-path-prefix={}=image-factory", root.display()),
    ];
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["rustc", "--quiet", "--locked", "--package", "image-factory-plugin", "--lib"])
        .args(["--crate-type", "cdylib", "--features", "bindgen", "--profile", "wasm"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .status()?;
    if !status.success() {
        return Err(format!("the module could not be built: cargo ended with {status}").into());
    }
    Ok(target.join(TARGET).join("wasm/image_factory.wasm"))
}

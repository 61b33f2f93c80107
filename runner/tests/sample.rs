//! The sample factory: its state is what its sources say, and its schemas are the program's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image_factory_harness::copy_over;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../image-factory")
}

fn run(args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_image-factory"));
    program.args(args).env_remove("ARGOCD_APP_NAME").output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8")
}

#[test]
fn its_state_is_what_its_sources_say() {
    let work = tempfile::tempdir().expect("a folder can be made");
    copy_over(&sample(), work.path());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::remove_dir_all(work.path().join("state")).expect("the copy has a state");
    }
    let folder = work.path().display().to_string();
    let shop = format!("acme/shop={folder}/sources/acme/shop");
    let platform = format!("acme/platform={folder}/sources/acme/platform");
    let now = "2026-01-05T10:00:00Z";
    let sources = ["--source-dir", &shop, "--source-dir", &platform];
    let output =
        run(&[&["analyze", "--all", "--offline", "--now", now][..], &sources[..], &[&folder]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::remove_dir_all(sample().join("state")).expect("the sample has a state");
        copy_over(&work.path().join("state"), &sample().join("state"));
    }
    let lines = text(&output.stderr);
    let changed: Vec<&str> = lines.lines().filter(|line| !line.ends_with("unchanged")).collect();
    assert!(changed.is_empty() || std::env::var_os("UPDATE_GOLDEN").is_some(), "{changed:?}");

    let rendered = run(&["generate", "--output", "json", &folder]);
    assert_eq!((rendered.status.code(), text(&rendered.stderr).as_str()), (Some(0), ""));
    // Five external images, and the seven base images but the one that `python-base` publishes.
    assert_eq!(text(&rendered.stdout).lines().count(), 5 + 6);
    let checked = run(&[&["check", folder.as_str()][..], &sources[..]].concat());
    assert_eq!((checked.status.code(), text(&checked.stderr).as_str()), (Some(0), ""));
}

#[test]
fn its_schemas_are_the_programs() {
    for name in ["images", "factory", "state"] {
        let path = sample().join(format!("schemas/{name}.schema.json"));
        let schema = text(&run(&["schema", name]).stdout);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &schema).expect("the schema can be written");
        }
        assert!(schema == fs::read_to_string(&path).unwrap_or_default(), "UPDATE_GOLDEN=1 rewrites {name}");
    }
}

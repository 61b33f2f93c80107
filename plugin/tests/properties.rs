//! What holds for every input, on the inputs that fuzzing saved, on the cases, and on generated
//! ones.

#![allow(clippy::disallowed_methods, reason = "a test, not the core, reads saved inputs")]

use std::fs;
use std::path::PathBuf;

use image_factory_harness::properties;
use proptest::prelude::*;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name)
}

fn replay(target: &str, property: fn(&[u8])) {
    let mut count = 0;
    for entry in fs::read_dir(folder("fuzz/inputs").join(target)).expect("the folder is committed") {
        property(&fs::read(entry.expect("it can be listed").path()).expect("it can be read"));
        count += 1;
    }
    assert!(count > 5, "there are inputs for {target}");
}

#[test]
fn saved_dockerfiles() {
    replay("dockerfile", properties::dockerfile);
}

#[test]
fn saved_references() {
    replay("reference", properties::reference);
}

#[test]
fn the_cases() {
    let cases = fs::read_to_string(folder("bases/cases.json")).expect("the cases are committed");
    let cases: Vec<serde_json::Value> = serde_json::from_str(&cases).expect("the cases are JSON");
    let mut count = 0;
    for text in cases.iter().filter_map(|case| case["dockerfile"].as_str()) {
        properties::dockerfile(text.as_bytes());
        count += 1;
    }
    assert!(count > 200);
}

/// Pieces of Dockerfiles, so that what is put together gets past the first checks.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "FROM ",
        "from ",
        "ARG ",
        "ENV ",
        "RUN ",
        "COPY ",
        "ADD ",
        "ONBUILD ",
        "LABEL ",
        "EXPOSE ",
        "VOLUME ",
        "SHELL ",
        "HEALTHCHECK ",
        "STOPSIGNAL ",
        "alpine",
        "busybox:1",
        " AS ",
        "a",
        "b",
        "scratch",
        "--from=",
        "--platform=",
        "--mount=",
        "type=",
        "from=",
        ",",
        "target=/x ",
        "<<EOF",
        "EOF\n",
        "\n",
        "\\\n",
        "\\",
        "`",
        "# escape=`\n",
        "# syntax=docker/dockerfile:1\n",
        "# check=skip=all\n",
        "# check=error=true;experimental=all\n",
        "# c\n",
        "$A",
        "${A",
        ":-",
        "}",
        "%",
        "/",
        "#",
        "?",
        "*",
        "'",
        "\"",
        "[\"a\", \"b\"]",
        "[1]",
        "=",
        "A=1 ",
        " ",
        "\t",
        "\u{a0}",
        "\u{feff}",
        "é",
        "\u{2003}",
        "\u{0}",
        "@sha256:",
        "0",
        "9",
        "linux/arm64",
        "SIGTERM",
        "80/tcp",
        "CMD ",
        "NONE",
    ]);
    prop_oneof![8 => words.prop_map(str::to_owned), 1 => "\\PC{0,6}"]
}

proptest! {
    #[test]
    fn generated_dockerfiles(pieces in prop::collection::vec(piece(), 0..40)) {
        properties::dockerfile(pieces.concat().as_bytes());
    }

    #[test]
    fn generated_stages(pieces in prop::collection::vec(piece(), 0..30)) {
        properties::dockerfile(format!("FROM alpine AS a\n{}", pieces.concat()).as_bytes());
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        properties::dockerfile(&bytes);
        properties::reference(&bytes);
    }
}

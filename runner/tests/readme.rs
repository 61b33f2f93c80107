//! What the README shows is what the program prints.

use std::fs;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text between fences, with their language.
fn blocks(markdown: &str) -> Vec<(&str, &str)> {
    let mut parts = markdown.split("\n```");
    parts.next();
    let opened: Vec<&str> = parts.step_by(2).collect();
    opened.into_iter().filter_map(|block| block.split_once('\n')).collect()
}

/// What a shell prints, both streams in one, where `image-factory` is the program.
fn shell(folder: &Path, script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_image-factory"));
    let path = format!(
        "{}:{}",
        program.parent().expect("it stands in a folder").display(),
        std::env::var("PATH").expect("there is a PATH")
    );
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .env("PATH", path)
        .env_remove("ARGOCD_APP_NAME")
        .current_dir(folder)
        .output()
        .expect("sh is there");
    String::from_utf8(output.stdout).expect("the program prints UTF-8")
}

fn trimmed(text: &str) -> String {
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>().trim_end().to_owned()
}

#[test]
fn each_command_prints_what_stands_below_it() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let blocks = blocks(&readme);
    let work = tempfile::tempdir().expect("a folder can be made");
    std::os::unix::fs::symlink(root().join("tests"), work.path().join("tests")).expect("a link");

    // The first image is enrolled as the README says; `…` stands for what it leaves out.
    let enrol = blocks.iter().position(|(_, text)| text.starts_with("mkdir -p factory web"));
    let enrol = enrol.expect("the README enrols an image");
    let printed = shell(work.path(), blocks[enrol].1);
    let mut rest = printed.as_str();
    for piece in blocks[enrol + 1].1.split("…\n") {
        let at = rest.find(piece.trim_end()).unwrap_or_else(|| panic!("not printed: {piece}\nbut {rest}"));
        rest = &rest[at + piece.trim_end().len()..];
    }

    let mut commands = 0;
    for (_, text) in blocks.iter().filter(|(_, text)| text.starts_with("$ ")) {
        for shown in format!("\n{text}").split("\n$ ").skip(1) {
            let (command, expected) = shown.split_once('\n').expect("a command prints something");
            assert_eq!(trimmed(&shell(work.path(), command)), trimmed(expected), "{command}");
            commands += 1;
        }
    }
    assert!(commands >= 4, "{commands}");
}

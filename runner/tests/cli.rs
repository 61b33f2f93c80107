//! The program as people and Argo CD run it: flags, streams and exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image_factory_runner::host::EMBEDDED_DIGEST;
use serde_json::Value;
use tempfile::TempDir;

const IMAGES: &str = "\
- name: postgres
  registry: docker.io
  repository: library/postgres
  allowTags: ^16-alpine$
  imageSelectionStrategy: Lexical
";

/// A factory's folder with this images.yaml.
fn factory(images: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    fs::write(folder.path().join("images.yaml"), images).expect("a file can be written");
    folder
}

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-factory"));
    command.current_dir(folder).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().expect("the program starts")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("the program prints UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("the program prints UTF-8")
}

/// It ends with this exit code, prints nothing on stdout, and this code first on stderr.
fn check_refused(folder: &Path, arguments: &[&str], exit: i32, code: &str) {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {}", stderr(&output));
    assert_eq!(stdout(&output), "", "{arguments:?}");
    let start = format!("error[{code}]: ");
    assert!(stderr(&output).starts_with(&start), "{arguments:?}, {code}: {}", stderr(&output));
}

#[test]
fn manifests_are_printed_for_people_and_for_argo_cd() {
    let folder = factory(IMAGES);
    let yaml = run(folder.path(), &["generate"]);
    assert_eq!(yaml.status.code(), Some(0), "{}", stderr(&yaml));
    assert!(stdout(&yaml).starts_with("---\n"), "{}", stdout(&yaml));

    let json = run(folder.path(), &["generate", "--output", "json"]);
    assert_eq!(json.stdout.first(), Some(&b'{'), "Argo CD drops objects after anything else");
    assert_eq!(stdout(&json).lines().count(), 1);
    let object: Value = serde_json::from_slice(&json.stdout).expect("a line is an object");
    assert_eq!(object["kind"], "Warehouse");
    assert_eq!(object["metadata"]["name"], "postgres");
}

#[test]
fn the_folder_is_found() {
    let folder = factory(IMAGES);
    let above = tempfile::tempdir().expect("a folder can be made");
    fs::create_dir(above.path().join("image-factory")).expect("a folder can be made");
    fs::copy(folder.path().join("images.yaml"), above.path().join("image-factory/images.yaml"))
        .expect("a file can be copied");
    let named = run(above.path(), &["generate", "image-factory"]);
    let found = run(above.path(), &["generate"]);
    assert_eq!(stdout(&named), stdout(&run(folder.path(), &["generate"])));
    assert_eq!(stdout(&named), stdout(&found));
    check_refused(above.path(), &["generate", "elsewhere"], 2, "IF1025");
}

#[test]
fn whoever_wrote_the_flags_acts_on_2() {
    let folder = factory(IMAGES);
    for arguments in [
        &["generat"][..],
        &["generate", "--output", "xml"],
        &["generate", "--max-memory", "0"],
        &["generate", "--timeout", "-1"],
        &["reference"],
        &[],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    check_refused(folder.path(), &["generate", "--now", "yesterday"], 2, "IF1022");
    check_refused(folder.path(), &["generate", "--module", "missing.wasm"], 2, "IF1023");
    check_refused(folder.path(), &["replay", "missing.json"], 2, "IF1029");
    check_refused(folder.path(), &["replay", "images.yaml"], 2, "IF1029");
}

#[test]
fn the_disk_acts_on_3() {
    let folder = factory(IMAGES);
    check_refused(folder.path(), &["generate", "--record", "missing/request.json"], 3, "IF1024");
}

#[test]
fn files_that_are_no_text_are_refused_with_their_place() {
    fn place(path: &Path, images: impl AsRef<[u8]>) {
        fs::write(path, images).expect("a file can be written");
    }
    type Make = fn(&Path);
    let cases: &[(&str, Make)] = &[
        ("images.yaml:2:9", |path| place(path, b"# fine\n- name: \xff\n")),
        ("images.yaml", |path| place(path, "#".repeat(70 << 20))),
        ("images.yaml", |path| fs::create_dir(path).expect("a folder can be made")),
        ("images.yaml", |path| std::os::unix::fs::symlink("/etc/hostname", path).expect("a link")),
        ("images.yaml", |_| ()),
    ];
    for (number, (place, make)) in cases.iter().enumerate() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        make(&folder.path().join("images.yaml"));
        let output = run(folder.path(), &["generate"]);
        assert_eq!(output.status.code(), Some(1), "case {number}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "case {number}");
        assert!(stderr(&output).contains(&format!("--> {place}")), "case {number}: {}", stderr(&output));
        assert!(stderr(&output).len() < 2000, "case {number}: {} bytes", output.stderr.len());
    }
}

/// Large files end in a short text, or in an answer; never in a wait or in ours.
#[test]
fn ten_megabytes_are_bounded() {
    let large = 10 << 20;
    let cases = [
        ("one line", "x".repeat(large), "error[IF0203]: images.yaml must be a list of images"),
        ("brackets", "[".repeat(large), "error[IF0102]: not YAML: recursion limit exceeded"),
        ("comment", format!("#{}\n", "x".repeat(large)), "error[IF0202]: no image is enrolled"),
    ];
    for (what, images, start) in cases {
        let folder = factory(&images);
        let output = run(folder.path(), &["generate"]);
        assert_eq!(output.status.code(), Some(1), "{what}: {:.300}", stderr(&output));
        assert_eq!(stdout(&output), "", "{what}");
        assert!(stderr(&output).starts_with(start), "{what}: {:.300}", stderr(&output));
    }
    let folder = factory(IMAGES);
    fs::create_dir_all(folder.path().join("state/images")).expect("a folder can be made");
    let state = format!("name: postgres\nnote: {}\n", "x".repeat(large));
    fs::write(folder.path().join("state/images/postgres.yaml"), state).expect("a file can be written");
    let output = run(folder.path(), &["generate"]);
    let expected = "error[IF0121]: the file has 10485782 bytes, 8388608 are read at most\n \
                    --> state/images/postgres.yaml\nhint: remove what does not belong into it\n\n";
    assert_eq!((output.status.code(), stderr(&output), stdout(&output)), (Some(1), expected, ""));
}

/// A folder with a mistake is left as it was, also by the verbs that write.
#[test]
fn a_mistake_writes_nothing() {
    let folder = factory(&IMAGES.replace("library/postgres", "Library"));
    for verb in [&["analyze", "--all", "--offline"][..], &["generate"], &["check"]] {
        check_refused(folder.path(), verb, 1, "IF0206");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("it can be listed").count(), 1);
}

#[test]
fn state_is_not_read_through_a_link() {
    let folder = factory(IMAGES);
    let other = tempfile::tempdir().expect("a folder can be made");
    fs::write(other.path().join("postgres.yaml"), "name: postgres\n").expect("a file can be written");
    fs::create_dir(folder.path().join("state")).expect("a folder can be made");
    std::os::unix::fs::symlink(other.path(), folder.path().join("state/images")).expect("a link");
    let output = run(folder.path(), &["generate"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("symbolic link"), "{}", stderr(&output));
}

#[test]
fn findings_are_text_json_or_annotations() {
    let above = tempfile::tempdir().expect("a folder can be made");
    fs::create_dir(above.path().join("image-factory")).expect("a folder can be made");
    let images = IMAGES.replace("^16-alpine$", "^16 alpine$");
    fs::write(above.path().join("image-factory/images.yaml"), images).expect("a file can be written");
    let check = |output: &str| run(above.path(), &["check", "--output", output]);
    assert!(stderr(&check("text")).starts_with("warning[IF0511]: no tag can match `^16 alpine$`\n"));
    let json: Value = serde_json::from_slice(&check("json").stdout).expect("JSON");
    assert_eq!(json["diagnostics"][0]["code"], "IF0511");
    assert_eq!(json["diagnostics"][0]["line"], 4);
    let start = "::warning file=image-factory/images.yaml,line=4,col=14,endColumn=24,title=IF0511::no tag";
    let github = check("github");
    assert!(stdout(&github).starts_with(start), "{}", stdout(&github));
    assert_eq!((github.status.code(), stderr(&github)), (Some(0), ""));
}

#[test]
fn a_recorded_request_gives_the_same_answer() {
    for images in [IMAGES, "- name: Wrong\n"] {
        let folder = factory(images);
        let first = run(folder.path(), &["generate", "--output", "json", "--record", "request.json"]);
        fs::remove_file(folder.path().join("images.yaml")).expect("it is there");
        let recorded = fs::read_to_string(folder.path().join("request.json")).expect("it is there");
        let other = recorded.replacen("\"abi\": 1", "\"abi\": 2", 1);
        fs::write(folder.path().join("other.json"), other).expect("the folder can be written");
        check_refused(folder.path(), &["replay", "other.json"], 2, "IF1029");
        let again = run(folder.path(), &["replay", "request.json"]);
        assert_eq!(again.status.code(), first.status.code());
        assert_eq!(stderr(&again), stderr(&first));
        let answer: Value = serde_json::from_slice(&again.stdout).expect("an answer is JSON");
        let manifests = answer["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
        let printed: Vec<Value> = stdout(&first)
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is an object"))
            .collect();
        assert_eq!(manifests, printed);
    }
}

#[test]
fn the_version_names_the_module() {
    let folder = factory(IMAGES);
    let version = run(folder.path(), &["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert!(stdout(&version).contains(EMBEDDED_DIGEST), "{}", stdout(&version));
    let about = run(folder.path(), &["about"]);
    let about: Value = serde_json::from_slice(&about.stdout).expect("JSON");
    assert_eq!(about["name"], "image-factory");
}

#[test]
fn each_shell_has_its_completions() {
    let folder = factory(IMAGES);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(folder.path(), &["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(stdout(&output).contains("generate"), "{shell}");
    }
}

/// Behind `head`, nobody reads the rest, and that is no error.
#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = factory(IMAGES);
    let binary = env!("CARGO_BIN_EXE_image-factory");
    let script = format!("{{ '{binary}' generate; echo $? >code; }} | true; cat code");
    let output =
        Command::new("sh").arg("-c").arg(script).current_dir(folder.path()).output().expect("sh is there");
    assert_eq!((stdout(&output), stderr(&output)), ("0\n", ""));
}

/// What goes through all of state tells its plan before it writes.
#[test]
fn a_plan_is_a_table() {
    let entry = |name: &str| IMAGES.replace("- name: postgres", &format!("- name: {name}"));
    let folder = factory(&(entry("gone") + &entry("kept") + &entry("changed")));
    let done = run(folder.path(), &["reconcile", "--offline"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let plan = |images: &str| {
        fs::write(folder.path().join("images.yaml"), images).expect("a file can be written");
        let output = run(folder.path(), &["reconcile", "--offline", "--dry-run"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    let images = entry("kept") + &entry("changed").replace("^16", "^17") + &entry("new");
    let expected = "\
KIND   NAME     PLAN     WHY
image  gone     archive  no longer enrolled, archived
image  changed  change   external, changed
image  new      create   external, new
";
    let sorted = |text: &str| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].sort_unstable();
        lines.join("\n")
    };
    assert_eq!(sorted(&plan(&images)), sorted(expected));
    assert!(folder.path().join("state/images/gone.yaml").exists(), "nothing is written");

    assert_eq!(run(folder.path(), &["reconcile", "--offline"]).status.code(), Some(0));
    assert_eq!(plan(&images), "", "nothing is left to do");
    let back = plan(&(images.clone() + &entry("gone")));
    assert!(back.contains("image  gone  restore  "), "{back}");
}

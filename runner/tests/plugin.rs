//! The plugin under a stand-in for argocd-cmp-server: the same environment, folder, deadline and
//! reading of what is printed, as Argo CD 3.5.3 does it (`cmpserver/plugin/plugin.go`). Texts are
//! exact, since people read them in Argo CD. The real one runs in `tests/argocd`.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image_factory_runner::host::EMBEDDED_DIGEST;
use serde_json::Value;
use tempfile::TempDir;

mod files;

/// Far below Argo CD's 60 s, far above a render on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

const IMAGES: &str = "\
- name: postgres
  registry: docker.io
  repository: library/postgres
  allowTags: ^16-alpine$
  imageSelectionStrategy: Lexical
- name: redis
  registry: docker.io
  repository: library/redis
  allowTags: ^8-alpine$
  imageSelectionStrategy: Lexical
";

/// The sidecar: a work directory, in which each request gets a copy of the repository.
struct Sidecar {
    work: TempDir,
    /// `command` and `args` of plugin.yaml.
    command: Vec<String>,
    deadline: Duration,
}

impl Sidecar {
    fn new() -> Self {
        let generate = &files::documents("cmp-sidecar/plugin.yaml")[0]["spec"]["generate"];
        let words = |key: &str| generate[key].as_array().cloned().unwrap_or_default();
        let command = words("command").into_iter().chain(words("args"));
        let command = command.map(|word| word.as_str().expect("a word").to_owned()).collect();
        Sidecar { work: tempfile::tempdir().expect("a folder can be made"), command, deadline: DEADLINE }
    }

    /// Replaces the value of a flag of plugin.yaml.
    fn with(mut self, flag: &str, value: &str) -> Self {
        let at = self.command.iter().position(|word| word == flag).expect("plugin.yaml has the flag");
        self.command[at + 1] = value.to_owned();
        self
    }

    /// One GenerateManifest: the objects, or the error that a person reads.
    fn generate(&self, repository: &Path, parameters: Option<&str>) -> Result<Vec<Value>, String> {
        let copy = tempfile::tempdir_in(self.work.path()).expect("a folder can be made");
        image_factory_harness::copy_over(repository, copy.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_image-factory"));
        command.args(&self.command[1..]).current_dir(copy.path()).env_clear().process_group(0);
        command.env("TMPDIR", self.work.path()).env("PATH", "/usr/local/bin");
        for (name, value) in [
            ("ARGOCD_APP_NAME", "image-factory"),
            ("ARGOCD_APP_NAMESPACE", "image-factory"),
            ("ARGOCD_APP_PROJECT_NAME", "image-factory"),
            ("ARGOCD_APP_REVISION", "0123456789abcdef0123456789abcdef01234567"),
            ("ARGOCD_APP_SOURCE_PATH", "image-factory"),
            ("ARGOCD_APP_SOURCE_REPO_URL", "https://github.com/acme/image-factory.git"),
            ("ARGOCD_APP_SOURCE_TARGET_REVISION", "main"),
            ("KUBE_VERSION", "1.34.0"),
            ("KUBE_API_VERSIONS", "v1,apps/v1"),
        ] {
            command.env(name, value);
        }
        if let Some(parameters) = parameters {
            command.env("ARGOCD_APP_PARAMETERS", parameters);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut pipes = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let readers =
            (std::thread::spawn(move || read(&mut pipes.0)), std::thread::spawn(move || read(&mut pipes.1)));
        let end = Instant::now() + self.deadline;
        let status = loop {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                break status;
            }
            if Instant::now() > end {
                child.kill().expect("it can be killed");
                child.wait().expect("it ends");
                return Err(format!("`{}` failed signal: killed", self.command.join(" ")));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let stdout = readers.0.join().expect("it reads");
        let stderr = readers.1.join().expect("it reads");
        let here = copy.path().to_str().expect("UTF-8");
        assert!(!stderr.contains(here) && !stderr.contains('\u{1b}'), "{stderr}");
        assert!(stderr.len() <= 2000 && stderr.lines().count() <= 10, "{stderr}");
        if !status.success() {
            assert_eq!(stdout, "", "nothing is printed on an error");
            return Err(format!("`{}` failed {status}: {}", self.command.join(" "), stderr.trim()));
        }
        Ok(split(&stdout))
    }

    /// The same, of an error: without what stands before the plugin's own words.
    fn refuses(&self, repository: &Path, parameters: Option<&str>) -> String {
        let error = self.generate(repository, parameters).expect_err("an error");
        let start = format!("`{}` failed exit status: ", self.command.join(" "));
        error.strip_prefix(&start).unwrap_or_else(|| panic!("{error}")).to_owned()
    }
}

fn read(pipe: &mut dyn Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).expect("the program prints UTF-8");
    text
}

/// What Argo CD makes of stdout. In YAML it would keep the first object alone, so that is not an answer.
fn split(stdout: &str) -> Vec<Value> {
    if stdout.trim().is_empty() {
        return Vec::new();
    }
    assert!(stdout.starts_with('{'), "Argo CD would read YAML: {stdout:.40}");
    serde_json::Deserializer::from_str(stdout).into_iter().map(|value| value.expect("JSON")).collect()
}

/// A repository whose Application has the path `.`.
fn repository(images: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    write(folder.path(), "images.yaml", images);
    folder
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder can be made");
    fs::write(path, text).expect("a file can be written");
}

#[test]
fn what_it_renders_is_what_generate_renders() {
    let sample = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../image-factory"));
    let repository = tempfile::tempdir().expect("a folder can be made");
    image_factory_harness::copy_over(sample, repository.path());
    let program = Command::new(env!("CARGO_BIN_EXE_image-factory"))
        .args(["generate", "--output", "json"])
        .arg(sample)
        .output()
        .expect("the program starts");
    let expected = split(std::str::from_utf8(&program.stdout).expect("UTF-8"));
    assert!(expected.len() > 5);
    let sidecar = Sidecar::new();
    for parameters in [None, Some("null"), Some("[]"), Some(r#"[{"name":"path"}]"#)] {
        assert_eq!(sidecar.generate(repository.path(), parameters).as_ref(), Ok(&expected), "{parameters:?}");
    }
}

#[test]
fn parameters_choose() {
    let below = tempfile::tempdir().expect("a folder can be made");
    write(below.path(), "a/b/images.yaml", IMAGES);
    let sidecar = Sidecar::new();
    let at = |path: &str| Some(format!(r#"[{{"name":"path","string":"{path}"}}]"#));
    for path in ["a/b", "./a//b/", "a/b/."] {
        assert_eq!(sidecar.generate(below.path(), at(path).as_deref()).map(|all| all.len()), Ok(2), "{path}");
    }
    let old = r#"[{"name":"path","string":"a/b"},{"name":"kargoVersion","string":"1.6"}]"#;
    let refused = sidecar.refuses(below.path(), Some(old));
    assert!(refused.starts_with("2: IF0306: parameter `kargoVersion`: "), "{refused}");

    let empty = repository("[]\n");
    let refused = sidecar.refuses(empty.path(), None);
    assert_eq!(
        refused,
        "1: IF0202 images.yaml:1:1: no image is enrolled; an empty render would delete every Warehouse (enrol an \
         image, or set the plugin's parameter `allowEmpty` to `true` if that is meant)"
    );
    let meant = r#"[{"name":"allowEmpty","string":"true"}]"#;
    assert_eq!(sidecar.generate(empty.path(), Some(meant)), Ok(Vec::new()));
}

#[test]
fn parameters_are_not_believed() {
    let repository = repository(IMAGES);
    symlink("/", repository.path().join("out")).expect("a link");
    write(repository.path(), "file", "");
    let sidecar = Sidecar::new();
    for (parameters, text) in [
        (
            r#"[{"name":"module","string":"x"}]"#,
            "2: IF1030: there is no parameter `module` (the parameters are `path`, `kargoVersion` and `allowEmpty`)",
        ),
        (
            r#"[{"name":"allowEmpty","string":"yes"}]"#,
            "2: IF1030: the parameter `allowEmpty` is `yes` (write `string: \"true\"` or `string: \"false\"` under it)",
        ),
        (
            r#"[{"name":"path","string":".."}]"#,
            "2: IF1031: the parameter `path` is `..`, which leaves the Application's folder (name a folder below \
             the Application's `spec.source.path`)",
        ),
        (
            r#"[{"name":"path","string":"/etc"}]"#,
            "2: IF1031: the parameter `path` is `/etc`, which leaves the Application's folder (name a folder below \
             the Application's `spec.source.path`)",
        ),
        (
            r#"[{"name":"path","string":"out/etc"}]"#,
            "2: IF1031: the parameter `path` is `out/etc`, and a symbolic link is on the way (name a folder below \
             the Application's `spec.source.path`)",
        ),
        (
            r#"[{"name":"path","string":"file"}]"#,
            "2: IF1031: the parameter `path` is `file`, and there is no such folder (name a folder below the \
             Application's `spec.source.path`)",
        ),
        (
            r#"[{"name":"path","string":"a\u001b[2J"}]"#,
            "2: IF1031: the parameter `path` is `a?[2J`, and there is no such folder (name a folder below the \
             Application's `spec.source.path`)",
        ),
    ] {
        assert_eq!(sidecar.refuses(repository.path(), Some(parameters)), text);
    }
}

#[test]
fn each_kind_of_error_is_a_line_with_its_place() {
    let sidecar = Sidecar::new();
    let wrong = |images: &str| sidecar.refuses(repository(images).path(), None);
    let refused = wrong("- name: Wrong\n");
    let first = "1: IF0111 images.yaml:1:3: an image needs `registry` (add `registry: ghcr.io`)\n";
    assert!(refused.starts_with(first), "{refused}");
    let many: String = (0..200).map(|number| format!("- name: Image-{number}\n")).collect();
    assert!(wrong(&many).ends_with(" more"), "{}", wrong(&many));

    let missing = tempfile::tempdir().expect("a folder can be made");
    let no_file =
        "1: IF0201 images.yaml: there is no such file (create it with a list of images, or name the \
                   folder that holds it)";
    assert_eq!(sidecar.refuses(missing.path(), None), no_file);

    // The fallback of people at a terminal would follow a link of the repository.
    let fallback = tempfile::tempdir().expect("a folder can be made");
    let elsewhere = repository(IMAGES);
    symlink(elsewhere.path(), fallback.path().join("image-factory")).expect("a link");
    assert_eq!(sidecar.refuses(fallback.path(), None), no_file);
}

#[test]
fn another_module_than_the_pinned_one_renders_nothing() {
    let repository = repository(IMAGES);
    let sidecar = Sidecar::new();
    let other = format!("sha256:{}", "0".repeat(64));
    write(repository.path(), "factory.yaml", format!("module: {other}\n"));
    assert_eq!(
        sidecar.refuses(repository.path(), None),
        format!(
            "1: IF0307 factory.yaml:1:9: this is module {EMBEDDED_DIGEST}, and factory.yaml pins {other} (run \
             the pinned version, or commit the new digest if the upgrade is meant)"
        )
    );
    write(repository.path(), "factory.yaml", format!("module: {EMBEDDED_DIGEST}\n"));
    let objects = sidecar.generate(repository.path(), None).expect("it is the pinned one");
    assert_eq!(objects[0]["metadata"]["annotations"]["image-factory.dev/module"], EMBEDDED_DIGEST);
}

#[test]
fn hostile_files_are_refused() {
    let sidecar = Sidecar::new();
    let large = repository(IMAGES);
    write(large.path(), "state/images/web.yaml", "#".repeat(100 << 20));
    let refused = sidecar.refuses(large.path(), None);
    assert_eq!(
        refused,
        "1: IF0121 state/images/web.yaml: the file has 104857600 bytes, 8388608 are read at most \
         (remove what does not belong into it)"
    );

    let linked = repository(IMAGES);
    fs::create_dir(linked.path().join("state")).expect("a folder can be made");
    symlink("/proc/self", linked.path().join("state/images")).expect("a link");
    let refused = sidecar.refuses(linked.path(), None);
    assert_eq!(
        refused,
        "1: IF0122 state/images/*.yaml: the file is a symbolic link, and those are not followed (commit the file \
         itself)"
    );

    let many = repository(IMAGES);
    for number in 0..20 {
        write(many.path(), &format!("state/images/image-{number}.yaml"), "#".repeat(7 << 20));
    }
    assert_eq!(
        sidecar.refuses(many.path(), None),
        "1: IF1036 state/images: the files up to here have more than 128 MiB (delete what no verb wrote; a factory \
         of this size needs several folders)"
    );

    let file = repository(IMAGES);
    write(file.path(), "state/images", "no folder");
    assert_eq!(
        sidecar.refuses(file.path(), None),
        "1: IF1036 state/images: this is a file, and state is kept in folders (move it elsewhere)"
    );
}

#[test]
fn the_deadline_comes_with_a_word() {
    let sidecar = Sidecar::new().with("--deadline", "1").with("--at-once", "1");
    let repository = repository(IMAGES);
    let slots = sidecar.work.path().join("image-factory-slots");
    fs::create_dir(&slots).expect("a folder can be made");
    let held = fs::File::create(slots.join("0")).expect("a file can be made");
    held.lock().expect("nobody else has it");
    assert_eq!(
        sidecar.refuses(repository.path(), None),
        "3: IF1032: nothing was rendered within 1 s (the sidecar has too little processor time; the limit is \
         `--deadline` in plugin.yaml, and Argo CD's own are controller.repo.server.timeout.seconds and \
         server.repo.server.timeout.seconds)"
    );
    drop(held);
    let sidecar = sidecar.with("--deadline", "20");
    assert_eq!(sidecar.generate(repository.path(), None).map(|all| all.len()), Ok(2));
}

#[test]
fn many_at_once_take_turns() {
    let sidecar = Sidecar::new();
    let repository = repository(IMAGES);
    let rendered: Vec<_> = std::thread::scope(|scope| {
        let renders: Vec<_> =
            (0..12).map(|_| scope.spawn(|| sidecar.generate(repository.path(), None))).collect();
        renders.into_iter().map(|render| render.join().expect("it ends")).collect()
    });
    assert!(rendered.iter().all(|objects| objects.as_ref().is_ok_and(|all| all.len() == 2)), "{rendered:?}");
    let slots: Vec<PathBuf> = fs::read_dir(sidecar.work.path().join("image-factory-slots"))
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    assert_eq!(slots.len(), 4, "{slots:?}");
}

#[test]
fn no_server_is_not_healthy() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let output = Command::new(env!("CARGO_BIN_EXE_image-factory"))
        .arg("healthcheck")
        .env("ARGOCD_PLUGINSOCKFILEPATH", folder.path())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.starts_with("error[IF1034]: no healthy cmp-server at "), "{said}");
    assert!(said.contains("/image-factory.sock: "), "{said}");
}

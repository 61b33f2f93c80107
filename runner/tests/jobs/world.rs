//! A repository with a factory, the registry of its images, and the Jobs that work on both.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, RwLock};

use image_factory::name;
use image_factory::reference::ImageReference;
use image_factory_harness::git::backend;
use image_factory_harness::registry::stub::{Ask, Reply, Stub};
use image_factory_harness::registry::{slsa_1, Documents, Image};
use serde_json::json;
use tempfile::TempDir;

/// Where the factory stands in its repository.
const FACTORY: &str = "image-factory";
/// The repository, below the server's root.
const PLATFORM: &str = "acme/platform.git";

type Rule = dyn Fn(&Ask) -> Option<Reply> + Send + Sync;

/// Bare repositories behind HTTP, a registry, and isolated settings for all that runs.
pub struct World {
    folder: TempDir,
    pub server: Stub,
    /// What the server answers before git does.
    rule: Arc<RwLock<Arc<Rule>>>,
    pub registry: Stub,
    registry_rule: Arc<RwLock<Arc<Rule>>>,
}

impl World {
    /// With so many managed images, `app-0` and on, each on a base image of its own, all of them
    /// published and looked at: state is at rest.
    pub fn new(images: usize) -> World {
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::create_dir(folder.path().join("tmp")).expect("a folder can be made");
        let rules: [Arc<RwLock<Arc<Rule>>>; 2] =
            [(); 2].map(|()| Arc::new(RwLock::new(Arc::new(|_: &Ask| None) as Arc<Rule>)));
        let [rule, registry_rule] = rules.clone();
        let root = folder.path().join("git");
        let mut environment = isolated(folder.path());
        // Programs of a test are for the Jobs.
        environment[0].1 = std::env::var_os("PATH").expect("there is a PATH");
        let server = Stub::with(Documents::default(), move |ask| {
            Some(obey(&rule, ask).unwrap_or_else(|| backend(&root, &environment, ask)))
        });
        let registry = Stub::with(Documents::default(), move |ask| obey(&registry_rule, ask));
        let [rule, registry_rule] = rules;
        let world = World { folder, server, rule, registry, registry_rule };
        let host = world.registry.host();
        world.init(PLATFORM);
        world.init("acme/apps.git");
        let dockerfiles: Vec<(String, String)> = (0..images)
            .map(|at| (format!("{at}/Dockerfile"), format!("FROM {host}/base-{at}:1\n")))
            .collect();
        world.push("acme/apps.git", &dockerfiles);
        let factory = format!("registries: {{\"{host}\": {{plainHTTP: true}}}}\n");
        let enrolments: String = (0..images).map(|at| world.enrolment(at)).collect();
        world.push(
            PLATFORM,
            &[(format!("{FACTORY}/factory.yaml"), factory), (format!("{FACTORY}/images.yaml"), enrolments)],
        );
        for at in 0..images {
            world.publish(at, "one", "1", "2026-01-05T01:00:00Z");
        }
        // What is new gets its state, and a version; then it is looked at.
        world.run_ok(5, &["reconcile".to_owned()]);
        for at in 0..images {
            world.run_ok(5, &words(&["analyze", "--image", &app(at), "--tag", "1"]));
        }
        world.run_ok(5, &["sweep".to_owned()]);
        world
    }

    fn enrolment(&self, at: usize) -> String {
        format!(
            "- name: {}\n  registry: {}\n  repository: acme/{}\n  autoRebuild: true\n  source: {{provider: git, \
             repo: \"https://github.com/acme/apps.git\", branch: main, dockerfile: {at}/Dockerfile}}\n",
            app(at),
            self.registry.host(),
            app(at)
        )
    }

    /// Publishes a base image with this layer, and the image built on it under a tag.
    pub fn publish(&self, at: usize, layer: &'static str, tag: &str, created: &'static str) {
        let mut documents = self.registry.documents();
        let base = Image { layers: vec![layer], created, ..Image::default() };
        let base = documents.publish(&format!("base-{at}:1"), &[base]);
        let host = self.registry.host().replace(':', "%3A");
        let uri = format!("pkg:docker/{host}/base-{at}@1?platform=linux%2Famd64");
        let image = Image {
            layers: vec![layer, "app"],
            run: json!({"User": format!("{at} {tag}")}),
            created,
            provenance: Some(slsa_1(&[(uri.as_str(), base.as_str())])),
            ..Image::default()
        };
        documents.publish(&format!("acme/{}:{tag}", app(at)), &[image]);
    }

    /// Everything moves: base images, published images, Dockerfiles, and one more image is enrolled.
    pub fn move_on(&self, images: usize) {
        let host = self.registry.host();
        for at in 0..=images {
            self.publish(at, "two", "2", "2026-01-07T12:00:00Z");
        }
        let dockerfile = |at: usize| {
            format!("FROM {host}/base-{at}:1 AS build\nRUN make\nFROM {host}/base-{at}:1\nCOPY --from=build /a /a\n")
        };
        let dockerfiles: Vec<(String, String)> =
            (0..=images).map(|at| (format!("{at}/Dockerfile"), dockerfile(at))).collect();
        self.push("acme/apps.git", &dockerfiles);
        let enrolments: String = (0..=images).map(|at| self.enrolment(at)).collect();
        self.push(PLATFORM, &[(format!("{FACTORY}/images.yaml"), enrolments)]);
    }

    /// The name in state of an image's base image.
    pub fn base(&self, at: usize) -> String {
        let reference = format!("{}/base-{at}:1", self.registry.host());
        name::of_base_image(&ImageReference::parse(&reference).expect("it is a reference"))
    }

    /// What a Job of this number is to do; five kinds, one after the other.
    pub fn job(&self, number: usize) -> Vec<String> {
        let at = number / 5;
        let (app, key) = (app(at), format!("{}-1", app(at)));
        match number % 5 {
            0 => words(&["observe", "--name", &self.base(at)]),
            1 => words(&["analyze", "--image", &app, "--tag", "2"]),
            2 => {
                let run = ["--key", &key, "--began", "2026-01-07T11:00:00Z", "--succeeded"];
                [&words(&["prove", "--image", &app, "--tag", "2"])[..], &words(&run)].concat()
            }
            3 => words(&["reconcile"]),
            _ => words(&["sweep"]),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The repository's folder at the server.
    pub fn bare(&self) -> PathBuf {
        self.path("git").join(PLATFORM)
    }

    pub fn url(&self) -> String {
        format!("http://{}/{PLATFORM}", self.server.host())
    }

    /// What the git server answers from now on, before git does.
    pub fn serve(&self, rule: impl Fn(&Ask) -> Option<Reply> + Send + Sync + 'static) {
        *self.rule.write().expect("no test panicked") = Arc::new(rule);
    }

    /// What the registry answers from now on, before it looks.
    pub fn sell(&self, rule: impl Fn(&Ask) -> Option<Reply> + Send + Sync + 'static) {
        *self.registry_rule.write().expect("no test panicked") = Arc::new(rule);
    }

    /// A program in the PATH of the Jobs, before all others.
    pub fn program(&self, name: &str, script: &str) {
        write_program(&self.path("bin").join(name), script);
    }

    /// A hook of the server's repository.
    pub fn hook(&self, name: &str, script: &str) {
        write_program(&self.bare().join("hooks").join(name), script);
    }

    /// The git server does again what it should.
    pub fn behave(&self) {
        self.serve(|_| None);
        self.hook("pre-receive", "");
    }

    /// The program with these words, in the clone or in a folder, on a day of January 2026.
    pub fn command(&self, day: u32, words: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image-factory"));
        command
            .env_clear()
            .envs(isolated(self.folder.path()))
            .current_dir(self.folder.path())
            .args(["--now", &format!("2026-01-{day:02}T10:00:00Z")])
            .args(words);
        command
    }

    /// A Job: it works in a clone of its own.
    pub fn job_command(&self, day: u32, words: &[String]) -> Command {
        let mut command = self.command(day, words);
        command.args(["--git-repo", &self.url(), FACTORY]);
        command
    }

    pub fn run(&self, day: u32, words: &[String]) -> Output {
        self.job_command(day, words).output().expect("the program starts")
    }

    pub fn run_ok(&self, day: u32, words: &[String]) -> String {
        let output = self.run(day, words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
        said
    }

    /// The test's own git, in a folder of the world.
    pub fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
        let output = Command::new("git")
            .env_clear()
            .envs(isolated(self.folder.path()))
            .env("PATH", std::env::var_os("PATH").expect("there is a PATH"))
            .envs(who.map(|name| (name, "someone@example.com")))
            .current_dir(folder)
            .args(arguments)
            .output()
            .expect("git starts");
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).trim_end().to_owned()
    }

    /// Git in the server's repository.
    pub fn platform(&self, arguments: &[&str]) -> String {
        self.git(&self.bare(), arguments)
    }

    /// Every file at the tip, with what is in it.
    pub fn listing(&self) -> String {
        self.platform(&["ls-tree", "-r", "main"])
    }

    /// The same after one more sweep: one that enrols an image leaves the look at it to the next.
    pub fn settled(&self) -> String {
        self.run_ok(8, &["sweep".to_owned()]);
        self.listing()
    }

    /// Replaces the server's repository by a copy of another folder, or makes that copy.
    pub fn copy(&self, from: &Path, to: &Path) {
        if to.exists() {
            fs::remove_dir_all(to).expect("it can be removed");
        }
        let status = Command::new("cp").arg("-a").args([from, to]).status().expect("cp starts");
        assert!(status.success());
    }

    /// What must hold of the repository, whatever happened to the Jobs.
    pub fn check(&self, before: &str) {
        assert_eq!(self.platform(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
        assert_eq!(self.platform(&["rev-list", "--merges", "main"]), "");
        let changed = self.platform(&["diff", "--name-only", before, "main"]);
        let outside: Vec<&str> =
            changed.lines().filter(|path| !path.starts_with("image-factory/state/")).collect();
        assert!(outside.is_empty(), "{outside:?}");
        self.platform(&["fsck", "--strict"]);
        assert_eq!(locks(&self.bare()), Vec::<PathBuf>::new());
    }

    /// How many commits there are since one.
    pub fn commits_since(&self, before: &str) -> usize {
        self.platform(&["rev-list", "--count", &format!("{before}..main")]).parse().expect("a number")
    }

    pub fn assert_nothing_left(&self) {
        let left: Vec<PathBuf> = fs::read_dir(self.path("tmp"))
            .expect("it can be listed")
            .map(|entry| entry.expect("it can be read").path())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    fn init(&self, name: &str) {
        let bare = self.path("git").join(name);
        fs::create_dir_all(&bare).expect("a folder can be made");
        self.git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        self.git(&bare, &["config", "uploadpack.allowFilter", "true"]);
    }

    /// Someone's commit.
    fn push(&self, name: &str, files: &[(String, String)]) {
        let clone = tempfile::tempdir_in(self.folder.path()).expect("a folder can be made");
        let bare = self.path("git").join(name).display().to_string();
        self.git(clone.path(), &["clone", "--quiet", &bare, "."]);
        for (path, text) in files {
            let path = clone.path().join(path);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
            fs::write(path, text).expect("a file can be written");
        }
        self.git(clone.path(), &["add", "."]);
        self.git(clone.path(), &["commit", "--quiet", "--message", "files"]);
        self.git(clone.path(), &["push", "--quiet", "origin", "HEAD:refs/heads/main"]);
    }
}

fn obey(rule: &RwLock<Arc<Rule>>, ask: &Ask) -> Option<Reply> {
    let rule = rule.read().expect("no test panicked").clone();
    rule(ask)
}

fn isolated(folder: &Path) -> Vec<(OsString, OsString)> {
    let path = std::env::var("PATH").expect("there is a PATH");
    let at = |name: &str| folder.join(name).into_os_string();
    vec![
        ("PATH".into(), format!("{}:{path}", folder.join("bin").display()).into()),
        ("HOME".into(), at("home")),
        ("TMPDIR".into(), at("tmp")),
        ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ("GIT_CONFIG_COUNT".into(), "1".into()),
        ("GIT_CONFIG_KEY_0".into(), format!("url.file://{}/git/.insteadOf", folder.display()).into()),
        ("GIT_CONFIG_VALUE_0".into(), "https://github.com/".into()),
    ]
}

fn write_program(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
    fs::write(path, format!("#!/bin/sh\n{script}")).expect("a file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it can be made a program");
}

/// The lock files of a repository.
fn locks(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(locks(&path));
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            found.push(path);
        }
    }
    found
}

pub fn app(at: usize) -> String {
    format!("app-{at}")
}

pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

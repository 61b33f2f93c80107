//! `analyze --git-repo` as the Job runs it: the program, git, and bare repositories of our own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const NOW: &str = "2026-01-05T10:00:00Z";

/// Bare repositories, which git finds in place of `https://github.com`, and isolated settings.
struct World {
    folder: TempDir,
}

impl World {
    /// With the repository `acme/platform`, whose folder `image-factory` holds these enrolments.
    fn new(images: &str) -> World {
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::create_dir(folder.path().join("tmp")).expect("a folder can be made");
        let world = World { folder };
        world.repository(
            "acme/platform",
            &[("image-factory/images.yaml", images), ("README.md", "ours\n"), (".gitignore", "state/\n")],
        );
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn isolated<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let path = std::env::var("PATH").expect("there is a PATH");
        let here = format!("url.file://{}/git/.insteadOf", self.folder.path().display());
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_VALUE_0", "https://github.com/")])
            .env("GIT_CONFIG_KEY_0", here)
    }

    /// The test's own git.
    fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        let output = self
            .isolated(&mut command)
            .envs([("GIT_AUTHOR_NAME", "Someone"), ("GIT_AUTHOR_EMAIL", "someone@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Someone"), ("GIT_COMMITTER_EMAIL", "someone@example.com")])
            .env("PATH", std::env::var("PATH").expect("there is a PATH"))
            .current_dir(folder)
            .args(arguments)
            .output()
            .expect("git starts");
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).trim_end().to_owned()
    }

    fn bare(&self, name: &str) -> PathBuf {
        self.path(&format!("git/{name}.git"))
    }

    fn repository(&self, name: &str, files: &[(&str, &str)]) {
        let bare = self.bare(name);
        fs::create_dir_all(&bare).expect("a folder can be made");
        self.git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        self.push(name, "main", files);
    }

    /// Someone's commit on top of a branch.
    fn push(&self, name: &str, branch: &str, files: &[(&str, &str)]) {
        let clone = tempfile::tempdir_in(self.folder.path()).expect("a folder can be made");
        let bare = self.bare(name).display().to_string();
        self.git(clone.path(), &["clone", "--quiet", &bare, "."]);
        for (path, text) in files {
            let path = clone.path().join(path);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
            fs::write(path, text).expect("a file can be written");
        }
        self.git(clone.path(), &["add", "--all", "--force"]);
        self.git(clone.path(), &["commit", "--quiet", "--message", "someone's"]);
        self.git(clone.path(), &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]);
    }

    /// Something of the state's repository: `log`, `show`, …
    fn platform(&self, arguments: &[&str]) -> String {
        self.git(&self.bare("acme/platform"), arguments)
    }

    /// A program that the program finds before the system's.
    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::create_dir_all(self.path("bin")).expect("a folder can be made");
        fs::write(&path, format!("#!/bin/sh\n{script}")).expect("a file can be written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it can be made a program");
    }

    /// `analyze` on the state's repository, with these flags besides.
    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image-factory"));
        let repository = "https://github.com/acme/platform.git";
        self.isolated(&mut command)
            .current_dir(self.folder.path())
            .args(["analyze", "--now", NOW, "--git-repo", repository])
            .args(more);
        command
    }

    fn analyze(&self, more: &[&str]) -> Output {
        let output = self.command(more).output().expect("the program starts");
        let left = fs::read_dir(self.path("tmp")).expect("it can be listed").count();
        assert_eq!(left, 0, "something temporary is left");
        output
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}

/// It ended with this exit code, and printed this and nothing else.
fn check(output: &Output, exit: i32, stderr: &str) {
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(exit), stderr));
    assert_eq!(text(&output.stdout), "");
}

fn managed(name: &str) -> String {
    format!(
        "- name: {name}\n  registry: ghcr.io\n  repository: acme/{name}\n  source: {{provider: github, \
         repo: acme/{name}, branch: main, workflow: build.yml}}\n"
    )
}

const EXTERNAL: &str =
    "- name: postgres\n  registry: docker.io\n  repository: library/postgres\n  allowTags: ^16$\n";

#[test]
fn one_commit_says_what_changed() {
    let world = World::new(&(managed("web") + EXTERNAL));
    world.repository("acme/web", &[("Dockerfile", "FROM node:22-slim\n")]);
    let output = world.analyze(&["--all"]);
    let commit = world.platform(&["rev-parse", "--short=12", "main"]);
    let lines = "postgres: external, new\nweb: 1 base image (node-22-slim), new\n";
    let fetched = "fetched main of https://github.com/acme/web.git\n";
    check(&output, 0, &format!("{fetched}{lines}pushed {commit} to main\n"));

    let who = world.platform(&["log", "-1", "--format=%an|%cn|%ae", "main"]);
    let bot = "Image Factory Bot";
    assert_eq!(who, format!("{bot}|{bot}|image-factory@users.noreply.github.com"));
    let message = world.platform(&["log", "-1", "--format=%B", "main"]);
    let trailers = "Base-Image: node-22-slim\nImage: postgres\nImage: web";
    assert_eq!(message, format!("state: postgres, web [skip ci]\n\n{lines}\n{trailers}"));
    // One commit on top, which adds state and touches nothing else.
    assert_eq!(world.platform(&["rev-list", "--count", "main"]), "2");
    let changes = world.platform(&["diff-tree", "-r", "--name-status", "--no-commit-id", "main"]);
    assert_eq!(
        changes,
        "A\timage-factory/state/base-images/node-22-slim.yaml\n\
         A\timage-factory/state/images/postgres.yaml\n\
         A\timage-factory/state/images/web.yaml"
    );

    // Nothing new, so nothing is committed, later neither.
    let again = world.analyze(&["--all", "--now", "2026-02-05T10:00:00Z"]);
    assert_eq!(again.status.code(), Some(2), "a flag is given once: {}", text(&again.stderr));
    let again = world.analyze(&["--all"]);
    let lines = "postgres: external, unchanged\nweb: 1 base image (node-22-slim), unchanged\n";
    check(&again, 0, &format!("{fetched}{lines}nothing changed, so nothing is committed\n"));
    assert_eq!(world.platform(&["rev-parse", "--short=12", "main"]), commit);

    // A Dockerfile that moved on changes what it must, and the message names that image alone.
    world.push("acme/web", "main", &[("Dockerfile", "FROM node:24-slim\n")]);
    let given = ["--all", "--trailer=Stage=discover-web", "--trailer", "Freight: https://x.example/web@0a1b"];
    let moved = world.analyze(&given);
    assert_eq!(moved.status.code(), Some(0), "{}", text(&moved.stderr));
    let message = world.platform(&["log", "-1", "--format=%B", "main"]);
    assert!(message.starts_with("state: web [skip ci]\n\nweb: 1 base image (node-24-slim)"), "{message}");
    assert!(!message.contains("postgres"), "{message}");
    // Git itself finds them.
    let trailers = world.platform(&["log", "-1", "--format=%(trailers:only,unfold)", "main"]);
    let expected = "Stage: discover-web\nFreight: https://x.example/web@0a1b\n\
        Base-Image: node-22-slim\nBase-Image: node-24-slim\nImage: web";
    assert_eq!(trailers.trim(), expected);

    // What is no trailer is refused before anything is fetched.
    for wrong in ["--trailer=Stage", "--trailer=St age=x", "--trailer=Stage=a\nImage: b"] {
        let output = world.analyze(&["--all", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", text(&output.stderr));
    }
}

#[test]
fn ci_is_not_skipped_where_factory_yaml_says_so() {
    let world = World::new(EXTERNAL);
    world.push("acme/platform", "main", &[("image-factory/factory.yaml", "git: {skipCI: false}\n")]);
    let output = world.analyze(&["--image", "postgres"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let message = world.platform(&["log", "-1", "--format=%B", "main"]);
    assert_eq!(message, "state: postgres\n\npostgres: external, new\n\nImage: postgres");
}

#[test]
fn another_branch_and_folder_can_be_named() {
    let world = World::new(EXTERNAL);
    world.push("acme/platform", "team", &[("teams/a/images.yaml", &EXTERNAL.replace("postgres", "redis"))]);
    let before = world.platform(&["rev-parse", "main"]);
    let output = world.analyze(&["--all", "--git-branch", "team", "teams/a"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).ends_with(" to team\n"), "{}", text(&output.stderr));
    let changes = world.platform(&["diff-tree", "-r", "--name-only", "--no-commit-id", "team"]);
    assert_eq!(changes, "teams/a/state/images/redis.yaml");
    assert_eq!(world.platform(&["rev-parse", "main"]), before);
}

/// A second writer enrols an image and pushes, after we read the branch and before we push.
#[test]
fn a_lost_race_is_looked_at_again_on_the_new_tip() {
    let world = World::new(&managed("web"));
    world.repository("acme/web", &[("Dockerfile", "FROM node:22-slim\n")]);
    world.push(
        "acme/platform",
        "second",
        &[("image-factory/images.yaml", &(managed("web") + EXTERNAL)), ("other.txt", "theirs\n")],
    );
    let git = Command::new("sh").args(["-c", "command -v git"]).output().expect("sh is there");
    let (git, bare) = (text(&git.stdout), world.bare("acme/platform").display().to_string());
    let marker = world.path("raced").display().to_string();
    world.program(
        "git",
        &format!(
            "for word in \"$@\"; do\n  if [ \"$word\" = push ] && [ ! -e '{marker}' ]; then\n    \
             : >'{marker}'\n    '{git}' --git-dir='{bare}' update-ref refs/heads/main refs/heads/second\n  \
             fi\ndone\nexec '{git}' \"$@\"\n",
            git = git.trim()
        ),
    );
    let output = world.analyze(&["--all"]);
    assert!(world.path("raced").exists(), "nobody raced");
    let commit = world.platform(&["rev-parse", "--short=12", "main"]);
    check(
        &output,
        0,
        &format!(
            "fetched main of https://github.com/acme/web.git\nweb: 1 base image (node-22-slim), new\n\
             others pushed to main first; looking again at its new tip\npostgres: external, new\nweb: 1 base image (node-22-slim), new\npushed {commit} to main\n"
        ),
    );
    // What they wrote is there, ours is one commit on top of it, and it knows what they enrolled.
    assert_eq!(world.platform(&["show", "main:other.txt"]), "theirs");
    assert_eq!(world.platform(&["rev-parse", "main~1"]), world.platform(&["rev-parse", "second"]));
    let state = world.platform(&["ls-tree", "-r", "--name-only", "main", "image-factory/state/images"]);
    assert_eq!(state, "image-factory/state/images/postgres.yaml\nimage-factory/state/images/web.yaml");
}

#[test]
fn a_dry_run_prints_what_git_apply_takes_and_pushes_nothing() {
    let world = World::new(&managed("web"));
    world.repository("acme/web", &[("Dockerfile", "FROM node:22-slim\n")]);
    let before = world.platform(&["for-each-ref"]);
    let output = world.analyze(&["--all", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = "fetched main of https://github.com/acme/web.git\nweb: 1 base image (node-22-slim), new\n";
    assert_eq!(text(&output.stderr), lines);
    assert!(text(&output.stdout).starts_with("diff --git a/state/base-images/node-22-slim.yaml"));
    assert_eq!(world.platform(&["for-each-ref"]), before);
    // The same as what is committed without the flag.
    let work = world.path("work");
    fs::create_dir(&work).expect("a folder can be made");
    fs::write(work.join("patch"), &output.stdout).expect("a file can be written");
    world.git(&work, &["init", "--quiet"]);
    world.git(&work, &["apply", "patch"]);
    world.analyze(&["--all"]);
    for file in ["state/images/web.yaml", "state/base-images/node-22-slim.yaml"] {
        let committed = world.platform(&["show", &format!("main:image-factory/{file}")]);
        let applied = fs::read_to_string(work.join(file)).expect("the patch makes it");
        assert_eq!(applied.trim_end(), committed, "{file}");
    }
}

#[test]
fn one_bad_dockerfile_does_not_stop_the_others() {
    let world = World::new(&(managed("bad") + &managed("good")));
    world.repository("acme/good", &[("Dockerfile", "FROM node:22-slim\n")]);
    world.repository("acme/bad", &[("Dockerfile", "FROM node:22-slim\nCOPI . .\n")]);
    let output = world.analyze(&["--all"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("\nerror[IF06"), "{stderr}");
    let mut fetched: Vec<&str> = stderr.lines().take(2).map(|line| &line[..line.len() - 9]).collect();
    fetched.sort_unstable();
    let expected = ["bad", "good"].map(|name| format!("fetched main of https://github.com/acme/{name}.git"));
    assert_eq!(fetched, expected);
    assert!(stderr.contains("\n2 | COPI . .\n"), "{stderr}");
    let message = world.platform(&["log", "-1", "--format=%s", "main"]);
    assert_eq!(message, "state: bad, good [skip ci]");
    let good = world.platform(&["show", "main:image-factory/state/images/good.yaml"]);
    assert!(good.contains("discoveryStatus: success\n"), "{good}");
    let bad = world.platform(&["show", "main:image-factory/state/images/bad.yaml"]);
    assert!(bad.contains("discoveryStatus: failed\n"), "{bad}");
}

#[test]
fn git_that_is_down_is_nobodys_fault() {
    // One source of two: the other is committed, and of this one nothing is recorded.
    let world = World::new(&(managed("bad") + &managed("down") + &managed("good")));
    world.repository("acme/good", &[("Dockerfile", "FROM node:22-slim\n")]);
    world.repository("acme/bad", &[("Dockerfile", "FROM\n")]);
    let output = world.analyze(&["--all"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "3 wins over 1: {stderr}");
    assert!(stderr.contains("error[IF0910]: `down`: https://github.com/acme/down.git cannot be"), "{stderr}");
    assert!(stderr.contains("could not fetch main of https://github.com/acme/down.git ("), "{stderr}");
    assert!(stderr.contains("\ndown: not reached, nothing recorded\n"), "{stderr}");
    assert_eq!(world.platform(&["log", "-1", "--format=%s", "main"]), "state: bad, good [skip ci]");
    let state = world.platform(&["ls-tree", "-r", "--name-only", "main", "image-factory/state/images"]);
    assert_eq!(state, "image-factory/state/images/bad.yaml\nimage-factory/state/images/good.yaml");

    // The state's own repository.
    fs::rename(world.bare("acme/platform"), world.path("away")).expect("it can be moved");
    let output = world.analyze(&["--all"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.starts_with("error[IF1041]: cannot fetch `main` of `https://github.com/acme"), "{stderr}");
}

/// What the repository says that somebody happens to stand in is not for the factory's git.
#[test]
fn ssh_never_asks() {
    let world = World::new(EXTERNAL);
    let heard = world.path("heard").display().to_string();
    world.program("ssh", &format!("echo \"$@\" >>'{heard}'\nexit 255\n"));
    world.git(world.folder.path(), &["init", "--quiet"]);
    world.git(world.folder.path(), &["config", "core.sshCommand", "false"]);
    let source = "source: {provider: git, repo: \"ssh://git@127.0.0.1:1/acme/web.git\"}\n";
    let image = "- name: web\n  registry: ghcr.io\n  repository: acme/web\n";
    world.push("acme/platform", "main", &[("image-factory/images.yaml", &format!("{image}  {source}"))]);
    let output = world.analyze(&["--all"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let heard = fs::read_to_string(heard).expect("ssh was started");
    assert!(heard.contains("-o BatchMode=yes -o ConnectTimeout=30"), "{heard}");
}

/// The bar is for eyes: it goes to the terminal, leaves no line there, and never to stdout.
#[test]
fn a_terminal_gets_a_bar_that_is_wiped_away() {
    use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
    use std::io::Read;
    let world = World::new(&managed("web"));
    world.repository("acme/web", &[("Dockerfile", "FROM node:22-slim\n")]);
    let look = |kind: &str| {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("it is ours");
        let name = ptsname(&terminal, Vec::new()).expect("it has a name").into_string().expect("UTF-8");
        let side = fs::OpenOptions::new().write(true).open(name).expect("it can be opened");
        let mut command = world.command(&["--all", "--dry-run"]);
        let child = command.env("TERM", kind).stdout(Stdio::piped()).stderr(side).spawn();
        let child = child.expect("the program starts");
        drop(command);
        let mut seen = Vec::new();
        // The other side's end is an error here, on Linux.
        let _ = fs::File::from(terminal).read_to_end(&mut seen);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", text(&seen));
        assert!(text(&output.stdout).starts_with("diff --git "), "{}", text(&output.stdout));
        text(&seen)
    };
    let seen = look("xterm");
    assert!(seen.contains("fetching [                        ] 0/1 0s"), "{seen:?}");
    assert!(seen.ends_with("\r\u{1b}[2Kweb: 1 base image (node-22-slim), new\r\n"), "{seen:?}");
    assert!(!seen.contains("\u{1b}[3"), "it has no colours: {seen:?}");
    let seen = look("dumb");
    let lines =
        "fetched main of https://github.com/acme/web.git\r\nweb: 1 base image (node-22-slim), new\r\n";
    assert_eq!(seen, lines);
}

#[test]
fn bad_input_commits_nothing() {
    let world = World::new(&(managed("web") + "- name: Web\n"));
    world.repository("acme/web", &[("Dockerfile", "FROM node:22-slim\n")]);
    let before = world.platform(&["for-each-ref"]);
    let output = world.analyze(&["--all"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("images.yaml:5:9"), "{}", text(&output.stderr));
    assert_eq!(world.platform(&["for-each-ref"]), before);
    assert_eq!(text(&output.stdout), "");
}

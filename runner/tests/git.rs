//! Git against repositories made here, with isolated settings and no network but loopback.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use image_factory::abi::{GitFetched, GitNeed};
use image_factory::sorted::SortedMap;
use image_factory_harness::git::backend;
use image_factory_harness::registry::stub::{Reply, Stub};
use image_factory_harness::registry::Documents;
use image_factory_runner::git::{
    Change, Git, GitError, Kind, Pushed, Scratch, Sources, StateRepository, ATTEMPTS, CREDENTIALS_VARIABLE,
    MAX_FILE,
};

/// A folder with bare repositories, and git settings that see nothing of this machine.
struct World {
    scratch: Scratch,
}

impl World {
    fn new() -> Self {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        fs::create_dir(scratch.path().join("tmp")).unwrap();
        World { scratch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn url(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_DATE", "2026-01-05T10:00:00Z"),
            ("GIT_COMMITTER_DATE", "2026-01-05T10:00:00Z"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec();
        variables.push(("PATH".into(), std::env::var_os("PATH").unwrap()));
        variables.push(("HOME".into(), self.path("home").into()));
        variables.push(("TMPDIR".into(), self.path("tmp").into()));
        variables
    }

    fn client(&self) -> Git {
        self.client_with(&[])
    }

    fn client_with(&self, more: &[(&str, &str)]) -> Git {
        let mut variables = self.environment();
        variables.extend(more.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let mut git = Git::with(variables).unwrap();
        git.time_limit = Duration::from_secs(60);
        git
    }

    /// The test's own git, not the one under test.
    fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let out = Command::new("git")
            .env_clear()
            .envs(self.environment())
            .envs(["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|name| (name, "Test")))
            .envs(["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|name| (name, "test@example.com")))
            .current_dir(self.path(folder))
            .args(arguments)
            .output()
            .unwrap();
        assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// A bare repository whose branch `main` has these files in one commit; its tip.
    fn repository(&self, name: &str, files: &[(&str, &[u8])]) -> String {
        self.git("", &["init", "--quiet", "--bare", "--initial-branch=main", name]);
        self.push(name, "main", files)
    }

    /// Commits files on a branch of a bare repository, in a clone that is thrown away; the new tip.
    fn push(&self, name: &str, branch: &str, files: &[(&str, &[u8])]) -> String {
        let clone = format!("clone-of-{name}");
        if self.path(&clone).exists() {
            fs::remove_dir_all(self.path(&clone)).unwrap();
        }
        self.git("", &["clone", "--quiet", name, &clone]);
        // Attributes come last, so that git adds the other files as they are.
        for attributes in [false, true] {
            for (path, bytes) in files.iter().filter(|(path, _)| (*path == ".gitattributes") == attributes) {
                write(&self.path(&clone).join(path), bytes);
                self.git(&clone, &["add", "--", &format!(":(literal){path}")]);
            }
        }
        self.git(&clone, &["commit", "--quiet", "--message", "test", "--allow-empty"]);
        self.git(&clone, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]);
        self.git(&clone, &["rev-parse", "HEAD"])
    }

    fn set(&self, repository: &str, key: &str, value: &str) {
        self.git(repository, &["config", key, value]);
    }

    fn hook(&self, repository: &str, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(repository).join("hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn fetch(&self, git: &Git, needs: &[GitNeed]) -> Vec<GitFetched> {
        let answers = Sources::new(git.clone()).unwrap().fetch(needs, &|_| ());
        for answer in &answers {
            let shown = format!("{answer:?}");
            assert!(!shown.contains("/tmp/image-factory-") || answer.url.contains("/tmp"), "{shown}");
        }
        answers
    }

    fn fetch_one(&self, git: &Git, url: &str, reference: &str, paths: &[&str]) -> GitFetched {
        self.fetch(git, &[need(url, reference, paths)]).pop().unwrap()
    }

    fn assert_nothing_left(&self) {
        let left: Vec<_> =
            fs::read_dir(self.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Writes a file, or a symbolic link for `-> target`.
fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match bytes.strip_prefix(b"-> ") {
        Some(target) => std::os::unix::fs::symlink(std::str::from_utf8(target).unwrap(), path).unwrap(),
        None => fs::write(path, bytes).unwrap(),
    }
}

fn need(url: &str, reference: &str, paths: &[&str]) -> GitNeed {
    GitNeed {
        url: url.to_owned(),
        reference: reference.to_owned(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    }
}

fn text<'a>(answer: &'a GitFetched, path: &str) -> Option<&'a str> {
    assert_eq!(answer.error, None);
    answer.files[path].as_deref()
}

fn error(answer: GitFetched) -> String {
    assert_eq!((answer.commit, answer.files.len()), (None, 0));
    answer.error.unwrap()
}

const V0: [(&str, &str); 3] =
    [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "protocol.version"), ("GIT_CONFIG_VALUE_0", "0")];

// ---- Files of sources ----

#[test]
fn a_branch_a_tag_a_commit_and_the_default_are_fetched() {
    let world = World::new();
    let first = world.repository("app", &[("Dockerfile", b"FROM one\n")]);
    world.git("app", &["tag", "light", &first]);
    world.git("app", &["tag", "--annotate", "--message", "x", "v1", &first]);
    world.git("app", &["tag", "both", &first]);
    let second = world.push("app", "main", &[("Dockerfile", b"FROM two\n")]);
    world.git("app", &["branch", "both", &second]);
    world.git("app", &["branch", "release/1.x", &first]);
    let git = world.client();
    for is_filtering in [false, true] {
        world.set("app", "uploadpack.allowFilter", &is_filtering.to_string());
        for (reference, commit, dockerfile) in [
            ("", &second, "FROM two\n"),
            ("main", &second, "FROM two\n"),
            ("refs/heads/main", &second, "FROM two\n"),
            ("release/1.x", &first, "FROM one\n"),
            ("light", &first, "FROM one\n"),
            ("v1", &first, "FROM one\n"),
            ("both", &second, "FROM two\n"),
            ("refs/tags/both", &first, "FROM one\n"),
            (first.as_str(), &first, "FROM one\n"),
        ] {
            let answer = world.fetch_one(&git, &world.url("app"), reference, &["Dockerfile", "none"]);
            assert_eq!(text(&answer, "Dockerfile"), Some(dockerfile), "{reference}");
            assert_eq!(text(&answer, "none"), None);
            assert_eq!(answer.commit.as_ref(), Some(commit), "{reference}");
        }
    }
    // A path without a scheme is a URL to git, too.
    let answer = world.fetch_one(&git, world.path("app").to_str().unwrap(), "v1", &["Dockerfile"]);
    assert_eq!(text(&answer, "Dockerfile"), Some("FROM one\n"));
    world.assert_nothing_left();
}

#[test]
fn files_are_read_as_they_are_and_links_followed_inside() {
    let world = World::new();
    let large = vec![b'#'; MAX_FILE + 4096];
    world.repository(
        "app",
        &[
            ("a b/Dockerfile", b"FROM x\r\n"),
            (".gitattributes", b"* text eol=lf ident\n"),
            ("latin", b"# caf\xe9\nFROM x\n"),
            ("binary", b"\0\xff\n\n"),
            ("empty", b""),
            ("large", &large),
            ("link", b"-> a b/Dockerfile"),
            ("hop", b"-> ./link"),
            ("folder", b"-> a b"),
            ("out", b"-> ../../etc/passwd"),
            ("absolute", b"-> /etc/passwd"),
            ("loop", b"-> loop"),
            ("dangling", b"-> nothing here"),
            ("-dash", b"FROM dash\n"),
            (":(top)", b"FROM magic\n"),
        ],
    );
    let git = world.client();
    for is_filtering in [true, false] {
        world.set("app", "uploadpack.allowFilter", &is_filtering.to_string());
        let paths = [
            "a b/Dockerfile",
            "./a b//Dockerfile",
            "latin",
            "binary",
            "empty",
            "large",
            "link",
            "hop",
            "folder/Dockerfile",
            "out",
            "absolute",
            "loop",
            "dangling",
            "a b",
            "latin/x",
            "/etc/passwd",
            "../app/latin",
            ".git/config",
            "a\nb",
            "",
            "-dash",
            ":(top)",
            "none",
        ];
        let answer = world.fetch_one(&git, &world.url("app"), "main", &paths);
        assert_eq!(answer.files.len(), paths.len());
        for path in ["a b/Dockerfile", "./a b//Dockerfile", "link", "hop", "folder/Dockerfile"] {
            assert_eq!(text(&answer, path), Some("FROM x\r\n"), "{path}");
        }
        assert_eq!(text(&answer, "latin"), Some("# caf\u{fffd}\nFROM x\n"));
        assert_eq!(text(&answer, "binary"), Some("\0\u{fffd}\n\n"));
        assert_eq!(text(&answer, "empty"), Some(""));
        assert_eq!(text(&answer, "-dash"), Some("FROM dash\n"));
        assert_eq!(text(&answer, ":(top)"), Some("FROM magic\n"));
        assert_eq!(text(&answer, "large").map(str::len), Some(MAX_FILE + 1));
        for path in [
            "out",
            "absolute",
            "loop",
            "dangling",
            "a b",
            "latin/x",
            "/etc/passwd",
            "../app/latin",
            ".git/config",
            "a\nb",
            "",
            "none",
        ] {
            assert_eq!(text(&answer, path), None, "{path}");
        }
    }
}

#[test]
fn many_needs_of_one_repository_are_one_fetch_without_other_files() {
    let world = World::new();
    let names: Vec<String> = (0..30).map(|n| format!("apps/{n}/Dockerfile")).collect();
    let texts: Vec<String> = (0..30).map(|n| format!("FROM image{n}\n")).collect();
    let mut files: Vec<(&str, &[u8])> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    files.push(("unneeded", b"not asked for"));
    let commit = world.repository("app", &files);
    world.set("app", "uploadpack.allowFilter", "true");
    let trace = world.path("trace");
    let git = world.client_with(&[("GIT_TRACE", trace.to_str().unwrap())]);
    let needs: Vec<GitNeed> = names.iter().map(|name| need(&world.url("app"), "main", &[name])).collect();
    let mut sources = Sources::new(git).unwrap();
    let told = Mutex::new(Vec::new());
    assert_eq!(sources.unknown(&needs), 1);
    let answers = sources.fetch(&needs, &|answer| told.lock().unwrap().push(answer.commit.clone()));
    assert_eq!(told.into_inner().unwrap(), [Some(commit.clone())]);
    assert_eq!(sources.unknown(&needs), 0);
    assert_eq!(answers.len(), 1);
    for (name, expected) in names.iter().zip(&texts) {
        assert_eq!(text(&answers[0], name), Some(expected.as_str()));
    }
    let fetches = |trace: &Path| {
        fs::read_to_string(trace)
            .unwrap()
            .lines()
            .filter(|line| line.contains("built-in: git fetch "))
            .count()
    };
    assert_eq!(fetches(&trace), 2, "the tip, and its files in one go");
    // The branch moves; what this run sees does not, and what it knows costs no connection.
    world.push("app", "main", &[("apps/0/Dockerfile", b"FROM moved\n")]);
    let answers =
        sources.fetch(&[need(&world.url("app"), "main", &["apps/0/Dockerfile"])], &|_| panic!("not new"));
    assert_eq!(answers[0].commit.as_ref(), Some(&commit));
    assert_eq!(text(&answers[0], "apps/0/Dockerfile"), Some("FROM image0\n"));
    assert_eq!(fetches(&trace), 2);
    // Nothing else was downloaded.
    let object = world.git("app", &["rev-parse", "main:unneeded"]);
    let scratch = fs::read_dir(world.path("tmp")).unwrap().next().unwrap().unwrap();
    let repository = scratch.path().join("source-1");
    let all = world.git(repository.to_str().unwrap(), &["cat-file", "--batch-check", "--batch-all-objects"]);
    assert!(!all.contains(&object) && all.contains(" blob "), "{all}");
    drop(sources);
    world.assert_nothing_left();
}

#[test]
fn a_repository_is_bounded_in_bytes() {
    let world = World::new();
    // Which do not compress: a counter, hashed by multiplication.
    let noise: Vec<u8> =
        (0_u64..400_000).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    world.repository("app", &[("Dockerfile", b"FROM a\n"), ("video", &noise)]);
    let mut git = world.client();
    git.size_limit = 1 << 20;
    // A server without filters sends all files.
    let text = error(world.fetch_one(&git, &world.url("app"), "main", &["Dockerfile"]));
    let url = world.url("app");
    let hint = format!("(hint: clone it yourself, and name the clone: `--source-dir {url}=FOLDER`)");
    assert!(text.ends_with(&format!("the repository has more than 1 MiB {hint}")), "{text}");
    world.assert_nothing_left();
    // With them, the file that is not asked for does not count.
    world.set("app", "uploadpack.allowFilter", "true");
    let answer = world.fetch_one(&git, &url, "main", &["Dockerfile"]);
    assert_eq!(self::text(&answer, "Dockerfile"), Some("FROM a\n"));
}

#[test]
fn several_repositories_each_get_their_own_answer() {
    let world = World::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.repository(name, &[("Dockerfile", format!("FROM {name}\n").as_bytes())]);
    }
    let mut needs: Vec<GitNeed> = ["a", "b", "c", "d", "e", "f", "missing"]
        .map(|name| need(&world.url(name), "", &["Dockerfile"]))
        .to_vec();
    needs.reverse();
    let answers = world.fetch(&world.client(), &needs);
    assert_eq!(answers.len(), 7);
    for (name, answer) in ["a", "b", "c", "d", "e", "f"].iter().zip(&answers) {
        assert_eq!(answer.url, world.url(name));
        assert_eq!(text(answer, "Dockerfile"), Some(format!("FROM {name}\n").as_str()));
    }
    assert!(answers[6].error.is_some());
}

#[test]
fn servers_that_send_no_single_objects_are_served_too() {
    let world = World::new();
    let first = world.repository("app", &[("Dockerfile", b"FROM one\n"), ("link", b"-> Dockerfile")]);
    world.push("app", "main", &[("Dockerfile", b"FROM two\n")]);
    world.set("app", "uploadpack.allowAnySHA1InWant", "false");
    let git = world.client_with(&V0);
    for is_filtering in [true, false] {
        world.set("app", "uploadpack.allowFilter", &is_filtering.to_string());
        let answer = world.fetch_one(&git, &world.url("app"), "main", &["Dockerfile", "link"]);
        assert_eq!(text(&answer, "Dockerfile"), Some("FROM two\n"));
        assert_eq!(text(&answer, "link"), Some("FROM two\n"));
        let missing = "0123456789012345678901234567890123456789";
        let text = error(world.fetch_one(&git, &world.url("app"), missing, &["Dockerfile"]));
        assert!(text.contains("no branch or tag holds `0123456789"), "{text}");
    }
    // A commit inside the history, from a server that would not send it by its digits.
    let answer = world.fetch_one(&git, &world.url("app"), &first, &["Dockerfile", "link"]);
    assert_eq!((text(&answer, "Dockerfile"), answer.commit.as_ref()), (Some("FROM one\n"), Some(&first)));
    world.set("app", "uploadpack.allowFilter", "true");
    let answer = world.fetch_one(&git, &world.url("app"), &first, &["Dockerfile", "link"]);
    assert_eq!((text(&answer, "link"), answer.commit.as_ref()), (Some("FROM one\n"), Some(&first)));
}

#[test]
fn what_is_missing_is_named() {
    let world = World::new();
    world.repository("app", &[("Dockerfile", b"FROM one\n")]);
    world.git("", &["init", "--quiet", "--bare", "empty"]);
    let git = world.client();
    let check = |url: &str, reference: &str, parts: &[&str]| {
        let text = error(world.fetch_one(&git, url, reference, &["Dockerfile"]));
        for part in parts {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains('\n') && text.contains("(hint: "), "{text}");
    };
    check(&world.url("app"), "nope", &["has no branch or tag `nope`", "git ls-remote"]);
    check(&world.url("empty"), "", &["has no default branch"]);
    check(&world.url("nowhere"), "main", &["cannot fetch `main`", "does not"]);
    let missing = "0123456789012345678901234567890123456789";
    check(&world.url("app"), missing, &["not our ref"]);
    world.assert_nothing_left();
}

#[test]
fn nothing_is_an_option_a_command_or_another_transport() {
    let world = World::new();
    world.repository("app", &[("Dockerfile", b"FROM one\n")]);
    let proof = world.path("proof");
    let touch = format!("touch {}", proof.display());
    // Not even where the user's own settings would allow it.
    let git = world.client_with(&[
        ("GIT_ALLOW_PROTOCOL", "ext:file"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "protocol.ext.allow"),
        ("GIT_CONFIG_VALUE_0", "always"),
    ]);
    for (url, reference) in [
        (format!("--upload-pack={touch}"), "main"),
        (format!("-u{touch}"), "main"),
        (format!("ext::sh -c '{touch}'"), "main"),
        (format!("ext::sh -c '{touch} http://x'"), "main"),
        (format!("ssh://-oProxyCommand={}/x", proof.display()), "main"),
        (format!("-oProxyCommand={touch}:x"), "main"),
        (world.url("app"), &*format!("--upload-pack={touch}")),
        (world.url("app"), "main:refs/heads/x"),
        (world.url("app"), "+main"),
        (world.url("app"), "-f"),
        (world.url("app"), "*"),
        (format!("{}\n[core]\nsshCommand = {touch}", world.url("app")), "main"),
        (format!("{}\"\\", world.url("app")), "main"),
        ("foo://host/x".to_owned(), "main"),
        ("https://example.invalid/x".to_owned(), "main"),
    ] {
        error(world.fetch_one(&git, &url, reference, &["Dockerfile"]));
        assert!(!proof.exists(), "{url} {reference}");
    }
    // The same without our own look at the URL: git's settings rewrite a good one.
    let rewritten = world.client_with(&[
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", &format!("url.ext::sh -c '{touch}' .insteadOf")),
        ("GIT_CONFIG_VALUE_0", "https://example.invalid/"),
        ("GIT_CONFIG_KEY_1", "protocol.allow"),
        ("GIT_CONFIG_VALUE_1", "always"),
    ]);
    let text = error(world.fetch_one(&rewritten, "https://example.invalid/x", "main", &["Dockerfile"]));
    assert!(text.contains("transport 'ext' not allowed") && !proof.exists(), "{text}");
    let text = error(world.fetch_one(&world.client(), "http://example.invalid/x", "", &["Dockerfile"]));
    assert!(text.contains("transport 'http' not allowed") && text.contains("GIT_ALLOW_PROTOCOL="), "{text}");
}

#[test]
fn variables_that_point_git_elsewhere_and_hooks_are_not_used() {
    let world = World::new();
    world.repository("app", &[("Dockerfile", b"FROM one\n")]);
    world.repository("other", &[("Dockerfile", b"FROM other\n")]);
    let other = world.path("other");
    let proof = world.path("proof");
    world.hook("templates", "reference-transaction", &format!("#!/bin/sh\ntouch {}\n", proof.display()));
    let git = world.client_with(&[
        ("GIT_DIR", other.to_str().unwrap()),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_INDEX_FILE", "/nowhere"),
        ("GIT_NAMESPACE", "x"),
        ("GIT_TEMPLATE_DIR", world.path("templates").to_str().unwrap()),
        ("GIT_TRACE", "2"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.hooksPath"),
        ("GIT_CONFIG_VALUE_0", world.path("templates/hooks").to_str().unwrap()),
    ]);
    let answer = world.fetch_one(&git, &world.url("app"), "main", &["Dockerfile"]);
    assert_eq!(text(&answer, "Dockerfile"), Some("FROM one\n"));
    assert!(!proof.exists());
}

// ---- Credentials and limits ----

/// A server on loopback that keeps the heads of requests, and whether a secret stood in an argument.
struct Server {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    in_arguments: Arc<Mutex<bool>>,
}

impl Server {
    /// Answers every request with this head.
    fn refusing(status: &'static str, secret: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, in_arguments) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(false)));
        let server = Server { port, heads: Arc::clone(&heads), in_arguments: Arc::clone(&in_arguments) };
        std::thread::spawn(move || {
            for stream in listener.incoming().take(20) {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                if has_argument(secret) {
                    *in_arguments.lock().unwrap() = true;
                }
                heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        server
    }

    fn heads(&self) -> String {
        self.heads.lock().unwrap().join("")
    }
}

/// Whether any process of this machine has a text among its arguments (where /proc exists).
fn has_argument(text: &str) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes
        .filter_map(|process| fs::read(process.ok()?.path().join("cmdline")).ok())
        .any(|arguments| String::from_utf8_lossy(&arguments).contains(text))
}

/// `me:hunter2-secret` in base64.
const BASIC: &str = "Basic bWU6aHVudGVyMi1zZWNyZXQ=";
const UNAUTHORIZED: &str = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"";

#[test]
fn a_password_in_a_url_reaches_the_server_and_nobody_else() {
    let world = World::new();
    let server = Server::refusing(UNAUTHORIZED, "hunter2");
    let git = world.client();
    let url = format!("http://me:hunter2-secret@127.0.0.1:{}/app.git", server.port);
    let text = error(world.fetch_one(&git, &url, "main", &["Dockerfile"]));
    assert!(server.heads().contains(BASIC), "{}", server.heads());
    assert!(!*server.in_arguments.lock().unwrap());
    assert!(!text.contains("hunter2") && !text.contains("me:"), "{text}");
    assert!(text.contains("Authentication failed") && text.contains(CREDENTIALS_VARIABLE), "{text}");
    let Err(error) = StateRepository::open(&git, &url, "main", "") else { panic!("the server refuses") };
    assert_eq!((error.kind, error.exit_code()), (Kind::Access, 3));
    let shown = format!("{error} {error:?} {:?}", error.diagnostic());
    assert!(!shown.contains("hunter2"), "{shown}");
    world.assert_nothing_left();
}

#[test]
fn a_file_of_credentials_is_read_and_never_written() {
    let world = World::new();
    let server = Server::refusing(UNAUTHORIZED, "hunter2");
    let file = world.path("it's a secret; $(touch x)");
    let line = format!("http://me:hunter2-secret@127.0.0.1:{}\n", server.port);
    fs::write(&file, &line).unwrap();
    let git = world.client_with(&[(CREDENTIALS_VARIABLE, file.to_str().unwrap())]);
    let url = format!("http://127.0.0.1:{}/app.git", server.port);
    let text = error(world.fetch_one(&git, &url, "main", &["Dockerfile"]));
    assert!(server.heads().contains(BASIC), "{}", server.heads());
    assert!(!*server.in_arguments.lock().unwrap() && !text.contains("hunter2"), "{text}");
    assert!(!format!("{git:?}").contains("hunter2"));
    assert_eq!(fs::read_to_string(&file).unwrap(), line, "a refused line stays");
    let gone = [(CREDENTIALS_VARIABLE.into(), "/nowhere/credentials".into())];
    let error = Git::with(gone).unwrap_err();
    assert!(error.to_string().contains("names `/nowhere/credentials`"), "{error}");
}

/// Git's own server behind HTTP on loopback; it wants [`BASIC`] with every request.
fn serve_http(world: &World) -> Stub {
    let (root, environment) = (world.path(""), world.environment());
    Stub::with(Documents::default(), move |ask| {
        Some(match ask.header("authorization") {
            BASIC => backend(&root, &environment, ask),
            _ => Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\""),
        })
    })
}

#[test]
fn a_real_server_over_http_gives_and_takes_with_a_password() {
    let world = World::new();
    let first = world.repository("state", STATE);
    world.set("state", "uploadpack.allowFilter", "true");
    let server = serve_http(&world);
    let host = server.host();
    let file = world.path("credentials");
    fs::write(&file, format!("http://me:hunter2-secret@{host}\n")).unwrap();
    let with_file = world.client_with(&[(CREDENTIALS_VARIABLE, file.to_str().unwrap())]);
    let in_url = format!("http://me:hunter2-secret@{host}/state");
    for (number, (git, url)) in
        [(world.client(), in_url), (with_file, format!("http://{host}/state"))].iter().enumerate()
    {
        let answer = world.fetch_one(git, url, &first, &["fleet/Dockerfile"]);
        assert_eq!(text(&answer, "fleet/Dockerfile"), Some("FROM x\n"));
        let mut state = StateRepository::open(git, url, "main", "fleet").unwrap();
        let path = format!("state/images/{number}.yaml");
        let pushed = state.commit_and_push(&changes(&[(&path, Some("a: 1\n"))]), "a");
        assert!(matches!(pushed, Ok(Pushed::Commit(_))), "{pushed:?}");
        assert_eq!(world.git("state", &["show", &format!("main:fleet/{path}")]), "a: 1");
    }
    let error = StateRepository::open(&world.client(), &format!("http://{host}/state"), "main", "fleet");
    assert_eq!(error.err().map(|error| error.kind), Some(Kind::Access));
    world.assert_nothing_left();
}

#[test]
fn a_header_from_the_environment_is_sent_and_not_shown() {
    let world = World::new();
    let server = Server::refusing("403 hunter2-secret", "hunter2-secret");
    let key = "http.extraHeader";
    let git = world.client_with(&[
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", key),
        ("GIT_CONFIG_VALUE_0", "Authorization: bearer hunter2-secret"),
        ("GIT_TRACE_CURL", "1"),
        ("GIT_CURL_VERBOSE", "1"),
        ("GIT_TRACE_REDACT", "0"),
    ]);
    let url = format!("http://127.0.0.1:{}/app.git", server.port);
    let text = error(world.fetch_one(&git, &url, "main", &["Dockerfile"]));
    assert!(server.heads().contains("bearer hunter2-secret"), "{}", server.heads());
    assert!(text.contains("403") && !text.contains("hunter2"), "{text}");
}

#[test]
fn the_kind_of_a_servers_trouble_is_told() {
    let world = World::new();
    let git = world.client();
    let kind = |url: &str| match StateRepository::open(&git, url, "main", "") {
        Ok(_) => panic!("{url} can't be opened"),
        Err(error) => (error.kind, error.exit_code()),
    };
    for (status, expected) in [
        ("404 Not Found", Kind::NotFound),
        ("403 Forbidden", Kind::Access),
        ("500 Oops", Kind::Network),
        ("429 Slow down", Kind::Network),
    ] {
        let server = Server::refusing(status, "hunter2");
        assert_eq!(kind(&format!("http://127.0.0.1:{}/app.git", server.port)), (expected, 3), "{status}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(kind(&format!("http://127.0.0.1:{closed}/app.git")), (Kind::Network, 3));
    assert_eq!(kind(&world.url("nowhere")), (Kind::NotFound, 3));
    assert_eq!(kind("-x"), (Kind::Refused, 2));
    let mut none = world.client();
    none.program = "/nowhere/git".into();
    let Err(error) = StateRepository::open(&none, "https://example.invalid/x", "main", "") else {
        panic!("there is no git");
    };
    assert_eq!(error.kind, Kind::NoGit);
}

#[test]
fn a_server_that_never_answers_ends_at_the_time_limit() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connection = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut everything = Vec::new();
        // Ends only when the process at the other end of the line does.
        stream.read_to_end(&mut everything).map(|_| everything)
    });
    let mut git = world.client();
    git.time_limit = Duration::from_secs(2);
    let started = Instant::now();
    let text =
        error(world.fetch_one(&git, &format!("http://127.0.0.1:{port}/x.git"), "main", &["Dockerfile"]));
    assert!(text.contains("git did not end within 2 s and was stopped"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(20));
    let request = connection.join().unwrap().expect("git's helper for http was stopped, too");
    assert!(request.starts_with(b"GET /x.git/info/refs"));
    world.assert_nothing_left();
}

// ---- State ----

const STATE: &[(&str, &[u8])] = &[
    ("README.md", b"not of the factory\n"),
    (".gitattributes", b"*.yaml text eol=crlf ident\n"),
    ("fleet/images.yaml", b"- name: web\r\n  # $Id$\n"),
    ("fleet/factory.yaml", b"project: x\n"),
    ("fleet/Dockerfile", b"FROM x\n"),
    ("fleet/state/images/web.yaml", b"name: web\n"),
    ("fleet/state/base-images/node-22.yaml", b"name: node-22\n"),
];

fn changes(files: &[(&str, Option<&str>)]) -> SortedMap<Option<String>> {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.map(str::to_owned))).collect()
}

fn listing(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => paths.extend(listing(&entry.path()).into_iter().map(|path| format!("{name}/{path}"))),
            false => paths.push(name),
        }
    }
    paths.sort();
    paths
}

#[test]
fn one_commit_holds_the_changes_and_nothing_else() {
    for is_filtering in ["true", "false"] {
        let world = World::new();
        let first = world.repository("state", STATE);
        world.set("state", "uploadpack.allowFilter", is_filtering);
        let git = world.client();
        let mut state = StateRepository::open(&git, &world.url("state"), "main", "./fleet/").unwrap();
        assert_eq!(state.tip(), first);
        assert_eq!(
            listing(state.folder()),
            ["factory.yaml", "images.yaml", "state/base-images/node-22.yaml", "state/images/web.yaml"]
        );
        // Byte for byte, whatever attributes say.
        assert_eq!(fs::read(state.folder().join("images.yaml")).unwrap(), b"- name: web\r\n  # $Id$\n");
        let nothing = changes(&[("state/images/web.yaml", Some("name: web\n")), ("state/gone.yaml", None)]);
        assert_eq!(state.commit_and_push(&nothing, "x").unwrap(), Pushed::Nothing);
        assert_eq!(state.commit_and_push(&changes(&[]), "x").unwrap(), Pushed::Nothing);
        let changed = changes(&[
            ("state/images/web.yaml", Some("name: web\r\nü: 1\n")),
            ("state/images/new.yaml", Some("")),
            ("state/base-images/node-22.yaml", None),
            ("state/_archive/base-images/node-22.yaml", Some("name: node-22\n")),
        ]);
        let message = "state: web\n\n--amend `$(x)` ü\n\n# kept\nFreight: abc\n";
        let Pushed::Commit(commit) = state.commit_and_push(&changed, message).unwrap() else {
            panic!("no push")
        };
        assert_eq!(world.git("state", &["rev-parse", "main", "main^"]), format!("{commit}\n{first}"));
        assert_eq!(world.git("state", &["log", "-1", "--format=%B", "main"]), message.trim());
        let who = world.git("state", &["log", "-1", "--format=%an <%ae> %cn <%ce>", "main"]);
        let bot = "Image Factory Bot <image-factory@users.noreply.github.com>";
        assert_eq!(who, format!("{bot} {bot}"));
        let difference = world.git("state", &["diff", "--no-renames", "--name-status", "main^", "main"]);
        assert_eq!(
            difference,
            "A\tfleet/state/_archive/base-images/node-22.yaml\nD\tfleet/state/base-images/node-22.yaml\n\
             A\tfleet/state/images/new.yaml\nM\tfleet/state/images/web.yaml"
        );
        let size = world.git("state", &["cat-file", "-s", "main:fleet/state/images/web.yaml"]);
        assert_eq!(size, "name: web\r\nü: 1\n".len().to_string());
        world.git("state", &["fsck", "--strict"]);
        state.refresh().unwrap();
        assert_eq!(state.tip(), commit);
        assert_eq!(state.commit_and_push(&changed, "x").unwrap(), Pushed::Nothing);
        assert_eq!(
            fs::read(state.folder().join("state/images/web.yaml")).unwrap(),
            "name: web\r\nü: 1\n".as_bytes()
        );
        drop(state);
        world.assert_nothing_left();
    }
}

#[test]
fn the_root_a_missing_folder_and_an_author_of_ones_own_are_fine() {
    let world = World::new();
    world.repository("state", &[("images.yaml", b"[]\n"), ("elsewhere/x", b"x")]);
    let git = world.client_with(&[("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.com")]);
    let mut state = StateRepository::open(&git, &world.url("state"), "refs/heads/main", ".").unwrap();
    assert_eq!(listing(state.folder()), ["images.yaml"]);
    state.commit_and_push(&changes(&[("state/images/a.yaml", Some("a\n"))]), "a").unwrap();
    assert_eq!(world.git("state", &["log", "-1", "--format=%an %cn", "main"]), "Ada Image Factory Bot");
    assert_eq!(world.git("state", &["show", "main:state/images/a.yaml"]), "a");
    let state = StateRepository::open(&git, &world.url("state"), "main", "not/there").unwrap();
    assert_eq!(listing(state.folder()), Vec::<String>::new());
}

#[test]
fn a_commit_is_signed_where_gits_settings_say_so() {
    let world = World::new();
    world.repository("state", STATE);
    // Speaks as gpg does: a status line for git, and the signature.
    let script = "#!/bin/sh\ncat >/dev/null\necho '\n[GNUPG:] SIG_CREATED ' >&2\n\
                  printf '%s\\n' '-----BEGIN PGP SIGNATURE-----' x '-----END PGP SIGNATURE-----'\n";
    world.hook("state", "signer", script);
    let signer = world.path("state/hooks/signer");
    let git = world.client_with(&[
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "commit.gpgSign"),
        ("GIT_CONFIG_VALUE_0", "yes"),
        ("GIT_CONFIG_KEY_1", "gpg.program"),
        ("GIT_CONFIG_VALUE_1", signer.to_str().unwrap()),
    ]);
    let mut state = StateRepository::open(&git, &world.url("state"), "main", "fleet").unwrap();
    state.commit_and_push(&changes(&[("state/images/a.yaml", Some("a\n"))]), "a").unwrap();
    let commit = world.git("state", &["cat-file", "commit", "main"]);
    assert!(commit.contains("gpgsig -----BEGIN PGP SIGNATURE-----"), "{commit}");
}

#[test]
fn two_clones_that_race_both_end_up_in_a_linear_history() {
    let world = World::new();
    let first = world.repository("state", STATE);
    let git = world.client();
    let mut one = StateRepository::open(&git, &world.url("state"), "main", "fleet").unwrap();
    let mut two = StateRepository::open(&git, &world.url("state"), "main", "fleet").unwrap();
    // Both change the same file, so that lines could not be merged.
    let add = |name: &'static str| {
        move |folder: &Path| -> Result<Change, GitError> {
            let old = fs::read_to_string(folder.join("state/images/web.yaml")).unwrap();
            let files = changes(&[("state/images/web.yaml", Some(&format!("{old}{name}: 1\n")))]);
            Ok(Change { files, message: name.to_owned() })
        }
    };
    let change = add("one")(one.folder()).unwrap();
    assert!(matches!(one.commit_and_push(&change.files, "one").unwrap(), Pushed::Commit(_)));
    let change = add("two")(two.folder()).unwrap();
    let Pushed::Rejected(words) = two.commit_and_push(&change.files, "two").unwrap() else {
        panic!("no race")
    };
    assert!(words.contains("[rejected]"), "{words}");
    let mut asked = 0;
    let pushed = two.retry(ATTEMPTS, |folder| {
        asked += 1;
        add("two")(folder)
    });
    assert!(matches!(pushed, Ok(Pushed::Commit(_))) && asked == 2, "{pushed:?} {asked}");
    assert_eq!(
        world.git("state", &["show", "main:fleet/state/images/web.yaml"]),
        "name: web\none: 1\ntwo: 1"
    );
    assert_eq!(world.git("state", &["log", "--format=%s", "main"]), "two\none\ntest");
    assert_eq!(world.git("state", &["rev-list", "--merges", "main"]), "");
    assert_eq!(world.git("state", &["rev-parse", "main~2"]), first);
}

#[test]
fn many_writers_at_once_lose_nothing() {
    const WRITERS: usize = 6;
    let world = World::new();
    world.repository("state", STATE);
    let git = world.client();
    let barrier = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (git, barrier, url) = (&git, &barrier, world.url("state"));
            scope.spawn(move || {
                let mut state = StateRepository::open(git, &url, "main", "fleet").unwrap();
                barrier.wait();
                let pushed = state.retry::<GitError>(20, |folder| {
                    let old = fs::read_to_string(folder.join("state/images/web.yaml")).unwrap();
                    let files = changes(&[("state/images/web.yaml", Some(&format!("{old}w{writer}: 1\n")))]);
                    Ok(Change { files, message: format!("writer {writer}") })
                });
                assert!(matches!(pushed, Ok(Pushed::Commit(_))), "{pushed:?}");
            });
        }
    });
    let text = world.git("state", &["show", "main:fleet/state/images/web.yaml"]);
    for writer in 0..WRITERS {
        assert!(text.contains(&format!("w{writer}: 1")), "{text}");
    }
    assert_eq!(world.git("state", &["rev-list", "--count", "main"]), (WRITERS + 1).to_string());
    assert_eq!(world.git("state", &["rev-list", "--merges", "--count", "main"]), "0");
    world.assert_nothing_left();
}

#[test]
fn a_race_that_is_always_lost_ends() {
    let world = World::new();
    world.repository("state", STATE);
    let git = world.client();
    let mut state = StateRepository::open(&git, &world.url("state"), "main", "fleet").unwrap();
    let mut asked = 0;
    let error = state
        .retry::<GitError>(3, |_| {
            asked += 1;
            world.push("state", "main", &[("README.md", format!("{asked}\n").as_bytes())]);
            Ok(Change { files: changes(&[("state/images/a.yaml", Some("a\n"))]), message: "a".to_owned() })
        })
        .unwrap_err();
    assert_eq!((error.kind, error.exit_code(), asked), (Kind::Race, 3, 3));
    assert!(error.message.contains("3 times") && error.message.contains("[rejected]"), "{error}");
    assert_eq!(world.git("state", &["rev-list", "--count", "main"]), "4");
}

#[test]
fn a_push_that_the_server_refuses_is_not_tried_again() {
    let world = World::new();
    let tip = world.repository("state", STATE);
    let count = world.path("count");
    let script =
        format!("#!/bin/sh\necho x >>{}\necho 'no \x1b[31mstate here' >&2\nexit 1\n", count.display());
    world.hook("state", "pre-receive", &script);
    let mut state = StateRepository::open(&world.client(), &world.url("state"), "main", "fleet").unwrap();
    let change = Change { files: changes(&[("state/images/a.yaml", Some("a\n"))]), message: "a".to_owned() };
    let error = state.retry::<GitError>(ATTEMPTS, |_| Ok(change.clone())).unwrap_err();
    assert_eq!(error.kind, Kind::PushRefused);
    let text = error.to_string();
    assert!(text.contains("pre-receive hook declined") && text.contains("no ?[31mstate here"), "{text}");
    assert!(text.contains("--git-branch"), "{text}");
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    assert_eq!(world.git("state", &["rev-parse", "main"]), tip);
}

#[test]
fn a_missing_branch_and_an_empty_repository_say_what_to_type() {
    let world = World::new();
    world.repository("state", STATE);
    world.git("", &["init", "--quiet", "--bare", "empty"]);
    let open = |name: &str, branch: &str, path: &str| {
        let Err(error) = StateRepository::open(&world.client(), &world.url(name), branch, path) else {
            panic!("{name} {branch} {path}");
        };
        error
    };
    let error = open("state", "nope", "");
    assert!(error.message.ends_with("has no branch `nope`; it has `main`"), "{error}");
    assert!(error.hint.unwrap().contains("git push file://"));
    let error = open("empty", "main", "");
    assert!(error.message.ends_with("has no commit yet"), "{error}");
    assert!(error.hint.unwrap().contains("HEAD:refs/heads/main"));
    assert_eq!(open("state", "-x", "").kind, Kind::Refused);
    assert_eq!(open("state", "main:x", "").kind, Kind::Refused);
    for path in ["..", "fleet/../..", "/etc", ".git", "a\nb"] {
        assert_eq!(open("state", "main", path).kind, Kind::Refused, "{path}");
    }
    let error = open("state", "main", "README.md");
    assert!(error.message.contains("`README.md` in") && error.message.ends_with("is no folder"), "{error}");
}

#[test]
fn links_are_shown_as_links_and_never_written_through() {
    let world = World::new();
    let outside = world.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "untouched").unwrap();
    let to_outside = format!("-> {}", outside.display());
    let to_file = format!("-> {}/file", outside.display());
    let mut files = STATE.to_vec();
    files.push(("fleet/state/images/link.yaml", to_file.as_bytes()));
    files.push(("fleet/state/folder", to_outside.as_bytes()));
    files.push(("linked", b"-> fleet"));
    let tip = world.repository("state", &files);
    let git = world.client();
    let mut state = StateRepository::open(&git, &world.url("state"), "main", "fleet").unwrap();
    for link in ["state/images/link.yaml", "state/folder"] {
        assert!(fs::symlink_metadata(state.folder().join(link)).unwrap().is_symlink());
    }
    for path in [
        "state/images/link.yaml",
        "state/folder/x.yaml",
        "state/images",
        "state/images/web.yaml/x",
        "images.yaml",
        "factory.yaml",
        "../state/x.yaml",
        "state/../images.yaml",
        "state/../../x",
        "/etc/x",
        "state//x",
        "state/./x",
        "state/",
        "state",
        "",
        "state/.git/config",
        "state/a\nb",
    ] {
        for text in [Some("x\n"), None] {
            let error = state.commit_and_push(&changes(&[(path, text)]), "x").unwrap_err();
            assert_eq!(error.kind, Kind::Refused, "{path}: {error}");
        }
    }
    assert_eq!(listing(&outside), ["file"]);
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    assert_eq!(world.git("state", &["rev-parse", "main"]), tip);
    let Err(error) = StateRepository::open(&git, &world.url("state"), "main", "linked") else { panic!() };
    assert!(error.message.contains("`linked` in"), "{error}");
}

//! What a Job says, and how it ends, where git, the disk or the registry fail; and that it left
//! nothing half-written.
//!
//! | trouble | also at |
//! | --- | --- |
//! | git: no program, no answer in time, 429, a missing branch, a race lost for ever | `git.rs` |
//! | git: one source of several is down | `analyze_git.rs` |
//! | registry: token servers, redirects, timeouts, cut answers, mirrors, retries | `registry.rs` |
//! | registry: certificates | `tls.rs` |
//! | registry: what is no image | `plugin/tests/live.rs` |
//! | CI: refusals and retries | `ci.rs` |

use std::path::PathBuf;
use std::process::Command;

use image_factory_harness::registry::stub::{Ask, Reply};
use image_factory_harness::registry::INDEX;
use serde_json::json;

use super::world::{text, words, World};

/// Runs `observe` on the repository: its words with the server's name left out, and that nothing
/// came of it.
fn refused(world: &World, command: &mut Command) -> String {
    let before = world.platform(&["for-each-ref"]);
    let output = command.output().expect("the program starts");
    let said = text(&output.stderr)
        .replace(&world.server.host(), "HOST")
        .replace(&world.registry.host(), "REGISTRY");
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(world.platform(&["for-each-ref"]), before);
    world.check(before.split(' ').next().expect("a commit"));
    world.assert_nothing_left();
    said
}

#[test]
fn git_that_fails_says_who_must_act() {
    let world = World::new(1);
    world.publish(0, "two", "1", "2026-01-07T12:00:00Z");
    let observe = words(&["observe", "--name", &world.base(0)]);
    let check = |expected: &str| {
        assert_eq!(refused(&world, &mut world.job_command(8, &observe)), expected);
    };
    let credentials = "hint: give git a credential that may read `http://HOST/acme/platform.git`: a credential helper, or a \
                       file of `https://user:token@host` lines named by `IMAGE_FACTORY_GIT_CREDENTIALS`\n\n";
    let reach =
        "hint: see whether this machine reaches it: `git ls-remote http://HOST/acme/platform.git`\n\n";
    let whole = "cannot fetch `main` of `http://HOST/acme/platform.git`: fatal: unable to access \
                 'http://HOST/acme/platform.git/': The requested URL returned error:";
    world.serve(|_| Some(Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\"")));
    check(&format!(
        "error[IF1042]: cannot fetch `main` of `http://HOST/acme/platform.git`: fatal: could not read Username for \
         'http://HOST': terminal prompts disabled\n{credentials}"
    ));
    world.serve(|_| Some(Reply::new(403, "")));
    check(&format!("error[IF1042]: {whole} 403\n{credentials}"));
    for status in [500, 503] {
        world.serve(move |_| Some(Reply::new(status, "")));
        check(&format!("error[IF1043]: {whole} {status}\n{reach}"));
    }
    // One that may be read and not be written.
    let is_push = |ask: &Ask| ask.path.contains("git-receive-pack");
    world.serve(move |ask| is_push(ask).then(|| Reply::new(403, "")));
    let digest = world.registry.documents().tags["base-0:1"].clone();
    let looked = format!("{}: {digest}\napp-0: pending, not before 2026-01-15T10:00:00Z\n", world.base(0));
    check(&format!(
        "{looked}error[IF1042]: cannot push to `main` of `http://HOST/acme/platform.git`: fatal: unable to access \
         'http://HOST/acme/platform.git/': The requested URL returned error: 403\nhint: the credential must be allowed to \
         write: contents of `http://HOST/acme/platform.git`\n\n"
    ));
    // GitHub's words for a protected branch.
    world.serve(|_| None);
    world.hook(
        "pre-receive",
        "echo 'error: GH006: Protected branch update failed for refs/heads/main.' >&2\n\
         echo 'error: Changes must be made through a pull request.' >&2\nexit 1\n",
    );
    check(&format!(
        "{looked}error[IF1045]: cannot push to `main` of `http://HOST/acme/platform.git`: [remote rejected] (pre-receive \
         hook declined): error: GH006: Protected branch update failed for refs/heads/main.; error: Changes must be made \
         through a pull request.\nhint: let this credential push to `main` (protected branch, rule or hook of the server), \
         or give the state a branch of its own: `--git-branch image-factory-state`\n\n"
    ));
}

/// A file that may not grow stands for a disk that is full: the limit needs no root.
#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let world = World::new(1);
    world.publish(0, "two", "1", "2026-01-07T12:00:00Z");
    let observe = words(&["observe", "--name", &world.base(0)]);
    let limited = |command: &Command, blocks: u32| {
        let mut shell = Command::new("sh");
        // A file that would grow over the limit is then an error, and not the end of the process.
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"]);
        shell.arg(command.get_program()).args(command.get_args()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(world.path(""));
        shell
    };
    for blocks in [0, 1, 2] {
        let said = refused(&world, &mut limited(&world.job_command(8, &observe), blocks));
        assert!(said.starts_with("error[IF1047]: "), "{blocks}: {said}");
        assert!(said.to_lowercase().contains("file too large"), "{blocks}: {said}");
        assert!(said.ends_with("hint: set `TMPDIR` to a folder that is writable and has room\n\n"), "{said}");
    }
}

/// `observe` where the registry fails: its words and its exit code; the folder stays as it was.
#[test]
fn a_registry_that_fails_changes_nothing_and_says_why() {
    let world = World::new(1);
    world.publish(0, "two", "1", "2026-01-07T12:00:00Z");
    let folder = world.path("clone");
    world.git(&world.path(""), &["clone", "--quiet", &world.bare().display().to_string(), "clone"]);
    let factory: PathBuf = folder.join("image-factory");
    let good = world.registry.documents().clone();
    let check = |exit: i32, code: &str, message: &str, hint: &str| {
        let mut command = world.command(8, &words(&["observe", "--name", &world.base(0)]));
        let output = command.arg(&factory).output().expect("the program starts");
        let said = text(&output.stderr).replace(&world.registry.host(), "HOST");
        let expected = format!("error[{code}]: `HOST/base-0:1`: {message}\nhint: {hint}\n\n");
        assert_eq!((output.status.code(), said), (Some(exit), expected));
        assert_eq!(world.git(&folder, &["status", "--porcelain"]), "", "{message}");
        *world.registry.documents() = good.clone();
        world.sell(|_| None);
    };
    let correct = "correct the image, or give credentials for its registry in `DOCKER_CONFIG`";
    let reached = "nothing was recorded for it; run again when the registry can be reached";
    let limited = "nothing was recorded for it; run again later, or give credentials with a higher limit";
    let refused = "correct the image, or how its registry is reached; nothing was recorded for it";

    world.sell(|_| Some(Reply::new(401, "")));
    check(1, "IF1103", "HOST wants credentials (401)", correct);
    world.sell(|_| Some(Reply::new(403, "")));
    check(1, "IF1103", "HOST wants credentials (403)", correct);
    world.sell(|_| Some(Reply::new(404, "")));
    check(1, "IF1104", "HOST has no `1` in `base-0` (404)", "correct the image, or publish it first");
    world.sell(|_| Some(Reply::new(429, "").header("Retry-After", "3600")));
    check(3, "IF1102", "HOST takes no more requests for now (429), and asks to wait 3600 s", limited);
    world.sell(|_| Some(Reply::new(500, "<html>").header("Retry-After", "999")));
    check(3, "IF1101", "HOST answers 500, and asks to wait 999 s", reached);

    // Documents that are none of an image, under their right digests.
    let publish = |media_type: &str, text: &str| {
        let digest = world.registry.documents().put(media_type, text);
        world.registry.documents().tag("base-0:1", &digest);
        digest
    };
    let digest = publish(INDEX, "{\"manifests\": [");
    check(1, "IF1105", &format!("{digest} ({INDEX}) is not a JSON document of an image"), refused);
    let digest = publish(INDEX, &" ".repeat(5 << 20));
    check(1, "IF1105", &format!("`{digest}` has more than 4 MiB, so it is not read"), refused);
    let inner = good.tags["base-0:1"].clone();
    let entry = json!({"mediaType": INDEX, "digest": inner, "size": 1});
    let digest = world.registry.documents().publish_entries("base-0:1", &[entry]);
    let message = format!("{digest} is an index of indexes ({inner} is one), which builders don't resolve");
    check(1, "IF1105", &message, refused);

    // A cache that lies is asked four times.
    let wanted = inner.clone();
    world.sell(move |ask| (ask.method == "GET").then(|| Reply::new(200, "{}")));
    let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let message =
        format!("HOST sends {empty} where {wanted} should be: a proxy or cache may have changed it, 4 times");
    check(3, "IF1101", &message, reached);

    // After all that it is as if nothing had been.
    let mut command = world.command(8, &words(&["observe", "--name", &world.base(0)]));
    assert_eq!(command.arg(&factory).output().expect("the program starts").status.code(), Some(0));
    assert_ne!(world.git(&folder, &["status", "--porcelain"]), "");
}

//! A Job that is killed at any step leaves nothing that the next one would stumble over.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use super::world::{words, World};

/// A `git` for the Jobs that writes down what it is asked, and kills the Job at one of its calls.
///
/// The file `kill` holds the call's number and what becomes of git itself: `before` it runs, `after`
/// it ran, or in the `middle`, when the server's hook has the push.
fn install(world: &World) {
    let git = String::from_utf8(
        std::process::Command::new("sh").args(["-c", "command -v git"]).output().expect("sh starts").stdout,
    )
    .expect("a path is text");
    let here = world.path("");
    world.program(
        "git",
        &format!(
            "cd '{here}' || exit 9\n\
             skip=\nfor word; do\n  if [ \"$skip\" ]; then skip=; continue; fi\n  \
             case \"$word\" in -c) skip=1;; -*) ;; *) break;; esac\ndone\n\
             echo \"$word\" >>calls\n\
             read number how <kill\n\
             [ \"$(wc -l <calls)\" -eq \"$number\" ] || exec {git} \"$@\"\n\
             case $how in\n\
             before) kill -9 $PPID;;\n\
             after) {git} \"$@\" >/dev/null 2>&1; kill -9 $PPID;;\n\
             middle)\n  {git} \"$@\" >/dev/null 2>&1 &\n  \
             while [ ! -e received ]; do sleep 0.05; done\n  kill -9 $PPID $!;;\n\
             esac\n",
            here = here.display(),
            git = git.trim()
        ),
    );
    world.hook("pre-receive", &format!(": >'{}received'\nsleep 0.2\n", here.display()));
}

/// Runs a Job and kills it; how many times it called git, and whether it was killed.
fn run(world: &World, job: &[String], kill: &str) -> (Vec<String>, bool) {
    let _ = fs::remove_file(world.path("calls"));
    let _ = fs::remove_file(world.path("received"));
    fs::write(world.path("kill"), format!("{kill}\n")).expect("a file can be written");
    let output = world.run(8, job);
    let calls = fs::read_to_string(world.path("calls")).expect("it called git");
    let is_killed = output.status.signal() == Some(9);
    assert!(is_killed || output.status.code() == Some(0), "{job:?}, {kill}: {output:?}");
    (calls.lines().map(str::to_owned).collect(), is_killed)
}

#[test]
fn a_killed_job_is_run_again_and_leaves_the_same_bytes() {
    let world = World::new(1);
    world.move_on(1);
    install(&world);
    let before = world.platform(&["rev-parse", "main"]);
    let pristine = world.path("pristine.git");
    world.copy(&world.bare(), &pristine);
    let mut killed = 0;
    for number in 0..5 {
        let job = world.job(number);
        let (calls, _) = run(&world, &job, "0 never");
        assert_eq!(world.commits_since(&before), 1, "{job:?}");
        let end = || if number < 3 { world.listing() } else { world.settled() };
        let expected = end();
        let push = calls.iter().position(|call| call == "push").expect("it pushes") + 1;
        assert_eq!(push, calls.len(), "the push is the last that it does");
        let mut kills = vec![format!("{push} middle"), format!("{push} after")];
        // Of one verb every step; they do not differ before the push.
        let first = if number == 1 { 1 } else { push };
        kills.extend((first..=push).map(|call| format!("{call} before")));
        for kill in kills {
            world.copy(&pristine, &world.bare());
            let (_, is_killed) = run(&world, &job, &kill);
            assert!(is_killed, "{job:?}, {kill}");
            killed += 1;
            if kill.ends_with("middle") {
                settle(&world);
            } else {
                let is_pushed = kill.ends_with("after");
                assert_eq!(world.commits_since(&before), usize::from(is_pushed), "{job:?}, {kill}");
            }
            run(&world, &job, "0 never");
            world.check(&before);
            // A sweep that is run again knows what the first one enrolled, and looks at it.
            let commits = world.commits_since(&before);
            assert!(commits == 1 || commits == 2 && number == 4, "{commits}: {job:?}, {kill}");
            assert_eq!(end(), expected, "{job:?}, {kill}");
        }
        world.copy(&pristine, &world.bare());
    }
    assert!(killed > 20, "{killed}");
}

/// A push whose client is gone ends at the server all the same, which had all of it.
fn settle(world: &World) {
    let objects = world.bare().join("objects");
    let is_busy = || {
        let entries = fs::read_dir(&objects).expect("it can be listed").flatten();
        entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with("tmp_objdir"))
    };
    for _ in 0..200 {
        if !is_busy() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the server takes the push for ever");
}

/// What a killed Job left in a folder of state is not state.
#[test]
fn a_half_written_file_beside_its_place_is_nothing() {
    let world = World::new(1);
    let folder = world.path("clone");
    world.git(&world.path(""), &["clone", "--quiet", &world.bare().display().to_string(), "clone"]);
    let factory = folder.join("image-factory");
    fs::write(factory.join("state/images/.new-x1y2z3"), "name: a").expect("a file can be written");
    world.publish(0, "two", "1", "2026-01-07T12:00:00Z");
    let mut command = world.command(8, &words(&["observe", "--name", &world.base(0)]));
    let output = command.arg(&factory).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let status = world.git(&folder, &["status", "--porcelain"]);
    assert!(status.contains(" M image-factory/state/base-images/"), "{status}");
}

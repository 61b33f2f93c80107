//! Many Jobs at once against one repository: nothing is lost, whatever the server does.
//!
//! `WRITERS=50 cargo test --release -p image-factory --test jobs writers -- --nocapture` starts
//! fifty; without the variable there are fewer.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::world::{text, World};

/// As often as Kargo starts a Job that ends with 3 (`backoffLimit` in kustomize/base/job.yaml).
const TRIES: usize = 12;

fn writers() -> usize {
    std::env::var("WRITERS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Starts all Jobs at once, each again where it ends with 3; what must hold of the end.
///
/// The state they leave is the one that they leave one after the other.
fn check(named: &str, trouble: impl Fn(&World)) {
    let count = writers();
    let images = count.div_ceil(5);
    let world = World::new(images);
    world.move_on(images);
    let before = world.platform(&["rev-parse", "main"]);
    let pristine = world.path("pristine.git");
    world.copy(&world.bare(), &pristine);
    for number in 0..count {
        world.run_ok(8, &world.job(number));
    }
    let expected = world.settled();
    assert_ne!(world.platform(&["rev-parse", "main"]), before, "there is something to say");
    world.copy(&pristine, &world.bare());
    trouble(&world);

    let barrier = Barrier::new(count);
    let started = Instant::now();
    let ended: Vec<(usize, Option<String>)> = std::thread::scope(|scope| {
        let (world, barrier) = (&world, &barrier);
        let jobs: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    let words = world.job(number);
                    barrier.wait();
                    for tries in 1..=TRIES {
                        let output = world.run(8, &words);
                        let said = text(&output.stderr);
                        match output.status.code() {
                            Some(0) => return (tries, pushed(&said)),
                            Some(3) => assert_eq!(pushed(&said), None, "{words:?}: {said}"),
                            code => panic!("{words:?} ended with {code:?}: {said}"),
                        }
                    }
                    panic!("{words:?} did not succeed in {TRIES} tries");
                })
            })
            .collect();
        jobs.into_iter().map(|job| job.join().expect("it ends well")).collect()
    });
    let again: usize = ended.iter().map(|(tries, _)| tries - 1).sum();
    // Two Jobs that find the same at the same second make the same commit, and it is there once.
    let commits: BTreeSet<String> = ended.into_iter().filter_map(|(_, commit)| commit).collect();
    let pushed = commits.len();
    println!(
        "{named}: {count} Jobs, {pushed} commits, {again} started again, {:.1} s",
        started.elapsed().as_secs_f32()
    );
    assert_eq!(world.commits_since(&before), pushed, "a commit for each Job that changed a fact");
    world.check(&before);
    world.behave();
    assert_eq!(world.settled(), expected, "all facts are in, with the same bytes");
    world.assert_nothing_left();
}

/// The commit that a Job says it pushed.
fn pushed(said: &str) -> Option<String> {
    let line = said.lines().last()?.strip_prefix("pushed ")?;
    Some(line.split(' ').next()?.to_owned())
}

#[test]
fn all_facts_are_in_and_the_history_is_linear() {
    check("a server that behaves", |_| {});
}

#[test]
fn a_server_that_refuses_every_second_push_loses_nothing() {
    check("every second push refused", |world| {
        let count = world.path("pushes");
        world.hook(
            "pre-receive",
            &format!(
                "echo x >>'{count}'\n[ $(($(wc -l <'{count}') % 2)) -eq 0 ] || {{ echo 'not now' >&2; exit 1; }}\n",
                count = count.display()
            ),
        );
    });
}

#[test]
fn a_server_that_answers_slowly_loses_nothing() {
    check("a slow server", |world| {
        world.hook("pre-receive", "sleep 0.5\n");
        world.serve(|_| {
            std::thread::sleep(Duration::from_millis(200));
            None
        });
    });
}

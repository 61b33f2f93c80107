//! A part of the simulated year, small enough for every run of the tests.

use image_factory_harness::year::{play, Policy, Size};

/// Ten base images, one of each rhythm, below ten images, for eight weeks.
const SIZE: Size = Size { teams: 2, images: 5, bases: 5, days: 56, seed: 1 };

#[test]
fn no_rebuild_is_redundant_and_no_image_starves() {
    let figures = play(&SIZE, Policy::Factory);
    assert_eq!((figures.redundant, figures.starved), (0, 0));
    assert!(figures.rebuilds > 20, "{figures:?}");
    assert_eq!(figures, play(&SIZE, Policy::Factory), "a seed is a year");
}

/// So the figures can tell a good policy from another.
#[test]
fn simpler_policies_are_redundant_or_starve() {
    let every_push = play(&SIZE, Policy::EveryPush);
    assert!(every_push.redundant > 0 && every_push.starved == 0, "{every_push:?}");
    let restarted = play(&SIZE, Policy::RestartedDelay);
    assert!(restarted.starved > 0, "{restarted:?}");
    let weekly = play(&SIZE, Policy::WeeklyCron);
    assert!(weekly.redundant > 0 && weekly.starved == 0, "{weekly:?}");
}

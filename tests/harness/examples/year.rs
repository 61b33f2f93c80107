//! The table of a simulated year, of a thousand images: `cargo run --release -p image-factory-harness
//! --example year [SEED [TEAMS]]`.

use image_factory_harness::year::{play, Policy, Size};

/// glibc's would take half of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments =
        std::env::args().skip(1).map(|text| text.parse().expect("seed and teams are numbers"));
    let (seed, teams) = (arguments.next().unwrap_or(1), arguments.next().unwrap_or(50));
    let size = Size { teams: teams as usize, images: 20, bases: 4, days: 365, seed };
    let days = |seconds: i64| seconds as f64 / 86_400.0;
    println!("| who decides | rebuilds per image | redundant | time to fresh, p50 | p95 | starved images |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, policy) in [
        ("the factory, delay 7 d", Policy::Factory),
        ("every push rebuilds", Policy::EveryPush),
        ("every push restarts a delay of 7 d", Policy::RestartedDelay),
        ("a weekly cron", Policy::WeeklyCron),
    ] {
        let figures = play(&size, policy);
        println!(
            "| {name} | {:.1} | {} | {:.1} d | {:.1} d | {} |",
            figures.rebuilds as f64 / figures.images as f64,
            figures.redundant,
            days(figures.wait(50)),
            days(figures.wait(95)),
            figures.starved
        );
    }
}

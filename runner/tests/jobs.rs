//! Jobs as Kargo starts them: the program with `--git-repo`, a real git server and a registry, both on
//! loopback; many at once, killed at any step, and with trouble on every side.

#[path = "jobs/faults.rs"]
mod faults;
#[path = "jobs/killed.rs"]
mod killed;
#[path = "jobs/world.rs"]
mod world;
#[path = "jobs/writers.rs"]
mod writers;

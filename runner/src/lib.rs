//! Image Factory's command line: the host that runs the module.
//!
//! The only place with I/O. Each verb goes through its steps once, in one order: read the folder,
//! ask the module, check its answer, then print or write all of it or nothing.

mod ask;
pub mod ci;
pub mod cli;
pub mod diff;
pub mod fetch;
pub mod git;
pub mod host;
pub mod http;
pub mod outcome;
mod progress;
pub mod registry;
pub mod worktree;

mod about;
mod analyze;
mod bases;
mod change;
mod check;
mod completions;
mod generate;
mod healthcheck;
mod krm;
mod look;
mod observe;
mod plan;
mod plugin;
mod prove;
mod reconcile;
mod reference;
mod replay;
mod schema;
mod status;
mod sweep;
mod what_if;

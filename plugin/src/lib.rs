//! The pure core of Image Factory.
//!
//! A [`tree::Tree`] of text files, arguments and the time go in; changed files, manifests and
//! [`diagnostic::Diagnostic`]s come out. Nothing here opens a file, reads a clock or keeps a
//! global, so one request gives the same bytes in a test, a pod and a browser.
//!
//! A Rust host calls it natively, with the same envelope as every other host:
//!
#![doc = include_str!("../hosts/rust/README.md")]

pub mod abi;
pub mod analyze;
pub mod bases;
pub mod check;
pub mod decide;
pub mod diagnostic;
pub mod dockerfile;
pub mod duration;
pub mod entry;
pub mod factory;
pub mod fields;
pub mod generate;
pub mod go_regex;
pub mod images;
pub mod json;
pub mod live;
pub mod look;
mod manifest;
pub mod name;
pub mod observe;
mod pipeline;
pub mod prove;
pub mod reconcile;
pub mod reference;
pub(crate) mod runs;
mod scan;
#[cfg(any(feature = "schema", test))]
pub mod schema;
pub mod sha256;
pub mod sorted;
pub mod state;
pub mod status;
pub mod sweep;
pub mod time;
pub mod tree;
pub mod warehouse;
pub mod what_if;
pub mod yaml;

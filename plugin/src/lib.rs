//! The pure core of Image Factory.
//!
//! A [`tree::Tree`] of text files, arguments and the time go in; changed files, manifests and
//! [`diagnostic::Diagnostic`]s come out. Nothing here opens a file, reads a clock or keeps a
//! global, so one request gives the same bytes in a test, a pod and a browser.
//!
//! A Rust host calls it natively, with the same envelope as every other host:
//!
//! ```
//! use image_factory::abi::{answer, Answer, Request, ABI_VERSION};
//!
//! let mut request = Request { abi: ABI_VERSION, verb: "generate".to_owned(), ..Request::default() };
//! let images = "- name: redis\n  registry: docker.io\n  repository: library/redis\n  allowTags: ^7\n";
//! request.tree.insert("images.yaml", images);
//! let answer: Answer = serde_json::from_slice(&answer(&serde_json::to_vec(&request)?))?;
//! assert_eq!(answer.manifests.len(), 1);
//! assert!(answer.manifests[0].0.contains("Warehouse"));
//! # Ok::<(), serde_json::Error>(())
//! ```

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

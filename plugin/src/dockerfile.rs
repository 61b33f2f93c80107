//! Dockerfiles as BuildKit reads them.
//!
//! The rules were read in moby/buildkit `73ed6825` (frontend dockerfile/1.26).

pub mod error;
pub mod expand;
pub mod flags;
pub mod instruction;
pub mod lines;
pub mod mount;
pub mod pattern;
pub mod suggest;
pub mod words;

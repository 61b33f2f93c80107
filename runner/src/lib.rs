//! Image Factory's host: files, git, the clock and limits around the module that decides.

pub mod git;

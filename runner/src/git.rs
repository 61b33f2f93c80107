//! Git, by the git command line: fetch files of other repositories, commit and push state.
//!
//! ```text
//! Sources::fetch(needs)   -> the text of files at a branch, tag or commit, never a checkout
//! StateRepository::open   -> the factory's folder at a branch's tip, in a temporary folder
//!   .retry(attempts, f)   -> f reads the folder and answers changes: one commit, one push;
//!                            a lost race reads the new tip and asks f again
//! ```
//!
//! Git runs without a terminal, hooks or submodules, with limits on time and size, and reads none of the
//! `GIT_*` variables but those that carry credentials, certificates and identity. A credential
//! reaches git only by git's own ways, and no text that this module returns holds one.
//!
//! It is meant for Unix: a process is stopped together with what it started, by its process group.

mod address;
mod error;
mod objects;
mod process;
mod scratch;
mod sources;
mod state;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use address::shown_url;
pub use error::{GitError, Kind};
pub use scratch::Scratch;
pub use sources::{Sources, MAX_FILE};
pub use state::{Change, Pushed, StateRepository, ATTEMPTS};

/// Names a file in the format of git-credential-store, one `https://user:password@host` a line.
pub const CREDENTIALS_VARIABLE: &str = "IMAGE_FACTORY_GIT_CREDENTIALS";

/// How git is run: its program, what it may see of the environment, and its limits.
#[derive(Clone, Debug)]
pub struct Git {
    /// The program; `git` from PATH.
    pub program: PathBuf,
    /// How long one git process may run.
    pub time_limit: Duration,
    /// How many bytes one repository may take on the disk.
    pub size_limit: u64,
    /// Where temporary folders are made.
    pub temporary: PathBuf,
    environment: process::Environment,
}

impl Git {
    /// Git with the environment of this process.
    ///
    /// # Errors
    /// The file that [`CREDENTIALS_VARIABLE`] names can't be read.
    pub fn from_environment() -> Result<Self, GitError> {
        Git::with(std::env::vars_os())
    }

    /// Git with a given environment, as a test needs it.
    ///
    /// # Errors
    /// The file that [`CREDENTIALS_VARIABLE`] names can't be read.
    pub fn with(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, GitError> {
        let variables: BTreeMap<OsString, OsString> = variables.into_iter().collect();
        let temporary = match variables.get(std::ffi::OsStr::new("TMPDIR")) {
            Some(folder) if !folder.is_empty() => PathBuf::from(folder),
            _ => PathBuf::from("/tmp"),
        };
        Ok(Git {
            program: PathBuf::from("git"),
            time_limit: Duration::from_secs(120),
            size_limit: 1 << 30,
            temporary,
            environment: process::Environment::of(variables)?,
        })
    }
}

//! A temporary folder that only its owner can read, removed when it is dropped.

use std::path::Path;

use tempfile::TempDir;

use super::error::{GitError, Kind};

/// A folder of our own, with mode 0700.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes a new folder below `parent`.
    ///
    /// # Errors
    /// The disk is full, or `parent` is missing or not writable.
    pub fn new(parent: &Path) -> Result<Self, GitError> {
        // git wants absolute paths: it may change its own folder.
        let folder = std::path::absolute(parent)
            .and_then(|parent| tempfile::Builder::new().prefix("image-factory-").tempdir_in(parent));
        match folder {
            Ok(folder) => Ok(Scratch { folder }),
            Err(error) => Err(disk("make a temporary folder", &error)),
        }
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Trouble with a temporary file; the error's own path is left out.
pub(super) fn disk(doing: &str, error: &std::io::Error) -> GitError {
    // tempfile adds a path to what the system says.
    let why = match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    };
    GitError::new(Kind::Disk, format!("cannot {doing}: {why}"))
        .hint("set `TMPDIR` to a folder that is writable and has room")
}

//! A temporary folder that only its owner can read, removed when it is dropped.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::{GitError, Kind};

/// A folder of our own, with mode 0700.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a new folder below `parent`.
    ///
    /// # Errors
    /// The disk is full, or `parent` is missing or not writable.
    pub fn new(parent: &Path) -> Result<Self, GitError> {
        let wrong = |error: std::io::Error| {
            GitError::new(Kind::Disk, format!("cannot make a temporary folder: {error}"))
                .hint("set `TMPDIR` to a folder that is writable and has room")
        };
        // git wants absolute paths: it may change its own folder.
        let parent = std::path::absolute(parent).map_err(wrong)?;
        for _ in 0..16 {
            let path = parent.join(format!("image-factory-{:016x}", random()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Scratch { path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(wrong(error)),
            }
        }
        Err(wrong(ErrorKind::AlreadyExists.into()))
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody can act on a failure here: the folder is below the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A number that differs between processes also where their ids are equal, as in pods.
///
/// The standard library seeds each [`RandomState`] from the operating system.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

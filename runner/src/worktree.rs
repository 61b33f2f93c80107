//! A folder as a tree, and changed files back into it.

use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use image_factory::sorted::SortedMap;
use image_factory::tree::{File, Refusal, Tree};

/// The largest images.yaml that is handed to the module, in bytes; it reads no larger one.
const MAX_IMAGES: u64 = 64 << 20;
/// The largest other file.
const MAX_FILE: u64 = 8 << 20;
/// How many files a state folder may hold.
const MAX_FILES: usize = 400_000;

/// When everything was looked at last.
const SWEEP: &str = "state/sweep.yaml";
/// The folders of state, below the factory's.
const STATE: [&str; 2] = ["state/images", "state/base-images"];
const ARCHIVE: [&str; 2] = ["state/_archive/images", "state/_archive/base-images"];

/// What an entry of state is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    BaseImage,
    Image,
}

/// The kind and name of an entry of state, and whether it is in the archive; `None` for another file.
pub(crate) fn entry(path: &str) -> Option<(Kind, &str, bool)> {
    let (folder, name) = path.strip_suffix(".yaml")?.rsplit_once('/')?;
    let is_archived = ARCHIVE.contains(&folder);
    let [images, base_images] = if is_archived { ARCHIVE } else { STATE };
    let kind = if folder == images {
        Kind::Image
    } else if folder == base_images {
        Kind::BaseImage
    } else {
        return None;
    };
    Some((kind, name, is_archived))
}

/// What could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// The system failed; the next time it may not.
    #[error("{}: {source}", .path.display())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No factory looks like this.
    #[error("{path}: {message}")]
    Folder {
        /// Below the factory's folder.
        path: String,
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: &'static str,
    },
}

/// Reads the factory's folder; the archive too where a verb may restore from it.
///
/// Files that cannot be read as text are in the tree with the reason, for the module to judge.
///
/// # Errors
/// A folder that cannot be listed.
pub fn read(folder: &Path, archive: bool) -> Result<Tree, WorktreeError> {
    read_at_most(folder, archive, u64::MAX)
}

/// The same, of a folder that nobody vouches for: with more than this many bytes it is an error,
/// before they take the memory that others need.
///
/// # Errors
/// A folder that cannot be listed, or that is too large.
pub fn read_at_most(folder: &Path, archive: bool, limit: u64) -> Result<Tree, WorktreeError> {
    let mut tree = Tree::default();
    let mut total = 0;
    for (name, limit) in [("images.yaml", MAX_IMAGES), ("factory.yaml", MAX_FILE)] {
        total += insert(&mut tree, folder, name.to_owned(), limit);
    }
    if !is_link(&folder.join("state")) {
        total += insert(&mut tree, folder, SWEEP.to_owned(), MAX_FILE);
    }
    for below in STATE.iter().chain(ARCHIVE.iter().filter(|_| archive)) {
        let path = folder.join(below);
        // A symbolic link to a folder would show files from anywhere.
        // It stands for all of them, since a folder of state that is left out would read as an empty one.
        if linked_part(folder, below).is_some() {
            tree.0.insert(format!("{below}/*.yaml"), File::Refused { refused: Refusal::Symlink });
            continue;
        }
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let part = if folder.join("state").is_dir() { *below } else { "state" };
                let message = "this is a file, and state is kept in folders".to_owned();
                return Err(WorktreeError::Folder {
                    path: part.to_owned(),
                    message,
                    hint: "move it elsewhere",
                });
            }
            Err(source) => return Err(WorktreeError::System { path, source }),
        };
        for entry in entries {
            let entry = entry.map_err(|source| WorktreeError::System { path: path.clone(), source })?;
            let Some(name) = entry.file_name().to_str().map(|name| format!("{below}/{name}")) else {
                let path = format!("{below}/{}", entry.file_name().to_string_lossy());
                let message = "the file's name is not UTF-8".to_owned();
                return Err(WorktreeError::Folder { path, message, hint: "rename it, or delete it" });
            };
            total += insert(&mut tree, folder, name, MAX_FILE);
            let message = if total > limit {
                format!("the files up to here have more than {} MiB", limit >> 20)
            } else if tree.0.len() > MAX_FILES {
                format!("more than {MAX_FILES} files")
            } else {
                continue;
            };
            let hint = "delete what no verb wrote; a factory of this size needs several folders";
            return Err(WorktreeError::Folder { path: (*below).to_owned(), message, hint });
        }
    }
    Ok(tree)
}

/// The first part of a path below `folder` that is a symbolic link.
fn linked_part(folder: &Path, below: &str) -> Option<String> {
    let ends = below.match_indices('/').map(|(at, _)| at).chain([below.len()]);
    let mut parts = ends.map(|end| &below[..end]);
    parts.find(|part| is_link(&folder.join(part))).map(str::to_owned)
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// Puts a file in the tree; gives its size in bytes.
fn insert(tree: &mut Tree, folder: &Path, name: String, limit: u64) -> u64 {
    let path = folder.join(&name);
    let refused = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return 0,
        Err(error) => Refusal::Unreadable(error.to_string()),
        Ok(metadata) => match refusal(&metadata, limit) {
            Some(refused) => refused,
            None => match text(&path, metadata.len(), limit) {
                Ok(text) => {
                    let size = text.len() as u64;
                    tree.insert(name, text);
                    return size;
                }
                Err(refused) => refused,
            },
        },
    };
    // Folders in a state folder are nobody's business; in place of a file they are.
    if refused != Refusal::NotAFile || !name.starts_with("state/") || name.ends_with(".yaml") {
        tree.0.insert(name, File::Refused { refused });
    }
    0
}

fn refusal(metadata: &Metadata, limit: u64) -> Option<Refusal> {
    if metadata.is_symlink() {
        Some(Refusal::Symlink)
    } else if !metadata.is_file() {
        Some(Refusal::NotAFile)
    } else if metadata.len() > limit {
        Some(Refusal::TooLarge { bytes: metadata.len(), limit })
    } else {
        None
    }
}

/// A file's text. `size` is what its metadata says: with room for it the system is asked twice, once
/// for the text and once for the end, and not once for each doubling of a small buffer.
fn text(path: &Path, size: u64, limit: u64) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(size as usize + 1);
    fs::File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|error| Refusal::Unreadable(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLarge { bytes: bytes.len() as u64, limit });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Refusal::NotUtf8 {
            line: count(1 + valid.iter().filter(|byte| **byte == b'\n').count()),
            column: count(1 + String::from_utf8_lossy(&valid[line_start..]).chars().count()),
        }
    })
}

/// Writes changed files (`Some`) and deletes others (`None`), never through a symbolic link.
///
/// Everything is written beside its place first, and moved there only when all of it stands, so a
/// full disk loses nothing.
///
/// # Errors
/// A file or folder that cannot be written; then no file was changed, unless the last moves failed.
pub fn write(folder: &Path, files: &SortedMap<Option<String>>) -> Result<(), WorktreeError> {
    let mut ready = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        let at = |source| WorktreeError::System { path: path.clone(), source };
        if let Some(link) = linked_part(folder, name) {
            return Err(at(io::Error::other(format!("`{link}` is a symbolic link"))));
        }
        let Some(text) = text else { continue };
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(at)?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(parent).map_err(at)?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(at)?;
        make_readable(file.as_file()).map_err(at)?;
        ready.push((file, path));
    }
    for (file, path) in ready {
        file.persist(&path).map_err(|error| WorktreeError::System { path, source: error.error })?;
    }
    for name in files.iter().filter(|(_, text)| text.is_none()).map(|(name, _)| name) {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(WorktreeError::System { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Temporary files are their owner's alone; state is for everybody, as git would check it out.
fn make_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::outcome::{Failure, FILES};

    #[test]
    fn a_name_that_is_not_utf_8_is_told() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let images = folder.path().join("state/images");
        fs::create_dir_all(&images).expect("a folder can be made");
        fs::write(images.join(OsStr::from_bytes(b"\xff.yaml")), "").expect("a file can be written");
        let failure = Failure::from(read(folder.path(), false).expect_err("no path in a tree has that name"));
        assert_eq!(failure.exit, FILES);
        let text = failure.diagnostic.to_string();
        assert!(text.contains("IF1036") && text.contains("state/images/\u{fffd}.yaml"), "{text}");
    }
}

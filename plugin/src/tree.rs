//! The folder a verb works on: a sorted map of relative path to text.

use serde::Serialize;

use crate::sorted::SortedMap;

/// The files of one folder by their path in it, with `/` between the parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tree(pub SortedMap<File>);

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum File {
    /// A readable text file.
    Text(String),
    /// Something the host would not read as text; the core decides what that means.
    Refused {
        /// Why the host refused it.
        refused: Refusal,
    },
}

/// Why a host did not read a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// A symbolic link: never followed, since it may point outside the folder.
    Symlink,
    /// The bytes are not UTF-8; where the first wrong byte stands, both counted from 1.
    NotUtf8 {
        /// Line of the first wrong byte.
        line: u32,
        /// Column, in characters, of the first wrong byte.
        column: u32,
    },
    /// Larger than the host reads.
    TooLarge {
        /// Size in bytes.
        bytes: u64,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// Not a regular file (a folder, socket or device).
    NotAFile,
    /// The operating system would not let the host read it; its words.
    Unreadable(String),
}

impl Tree {
    /// The text at a path, or `None` where there is no file or no readable one.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.0.get(path) {
            Some(File::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The paths below `folder` (given without a trailing `/`), in order.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a File)> {
        let first = [folder, "/"].concat();
        self.0
            .iter_from(&first)
            .take_while(move |(path, _)| path.starts_with(&first))
            .map(|(path, file)| (path.as_str(), file))
    }

    /// Puts a text file at a path.
    pub fn insert(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.0.insert(path.into(), File::Text(text.into()));
    }
}

//! The files of an image, and a layer of them whose bytes depend on nothing else.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::Result;

/// What stands at a path. All of it is root's, so nobody in a container can change it.
#[derive(Clone)]
pub enum Node {
    Folder(u32),
    File(u32, Vec<u8>),
    Link(String),
    /// Another name of a file of the same layer, by its path.
    HardLink(String),
}

/// Nodes by path, without a slash at either end.
#[derive(Default)]
pub struct Files(pub BTreeMap<String, Node>);

/// A layer, packed.
#[derive(Clone)]
pub struct Layer {
    /// A gzip of a tar.
    pub bytes: Vec<u8>,
    /// The digest of the tar.
    pub diff_id: String,
    /// The bytes of all files.
    pub unpacked: u64,
    /// What made it, for the image's history.
    pub made_by: &'static str,
}

impl Files {
    /// A file, and the folders above it.
    pub fn file(mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.parents(path);
        self.0.insert(path.to_owned(), Node::File(mode, bytes.into()));
        self
    }

    /// A folder, and those above it.
    pub fn folder(mut self, path: &str, mode: u32) -> Self {
        self.parents(path);
        self.0.insert(path.to_owned(), Node::Folder(mode));
        self
    }

    fn parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.0.entry(path[..end].to_owned()).or_insert(Node::Folder(0o755));
        }
    }

    pub fn pack(&self, made_by: &'static str) -> Result<Layer> {
        let mut tar = Builder::new(Vec::new());
        // A hard link comes after the file that it names.
        let is_hard = |node: &Node| matches!(node, Node::HardLink(_));
        let (hard, others): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, node)| is_hard(node));
        for (path, node) in others.into_iter().chain(hard) {
            // Times and owners stay zero.
            let mut header = Header::new_gnu();
            header.set_size(0);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            match node {
                Node::Folder(mode) => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(*mode);
                    tar.append_data(&mut header, format!("{path}/"), &[][..])?;
                }
                Node::File(mode, bytes) => {
                    header.set_mode(*mode);
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, path, bytes.as_slice())?;
                }
                Node::Link(to) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_mode(0o777);
                    tar.append_link(&mut header, path, to)?;
                }
                Node::HardLink(to) => {
                    header.set_entry_type(EntryType::Link);
                    header.set_mode(0o755);
                    tar.append_link(&mut header, path, to)?;
                }
            }
        }
        let tar = tar.into_inner()?;
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        gzip.write_all(&tar)?;
        let bytes = gzip.finish()?;
        let unpacked = self.0.values().map(|node| match node {
            Node::File(_, bytes) => bytes.len() as u64,
            _ => 0,
        });
        Ok(Layer { diff_id: digest(&tar), unpacked: unpacked.sum(), bytes, made_by })
    }
}

/// `sha256:` and the digest in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(layer: &Layer) -> Vec<String> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(layer.bytes.as_slice()));
        let entries = archive.entries().unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| entry.path().unwrap().display().to_string()).collect()
    }

    #[test]
    fn the_order_of_calls_changes_nothing() {
        let one = Files::default().file("b/c", 0o644, "x").folder("a", 0o755).pack("").unwrap();
        let two = Files::default().folder("a", 0o755).file("b/c", 0o644, "x").pack("").unwrap();
        assert_eq!(one.bytes, two.bytes);
        assert_eq!(names(&one), ["a/", "b/", "b/c"]);
        assert_eq!(one.unpacked, 1);
    }

    #[test]
    fn a_hard_link_follows_what_it_names() {
        let mut files = Files::default().file("z", 0o755, "x");
        files.0.insert("a".to_owned(), Node::HardLink("z".to_owned()));
        assert_eq!(names(&files.pack("").unwrap()), ["z", "a"]);
    }

    #[test]
    fn a_long_path_survives() {
        let path = ["folder"; 40].join("/");
        let layer = Files::default().file(&path, 0o644, "x").pack("").unwrap();
        assert_eq!(names(&layer).last(), Some(&path));
    }
}

//! Folders as trees, and trees as folders.

use std::fs;
use std::path::Path;

use image_factory::tree::{File, Refusal, Tree};

/// Reads a folder as a host does: text, and a refusal for what is none. An absent folder is empty,
/// and so is one with nothing but `.gitkeep`.
///
/// # Panics
/// When the folder cannot be read.
pub fn read_tree(folder: &Path) -> Tree {
    let mut tree = Tree::default();
    if folder.is_dir() {
        read_into(&mut tree, folder, "");
    }
    tree
}

fn read_into(tree: &mut Tree, folder: &Path, prefix: &str) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().into_string().expect("a case's file names are UTF-8");
        if name == ".gitkeep" {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("the file's type can be read");
        if kind.is_dir() {
            read_into(tree, &entry.path(), &format!("{path}/"));
        } else if kind.is_symlink() {
            tree.0.insert(path, File::Refused { refused: Refusal::Symlink });
        } else {
            let bytes = fs::read(entry.path()).expect("a case's files can be read");
            tree.0.insert(path, text_or_refusal(bytes));
        }
    }
}

fn text_or_refusal(bytes: Vec<u8>) -> File {
    match String::from_utf8(bytes) {
        Ok(text) => File::Text(text),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let good = std::str::from_utf8(good).expect("it is valid up to there");
            let line_start = good.rfind('\n').map_or(0, |newline| newline + 1);
            let number = |n: usize| u32::try_from(n).expect("a case's files are small");
            let line = number(good.matches('\n').count() + 1);
            let column = number(good[line_start..].chars().count() + 1);
            File::Refused { refused: Refusal::NotUtf8 { line, column } }
        }
    }
}

/// Writes a tree's text files below a folder.
///
/// # Panics
/// When that fails.
pub fn write_tree(folder: &Path, tree: &Tree) {
    for (path, file) in &tree.0 {
        if let File::Text(text) = file {
            write(&folder.join(path), text);
        }
    }
}

pub(crate) fn write(file: &Path, text: &str) {
    let folder = file.parent().expect("a file stands in a folder");
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Puts one tree over another; an empty `NAME.deleted` deletes `NAME`, a file or a folder.
pub(crate) fn lay_over(tree: &mut Tree, over: &Tree) {
    for (path, file) in &over.0 {
        match path.strip_suffix(".deleted") {
            Some(deleted) if *file == File::Text(String::new()) => {
                let folder = format!("{deleted}/");
                let before = tree.0.len();
                let gone = |path: &&String| **path == deleted || path.starts_with(&folder);
                let gone: Vec<String> = tree.0.keys().filter(gone).cloned().collect();
                gone.iter().for_each(|path| drop(tree.0.remove(path)));
                assert!(tree.0.len() < before, "`{path}` deletes nothing");
            }
            _ => {
                tree.0.insert(path.clone(), file.clone());
            }
        }
    }
}

/// Copies one folder over another as it is, links and all; an empty `NAME.deleted` deletes `NAME`.
/// For layers that read files; an absent source changes nothing.
///
/// # Panics
/// When that fails.
pub fn copy_over(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    let Ok(entries) = fs::read_dir(from) else {
        return;
    };
    for entry in entries {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().into_string().expect("a case's file names are UTF-8");
        let kind = entry.file_type().expect("the file's type can be read");
        let target = to.join(&name);
        if kind.is_dir() {
            copy_over(&entry.path(), &target);
        } else if kind.is_symlink() {
            let points_to = fs::read_link(entry.path()).expect("the link can be read");
            remove(&target);
            std::os::unix::fs::symlink(points_to, &target).expect("it can be linked");
        } else if let Some(deleted) = name.strip_suffix(".deleted") {
            assert!(remove(&to.join(deleted)), "`{name}` deletes nothing");
        } else if name != ".gitkeep" {
            remove(&target);
            fs::copy(entry.path(), &target).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        }
    }
}

/// Whether there was something to remove.
fn remove(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).is_ok(),
        Ok(_) => fs::remove_file(path).is_ok(),
        Err(_) => false,
    }
}

//! The folder a verb works on: a sorted map of relative path to text.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::Serialize;
use serde_json::Value;

/// The files of one folder by their path in it, with `/` between the parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tree(pub BTreeMap<String, File>);

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
        let first = format!("{folder}/");
        self.0
            .range(first.clone()..)
            .take_while(move |(path, _)| path.starts_with(&first))
            .map(|(path, file)| (path.as_str(), file))
    }

    /// Puts a text file at a path.
    pub fn insert(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.0.insert(path.into(), File::Text(text.into()));
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of files by their path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut tree = Tree::default();
        while let Some((path, file)) = entries.next_entry::<String, Value>()? {
            let file = match file {
                Value::String(text) => File::Text(text),
                other => match refusal(&other["refused"]) {
                    Some(refused) => File::Refused { refused },
                    None => {
                        return Err(A::Error::custom(format_args!("`{path}` is neither a text nor refused")))
                    }
                },
            };
            tree.0.insert(path, file);
        }
        Ok(tree)
    }
}

/// Why a host did not read a file: a word, or a map of one word to more about it.
fn refusal(value: &Value) -> Option<Refusal> {
    let number = |value: &Value, key| value.get(key).and_then(Value::as_u64);
    let small = |value: &Value, key| number(value, key).and_then(|number| u32::try_from(number).ok());
    match value.as_str() {
        Some("symlink") => return Some(Refusal::Symlink),
        Some("not-a-file") => return Some(Refusal::NotAFile),
        Some(_) => return None,
        None => {}
    }
    match value.as_object()?.iter().next()? {
        (kind, more) if kind == "not-utf8" => {
            Some(Refusal::NotUtf8 { line: small(more, "line")?, column: small(more, "column")? })
        }
        (kind, more) if kind == "too-large" => {
            Some(Refusal::TooLarge { bytes: number(more, "bytes")?, limit: number(more, "limit")? })
        }
        (kind, words) if kind == "unreadable" => Some(Refusal::Unreadable(words.as_str()?.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_comes_back_from_json() {
        let refusals = [
            Refusal::Symlink,
            Refusal::NotAFile,
            Refusal::NotUtf8 { line: 2, column: 7 },
            Refusal::TooLarge { bytes: 11, limit: 10 },
            Refusal::Unreadable("permission denied".to_owned()),
        ];
        let mut tree = Tree::default();
        tree.insert("images.yaml", "[]");
        for (number, refused) in refusals.into_iter().enumerate() {
            tree.0.insert(number.to_string(), File::Refused { refused });
        }
        let text = serde_json::to_string(&tree).expect("a tree is plain data");
        assert_eq!(serde_json::from_str::<Tree>(&text).expect("its own form"), tree);
        for wrong in ["[]", r#"{"a":1}"#, r#"{"a":{}}"#, r#"{"a":{"refused":"no"}}"#] {
            assert!(serde_json::from_str::<Tree>(wrong).is_err(), "{wrong}");
        }
    }
}

//! The keys of one map of a file, each asked for once by name and type.
//!
//! What is missing, of another type or unknown becomes a diagnostic at its place; a `null` counts
//! as absent.

use crate::diagnostic::Diagnostics;
use crate::sorted::SortedMap;
use crate::yaml::{find, Content, Key, Node, Place, Scalar, Source};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// Reads a map's keys.
pub struct Fields<'n, 'a> {
    source: Source<'a>,
    place: Place,
    what: &'static str,
    entries: &'n [(Key<'a>, Node<'a>)],
    known: Vec<&'static str>,
    /// What was found wrong so far.
    pub found: &'n mut Diagnostics,
}

impl<'n, 'a> Fields<'n, 'a> {
    /// The fields of a map; for anything else an error, and `None`. `what` names the map in messages.
    pub fn of(
        source: Source<'a>,
        node: &'n Node<'a>,
        what: &'static str,
        found: &'n mut Diagnostics,
    ) -> Option<Self> {
        match &node.content {
            Content::Map(entries) => Some(Fields {
                source,
                place: node.place,
                what,
                entries,
                known: Vec::with_capacity(16),
                found,
            }),
            _ => {
                let message = format!("{what} must be a map, this is {}", node.kind());
                let hint = "write `key: value`, each key on a line of its own";
                found.push(source.error("IF0110", node.place, message).hint(hint));
                None
            }
        }
    }

    /// The file it stands in.
    pub fn source(&self) -> Source<'a> {
        self.source
    }

    /// Where the map begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The node of a key; `None` where it is absent or null.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node<'a>> {
        self.known.push(key);
        #[cfg(test)]
        asked::note(self.what, key);
        find(self.entries, key).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// Where a key's name stands, if the map has it.
    pub fn key_place(&self, key: &str) -> Option<Place> {
        find(self.entries, key).map(|(name, _)| name.place)
    }

    /// A scalar's text as it is written: `1.10` is `1.10`.
    pub fn scalar(&mut self, key: &'static str) -> Option<(&'n Scalar<'a>, Place)> {
        let node = self.node(key)?;
        match &node.content {
            Content::Scalar(scalar) => Some((scalar, node.place)),
            _ => {
                self.wrong_type(key, "a string", node);
                None
            }
        }
    }

    /// A string.
    pub fn string(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.scalar(key).map(|(scalar, place)| Spanned { value: scalar.text.to_string(), place })
    }

    /// A string that must be there and not be empty.
    pub fn required_string(&mut self, key: &'static str, example: &str) -> Option<Spanned<String>> {
        let errors = self.found.0.len();
        match self.string(key) {
            Some(text) if !text.value.is_empty() => Some(text),
            _ if self.found.0.len() > errors => None,
            _ => {
                let place = self.key_place(key).unwrap_or(self.place);
                let message = format!("{} needs `{key}`", self.what);
                let diagnostic = self.source.error("IF0111", place, message);
                self.found.push(diagnostic.hint(format!("add `{key}: {example}`")));
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let node = self.node(key)?;
        match &node.content {
            Content::Scalar(Scalar { text, plain: true }) if text == "true" => return Some(true),
            Content::Scalar(Scalar { text, plain: true }) if text == "false" => return Some(false),
            _ => {}
        }
        let message = format!("`{key}` must be `true` or `false`");
        let mut diagnostic = self.source.error("IF0110", node.place, message);
        if let Content::Scalar(scalar) = &node.content {
            let value = match scalar.text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" | "1" => Some("true"),
                "false" | "no" | "off" | "n" | "0" => Some("false"),
                _ => None,
            };
            if let Some(value) = value {
                diagnostic = diagnostic.hint(format!("write `{key}: {value}`"));
            }
        }
        self.found.push(diagnostic);
        None
    }

    /// A list of strings.
    pub fn strings(&mut self, key: &'static str) -> Option<Vec<Spanned<String>>> {
        let node = self.node(key)?;
        let Content::List(items) = &node.content else {
            self.wrong_type(key, "a list", node);
            return None;
        };
        let mut strings = Vec::with_capacity(items.len());
        for item in items {
            match &item.content {
                Content::Scalar(scalar) if !scalar.is_null() => {
                    strings.push(Spanned { value: scalar.text.to_string(), place: item.place });
                }
                _ => self.wrong_type(key, "a list of strings", item),
            }
        }
        Some(strings)
    }

    /// A map of strings; a `null` value is an empty string.
    pub fn string_map(&mut self, key: &'static str) -> Option<SortedMap<Spanned<String>>> {
        let node = self.node(key)?;
        let Content::Map(entries) = &node.content else {
            self.wrong_type(key, "a map of strings", node);
            return None;
        };
        let mut map = SortedMap::new();
        for (name, value) in entries {
            match &value.content {
                Content::Scalar(scalar) => {
                    let text = if scalar.is_null() { String::new() } else { scalar.text.to_string() };
                    map.insert(name.text.to_string(), Spanned { value: text, place: value.place });
                }
                _ => self.wrong_type(key, "a map of strings", value),
            }
        }
        Some(map)
    }

    /// Reports a value of another type than it must have.
    pub fn wrong_type(&mut self, key: &str, expected: &str, node: &Node<'_>) {
        let message = format!("`{key}` must be {expected}, this is {}", node.kind());
        let hint = match expected {
            "a string" => format!("write one value behind `{key}:`"),
            "a map of strings" => format!("write `{key}: {{NAME: value}}`"),
            _ => format!("write `{key}: [one, two]`"),
        };
        self.found.push(self.source.error("IF0110", node.place, message).hint(hint));
    }

    /// Warns about every key that nobody asked for.
    pub fn finish(self) {
        for (key, _) in self.entries {
            if self.known.contains(&key.text.as_ref()) {
                continue;
            }
            let message = format!("{} has no key `{}`; it is ignored", self.what, key.text);
            let warning = self.source.warning("IF0112", key.place, message);
            self.found.push(match nearest(&key.text, self.known.iter().copied()) {
                Some(name) => warning.hint(format!("did you mean `{name}`?")),
                None => warning,
            });
        }
    }
}

/// The candidate that takes the fewest edits to become `text`, if that is at most a third of it.
pub fn nearest<'c>(text: &str, mut candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    nearest_of(text, &mut candidates)
}

fn nearest_of<'c>(text: &str, candidates: &mut dyn Iterator<Item = &'c str>) -> Option<&'c str> {
    let text: Vec<char> = text.to_ascii_lowercase().chars().take(64).collect();
    let limit = (text.len() / 3).max(1);
    candidates
        .map(|candidate| (edits(&text, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour (optimal
/// string alignment distance).
fn edits(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.to_ascii_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// Which keys the readers of a test's thread asked for, so that the schemas can be held to them.
#[cfg(test)]
pub(crate) mod asked {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    type Keys = BTreeMap<&'static str, BTreeSet<&'static str>>;

    thread_local! {
        static ASKED: RefCell<Keys> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn note(what: &'static str, key: &'static str) {
        ASKED.with_borrow_mut(|asked| asked.entry(what).or_default().insert(key));
    }

    /// By the name of the map in messages.
    pub(crate) fn take() -> Keys {
        ASKED.take()
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_key_that_was_meant() {
        let keys = || ["allowTags", "autoRebuild", "rebuildDelay"].into_iter();
        assert_eq!(nearest("allowTag", keys()), Some("allowTags"));
        assert_eq!(nearest("rebuild_delay", keys()), Some("rebuildDelay"));
        assert_eq!(nearest("autorebiuld", keys()), Some("autoRebuild"));
        assert_eq!(nearest("platforms", keys()), None);
    }
}

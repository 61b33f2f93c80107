//! Names with numbers, in the order of names.
//!
//! Names mostly come in order, from files, folders and other maps, and what is at the end is added
//! there with one comparison. A name anywhere else is looked for by halves, and what stands behind it
//! in its chunk moves.

use std::cmp::Ordering;
use std::{slice, vec};

use crate::scan::compare;

/// How many names stand in one piece of memory; one more, and it is cut in two.
const CHUNK: usize = if cfg!(test) { 4 } else { 128 };

type Entry = (String, usize);

/// A map from name to number.
#[derive(Clone, Default)]
pub struct Index {
    /// In order, none empty.
    chunks: Vec<Vec<Entry>>,
    len: usize,
}

impl Index {
    /// An empty one.
    pub const fn new() -> Self {
        Index { chunks: Vec::new(), len: 0 }
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The chunk and the place in it where a name stands, or would stand.
    #[inline(never)]
    fn find(&self, name: &str) -> (usize, Result<usize, usize>) {
        let behind = self.chunks.partition_point(|chunk| compare(&chunk[0].0, name) != Ordering::Greater);
        let Some(chunk) = behind.checked_sub(1) else { return (0, Err(0)) };
        (chunk, self.chunks[chunk].binary_search_by(|(other, _)| compare(other, name)))
    }

    /// The number of a name.
    pub fn get(&self, name: &str) -> Option<usize> {
        match self.find(name) {
            (chunk, Ok(at)) => Some(self.chunks[chunk][at].1),
            _ => None,
        }
    }

    /// The number of a name; a new name gets `next`, and `None` says so.
    #[inline(never)]
    pub fn place(&mut self, name: String, next: usize) -> Option<usize> {
        let last = self.chunks.last().and_then(|chunk| chunk.last());
        let is_last = last.is_none_or(|(last, _)| compare(last, &name) == Ordering::Less);
        let (chunk, at) = match is_last {
            true => (self.chunks.len().saturating_sub(1), self.chunks.last().map_or(0, Vec::len)),
            false => match self.find(&name) {
                (chunk, Ok(at)) => return Some(self.chunks[chunk][at].1),
                (chunk, Err(at)) => (chunk, at),
            },
        };
        self.len += 1;
        match self.chunks.get_mut(chunk) {
            Some(entries) if entries.len() < CHUNK => entries.insert(at, (name, next)),
            // What comes in order fills its chunks.
            Some(_) if is_last => self.chunks.push(vec![(name, next)]),
            Some(entries) => {
                let mut behind = entries.split_off(CHUNK / 2);
                match at.checked_sub(CHUNK / 2) {
                    Some(at) => behind.insert(at, (name, next)),
                    None => entries.insert(at, (name, next)),
                }
                self.chunks.insert(chunk + 1, behind);
            }
            None => self.chunks.push(vec![(name, next)]),
        }
        None
    }

    /// Takes a name out, and gives its number.
    #[inline(never)]
    pub fn remove(&mut self, name: &str) -> Option<usize> {
        let (chunk, Ok(at)) = self.find(name) else { return None };
        let (_, number) = self.chunks[chunk].remove(at);
        if self.chunks[chunk].is_empty() {
            self.chunks.remove(chunk);
        }
        self.len -= 1;
        Some(number)
    }

    /// All, in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { chunk: [].iter(), chunks: self.chunks.iter() }
    }

    /// From a name on, or from where it would stand.
    pub fn iter_from(&self, name: &str) -> Iter<'_> {
        let (chunk, at) = self.find(name);
        let (Ok(at) | Err(at)) = at;
        let mut chunks = self.chunks.get(chunk..).unwrap_or_default().iter();
        let chunk = chunks.next().map_or(&[][..], |chunk| &chunk[at..]);
        Iter { chunk: chunk.iter(), chunks }
    }
}

// The same names may be cut into other chunks.
impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Index {}

impl IntoIterator for Index {
    type Item = Entry;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter { chunk: Vec::new().into_iter(), chunks: self.chunks.into_iter() }
    }
}

/// Names and numbers of an [`Index`].
#[derive(Clone)]
pub struct Iter<'a> {
    chunk: slice::Iter<'a, Entry>,
    chunks: slice::Iter<'a, Vec<Entry>>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a String, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, number) = match self.chunk.next() {
            Some(entry) => entry,
            None => {
                self.chunk = self.chunks.next()?.iter();
                self.chunk.next()?
            }
        };
        Some((name, *number))
    }
}

/// Names and numbers of an [`Index`] that is given up.
pub struct IntoIter {
    chunk: vec::IntoIter<Entry>,
    chunks: vec::IntoIter<Vec<Entry>>,
}

impl Iterator for IntoIter {
    type Item = Entry;

    #[inline(never)]
    fn next(&mut self) -> Option<Entry> {
        match self.chunk.next() {
            Some(entry) => Some(entry),
            None => {
                self.chunk = self.chunks.next()?.into_iter();
                self.chunk.next()
            }
        }
    }
}

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
    /// The first chunk, which is all of most maps.
    first: Vec<Entry>,
    /// The others, in order; none is empty.
    others: Vec<Vec<Entry>>,
    len: usize,
}

impl Index {
    /// An empty one.
    pub const fn new() -> Self {
        Index { first: Vec::new(), others: Vec::new(), len: 0 }
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.len
    }

    fn chunk(&self, chunk: usize) -> &Vec<Entry> {
        chunk.checked_sub(1).map_or(&self.first, |other| &self.others[other])
    }

    fn chunk_mut(&mut self, chunk: usize) -> &mut Vec<Entry> {
        match chunk.checked_sub(1) {
            None => &mut self.first,
            Some(other) => &mut self.others[other],
        }
    }

    /// The chunk and the place in it where a name stands, or would stand.
    #[inline(never)]
    fn find(&self, name: &str) -> (usize, Result<usize, usize>) {
        let chunk = self.others.partition_point(|chunk| compare(&chunk[0].0, name) != Ordering::Greater);
        (chunk, self.chunk(chunk).binary_search_by(|(other, _)| compare(other, name)))
    }

    /// The number of a name.
    pub fn get(&self, name: &str) -> Option<usize> {
        match self.find(name) {
            (chunk, Ok(at)) => Some(self.chunk(chunk)[at].1),
            _ => None,
        }
    }

    /// The number of a name; a new name gets `next`, and `None` says so.
    #[inline(never)]
    pub fn place(&mut self, name: String, next: usize) -> Option<usize> {
        let last = self.chunk(self.others.len());
        let is_last = last.last().is_none_or(|(last, _)| compare(last, &name) == Ordering::Less);
        let (chunk, at) = match is_last {
            true => (self.others.len(), last.len()),
            false => match self.find(&name) {
                (chunk, Ok(at)) => return Some(self.chunk(chunk)[at].1),
                (chunk, Err(at)) => (chunk, at),
            },
        };
        self.len += 1;
        let entries = self.chunk_mut(chunk);
        if entries.len() < CHUNK {
            entries.insert(at, (name, next));
        } else if is_last {
            // What comes in order fills its chunks.
            self.others.push(vec![(name, next)]);
        } else {
            let mut behind = entries.split_off(CHUNK / 2);
            match at.checked_sub(CHUNK / 2) {
                Some(at) => behind.insert(at, (name, next)),
                None => entries.insert(at, (name, next)),
            }
            self.others.insert(chunk, behind);
        }
        None
    }

    /// Takes a name out, and gives its number.
    #[inline(never)]
    pub fn remove(&mut self, name: &str) -> Option<usize> {
        let (chunk, Ok(at)) = self.find(name) else { return None };
        let entries = self.chunk_mut(chunk);
        let (_, number) = entries.remove(at);
        if entries.is_empty() && !self.others.is_empty() {
            match chunk.checked_sub(1) {
                Some(other) => drop(self.others.remove(other)),
                None => self.first = self.others.remove(0),
            }
        }
        self.len -= 1;
        Some(number)
    }

    /// All, in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { chunk: self.first.iter(), others: self.others.iter() }
    }

    /// From a name on, or from where it would stand.
    pub fn iter_from(&self, name: &str) -> Iter<'_> {
        let (chunk, at) = self.find(name);
        let (Ok(at) | Err(at)) = at;
        Iter { chunk: self.chunk(chunk)[at..].iter(), others: self.others[chunk..].iter() }
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
        IntoIter { chunk: self.first.into_iter(), others: self.others.into_iter() }
    }
}

/// Names and numbers of an [`Index`].
#[derive(Clone)]
pub struct Iter<'a> {
    chunk: slice::Iter<'a, Entry>,
    others: slice::Iter<'a, Vec<Entry>>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a String, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, number) = match self.chunk.next() {
            Some(entry) => entry,
            None => {
                self.chunk = self.others.next()?.iter();
                self.chunk.next()?
            }
        };
        Some((name, *number))
    }
}

/// Names and numbers of an [`Index`] that is given up.
pub struct IntoIter {
    chunk: vec::IntoIter<Entry>,
    others: vec::IntoIter<Vec<Entry>>,
}

impl Iterator for IntoIter {
    type Item = Entry;

    #[inline(never)]
    fn next(&mut self) -> Option<Entry> {
        match self.chunk.next() {
            Some(entry) => Some(entry),
            None => {
                self.chunk = self.others.next()?.into_iter();
                self.chunk.next()
            }
        }
    }
}

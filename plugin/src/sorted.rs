//! Maps and sets of names in one order everywhere, and sorting, in as little code as may be.
//!
//! The standard library makes each map and each sort anew for each type; together they were a
//! seventh of the module. Here one map from name to number, in `index.rs`, and one merge sort serve
//! all types.

mod index;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use index::Index;

/// A map from name to value, in the order of names.
#[derive(Clone)]
pub struct SortedMap<V> {
    index: Index,
    /// By the numbers in `index`; `None` where a value was removed.
    slots: Vec<Option<V>>,
}

impl<V> SortedMap<V> {
    /// An empty one.
    pub const fn new() -> Self {
        SortedMap { index: Index::new(), slots: Vec::new() }
    }

    /// Puts a value under a name, and gives the one that stood there.
    pub fn insert(&mut self, name: impl Into<String>, value: V) -> Option<V> {
        let next = self.slots.len();
        match self.index.place(name.into(), next) {
            Some(at) => self.slots[at].replace(value),
            None => {
                self.slots.push(Some(value));
                None
            }
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.slots[self.index.get(name)?].as_ref()
    }

    /// The value of a name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.slots[self.index.get(name)?].as_mut()
    }

    /// The value of a name, made where there is none.
    pub fn get_or_insert_with(&mut self, name: impl Into<String>, make: impl FnOnce() -> V) -> &mut V {
        let next = self.slots.len();
        let at = self.index.place(name.into(), next).unwrap_or_else(|| {
            self.slots.push(None);
            next
        });
        self.slots[at].get_or_insert_with(make)
    }

    /// Whether there is a value of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.index.get(name).is_some()
    }

    /// Takes the value of a name out.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        let at = self.index.remove(name)?;
        self.slots[at].take()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Names and values, in the order of names.
    pub fn iter(&self) -> Iter<'_, V> {
        Iter { index: self.index.iter(), slots: &self.slots }
    }

    /// The same from a name on, or from where it would stand.
    pub fn iter_from(&self, name: &str) -> impl Iterator<Item = (&String, &V)> {
        Iter { index: self.index.iter_from(name), slots: &self.slots }
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.index.iter().map(|(name, _)| name)
    }

    /// The values, in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The names, in order.
    pub fn into_keys(self) -> impl Iterator<Item = String> {
        self.index.into_iter().map(|(name, _)| name)
    }

    /// The values, in the order of their names.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }
}

const HAS_SLOT: &str = "each number in the index is of a value";

/// Names and values of a [`SortedMap`].
pub struct Iter<'a, V> {
    index: index::Iter<'a>,
    slots: &'a [Option<V>],
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (&'a String, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, at) = self.index.next()?;
        Some((name, self.slots[at].as_ref().expect(HAS_SLOT)))
    }
}

/// Names and values of a [`SortedMap`] that is given up.
pub struct IntoIter<V> {
    index: index::IntoIter,
    slots: Vec<Option<V>>,
}

impl<V> Iterator for IntoIter<V> {
    type Item = (String, V);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, at) = self.index.next()?;
        Some((name, self.slots[at].take().expect(HAS_SLOT)))
    }
}

impl<V> IntoIterator for SortedMap<V> {
    type Item = (String, V);
    type IntoIter = IntoIter<V>;

    fn into_iter(self) -> IntoIter<V> {
        IntoIter { index: self.index.into_iter(), slots: self.slots }
    }
}

impl<'a, V> IntoIterator for &'a SortedMap<V> {
    type Item = (&'a String, &'a V);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Iter<'a, V> {
        self.iter()
    }
}

impl<V> ops::Index<&str> for SortedMap<V> {
    type Output = V;

    /// # Panics
    /// There is no value of that name.
    fn index(&self, name: &str) -> &V {
        self.get(name).expect("there is a value of that name")
    }
}

impl<V> Extend<(String, V)> for SortedMap<V> {
    fn extend<T: IntoIterator<Item = (String, V)>>(&mut self, entries: T) {
        for (name, value) in entries {
            self.insert(name, value);
        }
    }
}

impl<V> FromIterator<(String, V)> for SortedMap<V> {
    fn from_iter<T: IntoIterator<Item = (String, V)>>(entries: T) -> Self {
        let mut map = SortedMap::new();
        map.extend(entries);
        map
    }
}

impl<V> Default for SortedMap<V> {
    fn default() -> Self {
        SortedMap::new()
    }
}

impl<V, const N: usize> From<[(String, V); N]> for SortedMap<V> {
    fn from(entries: [(String, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

// Hosts send and read maps as serde does; the module has its own JSON.
impl<V: Serialize> Serialize for SortedMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for SortedMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, V>::deserialize(deserializer).map(|map| map.into_iter().collect())
    }
}

impl<V: PartialEq> PartialEq for SortedMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for SortedMap<V> {}

impl<V: fmt::Debug> fmt::Debug for SortedMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A set of names, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SortedSet(Index);

impl SortedSet {
    /// An empty one.
    pub const fn new() -> Self {
        SortedSet(Index::new())
    }

    /// Adds a name; `false` where it was there.
    pub fn insert(&mut self, name: impl Into<String>) -> bool {
        self.0.place(name.into(), 0).is_none()
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Whether it has that name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The names, in order.
    pub fn iter(&self) -> Names<'_> {
        Names(self.0.iter())
    }
}

/// The names of a [`SortedSet`].
#[derive(Clone)]
pub struct Names<'a>(index::Iter<'a>);

impl<'a> Iterator for Names<'a> {
    type Item = &'a String;

    fn next(&mut self) -> Option<&'a String> {
        self.0.next().map(|(name, _)| name)
    }
}

impl IntoIterator for SortedSet {
    type Item = String;
    type IntoIter = std::iter::Map<index::IntoIter, fn((String, usize)) -> String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|(name, _)| name)
    }
}

impl<'a> IntoIterator for &'a SortedSet {
    type Item = &'a String;
    type IntoIter = Names<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<String> for SortedSet {
    fn extend<T: IntoIterator<Item = String>>(&mut self, names: T) {
        for name in names {
            self.insert(name);
        }
    }
}

impl FromIterator<String> for SortedSet {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        let mut set = SortedSet::new();
        set.extend(names);
        set
    }
}

impl From<String> for SortedSet {
    fn from(name: String) -> Self {
        let mut set = SortedSet::new();
        set.insert(name);
        set
    }
}

impl fmt::Debug for SortedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Sorts, keeping the order of equals.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let order = order(items.len(), &|a, b| compare(&items[a], &items[b]));
    arrange(order, &mut |a, b| items.swap(a, b));
}

/// Brings to each place what stands at the place that `order` names, by swaps alone: along each of the
/// cycles that the order is made of.
#[inline(never)]
fn arrange(mut order: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..order.len() {
        let mut at = start;
        while order[at] != start {
            let next = order[at];
            swap(at, next);
            order[at] = at;
            at = next;
        }
        order[at] = at;
    }
}

/// The numbers below `count` in order, equals in their own: a merge sort from the bottom up.
#[inline(never)]
fn order(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    // What comes in order already, as most does, costs one look.
    if (1..count).all(|at| compare(at - 1, at) != Ordering::Greater) {
        return order;
    }
    let mut merged = Vec::with_capacity(count);
    let mut width = 1;
    while width < count {
        merged.clear();
        for start in (0..count).step_by(2 * width) {
            let (middle, end) = ((start + width).min(count), (start + 2 * width).min(count));
            let (mut left, mut right) = (start, middle);
            while left < middle && right < end {
                if compare(order[left], order[right]) == Ordering::Greater {
                    merged.push(order[right]);
                    right += 1;
                } else {
                    merged.push(order[left]);
                    left += 1;
                }
            }
            merged.extend_from_slice(&order[left..middle]);
            merged.extend_from_slice(&order[right..end]);
        }
        std::mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(String, u8),
        Remove(String),
        Add(String, u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        let name = || "[a-d]{1,2}";
        prop_oneof![
            (name(), any::<u8>()).prop_map(|(name, value)| Change::Insert(name, value)),
            name().prop_map(Change::Remove),
            (name(), any::<u8>()).prop_map(|(name, value)| Change::Add(name, value)),
        ]
    }

    proptest! {
        #[test]
        fn a_map_is_what_the_standard_one_is(changes in prop::collection::vec(change(), 0..60)) {
            let (mut ours, mut theirs) = (SortedMap::new(), BTreeMap::new());
            for change in changes {
                match change {
                    Change::Insert(name, value) => {
                        prop_assert_eq!(ours.insert(name.clone(), value), theirs.insert(name, value));
                    }
                    Change::Remove(name) => prop_assert_eq!(ours.remove(&name), theirs.remove(&name)),
                    Change::Add(name, value) => {
                        let (a, b) = (ours.get_or_insert_with(name.clone(), || 0), theirs.entry(name).or_insert(0));
                        *a = a.wrapping_add(value);
                        *b = b.wrapping_add(value);
                    }
                }
                prop_assert_eq!(ours.len(), theirs.len());
                prop_assert!(ours.iter().eq(theirs.iter()));
                for from in ["", "a", "bb", "cz", "e"] {
                    prop_assert!(ours.iter_from(from).eq(theirs.range(from.to_owned()..)));
                }
                let again: SortedMap<u8> = theirs.clone().into_iter().collect();
                prop_assert_eq!(&ours, &again);
            }
            prop_assert!(ours.into_iter().eq(theirs));
        }

        #[test]
        fn sorting_keeps_the_order_of_equals(numbers in prop::collection::vec(0..6u8, 0..70)) {
            let mut ours: Vec<(u8, usize)> = numbers.into_iter().zip(0..).collect();
            let mut theirs = ours.clone();
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by_key(|(number, _)| *number);
            prop_assert_eq!(ours, theirs);
        }
    }
}

//! Looks through text eight bytes at a time, where that is most of the work: requests, answers, state.

use std::cmp::Ordering;

/// Each byte of a word is this.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Where the first byte from `at` on is that is below a blank or one of `stops`, or the end.
#[inline(never)]
pub(crate) fn plain_end(bytes: &[u8], mut at: usize, stops: [u8; 2]) -> usize {
    // A byte of `word - all(n)` borrows into its high bit exactly where it is below n, unless the high
    // bit was set before; what a borrow does to the bytes above it is no matter, one hit is enough.
    let below = |word: u64, limit: u8| word.wrapping_sub(all(limit)) & !word & all(0x80);
    while let Some(word) = word(bytes, at) {
        let stopped = below(word, b' ') | below(word ^ all(stops[0]), 1) | below(word ^ all(stops[1]), 1);
        if stopped != 0 {
            // The lowest hit is the first byte, and no borrow came from below it.
            return at + stopped.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < bytes.len() && bytes[at] >= b' ' && !stops.contains(&bytes[at]) {
        at += 1;
    }
    at
}

/// Where the first such byte stands from `at` on, or the end.
#[inline(never)]
pub(crate) fn find(bytes: &[u8], mut at: usize, byte: u8) -> usize {
    while let Some(word) = word(bytes, at) {
        // A byte that is equal becomes zero, and the lowest zero is the lowest high bit here.
        let word = word ^ all(byte);
        let found = word.wrapping_sub(all(1)) & !word & all(0x80);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < bytes.len() && bytes[at] != byte {
        at += 1;
    }
    at
}

/// What stands before and behind the first such character, which is ASCII.
pub(crate) fn split_once(text: &str, mark: u8) -> Option<(&str, &str)> {
    let at = find(text.as_bytes(), 0, mark);
    (at < text.len()).then(|| (&text[..at], &text[at + 1..]))
}

/// Which text stands before the other. WebAssembly's `memcmp` takes one byte after the other, and names
/// have common beginnings.
#[inline(never)]
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while let (Some(a), Some(b)) = (word(left, at), word(right, at)) {
        if a != b {
            return a.swap_bytes().cmp(&b.swap_bytes());
        }
        at += 8;
    }
    while let (Some(a), Some(b)) = (left.get(at), right.get(at)) {
        if a != b {
            return a.cmp(b);
        }
        at += 1;
    }
    left.len().cmp(&right.len())
}

/// Eight bytes, if there are so many.
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..).and_then(<[u8]>::first_chunk::<8>).map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{compare, find, plain_end};

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_find_what_one_at_a_time_does(
            bytes in prop::collection::vec(prop_oneof![8 => 0x20u8..=0x7e, 1 => any::<u8>()], 0..60),
            at in 0..60usize,
            stops in any::<[u8; 2]>(),
        ) {
            let at = at.min(bytes.len());
            for stops in [stops, [b'"', b'\\'], [0x7f, 0x7f]] {
                let stop = |byte: &u8| *byte < b' ' || stops.contains(byte);
                let expected = bytes[at..].iter().position(stop).map_or(bytes.len(), |found| at + found);
                prop_assert_eq!(plain_end(&bytes, at, stops), expected);
            }
        }

        #[test]
        fn a_byte_is_found_where_it_first_stands(
            bytes in prop::collection::vec(prop_oneof![3 => 8u8..=12, 1 => any::<u8>()], 0..60),
            at in 0..60usize,
        ) {
            let at = at.min(bytes.len());
            let expected = bytes[at..].iter().position(|byte| *byte == b'\n');
            prop_assert_eq!(find(&bytes, at, b'\n'), expected.map_or(bytes.len(), |found| at + found));
        }

        #[test]
        fn texts_are_compared_as_strings_are(left in "[ab]{0,2}(abcdefgh|é){0,3}[a-cé]{0,3}", right in "[ab]{0,2}(abcdefgh|é){0,3}[a-cé]{0,3}") {
            prop_assert_eq!(compare(&left, &right), left.cmp(&right));
        }
    }
}

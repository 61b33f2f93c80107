//! What a module may take, and the memory that Extism's functions work on.

#![allow(unsafe_code)] // The system is told of memory by its address.

use std::collections::BTreeMap;

use wasmtime::{Memory, ResourceLimiter, Store};

/// Requests from this length on get their memory ahead, in bytes.
const LARGE: usize = 256 << 10;
/// What a request takes of memory at most, in its own length, and the most that is given ahead, in bytes.
const TIMES: usize = 12;
const MOST: usize = 256 << 20;
/// A large page of x86-64 and of aarch64 with small pages of 4 KiB, in bytes.
const LARGE_PAGE: usize = 2 << 20;

/// The state of one call.
#[derive(Debug, Default)]
pub struct Call {
    limit: usize,
    /// The size in bytes that was asked for and refused.
    pub refused: Option<usize>,
    /// Extism: the request.
    pub input: Vec<u8>,
    /// Extism: where the answer is.
    pub output: Option<(u64, u64)>,
    /// Extism: where an error's text is.
    pub error: Option<u64>,
    blocks: Blocks,
}

impl Call {
    /// A call that may take so many bytes, of the module's memory and of Extism's each.
    pub fn new(limit: usize, input: Vec<u8>) -> Self {
        Call { limit, input, ..Call::default() }
    }

    /// A new block of Extism's memory; 0, which is no offset, where there is no room.
    pub fn alloc(&mut self, length: u64) -> u64 {
        let room = usize::try_from(length).ok().and_then(|length| self.blocks.room_with(length));
        match room.filter(|room| *room <= self.limit) {
            Some(_) => self.blocks.push(length),
            None => {
                self.refused = Some(room.unwrap_or(usize::MAX));
                0
            }
        }
    }

    /// The length of a block; 0 where none begins.
    pub fn length(&self, offset: u64) -> u64 {
        self.blocks.lengths.get(&offset).copied().unwrap_or(0)
    }

    /// A part of Extism's memory.
    pub fn bytes(&mut self, offset: u64, length: u64) -> Option<&mut [u8]> {
        let start = usize::try_from(offset.checked_sub(BASE)?).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        self.blocks.bytes.get_mut(start..end)
    }

    /// Forgets a block; its bytes stay until the call ends.
    pub fn free(&mut self, offset: u64) {
        self.blocks.lengths.remove(&offset);
    }
}

/// The offset of the first byte, so that 0 is never one.
const BASE: u64 = 16;

#[derive(Debug, Default)]
struct Blocks {
    bytes: Vec<u8>,
    lengths: BTreeMap<u64, u64>,
}

/// What remembering one block costs, in bytes, so that many small ones count, too.
const BLOCK: usize = 64;

impl Blocks {
    /// The room that all blocks take with another one of this length; `None` beyond all numbers.
    fn room_with(&self, length: usize) -> Option<usize> {
        let blocks = self.lengths.len().checked_add(1)?.checked_mul(BLOCK)?;
        self.bytes.len().checked_add(length)?.checked_add(blocks)
    }

    /// Adds a block; an empty one takes a byte, since no two begin at one offset.
    fn push(&mut self, length: u64) -> u64 {
        let start = self.bytes.len();
        self.bytes.resize(start + (length as usize).max(1), 0);
        let offset = BASE + start as u64;
        self.lengths.insert(offset, length);
        offset
    }
}

/// Gives a module ahead what a large request will take, in the system's large pages where it has such:
/// one page of 4 KiB after the other is a fifth of the time of a short call.
pub fn prepare(store: &mut Store<Call>, memory: &Memory, request: usize) {
    if request < LARGE {
        return;
    }
    let limit = store.data().limit;
    let ahead = request.saturating_mul(TIMES).min(MOST).next_multiple_of(LARGE_PAGE).min(limit / 2);
    let pages = (ahead as u64 / memory.page_size(&*store)).saturating_sub(memory.size(&*store));
    // A module may say itself how large it grows; then it does without.
    if memory.grow(&mut *store, pages).is_ok() {
        #[cfg(target_os = "linux")]
        // SAFETY: this is the memory as it is now, and what wasmtime reserved behind it for what it may
        // become; advice changes no byte of either.
        let _ = unsafe {
            use rustix::mm::{madvise, Advice};
            madvise(memory.data_ptr(&*store).cast(), limit.min(1 << 32), Advice::LinuxHugepage)
        };
    }
    store.data_mut().refused = None;
}

impl ResourceLimiter for Call {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.limit && maximum.is_none_or(|maximum| desired <= maximum);
        if !fits {
            self.refused = Some(desired);
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000)
    }

    // The limits above are of one memory and one table, so there may not be more: a module of ours
    // has one of each, and Extism's own memory is on this side.
    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_an_offset_a_length_and_room() {
        let mut call = Call::new(1000, Vec::new());
        let (first, empty, last) = (call.alloc(3), call.alloc(0), call.alloc(5));
        assert!(first > 0 && empty > first && last > empty, "{first} {empty} {last}");
        assert_eq!([first, empty, last].map(|offset| call.length(offset)), [3, 0, 5]);
        assert_eq!(call.length(first + 1), 0);
        call.bytes(last, 5).expect("the block").copy_from_slice(b"hello");
        assert_eq!(call.bytes(last, 5).expect("the block"), b"hello");
        assert_eq!(call.bytes(0, 1), None);
        assert_eq!(call.bytes(last, 6), None);
        assert_eq!(call.bytes(last, u64::MAX), None);
        call.free(first);
        assert_eq!(call.length(first), 0);
    }

    #[test]
    fn no_more_than_the_limit_is_given() {
        for length in [1, 0, 100] {
            let mut call = Call::new(10_000, Vec::new());
            let given = (0..1000).take_while(|_| call.alloc(length) != 0).count();
            assert!((60..160).contains(&given), "{given} blocks of {length} bytes");
            assert!(call.refused.is_some());
        }
        let mut call = Call::new(10_000, Vec::new());
        assert_eq!(call.alloc(u64::MAX), 0);
        assert_eq!(call.refused, Some(usize::MAX));
    }
}

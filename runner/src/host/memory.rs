//! What a module may take, and the memory that Extism's functions work on.

use std::collections::BTreeMap;

use wasmtime::ResourceLimiter;

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
        let end = usize::try_from(length).ok().and_then(|length| self.blocks.bytes.len().checked_add(length));
        match end.filter(|end| *end <= self.limit) {
            Some(end) => self.blocks.push(end),
            None => {
                self.refused = Some(end.unwrap_or(usize::MAX));
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

impl Blocks {
    fn push(&mut self, end: usize) -> u64 {
        let start = self.bytes.len();
        self.bytes.resize(end, 0);
        let offset = BASE + start as u64;
        self.lengths.insert(offset, (end - start) as u64);
        offset
    }
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
}

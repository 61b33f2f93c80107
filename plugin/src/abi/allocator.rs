//! The module's allocator.
//!
//! A call makes many small blocks and lives for milliseconds, so this is the simplest thing that is
//! fast: a list of free blocks for each size, and behind the last block the memory that was never
//! used. A block goes back to its own list and is never split or joined. That costs some memory, a
//! quarter of a block at most and what another size would have needed, and saves a fifth of the time
//! that Dockerfiles take.

#![allow(unsafe_code)] // Memory is given out by its address.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::UnsafeCell;
use std::ptr::{self, null_mut};

#[global_allocator]
static ALLOCATOR: Allocator =
    Allocator(UnsafeCell::new(Heap { next: 0, end: 0, free: [null_mut(); CLASSES] }));

/// A WebAssembly page, in bytes.
const PAGE: usize = 1 << 16;
/// A large page of most systems, in bytes.
const LARGE_PAGE: usize = 2 << 20;
/// What every block's size and address is a multiple of.
const UNIT: usize = 16;
/// Up to here there is a class for each multiple of [`UNIT`], and behind it four for each power of two.
const SMALL: usize = 512;
const SMALL_CLASSES: usize = SMALL / UNIT;
const CLASSES: usize = SMALL_CLASSES + 4 * (usize::BITS - SMALL.ilog2()) as usize;

struct Allocator(UnsafeCell<Heap>);

// SAFETY: the target has no threads.
unsafe impl Sync for Allocator {}

struct Heap {
    /// The first byte that was never given out.
    next: usize,
    /// Where the memory ends.
    end: usize,
    /// The free blocks of each class; a free block begins with the address of the next.
    free: [*mut u8; CLASSES],
}

/// The class of a size, and what its blocks have.
#[inline]
fn class(size: usize) -> (usize, usize) {
    if size <= SMALL {
        let units = size.div_ceil(UNIT).max(1);
        return (units - 1, units * UNIT);
    }
    // The highest bit and the two behind it of `size - 1` are the class.
    let shift = (size - 1).ilog2() - 2;
    let quarter = (size - 1) >> shift;
    (SMALL_CLASSES + 4 * (shift + 2 - SMALL.ilog2()) as usize + quarter - 4, (quarter + 1) << shift)
}

impl Heap {
    /// A block from the memory that was never used.
    #[inline(never)]
    fn carve(&mut self, size: usize, align: usize) -> *mut u8 {
        let Some(room) = size.checked_add(align.max(UNIT)) else { return null_mut() };
        if self.end - self.next < room && !self.grow(room) {
            return null_mut();
        }
        let start = self.next.next_multiple_of(align.max(UNIT));
        self.next = start + size;
        start as *mut u8
    }

    /// Takes more memory: a quarter of what there is, so that a host is asked seldom, or what is needed.
    #[cold]
    fn grow(&mut self, room: usize) -> bool {
        extern "C" {
            /// Where the linker's own data ends.
            static __heap_base: u8;
        }
        if self.end == 0 {
            self.next = &raw const __heap_base as usize;
            self.end = memory_size(0) * PAGE;
            // What a host gives ahead it gives in large pages, but for the one with the data in it.
            if self.end >= 2 * LARGE_PAGE {
                self.next = self.next.next_multiple_of(LARGE_PAGE);
            }
            if self.end - self.next >= room {
                return true;
            }
        }
        let needed = room.div_ceil(PAGE);
        for pages in [needed.max(memory_size(0) / 4), needed] {
            let before = memory_grow(0, pages);
            if before != usize::MAX {
                // A host may have made the memory larger, too.
                if before * PAGE != self.end {
                    self.next = before * PAGE;
                }
                self.end = (before + pages) * PAGE;
                return true;
            }
        }
        false
    }
}

// SAFETY: a block is of its class's size, at a multiple of its alignment, and in nobody else's hands:
// it was carved or taken off a list. Each list holds blocks of its class alone, since the class
// follows from the size, which the caller gives back.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = unsafe { &mut *self.0.get() };
        let (class, size) = class(layout.size());
        let first = heap.free[class];
        if first.is_null() || layout.align() > UNIT {
            return heap.carve(size, layout.align());
        }
        heap.free[class] = unsafe { *first.cast() };
        first
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let heap = unsafe { &mut *self.0.get() };
        let (class, _) = class(layout.size());
        unsafe { *block.cast() = heap.free[class] };
        heap.free[class] = block;
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let heap = unsafe { &mut *self.0.get() };
        let ((old_class, old), (new_class, new)) = (class(layout.size()), class(size));
        if old_class == new_class {
            return block;
        }
        // The last block grows where it lies, unless there is a free one: else each call of an instance
        // would leave one more of the new size, and none of the old.
        let is_last = block as usize + old == heap.next && heap.end - block as usize >= new;
        if is_last && heap.free[new_class].is_null() {
            heap.next = block as usize + new;
            return block;
        }
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

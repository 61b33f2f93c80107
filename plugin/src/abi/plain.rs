//! The plain shell: three exports and the module's memory, for any WebAssembly engine.
//!
//! ```text
//! if_alloc(length: i32) -> i32           a buffer of the module's, for the request
//! if_call(pointer: i32, length: i32) -> i64   answers it: pointer << 32 | length
//! if_free(pointer: i32, length: i32)     gives a buffer back, with the length it had
//! ```
//!
//! A host writes the request into a buffer from `if_alloc`, calls `if_call`, copies the answer out
//! of memory, and gives both buffers back. `if_call` reads the request's buffer and leaves it to
//! the host. A pointer is valid until its buffer is given back; the memory may grow, so a host
//! looks up its view of it after each call.

#![allow(unsafe_code)] // The other side of the boundary knows only addresses.

/// A buffer of so many bytes, all zero.
#[no_mangle]
pub extern "C" fn if_alloc(length: u32) -> *mut u8 {
    Box::leak(vec![0; length as usize].into_boxed_slice()).as_mut_ptr()
}

/// Gives a buffer back.
///
/// # Safety
/// `pointer` and `length` are of one buffer from `if_alloc` or `if_call`, not given back before.
#[no_mangle]
pub unsafe extern "C" fn if_free(pointer: *mut u8, length: u32) {
    // SAFETY: by the contract above these are the parts of a leaked boxed slice.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(pointer, length as usize)) });
}

/// Answers a request.
///
/// # Safety
/// `pointer` and `length` are of one buffer from `if_alloc`, not given back before.
#[no_mangle]
pub unsafe extern "C" fn if_call(pointer: *const u8, length: u32) -> u64 {
    // SAFETY: by the contract above this is a live buffer, all of it initialized.
    let request = unsafe { std::slice::from_raw_parts(pointer, length as usize) };
    let answer = Box::leak(super::answer(request).into_boxed_slice());
    (answer.as_ptr() as u64) << 32 | answer.len() as u64
}

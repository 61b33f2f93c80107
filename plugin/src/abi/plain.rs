//! The plain shell: three exports and the module's memory, for any WebAssembly engine.
//!
//! ```text
//! if_alloc(length: i32) -> i32           a buffer of the module's, for the request; 0: it is too long
//! if_call(pointer: i32, length: i32) -> i64   answers it: pointer << 32 | length
//! if_free(pointer: i32, length: i32)     gives a buffer back, with the length it had
//! ```
//!
//! A request that is too long gets no buffer. A host then writes nothing and calls `if_call` with
//! the 0, which answers with IF0007.
//!
//! A host writes the request into a buffer from `if_alloc`, calls `if_call`, copies the answer out
//! of memory, and gives both buffers back. `if_call` reads the request's buffer and leaves it to
//! the host. A pointer is valid until its buffer is given back; the memory may grow, so a host
//! looks up its view of it after each call.

#![allow(unsafe_code)] // The other side of the boundary knows only addresses.

/// A buffer of so many bytes, all zero; null where a request may not be so long.
#[no_mangle]
pub extern "C" fn if_alloc(length: u32) -> *mut u8 {
    if length as usize > super::MAX_REQUEST {
        return std::ptr::null_mut();
    }
    Box::leak(vec![0; length as usize].into_boxed_slice()).as_mut_ptr()
}

/// Gives a buffer back.
///
/// # Safety
/// `pointer` and `length` are of one buffer from `if_alloc` or `if_call`, not given back before.
#[no_mangle]
pub unsafe extern "C" fn if_free(pointer: *mut u8, length: u32) {
    if pointer.is_null() {
        return;
    }
    // SAFETY: by the contract above these are the parts of a leaked boxed slice.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(pointer, length as usize)) });
}

/// Answers a request.
///
/// # Safety
/// `pointer` and `length` are of one buffer from `if_alloc`, not given back before.
#[no_mangle]
pub unsafe extern "C" fn if_call(pointer: *const u8, length: u32) -> u64 {
    let answer = if pointer.is_null() {
        super::refused_as_too_large()
    } else {
        // SAFETY: by the contract above this is a live buffer, all of it initialized.
        super::answer(unsafe { std::slice::from_raw_parts(pointer, length as usize) })
    };
    let answer = Box::leak(answer.into_boxed_slice());
    (answer.as_ptr() as u64) << 32 | answer.len() as u64
}

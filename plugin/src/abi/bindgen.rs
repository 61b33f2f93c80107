//! The JavaScript shell, for the package that wasm-bindgen makes.

use wasm_bindgen::prelude::wasm_bindgen;

/// Answers a request: the bytes of a JSON text in, those of another out, whatever the bytes are.
#[wasm_bindgen]
pub fn call(request: &[u8]) -> Vec<u8> {
    super::answer(request)
}

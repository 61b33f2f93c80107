//! The JavaScript shell, for the package that wasm-bindgen makes.

use wasm_bindgen::prelude::wasm_bindgen;

/// Answers a request: JSON in, JSON out.
#[wasm_bindgen]
pub fn call(request: &str) -> String {
    String::from_utf8(super::answer(request.as_bytes())).expect("an answer is JSON, and JSON is UTF-8")
}

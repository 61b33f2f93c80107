//! `cargo +nightly fuzz run dockerfile inputs/dockerfile` in `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| image_factory_harness::properties::dockerfile(bytes));

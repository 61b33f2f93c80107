//! `cargo +nightly fuzz run reference inputs/reference` in `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| image_factory_harness::properties::reference(bytes));

//! The module's allocator.

/// Gives out the module's memory. A module has one thread, as its target says, so nothing is locked.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

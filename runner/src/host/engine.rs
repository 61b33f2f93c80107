//! The engine's settings, shared with the build script: a precompiled module runs only under the
//! settings that it was compiled with.

use wasmtime::{Config, Inlining};

/// How much of the host's stack a module may use, in bytes; its own recursion is bounded lower.
pub const MAX_STACK: usize = 1 << 20;

/// The settings for any module: a bounded stack, nothing that a module of ours lacks. One of anybody's
/// also needs to look at a clock, `epoch_interruption`; ours does without, since that is a fifth of its
/// time.
///
/// A trap is reported by its kind alone, so the tables that only backtraces need, a seventh of the
/// compiled module, are left out.
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .max_wasm_stack(MAX_STACK)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    config
}

/// The settings for our own module: small functions become part of their callers here, where rustc left
/// them alone to keep the module small. It saves a tenth of the time, and costs four times the compiling.
pub fn own() -> Config {
    let mut config = config();
    config.compiler_inlining(Inlining::Yes);
    config
}

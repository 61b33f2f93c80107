//! The compiled module that is part of this program, run where it lies: its pages are the program
//! file's own, so every process of one node shares them, and nothing is copied at the start.

#![allow(unsafe_code)] // Code is made executable.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mm::{mprotect, MprotectFlags};
use wasmtime::{CustomCodeMemory, Engine, Module, Result};

use super::engine;

/// The largest page of the processor, to which wasmtime aligns the code of a compiled module.
const PAGE: usize = std::mem::align_of::<Pages<()>>();

#[cfg_attr(target_arch = "aarch64", repr(C, align(65536)))]
#[cfg_attr(not(target_arch = "aarch64"), repr(C, align(4096)))]
struct Pages<T: ?Sized>(T);

/// The build script's compiler made it of our module.
static MODULE: &Pages<[u8]> = &Pages(*include_bytes!(concat!(env!("OUT_DIR"), "/plugin.cwasm")));

/// The engine with our settings, and our module in it.
///
/// # Errors
/// The processor lacks what the one had that the module was compiled for, or the system lets no more
/// code be executed.
pub fn load() -> Result<(Engine, Module)> {
    // wasmtime keeps one entry for each piece of code by its address, so a process loads it once.
    static LOADED: Mutex<Option<(Engine, Module)>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*loaded {
        Some(pair) => Ok(pair.clone()),
        None => Ok(loaded.insert(load_once()?).clone()),
    }
}

fn load_once() -> Result<(Engine, Module)> {
    let mut config = engine::own();
    config.with_custom_code_memory(Some(Arc::new(InPlace)));
    let engine = Engine::new(&config)?;
    // SAFETY: the bytes are part of this program, so whoever could change them could change any other
    // code of it. They are never changed, and live for as long as the program runs. The engine checks
    // version, target and settings.
    let module = unsafe { Module::deserialize_raw(&engine, NonNull::from(&MODULE.0)) }?;
    Ok((engine, module))
}

/// Lets the code be executed among the program's constants, which nobody can write.
struct InPlace;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> Result<()> {
        // SAFETY: these are pages of `MODULE` alone: it begins with a page, and its code ends before it
        // does. They stay readable, which is all that anyone expects of constants.
        unsafe { mprotect(code.cast_mut().cast(), length, MprotectFlags::READ | MprotectFlags::EXEC) }?;
        Ok(())
    }

    fn unpublish_executable(&self, _: *const u8, _: usize) -> Result<()> {
        // The module stays loaded as long as the program runs.
        Ok(())
    }
}

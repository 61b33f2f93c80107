//! What the module takes from its host, and what it gives: the proof that it is pure.

use std::collections::BTreeSet;
use std::fs;

use image_factory::abi::VERBS;
use image_factory_runner::host::{sha256, BUILT_MODULE, EMBEDDED_DIGEST};
use wasmtime::{Config, Engine, ExternType, Module, Strategy};

/// What moves bytes between the module and Extism; no clock, file, network or random source.
const EXTISM: [&str; 7] =
    ["alloc", "input_length", "input_load_u64", "input_load_u8", "output_set", "store_u64", "store_u8"];

/// Read, not compiled for this machine: nothing is run here.
fn module() -> Module {
    let bytes = fs::read(BUILT_MODULE).expect("the build left the module");
    assert_eq!(sha256(&bytes), EMBEDDED_DIGEST, "it is the one in the program");
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift).cranelift_opt_level(wasmtime::OptLevel::None);
    let engine = Engine::new(&config).expect("these settings are possible");
    Module::new(&engine, bytes).expect("the module is valid")
}

#[test]
fn it_takes_only_what_moves_bytes_and_gives_two_abis() {
    let module = module();
    let imports: Vec<(&str, &str)> =
        module.imports().map(|import| (import.module(), import.name())).collect();
    assert!(imports.iter().all(|(from, _)| *from == "extism:host/env"), "{imports:?}");
    let names: BTreeSet<&str> = imports.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, BTreeSet::from(EXTISM));

    let is_function = |name: &str| matches!(module.get_export(name), Some(ExternType::Func(_)));
    for name in ["if_alloc", "if_call", "if_free"].iter().chain(VERBS) {
        assert!(is_function(name), "`{name}` is no exported function");
    }
    assert!(matches!(module.get_export("memory"), Some(ExternType::Memory(_))));
    let functions = module.exports().filter(|export| is_function(export.name())).count();
    assert_eq!(functions, 3 + VERBS.len(), "nothing else can be called");
}

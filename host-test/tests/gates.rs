//! What the module may cost, in numbers that are the same on every machine: its size, the fuel and
//! the memory that fixed cases take. `UPDATE_GOLDEN=1 cargo test` writes `gates.json` anew; a change
//! there is read like a change of code.

use std::collections::BTreeMap;
use std::fs;

use image_factory::abi::{Fetched, Request, ABI_VERSION};
use image_factory::tree::Tree;
use image_factory_harness::synthetic;
use image_factory_runner::host::BUILT_MODULE;
use serde_json::{json, Value};
use wasmtime::{Config, Engine, Linker, Module, Store};

const GATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gates.json");
/// Bytes: what it has and a percent for another compiler; it may only go down. The design wants 500 kB
/// and 1.5 times the native core's time: built for size alone it has 592 kB, and takes half as long again.
const MAX_SIZE: usize = 745_000;
/// How far a case's fuel may be from the committed number: compilers differ by less.
const PERCENT: u64 = 2;
/// What the smallest case may differ by, where a percentage is too little to mean anything.
const SLACK: [(&str, u64); 2] = [("fuel", 5_000), ("pages", 2)];

#[test]
fn the_module_is_small() {
    let size = fs::metadata(BUILT_MODULE).expect("the build left the module").len() as usize;
    assert!(size <= MAX_SIZE, "the module has {size} bytes, {MAX_SIZE} are allowed");
}

#[test]
fn fuel_and_memory_are_what_they_were() {
    let guest = Guest::load();
    let measured: BTreeMap<&str, Cost> =
        cases().into_iter().map(|(name, request)| (name, guest.cost(&request))).collect();
    let measured: Value = measured
        .into_iter()
        .map(|(name, cost)| (name.to_owned(), json!({"fuel": cost.fuel, "pages": cost.pages})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        let text = serde_json::to_string_pretty(&measured).expect("numbers and names") + "\n";
        fs::write(GATES, text).expect("gates.json can be written");
        return;
    }
    let committed = fs::read(GATES).expect("gates.json is committed");
    let committed: Value = serde_json::from_slice(&committed).expect("gates.json is JSON");
    let is_near = |kind: &str, slack: u64, name: &str| {
        let number = |of: &Value| of[name][kind].as_u64().expect("a number for each case");
        let (was, is) = (number(&committed), number(&measured));
        was.abs_diff(is) <= slack.max(was * PERCENT / 100)
    };
    let names = |of: &Value| of.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&measured));
    let moved: Vec<String> = names(&measured)
        .into_iter()
        .filter(|name| !SLACK.iter().all(|(kind, slack)| is_near(kind, *slack, name)))
        .map(|name| format!("{name}: {} were {}", measured[&name], committed[&name]))
        .collect();
    assert!(moved.is_empty(), "UPDATE_GOLDEN=1 accepts these:\n{}", moved.join("\n"));
}

fn cases() -> Vec<(&'static str, Vec<u8>)> {
    let dockerfile = "ARG NODE=22\nFROM node:${NODE}-slim AS build\nRUN npm ci && \\\n  npm run build\n\
                      FROM gcr.io/distroless/nodejs22-debian12\nCOPY --from=build /app /app\n"
        .repeat(50);
    vec![
        ("about", request("about", Value::Null, Tree::default())),
        ("generate 4 images", request("generate", Value::Null, synthetic::factory(4))),
        ("generate 500 images", request("generate", Value::Null, synthetic::factory(500))),
        (
            "bases of 100 stages",
            request("bases", json!({"files": [{"file": "Dockerfile", "text": dockerfile}]}), Tree::default()),
        ),
        (
            "1000 references",
            request("reference", json!({"references": vec!["ghcr.io/acme/web:1.4"; 1000]}), Tree::default()),
        ),
    ]
}

fn request(verb: &str, args: Value, tree: Tree) -> Vec<u8> {
    let now = "2026-01-05T10:00:00Z".to_owned();
    let request =
        Request { abi: ABI_VERSION, verb: verb.to_owned(), args, now, tree, fetched: Fetched::default() };
    serde_json::to_vec(&request).expect("a request is plain data")
}

struct Cost {
    fuel: u64,
    /// Of 64 KiB, at the end; memory never shrinks.
    pages: u64,
}

/// The module under an engine that counts.
struct Guest {
    engine: Engine,
    module: Module,
    linker: Linker<()>,
}

impl Guest {
    fn load() -> Self {
        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config).expect("these settings are possible");
        let module = Module::from_file(&engine, BUILT_MODULE).expect("the module is valid");
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&module).expect("its imports are functions");
        Guest { engine, module, linker }
    }

    fn cost(&self, request: &[u8]) -> Cost {
        const PLENTY: u64 = 1 << 50;
        let mut store = Store::new(&self.engine, ());
        store.set_fuel(PLENTY).expect("fuel is counted");
        let instance = self.linker.instantiate(&mut store, &self.module).expect("it starts");
        let memory = instance.get_memory(&mut store, "memory").expect("it exports its memory");
        let alloc = instance.get_typed_func::<u32, u32>(&mut store, "if_alloc").expect("the plain ABI");
        let call = instance.get_typed_func::<(u32, u32), u64>(&mut store, "if_call").expect("the plain ABI");
        let free = instance.get_typed_func::<(u32, u32), ()>(&mut store, "if_free").expect("the plain ABI");
        let length = u32::try_from(request.len()).expect("a case is small");

        // The answer, and the buffers to give back.
        let ask = |store: &mut Store<()>| {
            let pointer = alloc.call(&mut *store, length).expect("there is memory");
            memory.write(&mut *store, pointer as usize, request).expect("the buffer is in its memory");
            let packed = call.call(&mut *store, (pointer, length)).expect("it answers");
            let (start, size) = ((packed >> 32) as u32, packed as u32);
            let answer = &memory.data(&*store)[start as usize..][..size as usize];
            let answer: Value = serde_json::from_slice(answer).expect("an answer is JSON");
            (answer, [(pointer, length), (start, size)])
        };
        let (answer, mut buffers) = ask(&mut store);
        assert_eq!(answer["exit"], Value::Null, "a case succeeds: {answer}");
        let fuel = PLENTY - store.get_fuel().expect("fuel is counted");
        let pages = memory.size(&store);

        // Both buffers go back, as the ABI says, and the instance answers the same again and again.
        for _ in 0..4 {
            for buffer in buffers {
                free.call(&mut store, buffer).expect("a buffer goes back");
            }
            let (again, taken) = ask(&mut store);
            assert_eq!(again, answer);
            buffers = taken;
            assert!(memory.size(&store) <= pages + 1, "a later call needs no more memory than the first");
        }
        Cost { fuel, pages }
    }
}

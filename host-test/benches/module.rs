//! The module beside the same code compiled natively: `cargo bench -p image-factory-host-test`.
//!
//! Each call of the module is a fresh instance, as in the program.

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use image_factory::abi::{answer, Fetched, Request, ABI_VERSION};
use image_factory_harness::synthetic;
use image_factory_runner::host::{Abi, Host, Limits};

fn generate(c: &mut Criterion) {
    let host = Host::embedded(Limits::default()).expect("the module runs where it was built");
    let mut group = c.benchmark_group("generate");
    for images in [4, 2000] {
        let request = Request {
            abi: ABI_VERSION,
            verb: "generate".to_owned(),
            args: serde_json::Value::Null,
            now: "2026-01-05T10:00:00Z".to_owned(),
            tree: synthetic::factory(images),
            fetched: Fetched::default(),
        };
        let request = serde_json::to_vec(&request).expect("a request is plain data");
        group.throughput(Throughput::Elements(images as u64));
        group.bench_function(format!("{images}/native"), |b| b.iter(|| answer(black_box(&request))));
        for (name, abi) in [("module", Abi::Plain), ("module, Extism", Abi::Extism)] {
            group.bench_function(format!("{images}/{name}"), |b| {
                b.iter(|| host.call(abi, "generate", request.clone()).expect("it is within the limits"));
            });
        }
    }
    group.finish();
}

fn load(c: &mut Criterion) {
    c.bench_function("load the module", |b| {
        b.iter(|| Host::embedded(Limits::default()).map(|host| host.digest().len()))
    });
}

criterion_group!(benches, generate, load);
criterion_main!(benches);

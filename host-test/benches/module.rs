//! The module beside the same code compiled natively: `cargo bench -p image-factory-host-test`.
//!
//! Each call of the module is a fresh instance, as in the program. The native side has mimalloc, the
//! fastest allocator that we know for it. First both sides take turns, so what else the machine does is
//! the same for both; then each is measured by itself.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use image_factory::abi::{answer, Fetched, Request, ABI_VERSION};
use image_factory::tree::Tree;
use image_factory_harness::{quarters, synthetic};
use image_factory_runner::host::{Abi, Host, Limits};
use serde_json::{json, Value};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 21;

/// One request, answered natively and by the module over both of its ABIs.
fn compare(c: &mut Criterion, verb: &str, elements: usize, args: Value, tree: Tree) {
    let host = Host::embedded(Limits::default()).expect("the module runs where it was built");
    let request = Request {
        abi: ABI_VERSION,
        verb: verb.to_owned(),
        args,
        now: "2026-01-05T10:00:00Z".to_owned(),
        tree,
        fetched: Fetched::default(),
    };
    let request = serde_json::to_vec(&request).expect("a request is plain data");
    // `cargo test` runs benchmarks too, to see that they build.
    if elements >= 1000 && std::env::args().any(|argument| argument == "--bench") {
        let ratios = (0..ROUNDS).map(|_| {
            let native = time(|| drop(black_box(answer(black_box(&request)))));
            let copy = request.clone();
            let module = time(|| drop(black_box(host.call(Abi::Plain, verb, copy))));
            module.as_secs_f64() / native.as_secs_f64()
        });
        let [low, middle, high] = quarters(ratios.collect());
        println!("{verb}/{elements}: the module takes {middle:.2} times as long (half of the rounds {low:.2} to {high:.2})");
    }
    let mut group = c.benchmark_group(verb);
    if elements > 2000 {
        group.sample_size(10);
    }
    group.throughput(Throughput::Elements(elements as u64));
    group.bench_function(format!("{elements}/native"), |b| b.iter(|| answer(black_box(&request))));
    for (name, abi) in [("module", Abi::Plain), ("module, Extism", Abi::Extism)] {
        group.bench_function(format!("{elements}/{name}"), |b| {
            b.iter(|| host.call(abi, verb, request.clone()).expect("it is within the limits"));
        });
    }
    group.finish();
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn generate(c: &mut Criterion) {
    for images in [4, 2000] {
        compare(c, "generate", images, Value::Null, synthetic::factory(images));
    }
}

/// `decide` and what stands around it: state is read, derived and told.
fn status(c: &mut Criterion) {
    for images in [1000, 10_000] {
        compare(c, "status", images, Value::Null, synthetic::fleet(images));
    }
}

/// As many Dockerfiles as the public ones that their sizes are those of.
fn bases(c: &mut Criterion) {
    let file = |index| json!({"file": format!("{index}/Dockerfile"), "text": synthetic::dockerfile(index)});
    let files: Vec<Value> = (0..2000).map(file).collect();
    compare(c, "bases", files.len(), json!({"files": files}), Tree::default());
}

fn load(c: &mut Criterion) {
    c.bench_function("load the module", |b| {
        b.iter(|| Host::embedded(Limits::default()).map(|host| host.digest().len()))
    });
}

criterion_group!(benches, generate, status, bases, load);
criterion_main!(benches);

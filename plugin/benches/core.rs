//! The native core's speed: `cargo bench -p image-factory-plugin`.

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use image_factory::abi::{answer, Fetched, Request, ABI_VERSION};
use image_factory::decide;
use image_factory::duration::Duration;
use image_factory::go_regex::GoRegex;
use image_factory::reference::ImageReference;
use image_factory::time::Time;
use image_factory::tree::Tree;
use image_factory::yaml::{self, Source};
use image_factory_harness::synthetic;

fn request(verb: &str, tree: Tree) -> Vec<u8> {
    let request = Request {
        abi: ABI_VERSION,
        verb: verb.to_owned(),
        args: serde_json::Value::Null,
        now: "2026-01-05T10:00:00Z".to_owned(),
        tree,
        fetched: Fetched::default(),
    };
    serde_json::to_vec(&request).expect("a request is plain data")
}

/// The whole module: a request's bytes in, an answer's bytes out.
fn generate(c: &mut Criterion) {
    let mut group = c.benchmark_group("generate");
    let mut one = Tree::default();
    one.insert(
        "images.yaml",
        "- name: postgres\n  registry: docker.io\n  repository: library/postgres\n  allowTags: ^16-alpine$\n",
    );
    for (name, images, tree) in
        [("1", 1, one), ("100", 100, synthetic::factory(100)), ("2000", 2000, synthetic::factory(2000))]
    {
        let request = request("generate", tree);
        group.throughput(Throughput::Elements(images));
        group.bench_function(name, |b| b.iter(|| answer(black_box(&request))));
    }
    group.finish();
}

/// What must be rebuilt, and when: from files to changed files, and as `status` asks it.
fn decide(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    for images in [100, 1000, 10_000, 100_000] {
        group.throughput(Throughput::Elements(images as u64));
        if images > 1000 {
            group.sample_size(10);
        }
        group.bench_function(images.to_string(), |b| {
            let tree = synthetic::fleet(images);
            b.iter(|| decide::decide(black_box(&tree), Time(0)).expect("the fleet is good"));
        });
    }
    let request = request("status", synthetic::fleet(1000));
    group.bench_function("status of 1000", |b| b.iter(|| answer(black_box(&request))));
    group.finish();
}

fn references(c: &mut Criterion) {
    const REFERENCES: &[&str] = &[
        "node",
        "node:22-bookworm-slim",
        "docker.io/library/postgres:16-alpine",
        "ghcr.io/acme/platform/web:1.4.2",
        "registry.local:5000/tools/x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "mcr.microsoft.com/dotnet/aspnet:8.0-jammy-chiseled",
        "Node:22",
        "ghcr.io/acme/web:",
    ];
    let mut group = c.benchmark_group("references");
    group.throughput(Throughput::Elements(REFERENCES.len() as u64));
    group.bench_function("parse", |b| {
        b.iter(|| REFERENCES.iter().filter(|text| ImageReference::parse(black_box(text)).is_ok()).count());
    });
    group.finish();
}

fn yaml(c: &mut Criterion) {
    let tree = synthetic::factory(2000);
    let text = tree.text("images.yaml").expect("a factory has one");
    let read = || yaml::parse(Source { file: "images.yaml", text: black_box(text) }).expect("it is YAML");
    let value = read().expect("it is not empty").to_value();
    let mut group = c.benchmark_group("yaml");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse", |b| b.iter(read));
    group.bench_function("emit", |b| b.iter(|| yaml::emit(black_box(&value))));
    group.finish();
}

fn leaves(c: &mut Criterion) {
    let mut group = c.benchmark_group("leaves");
    group.bench_function("regex with one tag", |b| {
        b.iter(|| GoRegex::parse(black_box(r"^22\.04-bookworm-slim$")).map(|regex| regex.literal()));
    });
    group.bench_function("regex matched", |b| {
        b.iter(|| {
            GoRegex::parse(black_box(r"^v?\d+\.\d+\.\d+(-[\w.]+)?$"))
                .map(|regex| regex.is_match("v1.22.333-rc.1"))
        });
    });
    group.bench_function("duration", |b| {
        b.iter(|| Duration::parse(black_box("1d12h30m")).map(Duration::to_go))
    });
    group.finish();
}

criterion_group!(benches, generate, decide, references, yaml, leaves);
criterion_main!(benches);

//! The native core as a whole process: reads `DIR`, generates, prints one object a line.
//!
//! It shows what the module in the runner costs beside the same code compiled natively.

use std::io::Write;
use std::path::Path;

use image_factory::abi::{answer, Answer, Fetched, Request, ABI_VERSION};

fn main() {
    let folder = std::env::args().nth(1).expect("usage: native_generate DIR");
    let request = Request {
        abi: ABI_VERSION,
        verb: "generate".to_owned(),
        args: serde_json::Value::Null,
        now: "2026-01-05T10:00:00Z".to_owned(),
        tree: image_factory_harness::read_tree(Path::new(&folder)),
        fetched: Fetched::default(),
    };
    let request = serde_json::to_vec(&request).expect("a request is plain data");
    let answer: Answer = serde_json::from_slice(&answer(&request)).expect("it is an answer");
    for diagnostic in &answer.diagnostics {
        eprintln!("{diagnostic}");
    }
    let mut lines = Vec::new();
    for manifest in &answer.manifests {
        lines.extend_from_slice(manifest.0.as_bytes());
        lines.push(b'\n');
    }
    std::io::stdout().write_all(&lines).expect("standard output takes it");
    std::process::exit(answer.exit.into());
}

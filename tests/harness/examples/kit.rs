//! Writes the conformance kit: `kit DIR`.
//!
//! `kit.jsonl` has one recorded exchange a line, each of which any host can repeat on its own:
//!
//! ```text
//! {"name":"generate/external-image#1","request":"{…}","answer":"{…}","sha256":"…"}
//! {"name":"hostile/not-utf8","requestHex":"7bff7d","times":1,"answer":"{…}","sha256":"…"}
//! {"name":"hostile/100-megabytes","requestHex":"20","times":100000000,"answer":"{…}","sha256":"…"}
//! ```
//!
//! The request is a text, or bytes in hexadecimal, repeated so many times; `sha256` is the answer's.
//! The last exchange is one that succeeds: an instance is still usable after the hostile ones.
//! The golden cases give the requests, and the native core the answers, which the tests hold to what
//! the cases expect. `images-1.json` and `images-2000.json` are requests to measure with.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use image_factory::abi::{self, Request, ABI_VERSION};
use image_factory::tree::Tree;
use image_factory_harness::{cases, check, synthetic};
use serde_json::{json, Value};

/// The folders of `tests/` with golden cases.
const KINDS: &[&str] = &["generate", "analyze", "check", "lifecycle", "rebuild"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("usage: kit DIR");
        std::process::exit(2);
    };
    let folder = Path::new(folder);
    fs::create_dir_all(folder).expect("the folder can be made");
    let lines: Vec<String> = exchanges().iter().map(|exchange| exchange.to_string() + "\n").collect();
    fs::write(folder.join("kit.jsonl"), lines.concat()).expect("the kit can be written");
    for images in [1, 2000] {
        let request = Request {
            abi: ABI_VERSION,
            verb: "generate".to_owned(),
            tree: if images == 1 { one_image() } else { synthetic::factory(images) },
            ..Request::default()
        };
        let text = serde_json::to_vec(&request).expect("a request is plain data");
        fs::write(folder.join(format!("images-{images}.json")), text).expect("a request can be written");
    }
    println!("{} exchanges", lines.len());
}

fn one_image() -> Tree {
    let mut tree = Tree::default();
    let text = "- name: redis\n  registry: docker.io\n  repository: library/redis\n  allowTags: ^7\n";
    tree.insert("images.yaml", text);
    tree
}

fn exchanges() -> Vec<Value> {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for kind in KINDS {
        for case in cases(kind) {
            let mut number = 0;
            let outcome = check(&case, |request| {
                let answer = abi::answer(request);
                // A harness asks some things twice, to see that the answer stays the same.
                if seen.insert(request.to_vec()) {
                    number += 1;
                    let text = String::from_utf8(request.to_vec()).expect("the harness sends JSON");
                    let name = format!("{kind}/{}#{number}", case.name());
                    all.push(exchange(&name, json!({ "request": text }), &answer));
                }
                answer
            });
            outcome.expect("a golden case is as expected");
        }
    }
    let asks = |verb: &str, args: Value| json!({"abi": ABI_VERSION, "verb": verb, "args": args}).to_string();
    let arguments = json!({"files": [{"file": "Dockerfile", "text": "FROM node:22 AS é\nFROM é\n"}]});
    let texts = [
        ("about", asks("about", Value::Null)),
        ("bases", asks("bases", arguments)),
        ("hostile/nothing", String::new()),
        ("hostile/truncated", r#"{"abi":1,"verb":"gener"#.to_owned()),
        ("hostile/wrong-version", r#"{"abi":99,"verb":"about"}"#.to_owned()),
        ("hostile/no-version", r#"{"verb":"about"}"#.to_owned()),
        ("hostile/unknown-verb", asks("paint", Value::Null)),
        ("hostile/unknown-argument", asks("generate", json!({"colour": "red"}))),
        ("hostile/unknown-key", r#"{"abi":1,"x":1}"#.to_owned()),
        ("hostile/deep", "[".repeat(100_000)),
    ];
    for (name, text) in texts {
        let answer = abi::answer(text.as_bytes());
        all.push(exchange(name, json!({ "request": text }), &answer));
    }
    for (name, part, times) in [
        ("hostile/not-utf8", b"{\xff}".as_slice(), 1),
        ("hostile/95-megabytes", b"[", 95_000_000),
        ("hostile/100-megabytes", b" ", 100_000_000),
    ] {
        let answer = abi::answer(&part.repeat(times));
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        all.push(exchange(name, json!({"requestHex": hex, "times": times}), &answer));
    }
    let text = asks("reference", json!({"references": ["node"]}));
    let answer = abi::answer(text.as_bytes());
    all.push(exchange("after-hostile", json!({ "request": text }), &answer));
    all
}

fn exchange(name: &str, mut request: Value, answer: &[u8]) -> Value {
    let answer = std::str::from_utf8(answer).expect("an answer is JSON");
    let digest = image_factory::sha256::digest(answer);
    request["name"] = name.into();
    request["answer"] = answer.into();
    request["sha256"] = digest.trim_start_matches("sha256:").into();
    request
}

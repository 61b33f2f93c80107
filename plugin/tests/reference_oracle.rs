//! `ImageReference` against the library that defines it: the same verdict and the same parts.
//!
//! It needs Go 1.23 or newer and the Go module proxy, so it runs only when asked:
//!
//! ```text
//! cargo test --release -p image-factory-plugin --test reference_oracle -- --ignored --nocapture
//! ```
//!
//! `REFERENCE_SEED` and `REFERENCE_TEXTS` choose other texts, and how many.

#![allow(clippy::disallowed_methods, reason = "a test, not the core, reads its environment")]

use std::process::Command;

use image_factory::reference::ImageReference;
use image_factory_harness::oracle::{ask, Random};
use serde_json::json;

#[test]
#[ignore = "needs Go: cargo test --release -p image-factory-plugin --test reference_oracle -- --ignored"]
fn agrees_with_the_reference_library() {
    let seed = setting("REFERENCE_SEED", 0x0c1d_2e3f);
    let count = setting("REFERENCE_TEXTS", 1_000_000);
    let mut random = Random::new(seed);
    let texts: Vec<String> = (0..count).map(|_| text(&mut random)).collect();
    let questions: Vec<String> = texts.iter().map(|text| json!(text).to_string()).collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle-reference");
    let answers = ask(Command::new("go").args(["run", "."]).current_dir(folder), &questions);
    assert_eq!(answers.len(), texts.len());

    let mut accepted = 0;
    let mut differences = Vec::new();
    for (text, answer) in texts.iter().zip(&answers) {
        let ours = ours(text);
        accepted += usize::from(answer != "-");
        if ours != *answer {
            differences.push((text.len(), format!("{text:?}: library {answer}, ours {ours}")));
        }
    }
    println!("{count} texts with seed {seed}, {accepted} accepted, {} differences", differences.len());
    differences.sort();
    let shown: Vec<&str> = differences.iter().take(20).map(|(_, line)| line.as_str()).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), shown.join("\n"));
    // Guards against a generator that no longer says anything.
    assert!(accepted > texts.len() / 10 && accepted < texts.len() * 9 / 10);
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

/// Our answer, in the oracle's spelling.
fn ours(text: &str) -> String {
    ImageReference::parse(text).map_or("-".to_owned(), |found| {
        json!([
            found.registry(),
            found.repository(),
            found.tag().unwrap_or_default(),
            found.digest().unwrap_or_default(),
            found.normalized(),
            found.familiar(),
        ])
        .to_string()
    })
}

const WORDS: &[&str] = &[
    "a",
    "b",
    "node",
    "library",
    "docker",
    "0",
    "22",
    "a1",
    "1.2",
    "x--y",
    "x__y",
    "x_y",
    "x.y",
    "A",
    "Foo",
    "latest",
    "_x",
    "v1.0-rc.1",
    "-",
    "_",
    ".",
    "__",
    "---",
    "",
    "é",
    "K",
    "İ",
    "ß",
    "ǅ",
    " ",
    "a\n",
];
const HOSTS: &[&str] = &[
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "localhost",
    "ghcr.io",
    "GHCR.io",
    "Reg",
    "a.b",
    "a-b.c",
    "a-.b",
    "-a.b",
    "a..b",
    "a.b.",
    "a_b.c",
    "1.2",
    "127.0.0.1",
    "[::1]",
    "[]",
    "[fe80::1%e]",
    "[1",
    "a]",
    "xn--a.b",
    "Docker.io",
    "LOCALHOST",
    "é.com",
];
const ALGORITHMS: &[&str] =
    &["sha256", "sha384", "sha512", "md5", "SHA256", "sha256+b64", "sha-256", "sha256:", "", "1a", "sha512"];
const PUNCTUATION: &[&str] = &[
    "/", ":", "@", ".", "_", "-", "__", "[", "]", "+", "$", "{", "}", "%", "\t", "\u{0}", "\u{feff}", "//",
    "é",
];

/// A reference that is right, or nearly, or mangled.
fn text(random: &mut Random) -> String {
    let mut text = String::new();
    if random.one_in(2) {
        text.push_str(random.pick(HOSTS));
        if random.one_in(3) {
            text.push(':');
            text.push_str(random.pick(&["5000", "80", "0", "", "port", "99999999", "8a"]));
        }
        text.push('/');
    }
    for part in 0..1 + random.below(3) {
        if part > 0 {
            text.push('/');
        }
        for _ in 0..1 + random.below(3) {
            let words = if random.one_in(4) { WORDS } else { &WORDS[..13] };
            text.push_str(random.pick(words));
            if random.one_in(4) {
                text.push_str(random.pick(&[".", "_", "-", "__", "--", "___", "._", ".."]));
            }
        }
    }
    if random.one_in(60) {
        text.push_str(&"a".repeat(200 + random.below(70)));
    }
    if random.one_in(3) {
        text.push(':');
        for _ in 0..1 + random.below(3) {
            text.push_str(random.pick(WORDS));
        }
        if random.one_in(20) {
            text.push_str(&"t".repeat(115 + random.below(20)));
        }
    }
    if random.one_in(4) {
        let algorithm = random.pick(ALGORITHMS);
        let digits = random.pick(&["a", "0", "f", "9b", "A", "g", "aF"]);
        let length = *[64, 96, 128, 64, 63, 65, 32, 31, 33].get(random.below(9)).unwrap_or(&64);
        let hex: String = digits.chars().cycle().take(length).collect();
        text.push_str(&format!("@{algorithm}:{hex}"));
    }
    if random.one_in(80) {
        text = random.pick(&["a", "0f", "9", "F", "ag"]).chars().cycle().take(63 + random.below(3)).collect();
    }
    for _ in 0..random.below(4).saturating_sub(1) {
        let at = random.below(text.chars().count() + 1);
        let (before, after): (String, String) =
            (text.chars().take(at).collect(), text.chars().skip(at).collect());
        text = match random.below(3) {
            0 => format!("{before}{}{after}", random.pick(PUNCTUATION)),
            1 => before + &after.chars().skip(1).collect::<String>(),
            _ => before,
        };
    }
    text
}

//! What we print, read by YAML readers that are not ours.
//!
//! PyYAML is a YAML 1.1 reader, as strict about types as any; it is asked wherever `python3` has
//! it, and always in CI. sigs.k8s.io/yaml is how Kubernetes, Argo CD and Kargo read YAML; it needs
//! Go and its module, so it is asked on request:
//!
//! ```text
//! cargo test -p image-factory-plugin --test yaml_readers -- --ignored
//! ```

#![allow(clippy::disallowed_methods, reason = "a test, not the core, reads its environment")]

use std::process::{Command, Stdio};

use image_factory::yaml::{emit, Map, Value};
use image_factory_harness::oracle::{ask, readers_folder, skipped, Random};
use serde_json::json;

#[test]
fn pyyaml_reads_back_what_we_print() {
    let mut probe = Command::new("python3");
    let there =
        probe.args(["-c", "import yaml"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "CI must have PyYAML: pip install pyyaml");
        skipped("PyYAML has not judged what we print: pip install pyyaml, or apt-get install python3-yaml");
        return;
    }
    judge(Command::new("python3").arg(readers_folder().join("pyyaml.py")), 3_000);
}

#[test]
#[ignore = "needs Go: cargo test -p image-factory-plugin --test yaml_readers -- --ignored"]
fn kubernetes_reads_back_what_we_print() {
    judge(Command::new("go").args(["run", "."]).current_dir(readers_folder().join("go")), 100_000);
}

/// Has a reader judge every hostile string, and `random` more, as values, items and keys.
fn judge(reader: &mut Command, random: usize) {
    let mut strings = hostile();
    assert!(strings.len() > 500, "the list of strings has shrunk to {}", strings.len());
    let mut generator = Random::new(0x5eed);
    strings.extend((0..random).map(|_| random_string(&mut generator)));
    let questions: Vec<String> = strings.iter().flat_map(|text| questions(text)).collect();
    let answers = ask(reader, &questions);
    let differences: Vec<String> = questions
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| *answer != "ok")
        .map(|(question, answer)| format!("{question:.300}\n    {answer:.300}"))
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} documents are read otherwise, the first:\n{}",
        differences.len(),
        questions.len(),
        differences[..differences.len().min(10)].join("\n")
    );
}

/// A string as a value, as an item, as a key, and deeper down.
fn questions(text: &str) -> Vec<String> {
    let string = || Value::string(text);
    let map = |key: &str, value| Value::Map(Map(vec![(key.to_owned(), value)]));
    let nested = Value::List(vec![
        Value::List(vec![string()]),
        map(text, Value::List(vec![string(), map("k", string())])),
    ]);
    [
        (map("v", string()), json!({"v": text})),
        (Value::List(vec![string(), string()]), json!([text, text])),
        (map(text, Value::number(1)), json!({text: 1})),
        (nested, json!([[text], {text: [text, {"k": text}]}])),
        (string(), json!(text)),
    ]
    .into_iter()
    .map(|(value, meant)| json!({"yaml": emit(&value), "value": meant}).to_string())
    .collect()
}

/// Strings that some reader takes for something else, or cannot take at all.
fn hostile() -> Vec<String> {
    let mut strings: Vec<String> = Vec::new();
    // Words of YAML 1.1 and 1.2, and of single readers, in every case people write.
    for word in [
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "nil",
        "none",
        "nan",
        "inf",
        "infinity",
        ".nan",
        ".inf",
        "-.inf",
        "+.inf",
        "undefined",
        "t",
        "f",
        "e",
        "e1",
        "1e",
        "void",
    ] {
        let mut capital = word.to_owned();
        capital[..1].make_ascii_uppercase();
        strings.extend([word.to_owned(), capital, word.to_ascii_uppercase()]);
    }
    strings.extend(
        [
            "",
            "~",
            "0",
            "1",
            "-1",
            "+1",
            "-0",
            "00",
            "007",
            "08",
            "012",
            "0o17",
            "0O17",
            "0x1F",
            "0X1F",
            "0x",
            "0b11",
            "0b2",
            "-0x1f",
            "+012",
            "1_000",
            "1__2",
            "_1",
            "1_",
            "0_7",
            "1.5",
            ".5",
            "1.",
            "1.10",
            "-.5",
            "+.5",
            ".",
            "..",
            "1e3",
            "1E3",
            "1e+3",
            "1e-3",
            "1.e3",
            ".1e3",
            "6.02e23",
            "1e400",
            "-1e400",
            "1.2.3",
            "685_230.15",
            "685.230_15e+03",
            "1:30",
            "01:30",
            "1:60",
            "190:20:30",
            "190:20:30.15",
            "-1:30",
            "1:30.5",
            "12:30:45",
            "2024-12-04",
            "2024-1-4",
            "2024-12-04T10:00:00Z",
            "2024-12-04 10:00:00",
            "2001-12-14 21:59:43.10 -5",
            "2001-12-14t21:59:43.10-05:00",
            "99999999999999999999",
            "9223372036854775808",
            "18446744073709551616",
            "1,000",
            "=",
            "<<",
            "<",
            ">",
            "|",
            "!",
            "!x",
            "!!str",
            "!!binary a",
            "&",
            "&a",
            "&a b",
            "*",
            "*a",
            "@",
            "@a",
            "`",
            "`a",
            "%",
            "%YAML 1.2",
            ",",
            "[",
            "]",
            "{",
            "}",
            "[]",
            "{}",
            "[a",
            "{a",
            "a]",
            "a}",
            "a,",
            "a, b",
            "#",
            "#a",
            "a #b",
            "a# b",
            "a#b",
            ":",
            ":a",
            "a:",
            "a:b",
            "a: b",
            "a :b",
            "a::",
            "?",
            "? a",
            "?a",
            "-",
            "--",
            "---",
            "--- a",
            "---a",
            "...",
            "... a",
            "- a",
            "-a",
            "- ",
            "-",
            ">-",
            "|2",
            "> a",
            "'",
            "\"",
            "''",
            "\"\"",
            "'a'",
            "\"a\"",
            "a'b",
            "a\"b",
            "\\",
            "a\\",
            "\\n",
            "\\x41",
            "a\\b",
            " ",
            "  ",
            " a",
            "a ",
            "a  b",
            "\t",
            "\ta",
            "a\t",
            "a\tb",
            "\n",
            "\na",
            "a\n",
            "a\n\n",
            "\n\n",
            "a\nb",
            "a\n b",
            "a\n\tb",
            "\n a",
            "a\n---\nb",
            "a\n...\nb",
            "a\r",
            "\r",
            "\r\n",
            "a\r\nb",
            "a\rb",
            "$a",
            "${a}",
            "^22-slim$",
            "^16$",
            "(a|b)",
            "a/b",
            "/a",
            "/",
            "a.b",
            ".a",
            "_a",
            "a_b",
            "node:22-bookworm-slim",
            "docker.io/library/node",
            "sha256:0123",
            "7d",
            "1h30m",
            "168h0m0s",
            "5m0s",
            "1.22",
            "3.10",
            "22",
            "1.0.0",
            "v1",
            "latest",
            "http://a.b/c?d=e#f",
            "a@b",
            "key: value # comment",
            "é",
            "ß",
            "日本",
            "😀",
            "a😀b",
            "\u{1f1e9}\u{1f1ea}",
            "\u{200b}",
            "\u{200e}a",
            "\u{202e}a",
            "e\u{301}",
            "\u{e000}",
            "\u{fffd}",
            "\u{fffe}",
            "\u{ffff}",
            "\u{feff}",
            "\u{feff}a",
            "a\u{feff}",
            "\u{2028}",
            "a\u{2028}b",
            "\u{2029}",
            "\u{85}",
            "a\u{85}b",
            "\u{a0}",
            "a\u{a0}",
            "\u{ad}",
            "\u{d7ff}",
            "\u{10000}",
            "\u{1fffe}",
            "\u{10ffff}",
            "\0",
            "a\0b",
        ]
        .map(str::to_owned),
    );
    // Every character that is not simply text, alone and within text.
    for code in (0..0xa1).chain([0x1680, 0x180e, 0x2000, 0x200f, 0x202f, 0x205f, 0x3000, 0xfdd0, 0xfff9]) {
        let character = char::from_u32(code).expect("none of these is a surrogate");
        strings.extend([character.to_string(), format!("a{character}b"), format!("{character}{character}a")]);
    }
    // A sweep over all of the Basic Multilingual Plane, and a step into the planes beyond.
    let characters: Vec<char> = (0..0x2_0000).filter_map(char::from_u32).collect();
    strings.extend(characters.chunks(997).map(|chunk| chunk.iter().collect()));
    strings.extend(["a".repeat(100_000), "a b ".repeat(5_000), "\\\"".repeat(5_000), "é\n".repeat(5_000)]);
    strings.sort();
    strings.dedup();
    strings
}

fn random_string(random: &mut Random) -> String {
    const PARTS: &[&str] = &[
        "a", "b", "1", "0", "e", "x", "_", ".", "-", "+", ":", " ", "  ", "\t", "\n", "\r", "#", "&", "*",
        "!", "|", ">", "'", "\"", "%", "@", "`", "{", "}", "[", "]", ",", "?", "=", "<", "\\", "/", "~", "y",
        "no", "on", "null", "\0", "\u{7f}", "\u{85}", "\u{a0}", "\u{2028}", "\u{feff}", "\u{fffe}", "é",
        "😀", "--- ", "...", "\u{1b}", "$",
    ];
    (0..random.below(9)).map(|_| random.pick(PARTS)).collect()
}

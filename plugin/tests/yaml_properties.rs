//! Reading and printing YAML, on generated and on hostile input.

use image_factory::yaml::{self, emit, Map, Source, Value};
use proptest::prelude::*;

fn read(text: &str) -> Result<Option<Value>, String> {
    match yaml::parse(Source { file: "f.yaml", text }) {
        Ok(node) => Ok(node.map(|node| node.to_value())),
        Err(diagnostics) => Err(diagnostics.into_iter().map(|found| found.code.clone()).collect()),
    }
}

/// Values whose scalars are the ones that reading makes: no plain text that could be a string.
fn values() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "[-a-z0-9:#&*!|>'\"%@`{}\\[\\],?~ \t\n\r.=<_+]{0,8}",
        "[a-zA-Z./-]{0,9}",
        Just("<".repeat(3)),
    ];
    let plain = prop_oneof![
        Just("true"),
        Just("false"),
        Just("0"),
        Just("-12"),
        Just("1.5"),
        Just("1e3"),
        Just("012")
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        plain.prop_map(|text| Value::Plain(text.to_owned())),
        text.clone().prop_map(Value::String),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let entries = proptest::collection::btree_map(text.clone(), inner.clone(), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(Value::List),
            entries.prop_map(|entries| {
                // `<<` is refused as a key, whoever wrote it.
                Value::Map(Map(entries.into_iter().filter(|(key, _)| key != "<<").collect()))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_then_reading_gives_the_value_back(value in values()) {
        let printed = emit(&value);
        let meant = Some(value).filter(|value| *value != Value::Null);
        prop_assert_eq!(read(&printed), Ok(meant), "{}", printed);
    }

    #[test]
    fn reading_then_printing_changes_nothing_more(text in pieces()) {
        if let Ok(Some(value)) = read(&text) {
            let printed = emit(&value);
            prop_assert_eq!(read(&printed), Ok(Some(value)), "{}", printed);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = read(&text);
    }
}

/// What `reading_then_printing_changes_nothing_more` found first: printed as it was, it is two lines.
#[test]
fn a_plain_text_over_lines_stays_one_string() {
    let value = read("a: 1\n\n  [\nb: 2024-12-04 10:00:00\n").expect("it is YAML").expect("it is a map");
    assert_eq!(emit(&value), "a: \"1\\n[\"\nb: 2024-12-04 10:00:00\n");
}

/// Texts that are often YAML.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("b: "),
        Just("c:\n"),
        Just("- "),
        Just("\n"),
        Just("\n"),
        Just("  "),
        Just("\n  "),
        Just("\n\n  "),
        Just("? "),
        Just(": "),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(", "),
        Just("'"),
        Just("\""),
        Just("\\n"),
        Just("|\n"),
        Just(">-\n"),
        Just("#"),
        Just("---\n"),
        Just("!!str "),
        Just("!!int "),
        Just("1"),
        Just("yes"),
        Just("~"),
        Just("0x1F"),
        Just("x y"),
        Just("é"),
        Just("\u{2028}"),
        Just("\u{85}"),
        Just("\t"),
        Just("\r\n"),
        Just("&a "),
        Just("*a"),
        Just("d: 1:30"),
        Just("e: 2024-12-04\n"),
        Just("f: x\n  y\n\n  z\n"),
        Just("%YAML 1.2\n"),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// Inputs that have cost other readers quadratic time; where ours took it too, this test would not end.
#[test]
fn hostile_shapes_take_linear_time() {
    const SIZE: usize = 1 << 20;
    let shape = |piece: &str| piece.repeat(SIZE / piece.len());
    for (name, text) in [
        ("flow lists", shape("[")),
        ("flow maps", shape("{a: ")),
        ("flow pairs", shape("[a: ")),
        ("block lists", shape("- ")),
        ("closed lists", shape("[],")),
        ("one long list", shape("- a\n")),
        ("a long flow list", format!("[{}]", shape("a, "))),
        ("a long flow map", format!("{{{}}}", shape("a, "))),
        ("question marks", shape("? ")),
        ("colons", shape(":")),
        ("empty keys", shape(": ")),
        ("comments", shape("# a\n")),
        ("one comment", format!("#{}", shape("a"))),
        ("blank lines", shape("\n")),
        ("blanks", shape(" ")),
        ("tabs", shape("\t")),
        ("an open quote", format!("\"{}", shape("a"))),
        ("quotes", shape("\"a\" ")),
        ("escapes", format!("\"{}\"", shape("\\x41"))),
        ("apostrophes", format!("'{}'", shape("''"))),
        ("a plain line", shape("a ")),
        ("plain lines", shape("a\n")),
        ("a literal", format!("|\n{}", shape(" a\n"))),
        ("a folded text", format!(">\n{}", shape(" a\n"))),
        ("tags", shape("!a ")),
        ("a long tag", format!("!{}", shape("a"))),
        ("anchors", shape("&a ")),
        ("anchored items", shape("- &a b\n")),
        ("aliases", format!("- &a b\n{}", shape("- *a\n"))),
        ("documents", shape("---\n")),
        ("directives", shape("%a b\n")),
        ("unlike keys", (0..SIZE / 12).map(|at| format!("key{at}: a\n")).collect()),
        ("a key as long as that", format!("{}: a", shape("a"))),
        ("stairs", (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()),
        ("characters of four bytes", shape("😀")),
        ("byte order marks", shape("\u{feff}")),
    ] {
        match read(&text) {
            Ok(_) => {}
            Err(codes) => assert!(codes.starts_with("IF01"), "{name}: {codes}"),
        }
    }
}

#[test]
fn ten_megabytes_are_read() {
    let item = "- name: backstage\n  registry: ghcr.io\n  repository: acme/backstage\n  rebuildDelay: 7d\n";
    let text = item.repeat(10_000_000 / item.len());
    let Ok(Some(Value::List(items))) = read(&text) else { panic!("it is a list") };
    assert_eq!(items.len(), text.len() / item.len());
}

#[test]
fn bombs_are_refused_where_they_begin() {
    let mut bomb = "- &a0 x\n".to_owned();
    for level in 1..40 {
        bomb += &format!("- &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(","));
    }
    assert_eq!(read(&bomb), Err("IF0106".to_owned()));
    assert_eq!(read("a: &a b\n<<: *a\n"), Err("IF0106".to_owned()));
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(&deep(yaml::MAX_DEPTH)).is_ok());
    assert_eq!(read(&deep(yaml::MAX_DEPTH + 2)), Err("IF0105".to_owned()));
    let maps: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(read(&maps), Err("IF0105".to_owned()));
    assert_eq!(read(&"- ".repeat(100)), Err("IF0105".to_owned()));
}

/// Each place in a node.
fn places(node: &yaml::Node<'_>, found: &mut Vec<yaml::Place>) {
    found.push(node.place);
    match &node.content {
        yaml::Content::Scalar(_) => {}
        yaml::Content::List(items) => items.iter().for_each(|item| places(item, found)),
        yaml::Content::Map(entries) => {
            for (key, value) in entries {
                found.push(key.place);
                places(value, found);
            }
        }
    }
}

proptest! {
    /// Where a line begins is only a shorter way to it than counting.
    #[test]
    fn a_place_shows_the_line_of_its_number(
        lines in proptest::collection::vec("(- )?([a-c]: ?)?(\\[[a-c, ]{0,4}\\]|[a-c\u{e9}]{0,3}|\\{\\}|# \u{e9})", 0..12),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n")],
        mark in prop_oneof![3 => Just(""), 1 => Just("\u{feff}")],
    ) {
        let text = format!("{mark}{}", lines.iter().map(|line| format!("{line}{end}")).collect::<String>());
        let source = Source { file: "f.yaml", text: &text };
        let mut found = Vec::new();
        if let Ok(Some(node)) = yaml::parse(source) {
            places(&node, &mut found);
        }
        for place in found {
            prop_assert_eq!(source.location(place), source.location(yaml::Place { start: 0, ..place }));
        }
    }
}

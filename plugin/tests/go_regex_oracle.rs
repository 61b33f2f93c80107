//! `GoRegex` against Go itself: the same verdict and the same matches on generated patterns.
//!
//! It needs Go 1.23 or newer, so it runs only when asked:
//!
//! ```text
//! cargo test --release -p image-factory-plugin --test go_regex_oracle -- --ignored --nocapture
//! ```
//!
//! `GO_REGEX_SEED` and `GO_REGEX_PATTERNS` choose other patterns, and how many.

#![allow(clippy::disallowed_methods, reason = "a test, not the core, reads its environment")]

use std::process::Command;

use image_factory::go_regex::{GoRegex, RegexErrorKind};
use image_factory_harness::oracle::{ask, Random};
use serde_json::json;

#[test]
#[ignore = "needs Go: cargo test --release -p image-factory-plugin --test go_regex_oracle -- --ignored"]
fn agrees_with_go() {
    let seed = setting("GO_REGEX_SEED", 0x1f2e_3d4c);
    let count = setting("GO_REGEX_PATTERNS", 200_000);
    let mut random = Random::new(seed);
    let questions: Vec<(String, Vec<String>)> =
        (0..count).map(|_| (pattern(&mut random), tags(&mut random))).map(with_literal).collect();

    let answers = ask_go(&questions);
    assert_eq!(answers.len(), questions.len());

    let (mut accepted, mut matches, mut literals, mut without_tags, mut by_version) = (0, 0, 0, 0, 0);
    let mut differences = Vec::new();
    for ((pattern, tags), answer) in questions.iter().zip(&answers) {
        let ours = GoRegex::parse(pattern);
        let verdict = match &ours {
            Ok(regex) => tags.iter().map(|tag| if regex.is_match(tag) { '1' } else { '0' }).collect(),
            Err(_) => "-".to_owned(),
        };
        match &ours {
            // Loose class names are read by Go 1.25 and newer only, and refused by us.
            Err(error) if error.kind == RegexErrorKind::UnknownClass && answer != "-" => by_version += 1,
            _ if verdict != *answer => {
                differences.push(format!("{pattern:?} {tags:?}: Go {answer}, ours {verdict}"))
            }
            _ => {}
        }
        accepted += usize::from(answer != "-");
        matches += answer.matches('1').count();
        let is_tag = |tag: &str| image_factory::reference::is_tag(tag);
        if ours.as_ref().is_ok_and(|regex| !regex.can_match_tag()) {
            without_tags += 1;
            let matched =
                tags.iter().zip(answer.chars()).find(|(tag, matched)| *matched == '1' && is_tag(tag));
            if let Some((tag, _)) = matched {
                differences.push(format!("{pattern:?} matches no tag, and Go finds it in {tag:?}"));
            }
        }
        if let Some(literal) = ours.ok().and_then(|regex| regex.literal()) {
            literals += 1;
            for (tag, matched) in tags.iter().zip(answer.chars()) {
                if (matched == '1') != (*tag == literal) {
                    differences.push(format!(
                        "{pattern:?} has the only match {literal:?}; Go on {tag:?}: {matched}"
                    ));
                }
            }
        }
    }
    println!(
        "{count} patterns, {accepted} accepted, {matches} matches, {literals} with one tag only, \
         {without_tags} without any, {by_version} that depend on Go's version, {} differences",
        differences.len()
    );
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), first(&differences, 20));
    // Guards against a generator that no longer says anything.
    assert!(accepted > questions.len() / 3 && accepted < questions.len() * 9 / 10);
    assert!(matches > questions.len() / 3 && literals > questions.len() / 500);
    assert!(by_version < questions.len() / 200);
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

fn first(lines: &[String], count: usize) -> String {
    lines[..lines.len().min(count)].join("\n")
}

/// Adds the only tag that we say a pattern matches, so that Go judges it too.
fn with_literal((pattern, mut tags): (String, Vec<String>)) -> (String, Vec<String>) {
    tags.extend(GoRegex::parse(&pattern).ok().and_then(|regex| regex.literal()));
    (pattern, tags)
}

fn ask_go(questions: &[(String, Vec<String>)]) -> Vec<String> {
    let questions: Vec<String> = questions
        .iter()
        .map(|(pattern, tags)| json!({"pattern": pattern, "tags": tags}).to_string())
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle-regex");
    ask(Command::new("go").args(["run", "."]).current_dir(folder), &questions)
}

const LITERALS: &[&str] = &[
    "1", "6", "a", "b", "k", "s", "K", "S", "-", "_", ".", "&&", "~", "]", "}", "{", ",", ":", "\n", " ",
    "é", "\u{17f}", "\u{212a}", "^", "$", "alpine", "22",
];
const ESCAPES: &[&str] = &[
    r"\.",
    r"\-",
    r"\_",
    r"\\",
    r"\]",
    r"\[",
    r"\{",
    r"\d",
    r"\D",
    r"\s",
    r"\S",
    r"\w",
    r"\W",
    r"\b",
    r"\B",
    r"\A",
    r"\z",
    r"\n",
    r"\t",
    r"\a",
    r"\v",
    r"\f",
    r"\r",
    r"\x61",
    r"\x{6b}",
    r"\x{212A}",
    r"\x{17f}",
    r"\141",
    r"\61",
    r"\0",
    r"\07",
    r"\08",
    r"\1",
    r"\9",
    r"\pL",
    r"\PL",
    r"\pN",
    r"\p{Lu}",
    r"\p{^Ll}",
    r"\P{Nd}",
    r"\p{Latin}",
    r"\p{Common}",
    r"\p{Greek}",
    r"\p{Any}",
    r"\P{Any}",
    r"\pP",
    r"\p{Sm}",
    r"\p{Pd}",
    r"\p{Cc}",
    r"\p{Emoji}",
    r"\p{script=Latin}",
    r"\p",
    r"\Z",
    r"\C",
    r"\Q",
    r"\E",
    r"\Qa.b\E",
    r"\Q\\E",
    r"\Q[\E",
    r"\u0061",
    r"\x",
    r"\x6",
    r"\x{}",
    r"\x{110000}",
    r"\x{10ffff}",
    r"\x{d800}",
    r"\e",
    r"\é",
    r"\400",
];
const CLASS_ITEMS: &[&str] = &[
    "a",
    "b",
    "k",
    "s",
    "S",
    "1",
    "6",
    "-",
    "_",
    ".",
    "&&",
    "--",
    "~~",
    "[",
    "[:",
    ":]",
    "^",
    "a-k",
    "0-9",
    "k-a",
    "A-Z",
    "Z-a",
    "!--",
    "+--",
    "[:alpha:]",
    "[:^digit:]",
    "[:upper:]",
    "[:lower:]",
    "[:space:]",
    "[:word:]",
    "[:punct:]",
    "[:foo:]",
    "[:^foo:]",
    "\n",
    "é",
    "\u{100}-\u{17f}",
    "\u{2100}-\u{2200}",
    "é-z",
];
const REPETITIONS: &[&str] = &[
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "??",
    "{0}",
    "{1}",
    "{2}",
    "{2,}",
    "{0,}",
    "{1,2}",
    "{0,1}?",
    "{,2}",
    "{01}",
    "{1",
    "{2,1}",
    "{3}",
    "{11}",
    "{1001}",
    "{1000}",
    "{0,1000}",
    "**",
    "++",
    "{1,99999999999}",
    "{ 1}",
];
const OPENINGS: &[&str] = &[
    "(", "(", "(", "(?:", "(?:", "(?i)(", "(?i:", "(?m:", "(?s:", "(?U:", "(?-i:", "(?im-s:", "(?P<n>",
    "(?<n>", "(?P<1>", "(?P<a.b>", "(?P<>", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?x:", "(?i-:", "(?-:",
    "(?i-m-s:", "(?:(?i)",
];
const FLAGS: &[&str] = &["(?i)", "(?m)", "(?s)", "(?U)", "(?-i)", "(?i-s)", "(?)", "(?u)", "(?R)", "(?ii)"];

fn pattern(random: &mut Random) -> String {
    let mut text = String::new();
    if random.one_in(40) {
        // What a factory's users write most: one tag, anchored.
        let tag: Vec<_> = (0..=random.below(4))
            .map(|_| random.pick(&["22", "a", "-", r"\.", "[.]", r"\x2e", "(6)"]))
            .collect();
        text = format!("^{}$", tag.concat());
    } else {
        alternation(random, 3, &mut text);
    }
    if random.one_in(3) {
        text = format!("^{text}$");
    }
    if random.one_in(5) {
        mutate(random, &mut text);
    }
    text
}

fn alternation(random: &mut Random, depth: usize, text: &mut String) {
    sequence(random, depth, text);
    while random.one_in(5) {
        text.push('|');
        sequence(random, depth, text);
    }
}

fn sequence(random: &mut Random, depth: usize, text: &mut String) {
    for _ in 0..random.below(4) {
        match random.below(14) {
            0..=4 => text.push_str(random.pick(LITERALS)),
            5 => text.push('.'),
            6 | 7 => text.push_str(random.pick(ESCAPES)),
            8 | 9 => class(random, text),
            10 => text.push_str(random.pick(FLAGS)),
            _ if depth == 0 => text.push('a'),
            _ => {
                // The openings that Go refuses stand at the end, and would spoil most patterns.
                let openings = if random.one_in(8) { OPENINGS } else { &OPENINGS[..14] };
                text.push_str(random.pick(openings));
                alternation(random, depth - 1, text);
                text.push(')');
            }
        }
        if random.one_in(4) {
            let repetitions = if random.one_in(4) { REPETITIONS } else { &REPETITIONS[..13] };
            text.push_str(random.pick(repetitions));
        }
    }
}

fn class(random: &mut Random, text: &mut String) {
    text.push_str(random.pick(&["[", "[", "[^", "[]", "[^]", "[-"]));
    for _ in 0..=random.below(3) {
        if random.one_in(4) {
            text.push_str(random.pick(&ESCAPES[..48]));
        } else {
            text.push_str(random.pick(CLASS_ITEMS));
        }
    }
    text.push_str(random.pick(&["]", "]", "]", "-]"]));
}

/// Deletes, doubles or swaps in a character.
fn mutate(random: &mut Random, text: &mut String) {
    for _ in 0..=random.below(2) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if places.is_empty() {
            return;
        }
        let at = places[random.below(places.len())];
        let character = text.remove(at);
        match random.below(3) {
            0 => {}
            1 => text.insert_str(at, &format!("{character}{character}")),
            _ => text.insert_str(
                at,
                random.pick(&["(", ")", "[", "]", "{", "}", "\\", "?", "*", "|", "^", "-", "1", ":"]),
            ),
        }
    }
}

fn tags(random: &mut Random) -> Vec<String> {
    const PARTS: &[&str] = &[
        "1", "6", "22", "a", "b", "k", "K", "s", "S", "-", "_", ".", "alpine", "aa", "ab", "a.b", "\n", " ",
        "[", "]", "&", "{", "}", "^", "\\",
    ];
    let part = |random: &mut Random| match random.below(8) {
        0 => char::from(random.below(128) as u8).to_string(),
        _ => random.pick(PARTS).to_owned(),
    };
    (0..8).map(|_| (0..random.below(5)).map(|_| part(random)).collect()).collect()
}

//! What holds for any Dockerfile: no panic, places inside the text, bounded work, and the same
//! answer with either line end.

use image_factory::diagnostic::Diagnostic;
use image_factory::dockerfile::{bases, Bases, Options};
use proptest::prelude::*;

/// Pieces that a Dockerfile is made of, right and wrong.
const PIECES: &[&str] = &[
    "FROM ",
    "ARG ",
    "COPY --from=",
    "RUN --mount=from=",
    "ONBUILD ",
    "ENV ",
    "AS ",
    "--platform=",
    "# escape=`\n",
    "# syntax=",
    "# check=skip=UndefinedVar\n",
    "# a\n",
    "WORKDIR ",
    "CMD ",
    "EXPOSE 1:",
    "<<EOF",
    "EOF\n",
    "\n",
    "\r\n",
    "\\\n",
    "`\n",
    " ",
    "\t",
    "alpine",
    "a",
    "b",
    "0",
    "1",
    ":3",
    "@sha256:",
    "$A",
    "${A:-",
    "${A#",
    "${A/",
    "}",
    "/",
    "\"",
    "'",
    "=",
    ",",
    "[\"a\", \"b\"]",
    "scratch",
    "é",
    "\u{a0}",
    "\u{feff}",
    "\0",
    "HEALTHCHECK CMD ",
    "target=/x ",
    "/ /\n",
    "*",
    "?",
    "\\",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![9 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn options() -> impl Strategy<Value = Options> {
    (prop::option::of("[ab$:{}é]{0,4}"), prop::option::of("[ab0]"), prop::bool::ANY, prop::bool::ANY)
        .prop_map(|(value, target, arm, lint)| {
            let mut options = Options { target, ..Options::default() };
            options.build_args.extend(value.map(|value| ("A".to_owned(), value)));
            options.contexts.insert("b".to_owned(), "docker-image://debian".to_owned());
            options.onbuild.insert("alpine".to_owned(), vec!["COPY --from=a / /".to_owned()]);
            if lint {
                let check = "error=true;experimental=all".to_owned();
                options.build_args.insert("BUILDKIT_DOCKERFILE_CHECK".to_owned(), check);
            }
            if arm {
                options.platforms.push("linux/arm64".to_owned());
            }
            options
        })
}

/// Each place is in the text, and the line that it quotes is that line.
fn places_are_in(text: &str, bases: &Bases) {
    let line =
        |number: u32| text.split('\n').nth(number as usize - 1).map(|line| line.trim_end_matches('\r'));
    let unresolved: Vec<Diagnostic> =
        bases.unresolved.iter().map(|unresolved| unresolved.diagnostic()).collect();
    for diagnostic in bases.diagnostics.0.iter().chain(&unresolved) {
        let location = diagnostic.location.as_ref().expect("everything here is about a file");
        assert_eq!(line(location.line), Some(location.source.as_str()), "{diagnostic}");
        let length = location.source.chars().count() as u32;
        assert!(
            location.column <= length + 1 && location.column + location.length <= length + 2,
            "{diagnostic}"
        );
        assert!(!diagnostic.message.ends_with('.'), "{diagnostic}");
    }
    for image in &bases.images {
        assert!(image.roles.iter().next().is_some() && !image.places.is_empty(), "{image:?}");
        for (number, column) in &image.places {
            let line = line(*number).expect("the line is there");
            assert!(*column as usize <= line.chars().count(), "{image:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn places_are_inside_the_text(text in text(), options in options()) {
        let bases = bases("Dockerfile", &text, &options);
        places_are_in(&text, &bases);
        prop_assert!(!bases.diagnostics.has_errors() || bases.images.is_empty());
    }

    #[test]
    fn line_ends_don_t_matter(text in text(), options in options()) {
        // A carriage return elsewhere is a blank, and before a line end it is part of it.
        let text = text.replace('\r', "");
        let short = bases("Dockerfile", &text, &options);
        let long = bases("Dockerfile", &text.replace('\n', "\r\n"), &options);
        let images = |bases: Bases| bases.images.into_iter().map(|i| (i.reference, i.used)).collect::<Vec<_>>();
        let codes = |bases: &Bases| bases.diagnostics.0.iter().map(|d| d.code.clone()).collect::<Vec<_>>();
        prop_assert_eq!(codes(&short), codes(&long));
        prop_assert_eq!(images(short), images(long));
    }
}

/// Files as large as we read, each of a shape that asks for too much of something.
#[test]
fn nasty_shapes_are_answered() {
    let half = 500_000;
    let times = |piece: &str| piece.repeat(half / piece.len());
    let lines = |line: &dyn Fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    let shapes = [
        ("stages", times("FROM a\n")),
        ("named stages", format!("FROM a AS s0\n{}", lines(&|n| format!("FROM s{n} AS s{}\n", n + 1)))),
        (
            "copies",
            format!("FROM a AS s0\n{}", lines(&|n| format!("FROM b AS s{}\nCOPY --from=s{n} / /\n", n + 1))),
        ),
        ("continuations", format!("FROM a\nRUN {}", times("\\\n"))),
        ("continued words", format!("FROM a\nRUN {}", times("b \\\n"))),
        ("comments", times("# c\n")),
        ("long lines", format!("FROM a\n{}", format!("RUN {}\n", "b ".repeat(32_000)).repeat(7))),
        ("mounts", format!("FROM a\nRUN {}\n", "--mount=from=b,target=/x ".repeat(2_600))),
        ("nested words", format!("FROM {}", "${a:-".repeat(13_000))),
        ("nested triggers", format!("FROM a\n{}", "ONBUILD ".repeat(8_000))),
        ("triggers", format!("FROM a AS b\n{}{}", "ONBUILD RUN x\n".repeat(9_000), "FROM b\n".repeat(9_000))),
        ("growing arguments", format!("ARG A=aaaaaaaa\n{}FROM $A", "ARG A=$A$A\n".repeat(40))),
        ("many arguments", format!("{}FROM $A9\n", lines(&|n| format!("ARG A{}=$A{n}\n", n + 1)))),
        ("missing arguments", format!("ARG A\n{}", "FROM $A\n".repeat(30_000))),
        ("large arguments", format!("ARG A={}\n{}", "a".repeat(60_000), "FROM ${A##*b}\n".repeat(20_000))),
        ("patterns", format!("ARG A={}\n{}", "a".repeat(30_000), "FROM ${A#*a*a*b}\n".repeat(10_000))),
        (
            "patterns in stages",
            format!("FROM scratch\nENV A={}\n{}", "a".repeat(30_000), "ENV B=${A#*a*a*b}\n".repeat(10_000)),
        ),
        ("heredocs", format!("FROM a\nRUN {}\n", "<<E ".repeat(15_000))),
        (
            "environments",
            format!("FROM a AS s0\n{}", lines(&|n| format!("ENV E{n}=1\nFROM s{n} AS s{}\n", n + 1))),
        ),
        ("names", format!("FROM a\nLABEL {}\n", lines(&|n| format!("a=$A{n} \\\n")))),
        ("broken rules", format!("FROM a\n{}", "CMD x\nLABEL a $A\nUSER $B\n".repeat(10_000))),
        ("errors", times("FOO\n")),
        ("bad references", times("FROM A\n")),
        ("quotes", format!("FROM a\nENV {}\n", "a='\"' ".repeat(10_000))),
    ];
    for (name, text) in shapes {
        assert!(text.len() <= 1024 * 1024, "{name}");
        let mut options = Options::default();
        for check in ["", "error=true;experimental=all"] {
            options.build_args.insert("BUILDKIT_DOCKERFILE_CHECK".to_owned(), check.to_owned());
            let bases = bases("Dockerfile", &text, &options);
            assert!(bases.diagnostics.0.len() <= 101, "{name}");
        }
    }
    let large = bases("Dockerfile", &"FROM a\n".repeat(200_000), &Options::default());
    assert_eq!(large.diagnostics.0[0].code, "IF0601");
}

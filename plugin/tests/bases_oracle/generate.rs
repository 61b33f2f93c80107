//! Dockerfiles that aim at the corners: a grammar with many wrong turns, and mutations of the cases.

use serde_json::{json, Value};

/// A small generator of random numbers (xorshift64*), so that a seed says all.
pub struct Random {
    state: u64,
    /// Most of a list's first half, and few wrong turns: BuildKit then accepts the file more often.
    tame: bool,
}

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Random { state: seed, tame: false }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// The first `good` of a list, in a tame file; elsewhere any.
    fn pick_good<'a>(&mut self, list: &[&'a str], good: usize) -> &'a str {
        if self.tame && !self.one_in(100) {
            self.pick(&list[..good])
        } else {
            self.pick(list)
        }
    }

    /// A wrong turn: rarer in a tame file.
    fn wrong(&mut self, n: usize) -> bool {
        self.one_in(if self.tame { n * 20 } else { n })
    }
}

/// A Dockerfile and what the build says beside it.
pub fn question(random: &mut Random, seeds: &[String]) -> Value {
    random.tame = !random.one_in(8);
    let mut text = if random.one_in(5) && !seeds.is_empty() {
        seeds[random.below(seeds.len())].clone()
    } else {
        file(random)
    };
    if random.wrong(2) || random.one_in(10) {
        for _ in 0..=random.below(3) {
            text = mutate(random, &text);
        }
    }
    json!({"dockerfile": text, "options": options(random)})
}

const NAMES: &[&str] =
    &["A", "B", "V", "TARGETARCH", "BUILDPLATFORM", "TARGETSTAGE", "a", "NOPE", "_x1", "é"];
const STAGES: &[&str] =
    &["a", "b", "build", "Build", "BASE", "alpine", "scratch", "x.y-z_1", "b-", "a..b", "0a", "context"];
const IMAGES: &[&str] = &[
    "alpine",
    "busybox:1",
    "ghcr.io/o/i:1.2",
    "localhost:5000/x",
    "Reg/foo",
    "scratch",
    "scratch:latest",
    "a_b.com/c",
    "docker.io/library/alpine",
    "index.docker.io/x",
    "a--b",
    "alpine@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "reg/Foo",
    "alpine:",
    "a___b",
    "x@sha256:abc",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "https://x/y",
    "a;b",
    "[::1]:80/x",
];
const PLATFORMS: &[&str] = &[
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm64/v8",
    "arm64",
    "linux",
    "bogus",
    "windows/amd64",
    "linux/386",
    "LINUX/X86_64",
    "linux/a/b/c",
    "",
];
const LITERALS: &[&str] = &[
    "a", "1", "3.20.1", "alpine", "x/y", "", ":", "/", "latest", ".", "-", "é", "\\$", "\\\\", "\\", "`",
    "'q'", "\"d\"", "'", "\"", "*", "?", "}", "{", "%", "#", "$", "$$", "\u{a0}", "\\}", "\\/", "\\*",
];

fn file(random: &mut Random) -> String {
    let mut text = String::new();
    if random.one_in(20) {
        text.push('\u{feff}');
    }
    let lint = random.one_in(3);
    if lint {
        text.push_str(random.pick_good(CHECKS, 8));
    } else if random.tame {
        let directives = [
            "# escape=\\\n",
            "# syntax=docker/dockerfile:1\n",
            "# check=skip=all\n",
            "# c\n# escape=x\n",
            "\n",
            "#!/bin/sh\n",
        ];
        text.push_str(if random.one_in(4) { random.pick(&directives) } else { "" });
    } else if random.one_in(6) {
        for _ in 0..=random.below(2) {
            text.push_str(random.pick(&[
                "# escape=`\n",
                "#escape=\\\n",
                "# Escape = ` \n",
                "# syntax=docker/dockerfile:1\n",
                "# check=skip=all\n",
                "# check=error=false;skip=X\n",
                "# check=zzz\n",
                "# comment\n",
                "\n",
                "#!/bin/sh\n",
                "# escape=x\n",
                " # escape=`\n",
                "// syntax=x\n",
                "#  escape=`  \r\n",
            ]));
        }
    }
    if lint && random.one_in(2) {
        return text + &linted_file(random);
    }
    for _ in 0..random.below(4) {
        let line = arg(random);
        comment(random, &mut text, lint);
        push(random, &mut text, &line);
    }
    for _ in 0..=random.below(4) {
        let line = from(random);
        comment(random, &mut text, lint);
        push(random, &mut text, &line);
        for _ in 0..random.below(5) {
            let line = match lint && random.one_in(3) {
                true => linted(random),
                false => instruction(random),
            };
            comment(random, &mut text, lint);
            push(random, &mut text, &line);
        }
    }
    if random.one_in(8) {
        text = text.replace('\n', "\r\n");
    }
    if random.one_in(8) {
        text.pop();
    }
    text
}

const CHECKS: &[&str] = &[
    "# check=error=true\n",
    "# check=error=true\n",
    "# check=error=true;skip=ConsistentInstructionCasing\n",
    "# check=error=true;skip=UndefinedVar,FromAsCasing,ConsistentInstructionCasing,UndefinedArgInFrom\n",
    "# check=skip=UndefinedVar,JSONArgsRecommended,UndefinedArgInFrom;error=1\n",
    "# check=error=true;experimental=all\n",
    "# check=skip=all;error=true\n",
    "# check=skip=all;error=true;experimental=InvalidDefinitionDescription\n",
    "#!/bin/sh\n# check=error=true;skip=UndefinedVar\n",
    "# syntax=docker/dockerfile:1\n# check=error=t;skip=UndefinedVar\n# a b\n",
    "#check=error=true; skip=all\n",
    "#check=error=True;skip=A;skip=UndefinedVar,InvalidDefaultArgInFrom\n",
    " # check=error=true\n",
    "# c\n# check=error=true\n",
    "# escape=`\r\n# check = skip=all;skip=UndefinedVar;error=true\n",
];

/// A file that nothing but the linter refuses.
fn linted_file(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(3) {
        comment(random, &mut text, true);
        text.push_str(random.pick(&["ARG A\n", "ARG NOPE=x\n", "ARG A B=1\n", "arg V\n", "ARG KEY=1\n"]));
    }
    for stage in 0..=random.below(3) {
        comment(random, &mut text, true);
        let platform =
            random.pick(&["", "", "", "--platform=$BUILDPLATFORM ", "--platform=$TARGETPLATFORM "]);
        let platform = if random.one_in(12) { "--platform=linux/arm64 " } else { platform };
        let base = random.pick(&["scratch", "scratch", "a", "b", "alpine", "alpine:3$A", "alpine:3${V:-x}"]);
        let name =
            random.pick(&["", " AS a", " AS b", " AS a", " AS b", " AS B", " as b", " AS build-arm64"]);
        let from = if random.one_in(15) { "from" } else { "FROM" };
        text.push_str(&format!("{from} {platform}{base}{name}\n"));
        for _ in 0..random.below(4) {
            comment(random, &mut text, true);
            let line = linted(random);
            push(random, &mut text, &line);
        }
        if stage > 0 && random.one_in(2) {
            text.push_str(random.pick(&["COPY --from=0 / /\n", "COPY --from=busybox / /\n"]));
        }
    }
    text
}

/// What a comment can say to the linter.
fn comment(random: &mut Random, text: &mut String, lint: bool) {
    if !lint || !random.one_in(6) {
        return;
    }
    for _ in 0..=random.below(2) {
        text.push_str(random.pick(&[
            "# check=skip=all\n",
            "# check=skip=UndefinedVar,JSONArgsRecommended\n",
            "# check=skip=StageNameCasing,FromAsCasing;error=false\n",
            "#check=skip=UndefinedArgInFrom,SecretsUsedInArgOrEnv,WorkdirRelativePath and more\n",
            " # check=skip=all\n",
            "# check=zzz\n",
            "# check=experimental=all\n",
            "# a what it is\n",
            "# A what it is\n",
            "#\n",
            "\n",
            "# b\n",
        ]));
    }
}

/// An instruction that the linter has rules about.
fn linted(random: &mut Random) -> String {
    let line = random.pick(&[
        "CMD x",
        "CMD [\"x\"]",
        "CMD",
        "ENTRYPOINT x",
        "ENTRYPOINT [\"x\"]",
        "SHELL [\"x\", \"-c\"]",
        "HEALTHCHECK NONE",
        "HEALTHCHECK CMD x",
        "MAINTAINER x",
        "WORKDIR x",
        "WORKDIR /x",
        "WORKDIR $A",
        "WORKDIR /$A",
        "WORKDIR c:\\x",
        "WORKDIR \"/a b\"",
        "ENV a b",
        "ENV a_TOKEN=1",
        "ENV KEY_FILE=1 b=$PATH",
        "ENV A=1",
        "ENV A=$A B=$A",
        "LABEL a b",
        "LABEL a=$A",
        "ARG passwd",
        "ARG x_Apikey_y=1",
        "ARG public_KEY",
        "ARG A",
        "ARG A B=$A",
        "ARG A=$A",
        "ARG NOPE=1",
        "EXPOSE 80",
        "EXPOSE 80/TCP 81/udp",
        "EXPOSE 1.2.3.4:80:80",
        "EXPOSE 80:80/udp",
        "EXPOSE $A",
        "USER $A",
        "USER ${NOPE:-x}",
        "COPY $A /x",
        "COPY --chown=$A a /",
        "COPY <<E /\n$A\nE",
        "COPY <<'E' /\n$A\nE",
        "RUN --mount=target=/x/$A true",
        "RUN echo $A",
        "STOPSIGNAL 9",
        "Run true",
        "run true",
        "copy a b",
        "VOLUME $PATH",
        "RUN a \\\n\n  b",
        "RUN a \\\n\n",
        "RUN a \\\n # check=skip=all\n  b",
    ]);
    let onbuild = if random.one_in(10) { "ONBUILD " } else { "" };
    format!("{onbuild}{line}")
}

/// A line, sometimes in another case, cut in pieces, or with a comment inside.
fn push(random: &mut Random, text: &mut String, line: &str) {
    if random.one_in(15) {
        text.push_str(random.pick(&["# comment\n", "\n", "  # c \\\n", " \t\n"]));
    }
    let mut line = line.to_owned();
    if random.one_in(12) {
        if let Some((keyword, rest)) = line.split_once(' ') {
            line = format!("{} {rest}", keyword.to_lowercase());
        }
    }
    if random.one_in(10) {
        let spots: Vec<usize> =
            line.match_indices(' ').map(|(at, _)| at).filter(|at| !line[..*at].contains("<<")).collect();
        if !spots.is_empty() {
            let at = spots[random.below(spots.len())];
            let end = random.pick_good(
                &["\\\n", "\\ \n", "\\\n# c\n", "\\\n\n", "\\\n  # c \\\n", "\\\r\n", "`\n", "\\\\\n"],
                6,
            );
            line.insert_str(at + random.below(2), end);
        }
    }
    text.push_str(&line);
    text.push('\n');
}

fn word(random: &mut Random, depth: usize) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(2) {
        match random.below(if depth == 0 { 3 } else { 7 }) {
            0 | 1 => text.push_str(random.pick_good(LITERALS, 5)),
            2 => {
                text.push('$');
                text.push_str(random.pick(NAMES));
            }
            3 => text.push_str(&format!("${{{}}}", random.pick(NAMES))),
            4 => {
                let operator = random.pick_good(&[":-", "-", ":+", "+", "?", ":?", "^", ":", "=", ":="], 4);
                text.push_str(&format!("${{{}{operator}{}}}", random.pick(NAMES), word(random, depth - 1)));
            }
            5 => {
                let operator = random.pick_good(&["#", "##", "%", "%%", ":#"], 4);
                text.push_str(&format!("${{{}{operator}{}}}", random.pick(NAMES), pattern(random, depth)));
            }
            _ => {
                let operator = random.pick(&["/", "//"]);
                let (from, to) = (pattern(random, depth), word(random, depth - 1));
                text.push_str(&format!("${{{}{operator}{from}/{to}}}", random.pick(NAMES)));
            }
        }
    }
    if random.one_in(12) {
        text = format!("\"{text}\"");
    }
    text
}

fn pattern(random: &mut Random, depth: usize) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(2) {
        match random.below(8) {
            0 => text.push('*'),
            1 => text.push('?'),
            2 => text.push('.'),
            3 => text.push_str(random.pick(&["a", "2", "1", "[ab]", "x", "$"])),
            4 => text.push_str(random.pick_good(&["\\*", "\\?", "\\\\", "\\}", "\\/", "\\a"], 5)),
            5 => text.push_str(&word(random, depth - 1)),
            6 => text.push_str("\"*\""),
            _ => text.push('*'),
        }
    }
    text
}

fn arg(random: &mut Random) -> String {
    let mut line = String::from("ARG");
    for _ in 0..=random.below(2) {
        line.push(' ');
        line.push_str(random.pick(NAMES));
        if !random.one_in(4) {
            line.push('=');
            if random.one_in(3) {
                line.push_str(random.pick_good(IMAGES, 12));
            } else {
                line.push_str(&word(random, 2));
            }
        }
    }
    line
}

fn image(random: &mut Random) -> String {
    if random.tame && random.one_in(3) {
        let name = random.pick(NAMES);
        let forms = [
            format!("alpine:3${{{name}:+-x}}"),
            format!("${{{name}:-alpine}}"),
            format!("busybox:1-${{{name}:-{}}}", word(random, 1)),
            format!("${{{name}:+x/}}alpine:3"),
            format!("a${{{name}//*/x}}"),
            format!("alpine:v${name}"),
            format!("${{{name}#{}}}", pattern(random, 1)),
        ];
        return forms[random.below(forms.len())].clone();
    }
    match random.below(if random.tame { 5 } else { 8 }) {
        0 | 1 => random.pick(&IMAGES[..4]).to_owned(),
        2 => random.pick_good(IMAGES, 12).to_owned(),
        3 | 4 => random.pick_good(STAGES, 8).to_owned(),
        5 => format!("alpine:{}", word(random, 2)),
        6 => format!("alpine:3{}", word(random, 3)),
        _ => word(random, 3),
    }
}

fn from(random: &mut Random) -> String {
    let mut line = String::from("FROM ");
    if random.one_in(6) {
        let platform = match random.below(if random.tame { 2 } else { 3 }) {
            0 => random.pick_good(PLATFORMS, 6).to_owned(),
            1 => random
                .pick(&["$BUILDPLATFORM", "$TARGETPLATFORM", "linux/$TARGETARCH", "\"linux/arm64\"", "$A"])
                .to_owned(),
            _ => word(random, 1),
        };
        line.push_str(&format!("--platform={platform} "));
        if random.wrong(20) {
            line.push_str("--platform=linux/amd64 ");
        }
    }
    line.push_str(&image(random));
    if random.one_in(2) {
        line.push_str(random.pick(&[" AS ", " as ", " As ", " a\u{17f} ", "  AS\t"]));
        line.push_str(random.pick_good(STAGES, 8));
    }
    if random.wrong(40) {
        line.push_str(" # comment");
    }
    line
}

fn source(random: &mut Random) -> String {
    match random.below(10) {
        0..=3 => random.pick_good(STAGES, 8).to_owned(),
        4 | 5 => random
            .pick_good(&["0", "+0", "00", "99999999999999999999", "1", "2", "+1", "-1", "9"], 4)
            .to_owned(),
        6..=8 => random.pick_good(IMAGES, 12).to_owned(),
        _ if random.tame => "busybox:1".to_owned(),
        _ => word(random, 1),
    }
}

fn instruction(random: &mut Random) -> String {
    match random.below(16) {
        0..=3 => {
            let flags = random.pick_good(
                &[
                    "",
                    "--link ",
                    "--chmod=755 ",
                    "--chown=1:1 ",
                    "--parents ",
                    "--exclude=x --exclude=y ",
                    "--chmod=8 ",
                    "--zzz ",
                ],
                6,
            );
            let from = source(random);
            let from = if random.one_in(10) { format!("\"{from}\"") } else { from };
            let rest = random.pick_good(
                &[
                    "/ /",
                    "a b c/",
                    "[\"a\", \"b\"]",
                    "$A /",
                    "<<E /\nx $A\nE",
                    "a",
                    "[\"a\", 1]",
                    "a ${A:=1}",
                ],
                5,
            );
            format!("COPY {flags}--from={from} {rest}")
        }
        4..=6 => {
            let mut line = String::from("RUN ");
            for _ in 0..=random.below(2) {
                let kind = random.pick_good(
                    &[
                        "",
                        "type=bind,",
                        "type=cache,",
                        "type=tmpfs,",
                        "type=ssh,",
                        "TYPE=bind,",
                        "type=secret,id=x,",
                        "type=zzz,",
                    ],
                    6,
                );
                let from = if random.one_in(4) { String::new() } else { format!("from={},", source(random)) };
                let more = random.pick_good(
                    &[
                        "",
                        ",ro",
                        ",rw=false",
                        ",\"source=a,b\"",
                        ",sharing=locked",
                        ",uid=1",
                        ",size=1g",
                        ",required",
                        ",zzz=1",
                        ",x",
                    ],
                    4,
                );
                line.push_str(&format!("--mount={kind}{from}target=/x{more} "));
            }
            line + random.pick(&["true", "[\"true\"]", "<<E\ntrue\nE", "a <<-E b\n\tx\n\tE"])
        }
        7 => format!("ENV {}={}", random.pick(NAMES), word(random, 2)),
        8 => arg(random),
        9 => format!("ONBUILD {}", instruction(random)),
        10 => format!("LABEL a={}", word(random, 2)),
        11 => format!("WORKDIR /w{}", word(random, 2)),
        12 => format!(
            "ADD {}a /",
            random.pick_good(&["", "--unpack ", "--from=x ", "--checksum=sha256:0 ", "--keep-git-dir=1 "], 2)
        ),
        13 => heredoc(random),
        14 => random
            .pick_good(
                &[
                    "CMD x",
                    "CMD [\"x\"]",
                    "ENTRYPOINT",
                    "SHELL [\"x\"]",
                    "USER 1",
                    "STOPSIGNAL 9",
                    "EXPOSE 80",
                    "VOLUME /a",
                    "HEALTHCHECK NONE",
                    "HEALTHCHECK CMD x",
                    "HEALTHCHECK --interval=1s CMD x",
                    "MAINTAINER x",
                    "ENV a b",
                    "LABEL a b",
                    "RUN",
                    "RUN --network=none x",
                    "COPY a b",
                    "RUN --device=a,required x",
                    "RUN --security=insecure x",
                    "ONBUILD FOO",
                    "CMD [\"x\", 1]",
                    "SHELL x",
                    "USER",
                    "STOPSIGNAL zz",
                    "EXPOSE x",
                    "EXPOSE 80/zzz",
                    "VOLUME [\"\"]",
                    "HEALTHCHECK --interval=1x CMD x",
                    "HEALTHCHECK --retries=-1 CMD x",
                    "ENV a",
                    "ENV a=1 b",
                    "LABEL a",
                    "FOO",
                    "RUN --network=zz x",
                    "COPY https://x/y z",
                    "COPY git@github.com:a/b.git /",
                    "ONBUILD",
                    "ENV =a",
                    "VOLUME",
                    "HEALTHCHECK",
                    "HEALTHCHECK NONE x",
                    "EXPOSE",
                    "ARG",
                    "ARG =x",
                    "ONBUILD FROM x",
                ],
                20,
            )
            .to_owned(),
        _ => format!("RUN echo {}", word(random, 1)),
    }
}

const TAME_HEREDOCS: &[(&str, &str)] = &[
    ("<<E", "FROM zzz\nE"),
    ("<<-E", "\tx\n\tE"),
    ("<<'E' <<F", "$A ${B\nE\nF"),
    ("3<<\"E\"", "# c \\\nE"),
    ("<< E", "COPY --from=zzz / /\n e\nE"),
    ("<<E'x y'", "a\nEx y"),
    ("<<$E", "a\n$E"),
    ("<<<E", "RUN a"),
    ("\"<<E\"", "RUN b"),
];

fn heredoc(random: &mut Random) -> String {
    let keyword = random.pick(&["RUN cat", "COPY", "ADD", "ONBUILD RUN"]);
    let mark = random.pick(&[
        "<<E",
        "<<-E",
        "<<'E'",
        "<<\"E\"",
        "3<<E",
        "<< E",
        "<<- E",
        "<<<E",
        "\"<<E\"",
        "<<$E",
        "$((1 << 2))",
        "<<E <<F",
        "a<<E",
        "<<E\\",
        "<<\\E",
        "<<${E:-x}",
        "<<E'x y'",
    ]);
    let body = random.pick(&[
        "x\nE",
        "FROM zzz\nE\n",
        "\tE",
        " E",
        "E\nF",
        "$A ${B:=}\nE",
        "\\\nE",
        "# c\nE",
        "'E'",
        "x y\nE",
    ]);
    if random.tame && !random.one_in(10) {
        let (mark, body) = TAME_HEREDOCS[random.below(TAME_HEREDOCS.len())];
        return format!("{keyword} {mark} /f\n{body}");
    }
    format!("{keyword} {mark} /f\n{body}")
}

/// One character more, less or other; a line twice or gone.
fn mutate(random: &mut Random, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return text.to_owned();
    }
    let at = random.below(chars.len());
    let (before, after) =
        (chars[..at].iter().collect::<String>(), chars[at + 1..].iter().collect::<String>());
    let special = random.pick(&[
        " ", "\n", "\\", "`", "$", "{", "}", "\"", "'", "<", "#", "=", ",", "-", "\t", "\r", "\u{a0}",
        "\u{b}", ":", "/", "A", "é", "\0", "\\\n", "\u{2003}", "\u{85}", "\u{212a}", "0", "@", "\u{feff}",
    ]);
    match random.below(5) {
        0 => before + &after,
        1 => format!("{before}{special}{after}"),
        2 => format!("{before}{special}{}{after}", chars[at]),
        3 => {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let line = random.below(lines.len());
            lines
                .iter()
                .enumerate()
                .flat_map(|(i, text)| vec![*text; if i == line { 2 } else { 1 }])
                .collect()
        }
        _ => {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let line = random.below(lines.len());
            lines.iter().enumerate().filter(|(i, _)| *i != line).map(|(_, text)| *text).collect()
        }
    }
}

fn options(random: &mut Random) -> Value {
    let mut options = json!({});
    if random.one_in(3) {
        for _ in 0..=random.below(2) {
            let value = match random.below(3) {
                0 => random.pick_good(IMAGES, 12).to_owned(),
                1 => random.pick_good(LITERALS, 5).to_owned(),
                _ => word(random, 1),
            };
            options["buildArgs"][random.pick(NAMES)] = json!(value);
        }
    }
    if random.one_in(30) {
        let value =
            random.pick_good(&["error=true", "error=true; skip=UndefinedVar", "", "skip=all", "zzz"], 4);
        options["buildArgs"]["BUILDKIT_DOCKERFILE_CHECK"] = json!(value);
    }
    if random.wrong(8) || random.one_in(40) {
        options["target"] = json!(random.pick_good(STAGES, 8));
    }
    if random.one_in(6) {
        let platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"];
        let list: Vec<&str> = (0..=random.below(2)).map(|_| random.pick(&platforms)).collect();
        options["platforms"] = json!(list);
    }
    if random.one_in(8) {
        let name = random.pick(&[
            "alpine",
            "a",
            "b",
            "build",
            "busybox:1",
            "alpine::linux/amd64",
            "ghcr.io/o/i:1.2",
            "scratch",
        ]);
        let value = random.pick(&[
            "docker-image://debian",
            "docker-image://scratch",
            "docker-image://Bad/Ref",
            "docker-image://debian:1",
        ]);
        options["buildContexts"][name] = json!(value);
    }
    // A conversion without a client knows no contexts.
    if options["buildContexts"].is_null() && random.one_in(60) {
        options["namedContexts"] = json!(false);
    }
    if random.one_in(8) {
        let image = random.pick(&["docker.io/library/alpine:latest", "docker.io/library/busybox:1"]);
        let mut triggers: Vec<String> = (0..=random.below(2)).map(|_| instruction(random)).collect();
        // Docker lets no image have such a trigger, and BuildKit runs it now and then.
        triggers.retain(|trigger| !trigger.to_lowercase().starts_with("onbuild"));
        options["onbuild"][image] = json!(triggers);
    }
    options
}

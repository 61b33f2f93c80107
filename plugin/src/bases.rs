//! `bases`: which images Dockerfiles need, without a factory.
//!
//! ```text
//! {"files":[{"file":"Dockerfile","text":"…"}],"buildArgs":{},"target":null,"platforms":["linux/amd64"],
//!  "buildContexts":{},"onbuild":{"docker.io/library/node:22":["RUN …"]}}
//! [{"file":"Dockerfile","images":[{"reference":"docker.io/library/node:22","platform":"linux/amd64",
//!   "roles":["final"],"used":true,"where":[{"line":1,"column":6}],"arguments":[]}],
//!   "unresolved":[{"argument":"TAG","used":true,"text":"$TAG","line":1,"column":6}],"diagnostics":[…]}]
//! ```

use serde_json::Value;

use crate::abi::{self, Answer, Arguments, Request};
use crate::diagnostic::Severity;
use crate::dockerfile::{self, Bases, Options};
use crate::json::{self, object};
use crate::sorted::SortedMap;

/// The arguments of `bases`; those of the build are the same for all files.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The Dockerfiles.
    pub files: Vec<Dockerfile>,
    /// `--build-arg`.
    pub build_args: SortedMap<String>,
    /// `--target`.
    pub target: Option<String>,
    /// `--platform`; nothing is what is built on.
    pub platforms: Vec<String>,
    /// What is built on; nothing is `linux/amd64`.
    pub build_platform: Option<String>,
    /// `--build-context`.
    pub build_contexts: SortedMap<String>,
    /// Triggers in the configuration of images, by reference.
    pub onbuild: SortedMap<Vec<String>>,
    /// `false` answers as BuildKit's conversion does without a client: build stages are not looked
    /// up as named contexts, so that any name will do for them.
    pub named_contexts: Option<bool>,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        let text = |file: &Value, key| file.get(key)?.as_str().map(str::to_owned);
        let files = arguments.value("files").map_or(Some(Vec::new()), |files| {
            let read = |file: &Value| {
                Some(Dockerfile { file: text(file, "file")?, text: text(file, "text")? })
                    .filter(|_| file.as_object().is_some_and(|keys| keys.len() == 2))
            };
            files.as_array()?.iter().map(read).collect()
        });
        Args {
            files: arguments.expect("files", "a list of {file, text}", files).unwrap_or_default(),
            build_args: arguments.text_map("buildArgs"),
            target: arguments.text("target"),
            platforms: arguments.texts("platforms"),
            build_platform: arguments.text("buildPlatform"),
            build_contexts: arguments.text_map("buildContexts"),
            onbuild: arguments.texts_map("onbuild"),
            named_contexts: arguments.boolean("namedContexts"),
        }
    }
}

/// One Dockerfile.
#[derive(Clone, Debug, Default)]
pub struct Dockerfile {
    /// Its name in the answer and in diagnostics.
    pub file: String,
    /// What stands in it.
    pub text: String,
}

/// Answers for each file in turn; exit 1 where BuildKit would refuse one, or where an image that a
/// build uses can't be told.
pub fn bases(_request: &Request, args: &Args) -> Answer {
    let defaults = Options::default();
    let options = Options {
        build_args: args.build_args.clone(),
        target: args.target.clone(),
        platforms: args.platforms.clone(),
        build_platform: args.build_platform.clone().unwrap_or(defaults.build_platform),
        contexts: args.build_contexts.clone(),
        onbuild: args.onbuild.clone(),
        named_contexts: args.named_contexts.unwrap_or(defaults.named_contexts),
        any_frontend: true,
    };
    let mut exit = 0;
    let mut output = Vec::new();
    for Dockerfile { file, text } in &args.files {
        let bases = dockerfile::bases(file, text, &options);
        let is_told = bases.unresolved.iter().all(|unresolved| !unresolved.used);
        if bases.diagnostics.has_errors() || !is_told {
            exit = 1;
        }
        output.push(show(file, &bases));
    }
    Answer { output: Some(Value::Array(output)), exit, ..Answer::default() }
}

fn show(file: &str, bases: &Bases) -> Value {
    let images = bases.images.iter().map(|image| {
        let places = image.places.iter().map(|(line, column)| object(place(*line, *column))).collect();
        object(vec![
            ("reference", image.reference.normalized().into()),
            ("platform", json::text(image.platform.as_str())),
            ("roles", image.roles.iter().map(|role| json::text(role.name())).collect()),
            ("used", image.used.into()),
            ("where", Value::Array(places)),
            ("arguments", image.arguments.iter().map(|name| json::text(name.as_str())).collect()),
        ])
    });
    let unresolved = bases.unresolved.iter().map(|unresolved| {
        let mut entries = place(unresolved.location.line, unresolved.location.column);
        entries.push(("argument", json::text(unresolved.argument.as_str())));
        entries.push(("used", unresolved.used.into()));
        entries.push(("text", json::text(unresolved.word.as_str())));
        object(entries)
    });
    // An image that nothing uses can wait for its argument.
    let missing = bases.unresolved.iter().map(|unresolved| {
        let mut missing = unresolved.diagnostic();
        missing.severity = if unresolved.used { Severity::Error } else { Severity::Warning };
        missing
    });
    let mut diagnostics = bases.diagnostics.clone();
    diagnostics.extend(missing);
    diagnostics.sort();
    object(vec![
        ("file", json::text(file)),
        ("images", Value::Array(images.collect())),
        ("unresolved", Value::Array(unresolved.collect())),
        ("diagnostics", abi::diagnostics(&diagnostics.0)),
    ])
}

fn place(line: u32, column: u32) -> Vec<(&'static str, Value)> {
    vec![("line", line.into()), ("column", column.into())]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(args: Value) -> (Value, u64) {
        let request = json!({"abi": crate::abi::ABI_VERSION, "verb": "bases", "args": args});
        let answer = crate::abi::answer(request.to_string().as_bytes());
        let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        (answer["output"].clone(), answer["exit"].as_u64().unwrap_or_default())
    }

    #[test]
    fn tells_images_of_each_file() {
        let text = "ARG TAG=3\nFROM alpine:$TAG AS a\nFROM scratch\nCOPY --from=a / /\n";
        let (output, exit) =
            ask(json!({"files": [{"file": "a", "text": text}, {"file": "b", "text": "FROM b"}]}));
        assert_eq!(exit, 0);
        assert_eq!(
            output[0]["images"],
            json!([{
                "reference": "docker.io/library/alpine:3",
                "platform": "linux/amd64",
                "roles": ["stage"],
                "used": true,
                "where": [{"line": 2, "column": 6}],
                "arguments": ["TAG"],
            }])
        );
        assert_eq!(output[1]["images"][0]["roles"], json!(["final"]));
    }

    #[test]
    fn a_missing_argument_of_a_used_image_is_an_error() {
        let unused = "ARG TAG\nFROM alpine:$TAG AS a\nFROM scratch\n";
        let (output, exit) = ask(json!({"files": [{"file": "Dockerfile", "text": unused}]}));
        assert_eq!((exit, &output[0]["unresolved"][0]["used"]), (0, &json!(false)));
        let used = format!("{unused}COPY --from=a / /\n");
        let (output, exit) = ask(json!({"files": [{"file": "Dockerfile", "text": used}]}));
        let expected =
            json!({"argument": "TAG", "used": true, "text": "alpine:$TAG", "line": 2, "column": 6});
        assert_eq!((exit, &output[0]["unresolved"]), (1, &json!([expected])));
        assert_eq!(output[0]["diagnostics"][0]["code"], "IF0701");
    }
}

//! The request read from its text, and the answer printed as one.

use crate::diagnostic::{Diagnostic, Severity};
use crate::json::{comma, object, quote, text, write, JsonError, Reader};
use crate::tree::{File, Refusal, Tree};

use serde_json::{Map, Value};

use super::{
    Answer, CiFetched, CiNeed, Fetched, GitFetched, GitNeed, Needs, Reason, RegistryFetched, RegistryKind,
    RegistryNeed, Request,
};

impl Request {
    /// Reads a request from its JSON text; only `abi` must be given.
    ///
    /// # Errors
    /// It is not JSON, or not of these keys and types.
    pub fn parse(json: &str) -> Result<Request, JsonError> {
        let mut request = Request::default();
        let mut has_version = false;
        let mut reader = Reader::new(json);
        reader.map(&mut |reader, key| {
            match key.as_str() {
                "abi" => {
                    has_version = true;
                    match reader.value()?.as_u64().and_then(|version| u32::try_from(version).ok()) {
                        Some(version) => request.abi = version,
                        None => return reader.error("`abi` must be a number"),
                    }
                }
                "verb" => request.verb = reader.string()?,
                "args" => request.args = reader.value()?,
                "now" => request.now = reader.string()?,
                "tree" => request.tree = tree(reader)?,
                "fetched" => match fetched(reader.value()?) {
                    Ok(fetched) => request.fetched = fetched,
                    Err(message) => return reader.error(message),
                },
                key => {
                    let message =
                        ["unknown field `", key, "`, expected one of abi, verb, args, now, tree, fetched"];
                    return reader.error(&message.concat());
                }
            }
            Ok(())
        })?;
        reader.end()?;
        if has_version {
            Ok(request)
        } else {
            reader.error("missing field `abi`")
        }
    }
}

fn tree(reader: &mut Reader<'_>) -> Result<Tree, JsonError> {
    let mut tree = Tree::default();
    reader.map(&mut |reader, path| {
        let file = match reader.value()? {
            Value::String(text) => File::Text(text),
            other => match refusal(&other["refused"]) {
                Some(refused) => File::Refused { refused },
                None => {
                    return reader.error(&["the file `", &path, "` is neither a text nor refused"].concat())
                }
            },
        };
        tree.0.insert(path, file);
        Ok(())
    })?;
    Ok(tree)
}

/// Why a host did not read a file: a word, or a map of one word to more about it.
fn refusal(value: &Value) -> Option<Refusal> {
    let number = |value: &Value, key| value.get(key).and_then(Value::as_u64);
    let small = |value: &Value, key| number(value, key).and_then(|number| u32::try_from(number).ok());
    match value.as_str() {
        Some("symlink") => return Some(Refusal::Symlink),
        Some("not-a-file") => return Some(Refusal::NotAFile),
        Some(_) => return None,
        None => {}
    }
    let (kind, more) = value.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "not-utf8" => Refusal::NotUtf8 { line: small(more, "line")?, column: small(more, "column")? },
        "too-large" => Refusal::TooLarge { bytes: number(more, "bytes")?, limit: number(more, "limit")? },
        "unreadable" => Refusal::Unreadable(more.as_str()?.to_owned()),
        _ => return None,
    })
}

/// Keys that are not known are left alone: a host may send more than this module asks for.
fn fetched(mut value: Value) -> Result<Fetched, &'static str> {
    let git = list(&mut value, "git", git_fetched);
    let registry = list(&mut value, "registry", registry_fetched);
    let ci = list(&mut value, "ci", ci_fetched);
    Ok(Fetched {
        git: git.ok_or("`fetched.git` must be a list of {url, reference, commit, files, error}")?,
        registry: registry.ok_or("`fetched.registry` must be a list of {image, kind, digest, …}")?,
        ci: ci.ok_or("`fetched.ci` must be a list of {provider, path, text, error, reason}")?,
    })
}

fn list<T>(value: &mut Value, key: &str, read: fn(Value) -> Option<T>) -> Option<Vec<T>> {
    match take(value, key) {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.into_iter().map(read).collect(),
        _ => None,
    }
}

fn registry_fetched(mut value: Value) -> Option<RegistryFetched> {
    let mut take = |key: &str| string(take(&mut value, key));
    let kind = match take("kind")?.as_str() {
        "head" => RegistryKind::Head,
        "manifest" => RegistryKind::Manifest,
        "blob" => RegistryKind::Blob,
        _ => return None,
    };
    Some(RegistryFetched {
        image: take("image")?,
        kind,
        digest: take("digest"),
        media_type: take("mediaType"),
        text: take("text"),
        error: take("error"),
        reason: reason(take("reason"))?,
    })
}

fn ci_fetched(mut value: Value) -> Option<CiFetched> {
    let mut take = |key: &str| string(take(&mut value, key));
    Some(CiFetched {
        provider: take("provider")?,
        path: take("path")?,
        text: take("text"),
        error: take("error"),
        reason: reason(take("reason"))?,
    })
}

fn reason(text: Option<String>) -> Option<Option<Reason>> {
    Some(Some(match text.as_deref() {
        None => return Some(None),
        Some("unreachable") => Reason::Unreachable,
        Some("limited") => Reason::Limited,
        Some("denied") => Reason::Denied,
        Some("missing") => Reason::Missing,
        Some("refused") => Reason::Refused,
        Some(_) => return None,
    }))
}

fn git_fetched(mut value: Value) -> Option<GitFetched> {
    let mut fetched = GitFetched {
        url: string(take(&mut value, "url"))?,
        reference: string(take(&mut value, "reference"))?,
        commit: string(take(&mut value, "commit")),
        error: string(take(&mut value, "error")),
        ..GitFetched::default()
    };
    if let Value::Object(files) = take(&mut value, "files") {
        for (path, file) in files {
            let file = if file.is_null() { None } else { Some(string(file)?) };
            fetched.files.insert(path, file);
        }
    }
    Some(fetched)
}

/// The value of a key, null where there is none.
fn take(value: &mut Value, key: &str) -> Value {
    value.get_mut(key).map(Value::take).unwrap_or_default()
}

fn string(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

impl Answer {
    /// The answer's JSON text; what is empty is left out.
    pub fn print(&self) -> String {
        let mut out = String::from("{");
        if let Some(needs) = &self.needs {
            key(&mut out, "needs");
            write(&mut out, &needs_value(needs));
        }
        if !self.files.is_empty() {
            key(&mut out, "files");
            out.push('{');
            for (path, content) in &self.files {
                key(&mut out, path);
                match content {
                    Some(content) => quote(&mut out, content),
                    None => out.push_str("null"),
                }
            }
            out.push('}');
        }
        if !self.manifests.is_empty() {
            key(&mut out, "manifests");
            out.push('[');
            for manifest in &self.manifests {
                comma(&mut out);
                out.push_str(&manifest.0);
            }
            out.push(']');
        }
        if let Some(output) = &self.output {
            key(&mut out, "output");
            write(&mut out, output);
        }
        if !self.diagnostics.is_empty() {
            key(&mut out, "diagnostics");
            write(&mut out, &diagnostics(&self.diagnostics));
        }
        if !self.messages.is_empty() {
            key(&mut out, "messages");
            let messages = self.messages.iter().map(|message| text(message.as_str())).collect();
            write(&mut out, &Value::Array(messages));
        }
        if self.exit != 0 {
            key(&mut out, "exit");
            write(&mut out, &Value::from(self.exit));
        }
        out.push('}');
        out
    }
}

fn key(out: &mut String, name: &str) {
    comma(out);
    quote(out, name);
    out.push(':');
}

fn needs_value(needs: &Needs) -> Value {
    let mut entries = Vec::new();
    if !needs.git.is_empty() {
        entries.push(("git", Value::Array(needs.git.iter().map(git_need).collect())));
    }
    if !needs.registry.is_empty() {
        entries.push(("registry", Value::Array(needs.registry.iter().map(registry_need).collect())));
    }
    if !needs.ci.is_empty() {
        entries.push(("ci", Value::Array(needs.ci.iter().map(ci_need).collect())));
    }
    object(entries)
}

fn ci_need(need: &CiNeed) -> Value {
    object(vec![("provider", text(need.provider.as_str())), ("path", text(need.path.as_str()))])
}

fn registry_need(need: &RegistryNeed) -> Value {
    let kind = match need.kind {
        RegistryKind::Head => "head",
        RegistryKind::Manifest => "manifest",
        RegistryKind::Blob => "blob",
    };
    object(vec![("image", text(need.image.as_str())), ("kind", text(kind))])
}

fn git_need(need: &GitNeed) -> Value {
    let paths = need.paths.iter().map(|path| text(path.as_str())).collect();
    object(vec![
        ("url", text(need.url.as_str())),
        ("reference", text(need.reference.as_str())),
        ("paths", Value::Array(paths)),
    ])
}

/// Diagnostics as answers have them: the keys of the place beside the others, and only where there is one.
pub fn diagnostics(found: &[Diagnostic]) -> Value {
    Value::Array(found.iter().map(diagnostic).collect())
}

fn diagnostic(found: &Diagnostic) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, value| drop(map.insert(key.to_owned(), value));
    put("code", text(found.code.as_str()));
    put("severity", text(if found.severity == Severity::Error { "error" } else { "warning" }));
    put("message", text(found.message.as_str()));
    if let Some(place) = &found.location {
        put("file", text(place.file.as_str()));
        put("line", place.line.into());
        put("column", place.column.into());
        put("length", place.length.into());
        put("source", text(place.source.as_str()));
    }
    if let Some(hint) = &found.hint {
        put("hint", text(hint.as_str()));
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Manifest;
    use crate::diagnostic::Location;

    #[test]
    fn a_request_comes_back_from_json() {
        let refusals = [
            Refusal::Symlink,
            Refusal::NotAFile,
            Refusal::NotUtf8 { line: 2, column: 7 },
            Refusal::TooLarge { bytes: 11, limit: 10 },
            Refusal::Unreadable("permission denied".to_owned()),
        ];
        let mut request = Request { abi: 1, verb: "check".to_owned(), ..Request::default() };
        request.args = object(vec![("all", true.into())]);
        request.tree.insert("images.yaml", "[]\n\u{1}é");
        for (number, refused) in refusals.into_iter().enumerate() {
            request.tree.0.insert(number.to_string(), File::Refused { refused });
        }
        let git = GitFetched {
            url: "https://example.com/a.git".to_owned(),
            commit: Some("abc".to_owned()),
            files: [("Dockerfile".to_owned(), None), ("b".to_owned(), Some("c".to_owned()))].into(),
            ..GitFetched::default()
        };
        request.fetched.git = vec![git.clone(), GitFetched { error: Some("no".to_owned()), ..git }];
        let json = serde_json::to_string(&request).expect("a request is plain data");
        assert_eq!(Request::parse(&json), Ok(request));
    }

    #[test]
    fn a_wrong_request_is_told_where() {
        let refuses = |json, message: &str| {
            assert_eq!(Request::parse(json).expect_err("it is wrong").to_string(), message);
        };
        refuses("[]", "expected a map at line 1 column 1");
        refuses("{}", "missing field `abi` at line 1 column 3");
        refuses(r#"{"abi":"1"}"#, "`abi` must be a number at line 1 column 11");
        refuses(
            r#"{"abi":1,"tree":{"a":1}}"#,
            "the file `a` is neither a text nor refused at line 1 column 23",
        );
        refuses(
            r#"{"abi":1,"tree":{"a":{"refused":"no"}}}"#,
            "the file `a` is neither a text nor refused at line 1 column 38",
        );
        refuses(
            r#"{"abi":1,"x":1}"#,
            "unknown field `x`, expected one of abi, verb, args, now, tree, fetched at line 1 column 14",
        );
    }

    #[test]
    fn an_answer_is_read_back() {
        let place = Location::of("images.yaml", "- name: A\n", 8..9);
        let need = GitNeed { url: "u".to_owned(), reference: String::new(), paths: vec!["p".to_owned()] };
        let question = CiNeed { provider: "github".to_owned(), path: "/x?y".to_owned() };
        let document = RegistryNeed { image: "r/i:t".to_owned(), kind: RegistryKind::Manifest };
        let answer = Answer {
            needs: Some(Needs { git: vec![need], registry: vec![document], ci: vec![question] }),
            files: [("a".to_owned(), Some("b\"".to_owned())), ("c".to_owned(), None)].into(),
            manifests: vec![Manifest(r#"{"kind":"Warehouse"}"#.to_owned()), Manifest("{}".to_owned())],
            output: Some(object(vec![("n", (-1).into())])),
            diagnostics: vec![
                Diagnostic::error("IF0001", "no").at(place).hint("write `a`"),
                Diagnostic::warning("IF0002", "hm"),
            ],
            messages: vec!["done".to_owned()],
            exit: 1,
        };
        assert_eq!(serde_json::from_str::<Answer>(&answer.print()).expect("our own form"), answer);
        assert_eq!(Answer::default().print(), "{}");
    }
}

//! Reading the request.
//!
//! Written by hand: what serde derives for these few types is a tenth of the module.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::{Fetched, GitFetched, Reason, RegistryFetched, RegistryKind, Request};

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RequestVisitor)
    }
}

struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Request, A::Error> {
        let mut request = Request::default();
        let mut has_version = false;
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "abi" => {
                    has_version = true;
                    let version: Value = entries.next_value()?;
                    let version = version.as_u64().and_then(|version| u32::try_from(version).ok());
                    request.abi = version.ok_or_else(|| A::Error::custom("`abi` must be a number"))?;
                }
                "verb" => request.verb = entries.next_value()?,
                "args" => request.args = entries.next_value()?,
                "now" => request.now = entries.next_value()?,
                "tree" => request.tree = entries.next_value()?,
                "fetched" => request.fetched = fetched(entries.next_value()?).map_err(A::Error::custom)?,
                key => {
                    return Err(A::Error::custom(format_args!(
                        "unknown field `{key}`, expected one of abi, verb, args, now, tree, fetched"
                    )))
                }
            }
        }
        if has_version {
            Ok(request)
        } else {
            Err(A::Error::custom("missing field `abi`"))
        }
    }
}

/// Keys that are not known are left alone: a host may send more than this module asks for.
fn fetched(mut value: Value) -> Result<Fetched, &'static str> {
    let git = list(&mut value, "git", git_fetched);
    let registry = list(&mut value, "registry", registry_fetched);
    Ok(Fetched {
        git: git.ok_or("`fetched.git` must be a list of {url, reference, commit, files, error}")?,
        registry: registry.ok_or("`fetched.registry` must be a list of {image, kind, digest, …}")?,
    })
}

fn list<T>(value: &mut Value, key: &str, read: fn(Value) -> Option<T>) -> Option<Vec<T>> {
    match value.get_mut(key).map(Value::take) {
        None => Some(Vec::new()),
        Some(Value::Array(items)) => items.into_iter().map(read).collect(),
        Some(_) => None,
    }
}

fn registry_fetched(mut value: Value) -> Option<RegistryFetched> {
    let mut take = |key: &str| value.get_mut(key).and_then(|value| text(value.take()));
    let kind = match take("kind")?.as_str() {
        "head" => RegistryKind::Head,
        "manifest" => RegistryKind::Manifest,
        "blob" => RegistryKind::Blob,
        _ => return None,
    };
    let reason = match take("reason").as_deref() {
        None => None,
        Some("unreachable") => Some(Reason::Unreachable),
        Some("limited") => Some(Reason::Limited),
        Some("denied") => Some(Reason::Denied),
        Some("missing") => Some(Reason::Missing),
        Some("refused") => Some(Reason::Refused),
        Some(_) => return None,
    };
    Some(RegistryFetched {
        image: take("image")?,
        kind,
        digest: take("digest"),
        media_type: take("mediaType"),
        text: take("text"),
        error: take("error"),
        reason,
    })
}

fn git_fetched(mut value: Value) -> Option<GitFetched> {
    let mut fetched = GitFetched {
        url: text(value.get_mut("url")?.take())?,
        reference: text(value.get_mut("reference")?.take())?,
        commit: value.get_mut("commit").and_then(|commit| text(commit.take())),
        error: value.get_mut("error").and_then(|error| text(error.take())),
        ..GitFetched::default()
    };
    if let Some(Value::Object(files)) = value.get_mut("files").map(Value::take) {
        for (path, file) in files {
            let file = if file.is_null() { None } else { Some(text(file)?) };
            fetched.files.insert(path, file);
        }
    }
    Some(fetched)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

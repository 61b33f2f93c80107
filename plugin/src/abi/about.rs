//! `about`: what the module is, and what it reads and writes.
//!
//! ```text
//! {"name":"image-factory","version":"0.1.0","abi":1,"verbs":["about",…],"schemas":{"images":"sha256:…",…}}
//! ```
//!
//! The schemas themselves are no part of the module (`schema.rs`), only their digests, so that a host
//! can tell whether those that it holds are this module's.

use serde_json::Value;

use super::{Answer, ABI_VERSION, VERBS};
use crate::json::{object, text};

/// A name and a digest a line; a test holds it to the schemas.
const SCHEMAS: &str = include_str!("schemas.txt");

pub(super) fn about() -> Answer {
    let verbs = VERBS.iter().map(|verb| text(*verb)).collect();
    let schemas = SCHEMAS.lines().filter_map(|line| line.split_once(' '));
    let output = object(vec![
        ("name", text("image-factory")),
        ("version", text(env!("CARGO_PKG_VERSION"))),
        ("abi", ABI_VERSION.into()),
        ("verbs", Value::Array(verbs)),
        ("schemas", object(schemas.map(|(name, digest)| (name, text(digest))).collect())),
    ]);
    Answer { output: Some(output), ..Answer::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{schema, sha256};

    /// Each digest is of the very bytes: docs/envelope.schema.json, and what `image-factory schema`
    /// prints. `UPDATE_GOLDEN=1` writes them anew.
    #[test]
    #[allow(clippy::disallowed_methods)] // Golden files are written by tests.
    fn the_digests_are_those_of_the_schemas() {
        let envelope = include_str!("../../../docs/envelope.schema.json");
        let mut lines = vec![format!("envelope {}\n", sha256::digest(envelope))];
        for (name, schema) in schema::all() {
            let printed = serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n";
            lines.push(format!("{name} {}\n", sha256::digest(&printed)));
        }
        lines.sort();
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/abi/schemas.txt");
            std::fs::write(path, lines.concat()).expect("the sources can be written");
            return;
        }
        assert_eq!(SCHEMAS, lines.concat(), "UPDATE_GOLDEN=1 writes the digests anew");
        let output = about().output.expect("about says something");
        assert_eq!(output["schemas"].as_object().map(serde_json::Map::len), Some(lines.len()));
    }
}

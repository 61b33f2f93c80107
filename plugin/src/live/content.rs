//! The content of an image: a hash of its layers and of how it runs.
//!
//! A base image is often published anew with nothing new in it: another creation time, another
//! label. What is built on it then stays as it was. So the hash is made of the unpacked layers'
//! digests and of those keys of the configuration that change how a container runs (OCI image
//! specification 1.1, config.md, and Docker's additions), and of nothing else: no times, no
//! history, no labels, no compression. It is kept in state, so it must never change:
//!
//! ```text
//! sha256:<layer>            one line a layer, from the bottom up
//! Cmd=["node"]              one line a key that is set, in the order below, as JSON without
//! Env=["PATH=/usr/bin"]     blanks and with the keys of maps sorted
//! ```

use serde_json::Value;

use crate::json;
use crate::sha256;

/// The keys that change how a container runs.
const RUN: [&str; 12] = [
    "ArgsEscaped",
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

/// The digests of the unpacked layers; `None` where the document is no configuration of an image.
pub(super) fn layers(config: &Value) -> Option<Vec<String>> {
    let layers = config.get("rootfs")?.get("diff_ids")?.as_array()?;
    layers.iter().map(|layer| layer.as_str().map(str::to_owned)).collect()
}

/// The hash.
pub(super) fn hash(layers: &[String], config: &Value) -> String {
    let mut text = String::new();
    for layer in layers {
        text.push_str(layer);
        text.push('\n');
    }
    for key in RUN {
        let Some(value) = config.get("config").and_then(|run| run.get(key)) else { continue };
        if is_set(value) {
            text.push_str(key);
            text.push('=');
            json::write(&mut text, value);
            text.push('\n');
        }
    }
    sha256::digest(&text)
}

/// Builders write what is not set as null, as something empty, or not at all.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

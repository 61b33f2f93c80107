//! Kubernetes objects as JSON text, written key by key.
//!
//! Keys come out in the order they are put, and nothing is built besides the text: a render of
//! thousands of objects is one pass, and the module holds no serializer for each shape.

use crate::abi::Manifest;
use crate::json::{comma, quote};

/// What all objects of a render share.
#[derive(Clone, Copy)]
pub(crate) struct Render<'a> {
    /// The Kargo Project, which is the namespace.
    pub namespace: &'a str,
    /// The pin of the module in factory.yaml.
    pub module: Option<&'a str>,
    /// The controller that handles the objects, if not the default one.
    pub shard: Option<&'a str>,
}

/// What tells one object from another, apart from its spec.
pub(crate) struct Head<'a> {
    pub kind: &'a str,
    pub name: &'a str,
    /// Besides `app.kubernetes.io/managed-by`, in alphabetical order; what is `None` is left out.
    pub labels: &'a [(&'a str, Option<&'a str>)],
    /// The annotation `kargo.akuity.io/color`.
    pub color: Option<&'a str>,
    /// A line for people.
    pub description: &'a str,
    /// Links for Argo CD's user interface by their title, in alphabetical order; `None` is left out.
    pub links: &'a [(&'a str, Option<String>)],
}

/// An object in the making.
pub(crate) struct Object(String);

impl Object {
    /// An object of Kargo's with its metadata, and its spec begun.
    pub fn begin(render: &Render<'_>, head: &Head<'_>) -> Self {
        let mut object = Object(String::with_capacity(1024));
        object.0.push('{');
        object.text("apiVersion", "kargo.akuity.io/v1alpha1");
        object.text("kind", head.kind);
        object.open("metadata", '{');
        object.text("name", head.name);
        object.text("namespace", render.namespace);
        object.open("labels", '{');
        object.text("app.kubernetes.io/managed-by", "image-factory");
        for (key, value) in head.labels {
            object.optional(key, *value);
        }
        object.close('}');
        object.open("annotations", '{');
        object.optional("image-factory.dev/module", render.module);
        object.optional("kargo.akuity.io/color", head.color);
        object.text("kargo.akuity.io/description", head.description);
        for (title, url) in head.links {
            if let Some(url) = url {
                object.comma();
                object.0.push('"');
                object.0.push_str("link.argocd.argoproj.io/");
                object.0.push_str(title);
                object.0.push_str("\":");
                quote(&mut object.0, url);
            }
        }
        object.close('}');
        object.close('}');
        object.open("spec", '{');
        object
    }

    /// A key with a string.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        quote(&mut self.0, value);
    }

    /// A key with a string, if there is one.
    pub fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A key with what is JSON already: a number, `true`, a constant.
    pub fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.0.push_str(json);
    }

    /// A key with a map or list that is begun.
    pub fn open(&mut self, key: &str, bracket: char) {
        self.key(key);
        self.0.push(bracket);
    }

    /// A map that is begun as an item of a list.
    pub fn item(&mut self) {
        self.comma();
        self.0.push('{');
    }

    /// A string as an item of a list.
    pub fn text_item(&mut self, value: &str) {
        self.comma();
        quote(&mut self.0, value);
    }

    /// `{"name": …, "value": …}` as an item of a list.
    pub fn pair(&mut self, name: &str, value: &str) {
        self.item();
        self.text("name", name);
        self.text("value", value);
        self.close('}');
    }

    /// Ends a map or list.
    pub fn close(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    /// Ends the spec and the object.
    pub fn finish(mut self) -> Manifest {
        self.0.push_str("}}");
        Manifest(self.0)
    }

    fn key(&mut self, key: &str) {
        self.comma();
        quote(&mut self.0, key);
        self.0.push(':');
    }

    fn comma(&mut self) {
        comma(&mut self.0);
    }
}

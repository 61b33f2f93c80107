//! state/**: what the analyzer found out, one file an image.
//!
//! ```text
//! state/images/NAME.yaml           an enrolled image
//! state/base-images/NAME.yaml      a base image that a Dockerfile names
//! state/_archive/…                 the same for what left; never read by generate
//! state/sweep.yaml                 when everything was looked at last
//! ```

pub(crate) mod facts;
pub(crate) mod records;
pub(crate) mod sweep;

pub use records::Changes;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fields::{Fields, Spanned};
use crate::images::{self, Watch};
use crate::sorted::SortedMap;
use crate::tree::Tree;
use crate::yaml::{self, Node, Source};

/// Where the state of enrolled images stands.
pub const IMAGES: &str = "state/images";
/// Where the state of base images stands.
pub const BASE_IMAGES: &str = "state/base-images";
/// Where the state of what left stands, below it `images` and `base-images`.
pub const ARCHIVE: &str = "state/_archive";

/// The largest state file that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The state of a factory, by name.
#[derive(Clone, Debug, Default)]
pub struct State<'t> {
    /// state/images.
    pub images: SortedMap<ImageState<'t>>,
    /// state/base-images.
    pub base_images: SortedMap<BaseState<'t>>,
}

/// state/images/NAME.yaml.
#[derive(Clone, Debug)]
pub struct ImageState<'t> {
    /// The file.
    pub source: Source<'t>,
    /// The whole document.
    pub node: Node<'t>,
    /// What to watch, if it is external.
    pub watch: Watch,
    /// The names of its watched base images.
    pub base_images: Vec<Spanned<String>>,
}

/// state/base-images/NAME.yaml.
#[derive(Clone, Debug)]
pub struct BaseState<'t> {
    /// The file.
    pub source: Source<'t>,
    /// The whole document.
    pub node: Node<'t>,
    /// What to watch; nothing where a managed image publishes it.
    pub watch: Watch,
    /// The repository that is watched.
    pub repo_url: Option<Spanned<String>>,
    /// As people write it: `node:22`.
    pub full_image: Option<String>,
    /// The images built on it.
    pub dependent_images: Vec<Spanned<String>>,
}

/// Reads state/images and state/base-images; missing folders are an empty state.
pub fn read<'t>(tree: &'t Tree, found: &mut Diagnostics) -> State<'t> {
    let mut state = State::default();
    for (name, source, node) in files(tree, IMAGES, found) {
        if let Some(image) = image(source, node, &name, found) {
            state.images.insert(name, image);
        }
    }
    for (name, source, node) in files(tree, BASE_IMAGES, found) {
        if let Some(base) = base(source, node, &name, found) {
            state.base_images.insert(name, base);
        }
    }
    state
}

/// The parsed files directly in a folder, with the names that their paths give them.
fn files<'t>(
    tree: &'t Tree,
    folder: &'static str,
    found: &mut Diagnostics,
) -> Vec<(String, Source<'t>, Node<'t>)> {
    let mut files = Vec::new();
    for (path, _) in tree.below(folder) {
        let file_name = &path[folder.len() + 1..];
        if file_name.contains('/') || file_name.starts_with('.') {
            continue;
        }
        let Some(name) = file_name.strip_suffix(".yaml") else {
            found.push(
                Diagnostic::warning("IF0404", "this file is not read: state files end in `.yaml`")
                    .in_file(path)
                    .hint("rename it, or remove it"),
            );
            continue;
        };
        let Some(text) = images::text(tree, path, MAX_BYTES, found) else { continue };
        let source = Source { file: path, text };
        match yaml::parse(source) {
            Ok(Some(node)) => files.push((name.to_owned(), source, node)),
            Ok(None) => found.push(
                Diagnostic::error("IF0401", "the file is empty")
                    .in_file(path)
                    .hint("restore it from git, or delete it and analyze again"),
            ),
            Err(diagnostics) => found.extend(diagnostics),
        }
    }
    files
}

fn image<'t>(
    source: Source<'t>,
    node: Node<'t>,
    name: &str,
    found: &mut Diagnostics,
) -> Option<ImageState<'t>> {
    let mut fields = Fields::of(source, &node, "the state of an image", found)?;
    check_name(&mut fields, name)?;
    let watch = Watch::read(&mut fields);
    let base_images = fields.strings("baseImages").unwrap_or_default();
    facts::check_image(&mut fields);
    Some(ImageState { source, watch, base_images, node })
}

fn base<'t>(
    source: Source<'t>,
    node: Node<'t>,
    name: &str,
    found: &mut Diagnostics,
) -> Option<BaseState<'t>> {
    let mut fields = Fields::of(source, &node, "the state of a base image", found)?;
    check_name(&mut fields, name)?;
    let watch = Watch::read(&mut fields);
    let repo_url = fields.string("repoURL").filter(|url| !url.value.is_empty());
    if let Some(url) = &repo_url {
        check_repo_url(source, url, fields.found);
    }
    let full_image = fields.string("fullImage").map(|image| image.value);
    let dependent_images = fields.strings("dependentImages").unwrap_or_default();
    facts::check_history(&mut fields);
    if let Err(problem) = crate::warehouse::selection(&watch) {
        let place = problem.place.unwrap_or(node.place);
        found.push(source.error(problem.code, place, problem.message).hint(problem.hint));
    }
    Some(BaseState { source, watch, repo_url, full_image, dependent_images, node })
}

/// Kargo's webhook refuses other spellings (Kargo 1.11.2, the pattern of `repoURL` in
/// `pkg/subscription/schemas/image.json`), and then no object of the render is applied.
fn check_repo_url(source: Source<'_>, url: &Spanned<String>, found: &mut Diagnostics) {
    if !is_repo_url(&url.value) {
        let message = format!("Kargo does not take `{}` for a repository", url.value);
        found.push(
            source
                .error("IF0405", url.place, message)
                .hint("write host and path alone: `docker.io/library/node`"),
        );
    }
}

/// Whether Kargo's webhook takes a text for `repoURL`: words of letters, digits and `_`, joined by
/// single `.` or `-`, with a port after the first alone.
pub fn is_repo_url(text: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_part = |part: &str| part.split(['.', '-']).all(is_word);
    let (host, path) = match text.split_once('/') {
        Some((host, path)) => (Some(host), path),
        None => (None, text),
    };
    let host_is_good = host.is_none_or(|host| match host.split_once(':') {
        Some((host, port)) => is_part(host) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()),
        None => is_part(host),
    });
    host_is_good && path.split('/').all(is_part)
}

fn check_name(fields: &mut Fields<'_, '_>, name: &str) -> Option<()> {
    let written = fields.required_string("name", name)?;
    if written.value == name {
        return Some(());
    }
    let message = format!("the file is named `{name}`, but it holds the state of `{}`", written.value);
    let diagnostic = fields.source().error("IF0402", written.place, message);
    fields.found.push(
        diagnostic.hint(format!("rename the file to `{}.yaml`, or write `name: {name}`", written.value)),
    );
    None
}

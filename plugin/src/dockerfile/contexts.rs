//! Named build contexts: `--build-context NAME=docker-image://…`.
//!
//! A context named like a build stage replaces the stage, one named like an image the image; its
//! name may end with `::os/arch` (BuildKit's `frontend/dockerui/config.go` and `namedcontext.go`).

use super::platform::Platform;
use super::stages::SCRATCH;
use crate::reference::{ImageReference, ReferenceError};
use crate::sorted::SortedMap;

/// The contexts of a build.
pub struct Contexts {
    by_name: SortedMap<String>,
    /// Whether stages are looked up at all.
    pub enabled: bool,
}

/// What a context holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An image of a registry.
    Image(ImageReference),
    /// A directory, a git repository, an image layout on disk, or nothing.
    Other,
}

impl Contexts {
    /// The contexts as the build names them.
    pub fn new(by_name: &SortedMap<String>, enabled: bool) -> Self {
        Contexts { by_name: by_name.clone(), enabled }
    }

    /// The context that replaces a stage; an error where the stage's name can't be looked up.
    #[allow(clippy::result_unit_err, reason = "there is one reason, and the caller names the stage")]
    pub fn of_stage(&self, name: &str, platform: &Platform) -> Result<Option<&str>, ()> {
        if !self.enabled || is_reserved(name) {
            return Ok(None);
        }
        let reference = ImageReference::parse(name).map_err(|_| ())?;
        Ok(self.find(&reference, platform))
    }

    /// The context that replaces an image.
    pub fn of_image(&self, reference: &ImageReference, platform: &Platform) -> Option<&str> {
        self.find(reference, platform)
    }

    fn find(&self, reference: &ImageReference, platform: &Platform) -> Option<&str> {
        if self.by_name.is_empty() {
            return None;
        }
        let name = reference.familiar();
        let name = name.strip_suffix(":latest").unwrap_or(&name);
        let value = self.by_name.get(&format!("{name}::{}", platform.normalized()));
        value.or_else(|| self.by_name.get(name)).map(String::as_str)
    }
}

fn is_reserved(name: &str) -> bool {
    name.eq_ignore_ascii_case(SCRATCH) || name.eq_ignore_ascii_case("context")
}

/// What a context's value means.
pub fn content(value: &str) -> Result<Content, ReferenceError> {
    let Some(rest) = value.strip_prefix("docker-image:") else { return Ok(Content::Other) };
    let text = rest.strip_prefix("//").unwrap_or(rest);
    if text == SCRATCH {
        return Ok(Content::Other);
    }
    ImageReference::parse(text).map(Content::Image)
}

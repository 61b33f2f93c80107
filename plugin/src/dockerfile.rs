//! Which images a Dockerfile needs: BuildKit's answer.
//!
//! ```text
//! text -> logical lines -> instructions -> build stages -> images
//! ```
//!
//! The rules were read in moby/buildkit `73ed6825` (frontend dockerfile/1.26); each module names
//! the file that its part comes from. Nothing here guesses: what BuildKit would refuse is an error
//! at its place, and what it would refuse only because nobody gave a build argument its value is
//! [`Unresolved`].

pub mod arguments;
pub mod contexts;
pub mod error;
pub mod expand;
pub mod flags;
pub mod graph;
pub mod instruction;
pub mod lines;
pub mod mount;
pub mod pattern;
pub mod platform;
pub mod stage_error;
pub mod stages;
pub mod suggest;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::reference::ImageReference;

/// What a build says beside its Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--target`: a stage by its name.
    pub target: Option<String>,
    /// `--platform`: what is built for.
    pub platforms: Vec<String>,
    /// What is built on.
    pub build_platform: String,
    /// `--build-context`: name to `docker-image://…` or anything else, which is no image.
    pub contexts: BTreeMap<String, String>,
    /// The ONBUILD triggers in the configuration of images, as far as they are known.
    pub onbuild: BTreeMap<String, Vec<String>>,
    /// Whether every stage is looked up as a named context, as each build through a client does; a
    /// stage then can't be named `b-`.
    pub named_contexts: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            build_args: BTreeMap::new(),
            target: None,
            platforms: vec!["linux/amd64".to_owned()],
            build_platform: "linux/amd64".to_owned(),
            contexts: BTreeMap::new(),
            onbuild: BTreeMap::new(),
            named_contexts: true,
        }
    }
}

impl Options {
    fn onbuild_of(&self, reference: &ImageReference) -> &[String] {
        self.onbuild.get(&reference.normalized()).map_or(&[], Vec::as_slice)
    }
}

/// What an image is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The result is built on it.
    Final,
    /// Another build stage is built on it.
    Stage,
    /// `COPY --from`.
    CopyFrom,
    /// `RUN --mount=from=`.
    MountFrom,
    /// An ONBUILD trigger names it.
    Onbuild,
    /// A named build context is it.
    Context,
    /// `# syntax=`.
    Frontend,
}

impl Role {
    /// The name in files and answers.
    pub fn name(self) -> &'static str {
        match self {
            Role::Final => "final",
            Role::Stage => "stage",
            Role::CopyFrom => "copy-from",
            Role::MountFrom => "mount-from",
            Role::Onbuild => "onbuild",
            Role::Context => "context",
            Role::Frontend => "frontend",
        }
    }
}

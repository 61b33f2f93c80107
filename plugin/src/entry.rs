//! The merge of images.yaml and state: each image once, as one of three kinds.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::images::{Enrolments, Watch};
use crate::sorted::{SortedMap, SortedSet};
use crate::state::State;
use crate::yaml::Source;

/// One image of the factory.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Built by CI from its Dockerfile, so never watched.
    Managed,
    /// Enrolled without a source: someone else builds it, we watch it.
    External(Option<Monitored>),
    /// Found in a Dockerfile; watched for the images built on it, unless a managed image publishes it.
    Base(Option<Monitored>),
}

/// What Kargo should watch.
#[derive(Clone, Debug)]
pub struct Monitored {
    /// The repository with its registry.
    pub repo_url: String,
    /// Which of its tags.
    pub watch: Watch,
    /// What it is to people: `node:22`, or the repository.
    pub title: String,
    /// The images built on it.
    pub dependents: Vec<String>,
}

impl Entry {
    /// What Kargo should watch. `None` is the whole meaning of "managed".
    pub fn monitored(&self) -> Option<&Monitored> {
        match self {
            Entry::Managed => None,
            Entry::External(monitored) | Entry::Base(monitored) => monitored.as_ref(),
        }
    }
}

/// Merges by name, images.yaml first, and checks that state is whole.
pub fn merge(enrolments: &Enrolments, state: &State<'_>, found: &mut Diagnostics) -> SortedMap<Entry> {
    check_whole(enrolments, state, found);
    let published = published(enrolments);
    let mut entries = SortedMap::new();
    for (name, base) in &state.base_images {
        let repo_url = base.repo_url.as_ref().filter(|url| !published.contains(url.value.as_str()));
        let monitored = repo_url.filter(|_| base.watch.is_given()).map(|url| Monitored {
            repo_url: url.value.clone(),
            watch: base.watch.clone(),
            title: base.full_image.clone().unwrap_or_else(|| url.value.clone()),
            dependents: base.dependent_images.iter().map(|name| name.value.clone()).collect(),
        });
        entries.insert(name.clone(), Entry::Base(monitored));
    }
    for (name, enrolment) in enrolments {
        let entry = if enrolment.build.is_some() {
            Entry::Managed
        } else {
            let mut watch = enrolment.watch.clone();
            if let Some(image) = state.images.get(name) {
                // What images.yaml says about tags replaces what state says about them as a whole:
                // a new `constraint` beside an old `allowTags` would be neither.
                if !watch.is_given() {
                    watch.allow_tags = image.watch.allow_tags.clone();
                    watch.constraint = image.watch.constraint.clone();
                }
                if watch.strategy.is_none() {
                    watch.strategy = image.watch.strategy.clone();
                }
            }
            Entry::External(watch.is_given().then(|| Monitored {
                repo_url: enrolment.image.name(),
                watch,
                title: enrolment.image.name(),
                dependents: Vec::new(),
            }))
        };
        entries.insert(name.clone(), entry);
    }
    entries
}

/// The repositories that managed images publish, spelled as `repoURL` is.
pub fn published(enrolments: &Enrolments) -> SortedSet {
    enrolments.values().filter(|image| image.build.is_some()).map(|image| image.image.name()).collect()
}

/// State must hold together: a base image that an image's state names is there, or is managed.
fn check_whole(enrolments: &Enrolments, state: &State<'_>, found: &mut Diagnostics) {
    for (name, image) in &state.images {
        if !enrolments.contains_key(name) {
            found.push(
                Diagnostic::warning(
                    "IF0501",
                    format!("`{name}` is not in images.yaml, so it is not rendered"),
                )
                .in_file(image.source.file)
                .hint("`image-factory analyze --all` moves its state to the archive"),
            );
            continue;
        }
        for base in &image.base_images {
            let is_managed = enrolments.get(&base.value).is_some_and(|image| image.build.is_some());
            if !is_managed && !state.base_images.contains_key(&base.value) {
                let source: Source<'_> = image.source;
                let message = format!(
                    "the base image `{}` has no state, and no managed image has its name",
                    base.value
                );
                found.push(source.error("IF0403", base.place, message).hint(format!(
                    "run `image-factory analyze --image {name}`, or restore state/base-images/{}.yaml",
                    base.value
                )));
            }
        }
    }
}

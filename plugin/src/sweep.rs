//! `sweep`: a look at everything, once per interval, so that whatever was lost is made good.
//!
//! Kargo makes no third Freight for a tag that goes A, B, A, and a Job can fail for good. The
//! heartbeat that a sweep leaves in state is what Kargo's Warehouse of the same name sees a day
//! later: each sweep arms the next.

use crate::abi::{Answer, Arguments, Needs, Request};
use crate::analyze::live;
use crate::diagnostic::Diagnostics;
use crate::look::{finish, Look, Looker};
use crate::observe;
use crate::reconcile;
use crate::sorted::SortedMap;
use crate::state::records::{change, Changes, Files, Records};
use crate::time::Time;
use crate::tree::Tree;

/// The arguments of `sweep`: none.
#[derive(Clone, Debug, Default)]
pub struct Args {}

impl Args {
    pub(crate) fn read(_: &mut Arguments<'_>) -> Self {
        Args {}
    }
}

/// Brings state into line with images.yaml, looks at every base image and image, and leaves the
/// heartbeat. What is new in images.yaml is looked at, too.
pub fn sweep(request: &Request, _: &Args) -> Answer {
    let (Files { factory, enrolments, state }, now, mut found) =
        match Files::of(request, Diagnostics::default()) {
            Ok(files) => files,
            Err(refusal) => return *refusal,
        };
    let mut records = Records::new(&request.tree, &state, &enrolments, &request.now);
    let (git, mut messages, exit) = reconcile::enrolments(&mut records, request, &factory, &mut found);
    let bases: Vec<String> = records.base_images.keys().cloned().collect();
    let images: Vec<String> = records.images.keys().cloned().collect();

    let mut looker = Looker::new(&request.fetched);
    for name in &bases {
        if let Some(look) = looker.base(&records, &factory, name) {
            messages.push(format!("{name}: {}", look.digest));
            observe::add_look(&mut records, name, &look, now);
        }
    }
    for name in &images {
        let look = match enrolments.get(name) {
            Some(enrolment) if enrolment.build.is_some() => looker.image(&records, &factory, name, None),
            Some(_) => looker.external(&records, name),
            None => None,
        };
        if let Some(look) = look {
            messages.push(format!("{name}: {}", look.digest));
            live::add_look(&mut records, name, &look, now);
        }
    }
    let Looker { needs: registry, found: more, exit: looked, .. } = looker;
    if !(git.is_empty() && registry.is_empty()) {
        return Answer { needs: Some(Needs { git, registry, ..Needs::default() }), ..Answer::default() };
    }
    records.heartbeat = Some(now);
    finish(records, &factory, messages, found, more, exit.max(looked))
}

/// Puts looks at base images and at images, by name, all made at `at`, into state, and the heartbeat.
///
/// # Errors
/// What is wrong with the factory's files.
pub fn apply(
    tree: &Tree,
    bases: &SortedMap<Look>,
    images: &SortedMap<Look>,
    at: Time,
) -> Result<Changes, Diagnostics> {
    change(tree, at, &mut |records, _| {
        add_looks(records, bases, images, at);
        records.heartbeat = Some(at);
    })
}

/// Base images come first: what an image is assumed to hold is what was newest of them when it was
/// made.
pub(crate) fn add_looks(
    records: &mut Records<'_>,
    bases: &SortedMap<Look>,
    images: &SortedMap<Look>,
    at: Time,
) {
    observe::add_looks(records, bases, at);
    for (name, look) in images {
        live::add_look(records, name, look, at);
    }
}

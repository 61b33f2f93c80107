//! `sweep`: a look at everything, once per interval, so that whatever was lost is made good.
//!
//! Kargo makes no third Freight for a tag that goes A, B, A, and a Job can fail for good. The
//! heartbeat that a sweep leaves in state is what Kargo's Warehouse of the same name sees a day
//! later: each sweep arms the next.

use crate::analyze::live;
use crate::diagnostic::Diagnostics;
use crate::look::Look;
use crate::observe;
use crate::sorted::SortedMap;
use crate::state::records::{change, Changes, Records};
use crate::time::Time;
use crate::tree::Tree;

/// Puts looks at base images and at images, by name, all made at `at`, into state, and the heartbeat.
///
/// # Errors
/// What is wrong with the factory's files.
pub fn sweep(
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
    for (name, look) in bases {
        observe::add_look(records, name, look, at);
    }
    for (name, look) in images {
        live::add_look(records, name, look, at);
    }
}

//! state/sweep.yaml: the heartbeat of the sweep, the one thing in state that time alone changes.

use crate::diagnostic::Diagnostics;
use crate::fields::Fields;
use crate::images;
use crate::time::Time;
use crate::tree::Tree;
use crate::yaml::{self, Source};

/// The file's path in the factory's folder.
pub(crate) const PATH: &str = "state/sweep.yaml";

const MAX_BYTES: usize = 1 << 16;

/// When the last sweep was; `None` where there was none yet.
pub(crate) fn read(tree: &Tree, found: &mut Diagnostics) -> Option<Time> {
    if !tree.0.contains_key(PATH) {
        return None;
    }
    let source = Source { file: PATH, text: images::text(tree, PATH, MAX_BYTES, found)? };
    let node = yaml::parse(source).map_err(|diagnostics| found.extend(diagnostics)).ok()??;
    let mut fields = Fields::of(source, &node, "state/sweep.yaml", found)?;
    super::facts::time(&mut fields, "lastSweep", true)
}

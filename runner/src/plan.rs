//! What a verb would do to state, as a table: `--dry-run` of those that go through all of it.

use image_factory::abi::Answer;
use image_factory::tree::Tree;

use crate::bases::columns;
use crate::worktree::{entry, Kind};

/// A line for each image and base image whose state would change, and for the heartbeat; empty where
/// nothing would.
pub(crate) fn table(tree: &Tree, answer: &Answer) -> String {
    let mut rows = vec![["KIND", "NAME", "PLAN", "WHY"].map(str::to_owned)];
    for (path, text) in answer.files.iter() {
        let is_there = |path: &str| tree.0.contains_key(path);
        let (kind, name) = match entry(path) {
            // The other half of an entry that is archived or restored.
            Some((_, _, true)) => continue,
            Some((Kind::Image, name, false)) => ("image", name),
            Some((Kind::BaseImage, name, false)) => ("base image", name),
            None => ("heartbeat", "sweep"),
        };
        let archive = path.replacen("state/", "state/_archive/", 1);
        let plan = match text {
            Some(_) if is_there(path) => "change",
            Some(_) if is_there(&archive) => "restore",
            Some(_) => "create",
            None if answer.files.contains_key(&archive) => "archive",
            None => "remove",
        };
        let why: Vec<&str> = answer
            .messages
            .iter()
            .filter_map(|message| message.strip_prefix(name)?.strip_prefix(": "))
            .collect();
        rows.push([kind, name, plan, &why.join("; ")].map(str::to_owned));
    }
    if rows.len() == 1 {
        String::new()
    } else {
        columns(&rows)
    }
}

//! What a verb would do to state, as a table: `--dry-run` of those that go through all of it.

use image_factory::abi::Answer;
use image_factory::tree::Tree;

use crate::bases::columns;

/// A line for each image and base image whose state would change, and for the heartbeat; empty where
/// nothing would.
pub(crate) fn table(tree: &Tree, answer: &Answer) -> String {
    let mut rows = vec![["KIND", "NAME", "PLAN", "WHY"].map(str::to_owned)];
    for (path, text) in answer.files.iter() {
        let is_there = |path: &str| tree.0.contains_key(path);
        let is_live = !path.contains("/_archive/");
        let (folder, name) = path.trim_end_matches(".yaml").rsplit_once('/').unwrap_or(("", path));
        let kind = match folder.rsplit_once('/') {
            Some((_, "images")) => "image",
            Some((_, "base-images")) => "base image",
            _ => "heartbeat",
        };
        let archive = path.replacen("state/", "state/_archive/", 1);
        let plan = match (is_live, text) {
            (true, Some(_)) if is_there(path) => "change",
            (true, Some(_)) if is_there(&archive) => "restore",
            (true, Some(_)) => "create",
            (true, None) if answer.files.contains_key(&archive) => "archive",
            (true, None) => "remove",
            // The other half of an entry that is archived or restored.
            (false, _) => continue,
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

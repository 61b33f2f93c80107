//! What a dry run shows.

use std::fmt::Write as _;

use image_factory::sorted::SortedMap;
use image_factory::tree::Tree;
use similar::TextDiff;

/// The changes of files as a unified diff that `git apply` takes.
pub fn unified(tree: &Tree, files: &SortedMap<Option<String>>) -> String {
    let mut out = String::new();
    for (path, text) in files {
        let before = tree.text(path).unwrap_or_default();
        let after = text.as_deref().unwrap_or_default();
        let (old, new) = (format!("a/{path}"), format!("b/{path}"));
        let _ = writeln!(out, "diff --git {old} {new}");
        let (old, new) = match (tree.0.contains_key(path), text.is_some()) {
            (false, _) => {
                out.push_str("new file mode 100644\n");
                ("/dev/null".to_owned(), new)
            }
            (true, false) => {
                out.push_str("deleted file mode 100644\n");
                (old, "/dev/null".to_owned())
            }
            (true, true) => (old, new),
        };
        let diff = TextDiff::from_lines(before, after);
        let _ = write!(out, "{}", diff.unified_diff().header(&old, &new));
    }
    out
}

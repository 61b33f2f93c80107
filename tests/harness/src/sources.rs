//! What git would give.

use image_factory::abi::{GitFetched, GitNeed};
use image_factory::sorted::SortedMap;
use image_factory::tree::Tree;

/// Repositories as `<owner>/<repository>/<path>` and `<owner>/<repository>@<branch>/<path>`.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub Tree);

impl Sources {
    /// Answers one need as a host that has git would.
    pub fn fetch(&self, need: &GitNeed) -> GitFetched {
        let repository = repository_of(&need.url);
        let of_branch = format!("{repository}@{}", need.reference);
        let folder =
            [&of_branch, &repository].into_iter().find(|folder| self.0.below(folder).next().is_some());
        let Some(folder) = folder else {
            return GitFetched {
                url: need.url.clone(),
                reference: need.reference.clone(),
                commit: None,
                files: SortedMap::new(),
                // The program's words for a repository that it may not fetch.
                error: Some("no --source-dir holds it, and nothing is fetched".to_owned()),
            };
        };
        let text = |path: &String| self.0.text(&format!("{folder}/{path}")).map(str::to_owned);
        GitFetched {
            url: need.url.clone(),
            reference: need.reference.clone(),
            commit: Some(commit_id(folder)),
            files: need.paths.iter().map(|path| (path.clone(), text(path))).collect(),
            error: None,
        }
    }
}

/// `owner/repository` of any URL that git understands, and of a bare `owner/repository`.
fn repository_of(url: &str) -> String {
    let url = url.trim_end_matches('/').trim_end_matches(".git");
    let mut parts = url.rsplit(['/', ':']);
    let repository = parts.next().unwrap_or_default();
    let owner = parts.next().unwrap_or_default();
    format!("{owner}/{repository}")
}

/// A made-up commit id that is the same in every run: 40 hexadecimal digits from the name.
pub fn commit_id(repository: &str) -> String {
    let mut id = String::new();
    // FNV-1a, which is enough to look different for each name.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    while id.len() < 40 {
        for byte in repository.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        id += &format!("{hash:016x}");
    }
    id.truncate(40);
    id
}

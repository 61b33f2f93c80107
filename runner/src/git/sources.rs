//! Files of other people's repositories, at a branch, tag or commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use image_factory::abi::{GitFetched, GitNeed};
use image_factory::sorted::SortedMap;

use super::address::{check_reference, path_in_repository, shown_url, typed, Address};
use super::error::{GitError, Kind};
use super::objects::{is_missing_reference, Extent, Repository};
use super::{Git, Scratch};

/// The most bytes of one file that are handed on.
///
/// A larger file is cut one byte behind this size, which is more than the module reads of a
/// Dockerfile: so the module refuses the file, at its place, and nothing of it is taken for true.
/// A file too large for memory is not read at all, and as many line ends stand for it.
pub const MAX_FILE: usize = 1 << 20;

/// The most paths of one repository in one call, and the most bytes of their files.
const MAX_PATHS: usize = 100_000;
const MAX_TOTAL: u64 = 256 << 20;

/// How many repositories are fetched at the same time.
const AT_ONCE: usize = 4;

/// The repositories that one run has fetched.
///
/// A reference is looked up once, so all files of a run are of one commit, however often it asks.
pub struct Sources {
    git: Git,
    known: BTreeMap<Key, Result<Source, GitError>>,
    made: usize,
    // Last, so that it outlives the repositories in it.
    scratch: Scratch,
}

/// URL and reference, as asked.
type Key = (String, String);

/// What to do for one key.
struct Work {
    key: Key,
    paths: BTreeSet<String>,
    known: Option<Result<Source, GitError>>,
    /// A folder's name in the scratch folder.
    name: String,
}

/// One repository with the commit that its reference meant.
struct Source {
    repository: Repository,
    commit: String,
    /// Whether blobs come when they are asked for.
    filtered: bool,
}

impl Sources {
    /// None yet, and an empty folder for them, which goes with this value.
    ///
    /// # Errors
    /// The temporary folder can't be made.
    pub fn new(git: Git) -> Result<Self, GitError> {
        let scratch = Scratch::new(&git.temporary)?;
        Ok(Sources { git, known: BTreeMap::new(), made: 0, scratch })
    }

    /// How many repositories and references of these were not asked for before.
    pub fn unknown(&self, needs: &[GitNeed]) -> usize {
        let keys: BTreeSet<Key> =
            needs.iter().map(|need| (need.url.clone(), need.reference.clone())).collect();
        keys.iter().filter(|key| !self.known.contains_key(*key)).count()
    }

    /// Fetches what is needed; one answer for each URL and reference, sorted by them.
    ///
    /// Needs with the same URL and reference are one fetch and one answer with the files of all.
    /// A failure is the answer's `error`, with a hint in it; it concerns that answer alone.
    /// `told` hears of each repository that was not known before, from several threads.
    pub fn fetch(&mut self, needs: &[GitNeed], told: &(dyn Fn(&GitFetched) + Sync)) -> Vec<GitFetched> {
        let mut wanted: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
        for need in needs {
            let paths = wanted.entry((need.url.clone(), need.reference.clone())).or_default();
            paths.extend(need.paths.iter().cloned());
        }
        let mut work = Vec::with_capacity(wanted.len());
        for (key, paths) in wanted {
            let known = self.known.remove(&key);
            self.made += 1;
            work.push(Work { key, paths, known, name: format!("source-{}", self.made) });
        }
        let workers = work.len().min(AT_ONCE);
        let (git, scratch) = (&self.git, &self.scratch);
        let queue = Mutex::new(work);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| loop {
                    let Some(work) = queue.lock().ok().and_then(|mut queue| queue.pop()) else { return };
                    let is_new = work.known.is_none();
                    let answer = do_work(git, scratch, work);
                    if is_new {
                        told(&answer.2);
                    }
                    if let Ok(mut done) = done.lock() {
                        done.push(answer);
                    }
                });
            }
        });
        let mut answers = Vec::new();
        for (key, source, answer) in done.into_inner().unwrap_or_default() {
            self.known.insert(key, source);
            answers.push(answer);
        }
        answers.sort_by(|a, b| (&a.url, &a.reference).cmp(&(&b.url, &b.reference)));
        answers
    }
}

fn do_work(git: &Git, cache: &Scratch, work: Work) -> (Key, Result<Source, GitError>, GitFetched) {
    let Work { key, paths, known, name } = work;
    let mut answer = GitFetched {
        url: key.0.clone(),
        reference: key.1.clone(),
        commit: None,
        files: SortedMap::new(),
        error: None,
    };
    let mut source = known.unwrap_or_else(|| Source::open(git, cache, &key, &name, Extent::Tip));
    let mut files = read(&mut source, &paths);
    // A server may know filters and yet not send single files: then all files of the commit.
    let is_filtered = source.as_ref().is_ok_and(|source| source.filtered);
    let may_help = |error: &GitError| matches!(error.kind, Kind::NotFound | Kind::Other);
    if is_filtered && files.as_ref().is_err_and(may_help) {
        source = Source::open(git, cache, &key, &format!("{name}-whole"), Extent::TipWithFiles);
        files = read(&mut source, &paths);
    }
    let files = files.map_err(|error| match (error.kind, &error.hint) {
        (Kind::TooLarge, None) => {
            let name = typed(&shown_url(&key.0));
            error.hint(format!("clone it yourself, and name the clone: `--source-dir {name}=FOLDER`"))
        }
        _ => error,
    });
    match files {
        Ok((commit, files)) => {
            answer.commit = Some(commit);
            answer.files = files;
        }
        Err(error) => answer.error = Some(error.to_string()),
    }
    (key, source, answer)
}

type Files = (String, SortedMap<Option<String>>);

fn read(source: &mut Result<Source, GitError>, paths: &BTreeSet<String>) -> Result<Files, GitError> {
    let source = source.as_mut().map_err(|error| error.clone())?;
    let files = source.read(paths)?;
    Ok((source.commit.clone(), files))
}

impl Source {
    fn open(git: &Git, cache: &Scratch, key: &Key, name: &str, extent: Extent) -> Result<Self, GitError> {
        let (url, reference) = key;
        let address = Address::parse(url)?;
        let is_commit = is_commit(reference);
        if !reference.is_empty() {
            check_reference(reference)?;
        }
        let mut repository = Repository::create(git, cache, name, address.clone())?;
        let shown = address.shown.clone();
        let into = "refs/image-factory/source";
        let candidates = match reference.as_str() {
            "" => vec!["HEAD".to_owned()],
            commit if is_commit => vec![commit.to_owned()],
            full if full.starts_with("refs/") => vec![full.to_owned()],
            // A branch wins over a tag of its name, since `branch` is what images.yaml calls it.
            name => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
        };
        let doing = match reference.as_str() {
            "" => format!("cannot fetch `{shown}`"),
            reference => format!("cannot fetch `{reference}` of `{shown}`"),
        };
        let mut words = String::new();
        let mut fetched = false;
        for candidate in &candidates {
            match repository.fetch(candidate, into, extent)? {
                Ok(()) => {
                    fetched = true;
                    break;
                }
                Err(stderr) => {
                    let is_missing = is_missing_reference(&stderr);
                    words = stderr;
                    if !is_missing {
                        break;
                    }
                }
            }
        }
        if !fetched && is_missing_reference(&words) {
            let message = match reference.as_str() {
                "" => format!("`{shown}` has no default branch; is it empty?"),
                reference => format!("`{shown}` has no branch or tag `{reference}`"),
            };
            let hint = format!(
                "see what it has: `git ls-remote {}`; a commit needs all of its digits",
                typed(&shown)
            );
            return Err(GitError::new(Kind::NotFound, message).hint(hint));
        }
        if fetched {
            let commit = repository.commit(into)?.ok_or_else(|| {
                GitError::new(Kind::NotFound, format!("{doing}: it is not a commit"))
                    .hint("name a branch, a tag or a commit")
            })?;
            return Ok(Source { repository, commit, filtered: extent.is_filtered() });
        }
        if is_commit && refuses_commits(&words) {
            let extent = if extent.is_filtered() { Extent::History } else { Extent::HistoryWithFiles };
            return Source::look_for(git, cache, &format!("{name}-history"), address, reference, extent);
        }
        Err(repository.failure(&doing, &words))
    }

    /// Fetches all branches and tags, and looks for the commit among them.
    fn look_for(
        git: &Git,
        cache: &Scratch,
        name: &str,
        address: Address,
        commit: &str,
        extent: Extent,
    ) -> Result<Self, GitError> {
        let shown = address.shown.clone();
        let mut repository = Repository::create(git, cache, name, address)?;
        for kind in ["heads", "tags"] {
            let (from, into) = (format!("refs/{kind}/*"), format!("refs/image-factory/{kind}/*"));
            if let Err(stderr) = repository.fetch(&from, &into, extent)? {
                return Err(repository.failure(&format!("cannot fetch `{shown}`"), &stderr));
            }
        }
        match repository.commit(commit)? {
            Some(commit) => Ok(Source { repository, commit, filtered: extent.is_filtered() }),
            None => Err(GitError::new(
                Kind::NotFound,
                format!("`{shown}` sends no single commits, and no branch or tag holds `{commit}`"),
            )
            .hint("name a branch that holds the commit, or push one")),
        }
    }

    fn read(&mut self, paths: &BTreeSet<String>) -> Result<SortedMap<Option<String>>, GitError> {
        if paths.len() > MAX_PATHS {
            let what =
                format!("more than {MAX_PATHS} files of `{}` are asked for", self.repository.address.shown);
            return Err(GitError::new(Kind::TooLarge, what));
        }
        let mut files: SortedMap<Option<String>> = paths.iter().map(|path| (path.clone(), None)).collect();
        let (asked, inside): (Vec<&String>, Vec<String>) =
            paths.iter().filter_map(|path| Some((path, path_in_repository(path)?))).unzip();
        let found = self.repository.follow(&self.commit, &inside)?;
        let objects: BTreeSet<String> = found.iter().flatten().cloned().collect();
        if objects.is_empty() {
            return Ok(files);
        }
        self.repository.fetch_blobs(objects.iter().cloned())?;
        let sizes = self.repository.sizes(&objects)?;
        let mut batch = Batch::default();
        for (path, object) in asked.iter().zip(&found) {
            let Some(object) = object else { continue };
            let size = sizes.get(object).copied().unwrap_or(0);
            if size > Batch::MOST {
                files.insert((*path).clone(), Some("\n".repeat(MAX_FILE + 1)));
            } else {
                batch.add(path, object, size);
            }
        }
        let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
        let total: u64 = batch.parts.iter().map(|part| part.cut_size(&sizes, most)).sum();
        if total > MAX_TOTAL {
            let what = format!(
                "the files of `{}` have more than {} MiB",
                self.repository.address.shown,
                MAX_TOTAL >> 20
            );
            return Err(GitError::new(Kind::TooLarge, what));
        }
        for Part { objects, paths, .. } in batch.parts {
            let contents = self.repository.contents(&objects)?;
            for (path, object) in paths {
                let bytes = contents.get(&object).map_or(&[][..], Vec::as_slice);
                let bytes = &bytes[..bytes.len().min(MAX_FILE + 1)];
                files.insert(path, Some(String::from_utf8_lossy(bytes).into_owned()));
            }
        }
        Ok(files)
    }
}

/// Blobs in parts that fit into memory together.
#[derive(Default)]
struct Batch {
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    objects: BTreeSet<String>,
    /// Path as asked, and its blob.
    paths: Vec<(String, String)>,
    size: u64,
}

impl Part {
    /// The bytes that its files have once they are cut.
    fn cut_size(&self, sizes: &BTreeMap<String, u64>, most: u64) -> u64 {
        self.paths.iter().filter_map(|(_, object)| sizes.get(object)).map(|size| (*size).min(most)).sum()
    }
}

impl Batch {
    /// The bytes of one part.
    const MOST: u64 = 64 << 20;

    fn add(&mut self, path: &str, object: &str, size: u64) {
        if self.parts.last().is_none_or(|part| part.size.saturating_add(size) > Batch::MOST) {
            self.parts.push(Part::default());
        }
        if let Some(part) = self.parts.last_mut() {
            part.size += size;
            part.objects.insert(object.to_owned());
            part.paths.push((path.to_owned(), object.to_owned()));
        }
    }
}

/// All digits of a commit, SHA-1 or SHA-256.
fn is_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64)
        && reference.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a server refuses to send a commit that is no branch's tip.
///
/// Git's client says the first (git 2.39, fetch-pack.c), JGit's server the second. Git's server says
/// `not our ref` of a commit that it does not have, and then looking for it is of no use.
fn refuses_commits(stderr: &str) -> bool {
    stderr.contains("unadvertised object") || (stderr.contains("want ") && stderr.contains("not valid"))
}

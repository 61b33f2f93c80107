//! Brings what the module asks for: files out of folders that are already there, or with git;
//! documents from registries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use image_factory::abi::{CiFetched, CiNeed, GitFetched, GitNeed, Reason, RegistryFetched, RegistryNeed};
use image_factory::factory;
use image_factory::sorted::SortedMap;
use image_factory::tree::Tree;

use crate::ci::{self, Ci, Tokens};
use crate::git::{self, Git};
use crate::host::Fetch;
use crate::outcome::Failure;
use crate::progress::Progress;
use crate::registry::{self, Pace, Registries, Settings};

/// The largest source file that is read, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// The flag of verbs that look at Dockerfiles.
#[derive(clap::Args)]
pub(crate) struct Checkouts {
    /// A checkout that is already there, to look at instead of fetching; its repository may be left out where it is the only one
    #[arg(long, value_name = "[REPOSITORY=]PATH")]
    pub source_dir: Vec<String>,
}

/// Where sources come from.
#[derive(Default)]
pub struct Sources {
    /// Checkouts by repository; with no repository, of the only one that is asked for.
    folders: Vec<(Option<String>, PathBuf)>,
    /// The repositories that only the checkout without a name could be of.
    unnamed: BTreeSet<String>,
    /// Whether neither git nor a registry may be asked.
    offline: bool,
    /// Registries that speak HTTP, besides those of factory.yaml.
    plain: Vec<String>,
    /// Registries, once something was asked of one; they keep what was fetched until the end.
    registries: Option<Registries>,
    /// git, once something must be fetched; it keeps what it fetched until the end.
    git: Option<git::Sources>,
}

impl Sources {
    /// From `--source-dir [REPOSITORY=]FOLDER` and `--offline`.
    ///
    /// # Errors
    /// A folder that is not there.
    pub fn new(flags: &[String], offline: bool) -> Result<Self, Failure> {
        let mut folders = Vec::new();
        for flag in flags {
            let (repository, folder) = match flag.split_once('=') {
                Some((repository, folder)) => (Some(repository.to_owned()), folder),
                None => (None, flag.as_str()),
            };
            let folder = PathBuf::from(folder);
            if !folder.is_dir() {
                let message = format!("`--source-dir {flag}`: there is no folder `{}`", folder.display());
                return Err(Failure::usage(
                    "IF1026",
                    message,
                    "name a checkout: `--source-dir acme/web=../web`",
                ));
            }
            folders.push((repository, folder));
        }
        Ok(Sources { folders, offline, ..Sources::default() })
    }

    /// With registries that speak HTTP, besides those of factory.yaml.
    #[must_use]
    pub fn with_plain(self, plain: &[String]) -> Self {
        Sources { plain: plain.to_vec(), ..self }
    }

    /// Whether no folder and no git can give anything.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    fn with_git(&mut self, needs: &[GitNeed]) -> Result<Vec<GitFetched>, git::GitError> {
        let sources = match &mut self.git {
            Some(sources) => sources,
            none => none.insert(git::Sources::new(Git::from_environment()?)?),
        };
        let progress = match sources.unknown(needs) {
            0 => None,
            new => Some(Progress::new("fetching", new)),
        };
        Ok(sources.fetch(needs, &|answer| progress.iter().for_each(|progress| progress.step(&step(answer)))))
    }

    /// The checkout of a repository, by its name, else the one without a name.
    fn folder(&self, url: &str) -> Option<&(Option<String>, PathBuf)> {
        let is_named =
            |(name, _): &&(Option<String>, PathBuf)| name.as_deref().is_some_and(|name| is_of(name, url));
        let any = || self.folders.iter().find(|(name, _)| name.is_none());
        self.folders.iter().find(is_named).or_else(any)
    }
}

/// Whether a repository's URL is the one that `--source-dir NAME=…` names, by its end or as a whole.
fn is_of(name: &str, url: &str) -> bool {
    let url = url.trim_end_matches('/').trim_end_matches(".git");
    let name = name.trim_end_matches('/').trim_end_matches(".git");
    url == name || url.strip_suffix(name).is_some_and(|rest| rest.ends_with(['/', ':']))
}

impl Fetch for Sources {
    fn git(&mut self, needs: &[GitNeed]) -> Vec<GitFetched> {
        let mut fetched: BTreeMap<usize, GitFetched> = BTreeMap::new();
        let mut remote = Vec::new();
        let unnamed = needs.iter().filter(|need| matches!(self.folder(&need.url), Some((None, _))));
        let unnamed: Vec<String> = unnamed.map(|need| need.url.clone()).collect();
        self.unnamed.extend(unnamed);
        for (at, need) in needs.iter().enumerate() {
            match self.folder(&need.url) {
                Some((None, folder)) if self.unnamed.len() > 1 => {
                    let (name, folder) = (git::shown_url(&need.url), folder.display());
                    let error = format!(
                        "several repositories are needed, and `--source-dir {folder}` does not say of which it is \
                         (write `--source-dir {name}={folder}`)"
                    );
                    fetched.insert(at, failed(need, error));
                }
                Some((_, folder)) => drop(fetched.insert(at, from_folder(folder, need))),
                None if self.offline => {
                    let error = "no --source-dir holds it, and nothing is fetched".to_owned();
                    fetched.insert(at, failed(need, error));
                }
                None => remote.push((at, need.clone())),
            }
        }
        let (places, needs): (Vec<usize>, Vec<GitNeed>) = remote.into_iter().unzip();
        if !needs.is_empty() {
            let results = self.with_git(&needs).unwrap_or_else(|error| {
                needs.iter().map(|need| failed(need, error.message.clone())).collect()
            });
            fetched.extend(places.into_iter().zip(results));
        }
        fetched.into_values().collect()
    }

    fn registry(&mut self, tree: &Tree, needs: &[RegistryNeed]) -> Vec<RegistryFetched> {
        if needs.is_empty() {
            return Vec::new();
        }
        if self.offline {
            return needs.iter().map(|need| not_asked(need, "--offline forbids to ask a registry")).collect();
        }
        let registries = self.registries.get_or_insert_with(|| {
            // What is wrong in factory.yaml is the module's to say.
            let mut settings = Settings::of(&factory::read(tree, &mut Default::default()));
            settings.plain.extend(self.plain.iter().cloned());
            Registries::new(settings)
        });
        registries.fetch(needs)
    }

    fn ci(&mut self, tree: &Tree, needs: &[CiNeed]) -> Vec<CiFetched> {
        if needs.is_empty() {
            return Vec::new();
        }
        if self.offline {
            let why = "--offline forbids to ask it";
            return needs.iter().map(|need| ci::refused(need, Reason::Unreachable, why.to_owned())).collect();
        }
        let factory = factory::read(tree, &mut Default::default());
        Ci::new(&factory, Tokens::from_environment(), Pace::default()).fetch(needs)
    }
}

fn not_asked(need: &RegistryNeed, why: &str) -> RegistryFetched {
    registry::refused(&need.image, need.kind, Reason::Unreachable, why.to_owned())
}

/// `fetched main of https://github.com/acme/web.git`, without a credential.
fn step(answer: &GitFetched) -> String {
    let did = if answer.error.is_some() { "could not fetch" } else { "fetched" };
    let of = if answer.reference.is_empty() { "" } else { " of " };
    format!("{did} {}{of}{}", answer.reference, git::shown_url(&answer.url))
}

fn failed(need: &GitNeed, error: String) -> GitFetched {
    GitFetched {
        url: need.url.clone(),
        reference: need.reference.clone(),
        commit: None,
        files: SortedMap::new(),
        error: Some(error),
    }
}

fn from_folder(folder: &Path, need: &GitNeed) -> GitFetched {
    let mut files = SortedMap::new();
    for path in &need.paths {
        match read(folder, path) {
            Ok(text) => drop(files.insert(path.clone(), text)),
            Err(error) => return failed(need, format!("{path}: {error}")),
        }
    }
    GitFetched { url: need.url.clone(), reference: need.reference.clone(), commit: None, files, error: None }
}

/// The text of a file of a checkout, which no symbolic link may lead out of.
fn read(folder: &Path, path: &str) -> std::io::Result<Option<String>> {
    use std::io::{Error, ErrorKind};
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(Error::other("the path leads out of the checkout"));
    }
    let full = match folder.join(path).canonicalize() {
        Ok(full) => full,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None)
        }
        Err(error) => return Err(error),
    };
    if !full.starts_with(folder.canonicalize()?) {
        return Err(Error::other("a symbolic link leads out of the checkout"));
    }
    let metadata = fs::metadata(&full)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() > MAX_FILE {
        return Err(Error::other(format!("the file has more than {MAX_FILE} bytes")));
    }
    // A Dockerfile in another encoding has it in comments; what is not UTF-8 elsewhere is no reference.
    Ok(Some(String::from_utf8_lossy(&fs::read(full)?).into_owned()))
}

/// For verbs that ask for nothing.
pub struct Nothing;

impl Fetch for Nothing {
    fn git(&mut self, needs: &[GitNeed]) -> Vec<GitFetched> {
        needs.iter().map(|need| failed(need, "this verb fetches nothing".to_owned())).collect()
    }
    fn registry(&mut self, _: &Tree, needs: &[RegistryNeed]) -> Vec<RegistryFetched> {
        needs.iter().map(|need| not_asked(need, "this verb fetches nothing")).collect()
    }
    fn ci(&mut self, _: &Tree, needs: &[CiNeed]) -> Vec<CiFetched> {
        let why = "this verb fetches nothing";
        needs.iter().map(|need| ci::refused(need, Reason::Unreachable, why.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_without_a_name_is_of_one_repository() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").expect("a file can be written");
        let path = folder.path().display().to_string();
        let need = |name: &str| GitNeed {
            url: format!("https://github.com/acme/{name}.git"),
            reference: "main".to_owned(),
            paths: vec!["Dockerfile".to_owned()],
        };
        let fetch = |flags: &[String], needs: &[GitNeed]| -> Vec<bool> {
            let mut sources = Sources::new(flags, true).expect("the folder is there");
            sources.git(needs).iter().map(|fetched| fetched.error.is_none()).collect()
        };
        let unnamed = [path.clone()];
        assert_eq!(fetch(&unnamed, &[need("web")]), [true]);
        assert_eq!(fetch(&unnamed, &[need("web"), need("api")]), [false, false]);
        let one_named = [format!("acme/api={path}"), path];
        assert_eq!(fetch(&one_named, &[need("web"), need("api")]), [true, true]);

        let mut later = Sources::new(&unnamed, true).expect("the folder is there");
        assert!(later.git(&[need("web")])[0].error.is_none());
        let error = later.git(&[need("api")])[0].error.clone().unwrap_or_default();
        assert!(error.contains("--source-dir https://github.com/acme/api.git="), "{error}");
    }
}

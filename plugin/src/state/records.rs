//! State as it changes: images, the base images they name, the archive.

use crate::abi::{Answer, Request};
use crate::analyze::{no_time, refuse};
use crate::decide;
use crate::diagnostic::Diagnostics;
use crate::entry;
use crate::factory::{self, Factory};
use crate::images::{self, Empty, Enrolments};
use crate::sorted::{SortedMap, SortedSet};
use crate::time::Time;
use crate::tree::Tree;
use crate::yaml::{self, emit, Map, Source, Value};

use super::{sweep, State, ARCHIVE, BASE_IMAGES, IMAGES};

/// The order of keys in state/images; keys that we don't know follow.
pub(crate) const IMAGE_KEYS: &[&str] = &[
    "name",
    "enrolledAt",
    "lastDiscovery",
    "discoveryStatus",
    "discoveryError",
    "enrollment",
    "repoURL",
    "allowTags",
    "constraint",
    "imageSelectionStrategy",
    "baseImages",
    "bases",
    "currentVersion",
    "currentDigest",
    "lastBuilt",
    "currentSeen",
    "rebuildState",
];

/// The order of keys in state/base-images.
const BASE_KEYS: &[&str] = &[
    "name",
    "fullImage",
    "registry",
    "repository",
    "tag",
    "repoURL",
    "allowTags",
    "constraint",
    "imageSelectionStrategy",
    "firstDiscovered",
    "lastChecked",
    "dependentImages",
    "currentDigest",
    "previousDigest",
    "lastUpdated",
    "updateHistory",
];

/// What says which tags to watch, in state and in an enrolment.
pub(crate) const WATCH_KEYS: [&str; 3] = ["allowTags", "constraint", "imageSelectionStrategy"];

/// Changed files by path; `None` deletes one.
pub type Changes = SortedMap<Option<String>>;

/// What the files of a factory say: with this every verb that works on state begins.
pub(crate) struct Files<'t> {
    pub factory: Factory,
    pub enrolments: Enrolments,
    pub state: State<'t>,
}

impl<'t> Files<'t> {
    /// Reads them, and gives the warnings beside them; `found` is what was found before.
    ///
    /// # Errors
    /// All that was found, sorted, where any of it is an error.
    fn read(tree: &'t Tree, mut found: Diagnostics) -> Result<(Self, Diagnostics), Diagnostics> {
        let factory = factory::read(tree, &mut found);
        let enrolments = images::read(tree, Empty::Listed, &mut found);
        let state = super::read(tree, &mut found);
        if found.has_errors() {
            found.sort();
            return Err(found);
        }
        Ok((Files { factory, enrolments, state }, found))
    }

    /// The same for a request, whose time must be one, too.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub fn of(request: &'t Request, found: Diagnostics) -> Result<(Self, Time, Diagnostics), Box<Answer>> {
        let Some(now) = Time::parse(&request.now) else { return Err(Box::new(no_time(request))) };
        match Files::read(&request.tree, found) {
            Ok((files, found)) => Ok((files, now, found)),
            Err(found) => Err(Box::new(refuse(found, 1))),
        }
    }
}

/// Reads a factory, lets `change` work on its state, and derives what follows from it.
///
/// # Errors
/// What is wrong with the factory's files; nothing is changed then.
pub(crate) fn change(
    tree: &Tree,
    now: Time,
    change: &mut dyn FnMut(&mut Records<'_>, &Factory),
) -> Result<Changes, Diagnostics> {
    let (Files { factory, enrolments, state }, _) = Files::read(tree, Diagnostics::default())?;
    let now = now.to_string();
    let mut records = Records::new(tree, &state, &enrolments, &now);
    change(&mut records, &factory);
    decide::derive(&mut records, &factory);
    Ok(records.changes())
}

/// State as it changes.
pub(crate) struct Records<'a> {
    pub tree: &'a Tree,
    pub enrolments: &'a Enrolments,
    pub now: &'a str,
    /// As it was read.
    before: &'a State<'a>,
    pub images: Documents,
    pub base_images: Documents,
    /// The names of base images whose dependents may have changed.
    pub touched: SortedSet,
    /// When everything was looked at, if that is now.
    pub heartbeat: Option<Time>,
    /// The names of images that were looked at.
    pub looked_at: SortedSet,
    /// Archive files to write (`Some`) or to delete.
    archive: SortedMap<Option<String>>,
}

/// Documents by path or name.
type Documents = SortedMap<Map>;

impl<'a> Records<'a> {
    pub fn new(tree: &'a Tree, state: &'a State<'a>, enrolments: &'a Enrolments, now: &'a str) -> Self {
        let map = |node: &yaml::Node<'_>| match node.to_value() {
            Value::Map(map) => map,
            _ => Map::default(),
        };
        let images: Documents =
            state.images.iter().map(|(name, image)| (name.clone(), map(&image.node))).collect();
        let base_images: Documents =
            state.base_images.iter().map(|(name, base)| (name.clone(), map(&base.node))).collect();
        Records {
            tree,
            enrolments,
            now,
            before: state,
            images,
            base_images,
            touched: SortedSet::new(),
            heartbeat: None,
            looked_at: SortedSet::new(),
            archive: SortedMap::new(),
        }
    }

    /// The base images in state of one repository, given with its registry.
    pub fn of_repository(&self, repository: &str) -> Vec<String> {
        let is_of = |base: &Map| full_repository(base).as_deref() == Some(repository);
        self.base_images.iter().filter(|(_, base)| is_of(base)).map(|(name, _)| name.clone()).collect()
    }

    /// Moves the state of images that are no longer enrolled to the archive; gives a line for each.
    pub fn archive_removed(&mut self) -> Vec<String> {
        let removed: Vec<String> =
            self.images.keys().filter(|name| !self.enrolments.contains_key(name)).cloned().collect();
        let mut lines = Vec::new();
        for name in removed {
            let image = self.images.remove(&name).unwrap_or_default();
            self.touched.extend(names(image.get("baseImages")));
            self.put_aside(IMAGES, &name, image);
            lines.push(format!("{name}: no longer enrolled, archived"));
        }
        lines
    }

    /// Brings base images into line with the images that name them and with who publishes them.
    pub fn relate(&mut self, all: bool) {
        let mut dependents: SortedMap<SortedSet> = SortedMap::new();
        for (image, document) in &self.images {
            if !self.enrolments.contains_key(image) {
                continue;
            }
            for base in names(document.get("baseImages")) {
                dependents.get_or_insert_with(base, SortedSet::new).insert(image);
            }
        }
        let published = entry::published(self.enrolments);
        let affected: Vec<String> = if all {
            self.base_images.keys().cloned().collect()
        } else {
            self.touched.iter().cloned().collect()
        };
        for name in affected {
            let Some(mut base) = self.base_images.remove(&name) else { continue };
            let dependents = dependents.remove(&name).unwrap_or_default();
            let is_orphan = dependents.is_empty();
            base.set("dependentImages", Value::strings(dependents));
            if is_orphan {
                self.put_aside(BASE_IMAGES, &name, base);
                continue;
            }
            let is_managed = self.enrolments.get(&name).is_some_and(|image| image.build.is_some())
                || full_repository(&base).is_some_and(|repository| published.contains(&repository));
            if is_managed {
                base.remove("repoURL");
                for key in WATCH_KEYS {
                    base.remove(key);
                }
            } else {
                watch(&mut base);
            }
            self.base_images.insert(name, base);
        }
    }

    /// The files that differ from what was read.
    pub fn changes(mut self) -> Changes {
        let gone = self.gone();
        let mut files = std::mem::take(&mut self.archive);
        let State { images, base_images } = self.before;
        for (name, mut image) in self.images {
            let before = images.get(&name).map(|image| &image.node);
            if says(before, &image, &["lastDiscovery"]) {
                continue;
            }
            // What is derived changes with facts of other files, and nobody looked at this one.
            let is_found = self.looked_at.contains(&name)
                && text(&image, "discoveryStatus").as_deref() != Some("external")
                && !says(before, &image, &["lastDiscovery", "rebuildState"]);
            if is_found {
                image.set("lastDiscovery", Value::string(self.now));
            }
            image.order(IMAGE_KEYS);
            files.insert(path(IMAGES, &name), Some(emit(&Value::Map(image))));
        }
        for (name, mut base) in self.base_images {
            if says(base_images.get(&name).map(|base| &base.node), &base, &["lastChecked"]) {
                continue;
            }
            base.set("lastChecked", Value::string(self.now));
            base.order(BASE_KEYS);
            files.insert(path(BASE_IMAGES, &name), Some(emit(&Value::Map(base))));
        }
        if let Some(at) = self.heartbeat {
            let text = format!("lastSweep: \"{at}\"\n");
            if self.tree.text(sweep::PATH) != Some(&text) {
                files.insert(sweep::PATH, Some(text));
            }
        }
        files.extend(gone.into_iter().map(|path| (path, None)));
        files
    }

    /// The files of what has no state any more.
    fn gone(&self) -> Vec<String> {
        let images = self.before.images.keys().filter(|name| !self.images.contains_key(name));
        let bases = self.before.base_images.keys().filter(|name| !self.base_images.contains_key(name));
        let images = images.map(|name| path(IMAGES, name));
        images.chain(bases.map(|name| path(BASE_IMAGES, name))).collect()
    }

    /// Puts a document into the archive; what an older one there says beside it is kept.
    pub fn put_aside(&mut self, folder: &str, name: &str, mut document: Map) {
        if let Some(older) = self.archived(folder, name) {
            for (key, value) in older.0 {
                document.set_if_absent(&key, value);
            }
        }
        document.set("archivedAt", Value::string(self.now));
        document.order(if folder == IMAGES { IMAGE_KEYS } else { BASE_KEYS });
        self.archive.insert(archive_path(folder, name), Some(emit(&Value::Map(document))));
    }

    /// Takes a document out of the archive.
    pub fn restore(&mut self, folder: &str, name: &str) -> Option<Map> {
        let mut document = self.archived(folder, name)?;
        document.remove("archivedAt");
        let path = archive_path(folder, name);
        if self.tree.0.contains_key(&path) {
            self.archive.insert(path, None);
        } else {
            self.archive.remove(&path);
        }
        Some(document)
    }

    fn archived(&self, folder: &str, name: &str) -> Option<Map> {
        let path = archive_path(folder, name);
        let text = match self.archive.get(&path) {
            Some(change) => change.as_deref()?,
            None => self.tree.text(&path)?,
        };
        match yaml::parse(Source { file: &path, text }) {
            Ok(Some(node)) => node.to_value().as_map().cloned(),
            _ => None,
        }
    }
}

fn path(folder: &str, name: &str) -> String {
    format!("{folder}/{name}.yaml")
}

fn archive_path(folder: &str, name: &str) -> String {
    path(&folder.replacen("state", ARCHIVE, 1), name)
}

pub(crate) fn text(map: &Map, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).map(str::to_owned)
}

pub(crate) fn names(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

pub(crate) fn full_repository(base: &Map) -> Option<String> {
    Some(format!("{}/{}", text(base, "registry")?, text(base, "repository")?))
}

/// Whether two documents say the same, but for the order of keys and those that are left out.
pub(crate) fn same(before: &Map, after: &Map, left_out: &[&str]) -> bool {
    let is_in = |one: &Map, other: &Map| {
        one.0.iter().all(|(key, value)| left_out.contains(&key.as_str()) || other.get(key) == Some(value))
    };
    is_in(before, after) && is_in(after, before)
}

/// The same, of a document as it was read.
fn says(before: Option<&yaml::Node<'_>>, after: &Map, left_out: &[&str]) -> bool {
    let Some(yaml::Content::Map(before)) = before.map(|node| &node.content) else { return false };
    let is_out = |key: &str| left_out.contains(&key);
    before
        .iter()
        .all(|(key, node)| is_out(&key.text) || after.get(&key.text).is_some_and(|value| node.is(value)))
        && after.0.iter().all(|(name, _)| is_out(name) || before.iter().any(|(key, _)| key.text == *name))
}

/// Sets what to watch where nothing is set: the one tag.
fn watch(base: &mut Map) {
    let is_absent = |key: &str| base.get(key).is_none_or(|value| *value == Value::Null);
    let is_watched = !is_absent("repoURL");
    let says_tags = !is_absent("allowTags") || !is_absent("constraint");
    if is_watched && says_tags {
        return;
    }
    let (Some(repository), Some(tag)) = (full_repository(base), text(base, "tag")) else { return };
    base.set("repoURL", Value::string(repository));
    // Of the characters of a tag only the dot means something in a pattern.
    base.set("allowTags", Value::string(format!("^{}$", tag.replace('.', "\\."))));
    base.set("imageSelectionStrategy", Value::string("Lexical"));
}

//! From what was found to changed state files: images, the base images they name, the archive.

use crate::dockerfile::{Role, Roles};
use crate::entry;
use crate::images::{Enrolment, Enrolments};
use crate::name;
use crate::reference::ImageReference;
use crate::sorted::{SortedMap, SortedSet};
use crate::state::{State, ARCHIVE, BASE_IMAGES, IMAGES};
use crate::tree::Tree;
use crate::yaml::{self, emit, Map, Source, Value};

use super::{Args, Edge, Outcome};

/// The order of keys in state/images; keys that we don't know follow.
const IMAGE_KEYS: &[&str] = &[
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
const WATCH_KEYS: [&str; 3] = ["allowTags", "constraint", "imageSelectionStrategy"];

/// State as it changes.
pub(super) struct Records<'a> {
    tree: &'a Tree,
    enrolments: &'a Enrolments,
    now: &'a str,
    before: Documents,
    images: Documents,
    base_images: Documents,
    /// The names of base images whose dependents may have changed.
    touched: SortedSet,
    /// Archive files to write (`Some`) or to delete.
    archive: SortedMap<Option<String>>,
}

/// Documents by path or name.
type Documents = SortedMap<Map>;

impl<'a> Records<'a> {
    pub fn new(tree: &'a Tree, state: &State<'_>, enrolments: &'a Enrolments, now: &'a str) -> Self {
        let map = |node: &yaml::Node<'_>| match node.to_value() {
            Value::Map(map) => map,
            _ => Map::default(),
        };
        let images: Documents =
            state.images.iter().map(|(name, image)| (name.clone(), map(&image.node))).collect();
        let base_images: Documents =
            state.base_images.iter().map(|(name, base)| (name.clone(), map(&base.node))).collect();
        let before = images
            .iter()
            .map(|(name, map)| (path(IMAGES, name), map.clone()))
            .chain(base_images.iter().map(|(name, map)| (path(BASE_IMAGES, name), map.clone())))
            .collect();
        Records {
            tree,
            enrolments,
            now,
            before,
            images,
            base_images,
            touched: SortedSet::new(),
            archive: SortedMap::new(),
        }
    }

    /// Records one enrolled image; gives a line for people.
    pub fn image(&mut self, enrolment: &Enrolment, outcome: Option<&Outcome>, args: &Args) -> String {
        let name = &enrolment.name;
        if matches!(outcome, Some(Outcome::Unreachable)) {
            return format!("{name}: not reached, nothing recorded");
        }
        let is_new = !self.images.contains_key(name);
        let mut image = self.images.remove(name).or_else(|| self.restore(IMAGES, name)).unwrap_or_default();
        let before = image.clone();
        let earlier_bases = names(image.get("baseImages"));
        image.set_if_absent("name", Value::string(name));
        image.set_if_absent("enrolledAt", Value::string(self.now));
        image.set("enrollment", enrollment(&enrolment.written));
        match outcome {
            None => self.external(&mut image, enrolment),
            Some(outcome) => self.managed(&mut image, name, outcome),
        }
        published_as(&mut image, args);
        self.touched.extend(earlier_bases);
        self.touched.extend(names(image.get("baseImages")));
        self.touched.extend(self.of_repository(&enrolment.image.name()));
        if self.base_images.contains_key(name) {
            self.touched.insert(name.clone());
        }
        let line = summary(name, &image, is_new, same(&before, &image, IMAGE_KEYS, "lastDiscovery"));
        self.images.insert(name.clone(), image);
        line
    }

    fn managed(&mut self, image: &mut Map, name: &str, outcome: &Outcome) {
        if image.get("discoveryStatus").and_then(Value::as_str) == Some("external") {
            // It was managed before: what it held and what was tried for it comes back.
            if let Some(archived) = self.restore(IMAGES, name) {
                for key in ["rebuildState", "bases", "lastBuilt"] {
                    if let Some(value) = archived.get(key) {
                        image.set_if_absent(key, value.clone());
                    }
                }
            }
        }
        image.remove("repoURL");
        for key in WATCH_KEYS {
            image.remove(key);
        }
        match outcome {
            Outcome::Bases(edges) => {
                image.set("discoveryStatus", Value::string("success"));
                image.remove("discoveryError");
                let earlier = image.get("bases").and_then(Value::as_list).unwrap_or_default().to_vec();
                let bases = self.bases(edges, &earlier);
                let watched: SortedSet = bases.iter().filter_map(|base| text(base, "name")).collect();
                image.set("baseImages", Value::strings(watched));
                image.set("bases", Value::List(bases.into_iter().map(Value::Map).collect()));
            }
            Outcome::Failed(error) => {
                image.set("discoveryStatus", Value::string("failed"));
                image.set("discoveryError", discovery_error(error));
                image.set_if_absent("baseImages", Value::List(Vec::new()));
                image.set_if_absent("bases", Value::List(Vec::new()));
            }
            Outcome::Unreachable => {}
        }
        for key in ["currentVersion", "currentDigest", "lastBuilt"] {
            image.set_if_absent(key, Value::Null);
        }
        let monitoring = Map(vec![
            ("status".to_owned(), Value::string("monitoring")),
            ("pendingRebuild".to_owned(), Value::boolean(false)),
        ]);
        image.set_if_absent("rebuildState", Value::Map(monitoring));
    }

    fn external(&mut self, image: &mut Map, enrolment: &Enrolment) {
        if image.get("rebuildState").is_some() {
            // What was tried for it while it was managed is history, and history is kept.
            self.put_aside(IMAGES, &enrolment.name, image.clone());
        }
        for key in ["rebuildState", "bases", "discoveryError", "lastDiscovery"] {
            image.remove(key);
        }
        image.set("discoveryStatus", Value::string("external"));
        image.set("repoURL", Value::string(enrolment.image.name()));
        if enrolment.watch.is_given() {
            let written = enrolment.written.as_map().expect("an enrolment is a map");
            for key in WATCH_KEYS {
                match written.get(key).filter(|value| **value != Value::Null) {
                    Some(value) => image.set(key, value.clone()),
                    None => drop(image.remove(key)),
                }
            }
        }
        image.set("baseImages", Value::List(Vec::new()));
        image.set_if_absent("currentDigest", Value::Null);
    }

    /// The edges of an image, sorted; each watched one has a base image to point to.
    fn bases(&mut self, edges: &[Edge], earlier: &[Value]) -> Vec<Map> {
        let mut bases: SortedMap<(Map, Roles)> = SortedMap::new();
        for edge in edges {
            let is_pinned = edge.reference.digest().is_some();
            let reference = edge.reference.normalized();
            let (key, name) = match edge.reference.tag() {
                None if is_pinned => (reference.clone(), None),
                _ => {
                    let name = self.base_image(&edge.reference);
                    (name.clone(), Some(name))
                }
            };
            if let Some((base, roles)) = bases.get_mut(&key) {
                roles.extend(edge.roles);
                if !is_pinned {
                    // The same tag is used without its digest too, so a rebuild does pick it up.
                    base.remove("pinned");
                    base.remove("reference");
                }
                continue;
            }
            let has_key = |base: &&Map| match &name {
                Some(name) => text(base, "name").as_ref() == Some(name),
                None => text(base, "reference").as_ref() == Some(&reference),
            };
            let mut base =
                earlier.iter().filter_map(Value::as_map).find(has_key).cloned().unwrap_or_default();
            if let Some(name) = &name {
                base.set("name", Value::string(name));
                if base.get("holds").is_none() {
                    let newest =
                        self.base_images.get(name).and_then(|base| base.get("currentDigest")).cloned();
                    let newest = newest.unwrap_or(Value::Null);
                    let is_known = newest != Value::Null;
                    base.set("holds", newest);
                    if is_known {
                        base.set("evidence", Value::string("assumed"));
                    }
                }
            }
            if is_pinned {
                base.set("reference", Value::string(reference));
                base.set("pinned", Value::boolean(true));
            } else {
                base.remove("reference");
                base.remove("pinned");
            }
            bases.insert(key, (base, edge.roles));
        }
        let finish = |(mut base, roles): (Map, Roles)| {
            base.set("roles", Value::strings(roles.iter().map(Role::name)));
            base.order(&["name", "reference", "roles", "pinned", "holds", "evidence"]);
            base
        };
        bases.into_values().map(finish).collect()
    }

    /// The name of the base image that a reference names: the one it has in state, else a new one.
    fn base_image(&mut self, reference: &ImageReference) -> String {
        let tag = reference.tag().unwrap_or("latest");
        let known = self.of_repository(&reference.name()).into_iter().find(|name| {
            self.base_images.get(name).and_then(|base| base.get("tag")).and_then(Value::as_str) == Some(tag)
        });
        if let Some(name) = known {
            return name;
        }
        let name = name::of_base_image(reference);
        if !self.base_images.contains_key(&name) {
            let base = self
                .restore(BASE_IMAGES, &name)
                .unwrap_or_else(|| new_base_image(&name, reference, self.now));
            self.base_images.insert(name.clone(), base);
        }
        name
    }

    /// The base images in state of one repository, given with its registry.
    fn of_repository(&self, repository: &str) -> Vec<String> {
        let is_of = |base: &Map| full_repository(base).as_deref() == Some(repository);
        self.base_images.iter().filter(|(_, base)| is_of(base)).map(|(name, _)| name.clone()).collect()
    }

    /// Moves the state of images that are no longer enrolled to the archive; gives a line for each.
    pub fn archive_removed(&mut self) -> Vec<String> {
        let removed: Vec<String> =
            self.images.keys().filter(|name| !self.enrolments.contains_key(*name)).cloned().collect();
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
    pub fn changes(mut self) -> SortedMap<Option<String>> {
        let mut files = std::mem::take(&mut self.archive);
        let folders = [
            (IMAGES, self.images, IMAGE_KEYS, "lastDiscovery"),
            (BASE_IMAGES, self.base_images, BASE_KEYS, "lastChecked"),
        ];
        for (folder, documents, keys, looked_at) in folders {
            for (name, mut document) in documents {
                let path = path(folder, &name);
                let before = self.before.remove(&path);
                if before.is_some_and(|before| same(&before, &document, keys, looked_at)) {
                    continue;
                }
                if document.get("discoveryStatus").and_then(Value::as_str) != Some("external") {
                    document.set(looked_at, Value::string(self.now));
                }
                document.order(keys);
                files.insert(path, Some(emit(&Value::Map(document))));
            }
        }
        files.extend(self.before.into_keys().map(|path| (path, None)));
        files
    }

    /// Puts a document into the archive; what an older one there says beside it is kept.
    fn put_aside(&mut self, folder: &str, name: &str, mut document: Map) {
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
    fn restore(&mut self, folder: &str, name: &str) -> Option<Map> {
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

fn text(map: &Map, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn names(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn full_repository(base: &Map) -> Option<String> {
    Some(format!("{}/{}", text(base, "registry")?, text(base, "repository")?))
}

/// Whether two documents say the same, but for the order of keys and the time of the look.
fn same(before: &Map, after: &Map, keys: &[&str], looked_at: &str) -> bool {
    let comparable = |map: &Map| {
        let mut map = map.clone();
        map.remove(looked_at);
        map.order(keys);
        map
    };
    comparable(before) == comparable(after)
}

/// The enrolment without what stands beside it in state.
fn enrollment(written: &Value) -> Value {
    let mut copy = written.as_map().cloned().unwrap_or_default();
    copy.remove("name");
    for key in WATCH_KEYS {
        copy.remove(key);
    }
    Value::Map(copy)
}

fn published_as(image: &mut Map, args: &Args) {
    if let Some(tag) = &args.tag {
        image.set("currentVersion", Value::string(tag));
    }
    if let Some(digest) = &args.digest {
        if text(image, "currentDigest").as_ref() != Some(digest) {
            // When this one was built is not known until someone looks at it.
            image.set("lastBuilt", Value::Null);
            image.set("currentDigest", Value::string(digest));
        }
    }
}

fn discovery_error(error: &crate::diagnostic::Diagnostic) -> Value {
    let mut map = Map::default();
    map.set("code", Value::string(&error.code));
    map.set("message", Value::string(&error.message));
    if let Some(place) = &error.location {
        map.set("file", Value::string(&place.file));
        if place.line > 0 {
            map.set("line", Value::number(i64::from(place.line)));
            map.set("column", Value::number(i64::from(place.column)));
        }
    }
    Value::Map(map)
}

fn new_base_image(name: &str, reference: &ImageReference, now: &str) -> Map {
    let tag = reference.tag().unwrap_or("latest");
    let familiar = reference.familiar();
    let repository = familiar.split('@').next().unwrap_or_default();
    let full_image =
        if reference.tag().is_some() { repository.to_owned() } else { format!("{repository}:{tag}") };
    let mut base = Map::default();
    base.set("name", Value::string(name));
    base.set("fullImage", Value::string(full_image));
    base.set("registry", Value::string(reference.registry()));
    base.set("repository", Value::string(reference.repository()));
    base.set("tag", Value::string(tag));
    base.set("firstDiscovered", Value::string(now));
    base.set("dependentImages", Value::List(Vec::new()));
    for key in ["currentDigest", "previousDigest", "lastUpdated"] {
        base.set(key, Value::Null);
    }
    base.set("updateHistory", Value::List(Vec::new()));
    base
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

fn summary(name: &str, image: &Map, is_new: bool, is_same: bool) -> String {
    let change = match (is_new, is_same) {
        (true, _) => "new",
        (false, true) => "unchanged",
        (false, false) => "changed",
    };
    let bases = names(image.get("baseImages"));
    let count = match bases.len() {
        1 => "1 base image".to_owned(),
        many => format!("{many} base images"),
    };
    match image.get("discoveryStatus").and_then(Value::as_str) {
        Some("external") => format!("{name}: external, {change}"),
        Some("failed") => format!("{name}: failed, {change}; {count} kept from before"),
        _ if bases.is_empty() => format!("{name}: {count}, {change}"),
        _ => format!("{name}: {count} ({}), {change}", bases.join(", ")),
    }
}

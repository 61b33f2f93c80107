//! From what was found in Dockerfiles to changed state of images, and the base images they name.

use crate::dockerfile::{Role, Roles};
use crate::images::Enrolment;
use crate::name;
use crate::reference::ImageReference;
use crate::sorted::{SortedMap, SortedSet};
use crate::state::records::{names, same, text, Records, WATCH_KEYS};
use crate::state::{BASE_IMAGES, IMAGES};
use crate::yaml::{Map, Value};

use super::{Args, Edge, Outcome};

impl Records<'_> {
    /// Records one enrolled image; gives a line for people.
    pub fn image(&mut self, enrolment: &Enrolment, outcome: Option<&Outcome>, args: &Args) -> String {
        let name = &enrolment.name;
        if matches!(outcome, Some(Outcome::Unreachable)) {
            return format!("{name}: not reached, nothing recorded");
        }
        let is_new = !self.images.contains_key(name);
        self.looked_at.insert(name.clone());
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
        let line = summary(name, &image, is_new, same(&before, &image, &["lastDiscovery"]));
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
            Outcome::Unreachable | Outcome::Kept => {}
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
}

/// The enrolment without what stands beside it in state.
pub(crate) fn enrollment(written: &Value) -> Value {
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
        Some("failed") if bases.is_empty() => format!("{name}: failed, {change}"),
        Some("failed") => format!("{name}: failed, {change}; {count} kept from before"),
        _ if bases.is_empty() => format!("{name}: {count}, {change}"),
        _ => format!("{name}: {count} ({}), {change}", bases.join(", ")),
    }
}

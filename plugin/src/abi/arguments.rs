//! The arguments of a verb, each asked for once by name and type.

use serde_json::Value;

use crate::sorted::SortedMap;

/// Reads the arguments of one request; `null` counts as absent.
pub struct Arguments<'r> {
    given: &'r Value,
    known: Vec<&'static str>,
    /// The first thing that is wrong.
    problem: Option<String>,
}

impl<'r> Arguments<'r> {
    /// The arguments of a request: a map, or nothing.
    pub fn of(given: &'r Value) -> Self {
        let problem = match given {
            Value::Null | Value::Object(_) => None,
            _ => Some("they must be a map".to_owned()),
        };
        Arguments { given, known: Vec::new(), problem }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// An argument of another type than it must have, or one that nobody asked for.
    pub fn finish(self) -> Result<(), String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let unknown =
            self.given.as_object().and_then(|map| map.keys().find(|key| !self.known.contains(&key.as_str())));
        match unknown {
            Some(key) => Err(format!("unknown field `{key}`, expected one of {}", self.known.join(", "))),
            None => Ok(()),
        }
    }

    /// The value of an argument; `None` where it is absent or null.
    pub fn value(&mut self, key: &'static str) -> Option<&'r Value> {
        self.known.push(key);
        self.given.get(key).filter(|value| !value.is_null())
    }

    /// A string.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        self.expect(key, "a string", value.as_str().map(str::to_owned))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        self.expect(key, "true or false", value.as_bool())
    }

    /// `true` or `false`, which it is where nothing is given.
    pub fn flag(&mut self, key: &'static str) -> bool {
        self.boolean(key).unwrap_or_default()
    }

    /// A list of strings, empty where nothing is given.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        let value = self.value(key);
        value.and_then(|value| self.expect(key, "a list of strings", strings(value))).unwrap_or_default()
    }

    /// A map of strings, empty where nothing is given.
    pub fn text_map(&mut self, key: &'static str) -> SortedMap<String> {
        self.map(key, "a map of strings", |value| value.as_str().map(str::to_owned))
    }

    /// A map of lists of strings, empty where nothing is given.
    pub fn texts_map(&mut self, key: &'static str) -> SortedMap<Vec<String>> {
        self.map(key, "a map of lists of strings", strings)
    }

    fn map<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        read: fn(&Value) -> Option<T>,
    ) -> SortedMap<T> {
        let Some(value) = self.value(key) else { return SortedMap::new() };
        let map = value.as_object().and_then(|entries| {
            let mut map = SortedMap::new();
            for (name, value) in entries {
                map.insert(name, read(value)?);
            }
            Some(map)
        });
        self.expect(key, expected, map).unwrap_or_default()
    }

    /// Keeps in mind that a value which could not be read is of another type.
    pub fn expect<T>(&mut self, key: &'static str, expected: &'static str, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.wrong(key, expected);
        }
        read
    }

    #[cold]
    #[inline(never)]
    fn wrong(&mut self, key: &'static str, expected: &'static str) {
        self.problem.get_or_insert_with(|| format!("`{key}` must be {expected}"));
    }
}

/// A list of strings.
fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

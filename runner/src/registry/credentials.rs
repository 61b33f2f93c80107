//! Credentials, as Docker keeps them.
//!
//! ```json
//! {"auths": {"ghcr.io": {"auth": "dXNlcjpwYXNzd29yZA=="},
//!            "registry.local:5000/team": {"username": "me", "password": "secret"},
//!            "https://index.docker.io/v1/": {"identitytoken": "…"}}}
//! ```
//!
//! Read from `DOCKER_CONFIG/config.json`, or from `.dockerconfigjson` in that folder, which is how
//! a Secret of type `kubernetes.io/dockerconfigjson` is mounted; without the variable from
//! `~/.docker/config.json`. The most exact entry counts: host and path before the host alone
//! (Kubernetes 1.34, "Interpretation of config.json"). They are sent to the registry of their
//! entry and to the token server that it names, and shown nowhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use serde_json::Value;

/// What one registry is given.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// User and password.
    Basic(String, String),
    /// A refresh token.
    Identity(String),
    /// A token that goes to the registry as it is.
    Bearer(String),
}

/// Credentials by registry, or by registry and path.
#[derive(Clone, Default)]
pub struct Credentials {
    entries: BTreeMap<String, Credential>,
    /// Why there are none, if something is wrong with their file.
    pub(super) problem: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.keys()).finish()
    }
}

impl Credentials {
    /// Those of Docker's configuration.
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = match (variable("DOCKER_CONFIG"), variable("HOME")) {
            (Some(folder), _) => folder,
            (None, Some(home)) => home.join(".docker"),
            (None, None) => return Credentials::default(),
        };
        for name in ["config.json", ".dockerconfigjson"] {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Credentials::read(&text, &path.to_string_lossy()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Credentials::broken(format!("{}: {error}", path.display())),
            }
        }
        Credentials::default()
    }

    /// Those of one configuration; `file` is its name in messages.
    pub fn read(text: &str, file: &str) -> Self {
        let Ok(config) = serde_json::from_str::<Value>(text) else {
            // What the parser says could quote a secret.
            return Credentials::broken(format!("{file} is not JSON"));
        };
        let mut credentials = Credentials::default();
        for (host, entry) in config.get("auths").and_then(Value::as_object).into_iter().flatten() {
            match credential(entry) {
                Ok(Some(credential)) => drop(credentials.entries.insert(normal(host), credential)),
                Ok(None) => {}
                Err(what) => credentials.problem = Some(format!("{file}: `auths.{host}`: {what}")),
            }
        }
        credentials
    }

    fn broken(problem: String) -> Self {
        Credentials { problem: Some(problem), ..Credentials::default() }
    }

    /// Those for a repository: of the longest entry that is it or stands above it.
    pub(super) fn find(&self, host: &str, repository: &str) -> Option<&Credential> {
        let mut path = format!("{host}/{repository}");
        loop {
            if let Some(found) = self.entries.get(&path) {
                return Some(found);
            }
            path.truncate(path.rfind('/')?);
        }
    }
}

/// Docker writes its own registry as `https://index.docker.io/v1/`.
fn normal(host: &str) -> String {
    let host = host.strip_prefix("https://").or_else(|| host.strip_prefix("http://")).unwrap_or(host);
    let host = host.trim_end_matches('/');
    let host = host.strip_suffix("/v1").or_else(|| host.strip_suffix("/v2")).unwrap_or(host);
    match host.split_once('/').map_or((host, ""), |(host, path)| (host, path)) {
        ("index.docker.io" | "docker.io" | "registry-1.docker.io", "") => "docker.io".to_owned(),
        ("index.docker.io" | "registry-1.docker.io", path) => format!("docker.io/{path}"),
        _ => host.to_owned(),
    }
}

fn credential(entry: &Value) -> Result<Option<Credential>, &'static str> {
    let text =
        |key| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credential::Bearer(token)));
    }
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credential::Identity(token)));
    }
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Ok(Some(Credential::Basic(user, password)));
    }
    let Some(auth) = text("auth") else { return Ok(None) };
    let decoded = base64::engine::general_purpose::STANDARD.decode(auth.trim()).ok();
    let decoded =
        decoded.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or("`auth` is not base64 of a text")?;
    let (user, password) = decoded.split_once(':').ok_or("`auth` has no `:` between user and password")?;
    // Docker itself ends some of them with a zero byte.
    Ok(Some(Credential::Basic(user.to_owned(), password.trim_end_matches('\0').to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(user: &str) -> Credential {
        Credential::Basic(user.to_owned(), "p:w".to_owned())
    }

    #[test]
    fn the_most_exact_entry_counts() {
        let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let config = serde_json::json!({"auths": {
            "https://index.docker.io/v1/": {"auth": encoded("hub:p:w")},
            "ghcr.io": {"username": "all", "password": "p:w"},
            "ghcr.io/acme": {"auth": encoded("team:p:w\0")},
            "https://registry.local:5000/v2/": {"auth": encoded("local:p:w")},
            "token.io": {"auth": encoded("x:y"), "identitytoken": "refresh"},
            "bearer.io": {"registrytoken": "t"},
            "empty.io": {},
        }});
        let credentials = Credentials::read(&config.to_string(), "config.json");
        let check = |host: &str, repository: &str, expected: Option<Credential>| {
            assert!(credentials.find(host, repository) == expected.as_ref(), "{host}/{repository}");
        };
        check("docker.io", "library/node", Some(basic("hub")));
        check("ghcr.io", "acme/web", Some(basic("team")));
        check("ghcr.io", "acme-2/web", Some(basic("all")));
        check("registry.local:5000", "web", Some(basic("local")));
        check("registry.local", "web", None);
        check("token.io", "a/b", Some(Credential::Identity("refresh".to_owned())));
        check("bearer.io", "a/b", Some(Credential::Bearer("t".to_owned())));
        check("empty.io", "a/b", None);
        assert_eq!(credentials.problem, None);
        assert!(!format!("{credentials:?}").contains("p:w"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        let problem = |text: &str| Credentials::read(text, "config.json").problem.unwrap_or_default();
        assert_eq!(problem("{secret"), "config.json is not JSON");
        assert_eq!(problem("[]"), "");
        let broken = |auth: &str| problem(&format!(r#"{{"auths": {{"ghcr.io": {{"auth": "{auth}"}}}}}}"#));
        assert_eq!(broken("!"), "config.json: `auths.ghcr.io`: `auth` is not base64 of a text");
        assert_eq!(
            broken("c2VjcmV0"),
            "config.json: `auths.ghcr.io`: `auth` has no `:` between user and password"
        );
    }
}

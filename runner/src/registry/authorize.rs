//! Who asks: what a registry's 401 wants, and how to get it.
//!
//! ```text
//! WWW-Authenticate: Bearer realm="https://auth.docker.io/token",service="registry.docker.io"
//! GET https://auth.docker.io/token?service=registry.docker.io&scope=repository:library/node:pull
//! {"token": "…"}
//! ```

use base64::Engine;
use http_auth::parse_challenges;
use image_factory::abi::Reason;
use serde_json::Value;

use super::client::Problem;
use super::credentials::Credential;
use crate::http::{host_of, Answer, Ask, Transport};

/// The most bytes of a token server's answer.
const MAX_ANSWER: usize = 1 << 20;

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password.
    Basic,
    /// A token of this server.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// A token's before a password's, where a registry offers both.
    pub fn of(headers: &[&str]) -> Option<Challenge> {
        let mut basic = None;
        for header in headers {
            for challenge in parse_challenges(header).unwrap_or_default() {
                let parameter = |name: &str| {
                    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Challenge::Basic);
                }
                if let Some(realm) =
                    parameter("realm").filter(|_| challenge.scheme.eq_ignore_ascii_case("bearer"))
                {
                    return Some(Challenge::Bearer { realm, service: parameter("service") });
                }
            }
        }
        basic
    }
}

/// Who asks for what.
pub(super) struct Asker<'a> {
    pub transport: &'a Transport,
    pub host: &'a str,
    pub repository: &'a str,
    pub credential: Option<&'a Credential>,
    /// Whether the registry itself speaks HTTP, so that its token server may, too.
    pub plain: bool,
    pub verify: bool,
}

impl Asker<'_> {
    /// The `Authorization` header that answers a challenge; `None` where nobody can.
    ///
    /// # Errors
    /// The token server's.
    pub fn authorization(&self, challenge: &Challenge) -> Result<Option<String>, Problem> {
        match (challenge, self.credential) {
            (_, Some(Credential::Bearer(token))) => Ok(Some(format!("Bearer {token}"))),
            (Challenge::Basic, Some(Credential::Basic(user, password))) => Ok(Some(basic(user, password))),
            (Challenge::Basic, _) => Ok(None),
            (Challenge::Bearer { realm, service }, credential) => {
                self.token(realm, service.as_deref(), credential).map(|token| Some(format!("Bearer {token}")))
            }
        }
    }

    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        credential: Option<&Credential>,
    ) -> Result<String, Problem> {
        let host = self.host;
        let is_allowed = realm.starts_with("https://") || self.plain && realm.starts_with("http://");
        if !is_allowed {
            let message = format!("{host} names a token server without TLS, which gets no credentials");
            return Err(Problem::new(Reason::Refused, message));
        }
        let server = host_of(realm);
        let scope = format!("repository:{}:pull", self.repository);
        let mut pairs = vec![("scope", scope.as_str())];
        pairs.extend(service.map(|service| ("service", service)));
        let mut headers = Vec::new();
        let mut ask = Ask {
            method: "GET",
            url: realm,
            headers: &[],
            form: None,
            verify: self.verify,
            limit: MAX_ANSWER,
        };
        let url;
        if let Some(Credential::Identity(token)) = credential {
            pairs.extend([
                ("grant_type", "refresh_token"),
                ("client_id", "image-factory"),
                ("refresh_token", token),
            ]);
            ask.method = "POST";
            ask.form = Some(encode(&pairs));
        } else {
            if let Some(Credential::Basic(user, password)) = credential {
                headers.push(("Authorization", basic(user, password)));
            }
            let mark = if realm.contains('?') { '&' } else { '?' };
            url = format!("{realm}{mark}{}", encode(&pairs));
            ask.url = &url;
        }
        ask.headers = &headers;
        let answer = self.transport.send(&ask).map_err(|(reason, error)| {
            Problem::new(reason, format!("{server}, the token server of {host}: {error}"))
        })?;
        if answer.status != 200 {
            return Err(self.refusal(server, &answer));
        }
        let value: Option<Value> = answer.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
        let text = |key| value.as_ref()?.get(key)?.as_str().filter(|text| is_token(text));
        match text("token").or_else(|| text("access_token")) {
            Some(token) => Ok(token.to_owned()),
            None => {
                let message = format!("{server}, the token server of {host}, answers without a token");
                Err(Problem::new(Reason::Unreachable, message))
            }
        }
    }

    fn refusal(&self, server: &str, answer: &Answer) -> Problem {
        let (host, status) = (self.host, answer.status);
        let message = match (status, self.credential) {
            (400 | 401 | 403, Some(_)) => {
                format!("{server}, the token server of {host}, refuses the credentials ({status})")
            }
            (400 | 401 | 403, None) => {
                format!("{server}, the token server of {host}, wants credentials ({status})")
            }
            _ => format!("{server}, the token server of {host}, answers {status}"),
        };
        Problem::of_status(status, message, answer)
    }
}

/// It goes into a header as it is.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn basic(user: &str, password: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {encoded}")
}

/// `key=value&…`, percent-encoded but for what RFC 3986 leaves alone (section 2.3).
fn encode(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(key);
        out.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    out.push(char::from(byte))
                }
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_registries_want() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        let check =
            |headers: &[&str], expected: Option<Challenge>| assert_eq!(Challenge::of(headers), expected);
        check(
            &[
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
            ],
            bearer("https://auth.docker.io/token", Some("registry.docker.io")),
        );
        check(
            &[r#"bearer service=x, realm="https://a/t?x=\"1\"""#],
            bearer("https://a/t?x=\"1\"", Some("x")),
        );
        check(&[r#"Basic realm="a, b""#], Some(Challenge::Basic));
        check(&[r#"Basic realm="a", Bearer realm="https://b""#], bearer("https://b", None));
        check(&[r#"Basic realm="a""#, r#"Bearer realm="https://b""#], bearer("https://b", None));
        check(&["Negotiate"], None);
        check(&["Bearer"], None);
        check(&["=,="], None);
        check(&[], None);
    }

    #[test]
    fn a_query_keeps_its_values() {
        assert_eq!(
            encode(&[("scope", "repository:a/b:pull"), ("service", "x&y=1 ü")]),
            "scope=repository%3Aa%2Fb%3Apull&service=x%26y%3D1%20%C3%BC"
        );
    }
}

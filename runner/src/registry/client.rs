//! One document: from which host, with which credentials, tried how often, and is it the right one.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use image_factory::abi::{Reason, RegistryFetched, RegistryKind, RegistryNeed};
use image_factory::reference::ImageReference;
use serde_json::Value;
use sha2::Digest;

use super::authorize::{Asker, Challenge};
use super::credentials::{Credential, Credentials};
use super::{lock, refused, Settings};
use crate::http::{host_of, Answer, Ask, Transport};

/// The most bytes of an index or a manifest: what registries take (distribution specification 1.1,
/// "Pushing manifests").
const MAX_MANIFEST: usize = 4 << 20;
/// The most bytes of a configuration or a statement.
const MAX_BLOB: usize = 8 << 20;
/// How often an answer may name another place.
const MAX_REDIRECTS: usize = 5;

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// Why there is no document.
#[derive(Debug)]
pub(super) struct Problem {
    pub reason: Reason,
    pub message: String,
    /// How long the other side asks to wait.
    pub wait: Option<Duration>,
}

impl Problem {
    pub fn new(reason: Reason, message: String) -> Self {
        Problem { reason, message, wait: None }
    }

    /// By the status of an answer.
    pub fn of_status(status: u16, message: String, answer: &Answer) -> Self {
        let reason = match status {
            400 | 401 | 403 => Reason::Denied,
            404 | 410 => Reason::Missing,
            429 => Reason::Limited,
            // What is left of 4xx is of our making or a gateway's: another try can't mend the first.
            408 | 425 | 500.. | 0..=399 => Reason::Unreachable,
            _ => Reason::Refused,
        };
        let wait = answer.header("retry-after").and_then(|text| retry_after(text, SystemTime::now()));
        Problem { reason, message, wait }
    }

    fn is_passing(&self) -> bool {
        matches!(self.reason, Reason::Unreachable | Reason::Limited)
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    let date = UNIX_EPOCH + Duration::from_secs(u64::try_from(date.timestamp()).ok()?);
    Some(date.duration_since(now).unwrap_or_default())
}

/// The client, and what it learned of each host.
pub(super) struct Client {
    settings: Settings,
    credentials: Credentials,
    transport: Transport,
    hosts: Mutex<BTreeMap<String, Host>>,
}

/// What one run learned of a host.
#[derive(Default)]
struct Host {
    challenge: Option<Challenge>,
    /// `Authorization` headers by repository.
    authorizations: BTreeMap<String, String>,
    /// Why it is left alone: it said that there were too many requests.
    limited: Option<String>,
}

/// Where a repository can be asked for.
struct Place {
    /// As people write it, with the port.
    host: String,
    /// Its scheme and host.
    origin: String,
    repository: String,
    plain: bool,
    verify: bool,
}

impl Client {
    pub fn new(settings: Settings, credentials: Credentials) -> Self {
        let transport = Transport::new(settings.pace.patience);
        Client { settings, credentials, transport, hosts: Mutex::default() }
    }

    /// Brings one document, from the first mirror that has it, else from the registry.
    pub fn fetch(&self, need: &RegistryNeed) -> RegistryFetched {
        let refused = |reason, message| refused(&need.image, need.kind, reason, message);
        let reference = match ImageReference::parse(&need.image) {
            Ok(reference) if !reference.registry().is_empty() => reference,
            Ok(_) => return refused(Reason::Refused, "the reference names no registry".to_owned()),
            Err(error) => return refused(Reason::Refused, error.to_string()),
        };
        let mut result = Err(Problem::new(Reason::Refused, String::new()));
        for place in self.places(&reference) {
            result = self.patiently(&place, &reference, need.kind);
            if result.is_ok() {
                break;
            }
        }
        match result {
            Ok(document) => RegistryFetched {
                image: need.image.clone(),
                kind: need.kind,
                digest: Some(document.digest),
                media_type: document.media_type,
                text: document.text.filter(|_| need.kind != RegistryKind::Head),
                ..RegistryFetched::default()
            },
            Err(problem) => refused(problem.reason, problem.message),
        }
    }

    /// The mirrors, and the registry itself last: its answer is the one to report.
    fn places(&self, reference: &ImageReference) -> Vec<Place> {
        let (registry, repository) = (reference.registry(), reference.repository());
        let mirrors = self.settings.mirrors.get(registry).map(Vec::as_slice).unwrap_or_default();
        let mut places: Vec<Place> = mirrors
            .iter()
            .map(|mirror| {
                let (host, path) = mirror.split_once('/').unwrap_or((mirror, ""));
                let path = path.trim_matches('/');
                let separator = if path.is_empty() { "" } else { "/" };
                self.place(host, format!("{path}{separator}{repository}"))
            })
            .collect();
        places.push(self.place(registry, repository.to_owned()));
        places
    }

    fn place(&self, host: &str, repository: String) -> Place {
        let plain = self.settings.plain.contains(host);
        let scheme = if plain { "http" } else { "https" };
        // Docker's own name for its registry is not where it answers.
        let server = if host == "docker.io" { "registry-1.docker.io" } else { host };
        Place {
            host: host.to_owned(),
            origin: format!("{scheme}://{server}"),
            repository,
            plain,
            verify: !self.settings.unverified.contains(host),
        }
    }

    /// Tries again what may pass, for as long as is bearable.
    fn patiently(
        &self,
        place: &Place,
        reference: &ImageReference,
        kind: RegistryKind,
    ) -> Result<Document, Problem> {
        let pace = &self.settings.pace;
        let mut attempt = 1;
        loop {
            if let Some(message) = self.known(&place.host, |host| host.limited.clone()) {
                return Err(Problem::new(Reason::Limited, message));
            }
            let mut problem = match self.once(place, reference, kind) {
                Err(problem) if problem.is_passing() => problem,
                result => return result,
            };
            let too_long = problem.wait.filter(|wait| *wait > pace.longest_wait);
            if let Some(wait) = too_long {
                problem.message.push_str(&format!(", and asks to wait {} s", wait.as_secs()));
            } else if attempt < pace.attempts {
                sleep(problem.wait.unwrap_or_default().max(back_off(pace.back_off, attempt)));
                attempt += 1;
                continue;
            } else if attempt > 1 {
                problem.message.push_str(&format!(", {attempt} times"));
            }
            if problem.reason == Reason::Limited {
                let message = problem.message.clone();
                self.learn(&place.host, |host| host.limited = Some(message));
            }
            return Err(problem);
        }
    }

    fn once(
        &self,
        place: &Place,
        reference: &ImageReference,
        kind: RegistryKind,
    ) -> Result<Document, Problem> {
        let target = reference.digest().or(reference.tag()).unwrap_or("latest");
        let (folder, accept, limit) = match kind {
            RegistryKind::Head | RegistryKind::Manifest => ("manifests", MANIFESTS, MAX_MANIFEST),
            RegistryKind::Blob => ("blobs", "*/*", MAX_BLOB),
        };
        let url = format!("{}/v2/{}/{folder}/{target}", place.origin, place.repository);
        if kind == RegistryKind::Head {
            let answer = self.authorized(place, "HEAD", &url, accept, limit)?;
            let digest = answer.header("docker-content-digest").filter(|digest| is_digest(digest));
            match (answer.status, digest) {
                (200, Some(digest)) => {
                    return Ok(Document { digest: digest.to_owned(), ..Document::default() })
                }
                // Neither the header nor the method is a must: the text tells, too.
                (200 | 405 | 501, _) => {}
                _ => return Err(self.refusal(place, target, &answer)),
            }
        }
        let answer = self.authorized(place, "GET", &url, accept, limit)?;
        if answer.status != 200 {
            return Err(self.refusal(place, target, &answer));
        }
        document(&place.host, target, reference.digest(), limit, answer)
    }

    /// Asks with what is known of the host, and once more after it has said what it wants: a token
    /// may have expired.
    fn authorized(
        &self,
        place: &Place,
        method: &'static str,
        url: &str,
        accept: &str,
        limit: usize,
    ) -> Result<Answer, Problem> {
        let (challenge, mut authorization) = self.known(&place.host, |host| {
            (host.challenge.clone(), host.authorizations.get(&place.repository).cloned())
        });
        if let (Some(challenge), None) = (challenge, &authorization) {
            authorization = self.authorize(place, &challenge)?;
        }
        let mut answer = self.follow(place, method, url, accept, authorization.as_deref(), limit)?;
        if answer.status == 401 {
            let Some(challenge) = Challenge::of(&answer.headers("www-authenticate")) else {
                return Ok(answer);
            };
            self.learn(&place.host, |host| host.challenge = Some(challenge.clone()));
            if let Some(authorization) = self.authorize(place, &challenge)? {
                answer = self.follow(place, method, url, accept, Some(&authorization), limit)?;
            }
        }
        Ok(answer)
    }

    fn authorize(&self, place: &Place, challenge: &Challenge) -> Result<Option<String>, Problem> {
        let asker = Asker {
            transport: &self.transport,
            host: &place.host,
            repository: &place.repository,
            credential: self.credential(place),
            plain: place.plain,
            verify: place.verify,
        };
        let authorization = asker.authorization(challenge)?;
        if let Some(authorization) = &authorization {
            self.learn(&place.host, |host| {
                host.authorizations.insert(place.repository.clone(), authorization.clone());
            });
        }
        Ok(authorization)
    }

    fn credential(&self, place: &Place) -> Option<&Credential> {
        self.credentials.find(&place.host, &place.repository)
    }

    /// Goes where an answer points, as blobs are often kept elsewhere. What the registry is given is
    /// given to no other host.
    fn follow(
        &self,
        place: &Place,
        method: &'static str,
        url: &str,
        accept: &str,
        authorization: Option<&str>,
        limit: usize,
    ) -> Result<Answer, Problem> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = vec![("Accept", accept.to_owned())];
            let is_registry = url.starts_with(&format!("{}/", place.origin));
            headers
                .extend(authorization.filter(|_| is_registry).map(|text| ("Authorization", text.to_owned())));
            let ask = Ask { method, url: &url, headers: &headers, form: None, verify: place.verify, limit };
            let host = if is_registry { &place.host } else { host_of(&url) };
            let answer = self
                .transport
                .send(&ask)
                .map_err(|(reason, error)| Problem::new(reason, format!("{host}: {error}")))?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let target = answer.header("location").and_then(|location| absolute(&url, location));
            let Some(target) = target else {
                let message = format!("{host} answers {} without saying where to go", answer.status);
                return Err(Problem::new(Reason::Unreachable, message));
            };
            if !(target.starts_with("https://") || place.plain && target.starts_with("http://")) {
                let message = format!("{host} points to {}, which has no TLS", host_of(&target));
                return Err(Problem::new(Reason::Refused, message));
            }
            url = target;
        }
        let message = format!("{} points elsewhere more than {MAX_REDIRECTS} times", place.host);
        Err(Problem::new(Reason::Unreachable, message))
    }

    fn refusal(&self, place: &Place, target: &str, answer: &Answer) -> Problem {
        let (host, status) = (&place.host, answer.status);
        let mut message = match status {
            401 | 403 if self.credential(place).is_some() => {
                format!("{host} refuses the credentials ({status})")
            }
            401 | 403 => format!("{host} wants credentials ({status})"),
            404 | 410 => format!("{host} has no `{target}` in `{}` ({status})", place.repository),
            429 => format!("{host} takes no more requests for now (429)"),
            _ => format!("{host} answers {status}"),
        };
        if let Some(words) = answer.body.as_deref().and_then(registry_words) {
            message.push_str(&format!(": {words}"));
        }
        if let (401 | 403, Some(problem)) = (status, &self.credentials.problem) {
            message.push_str(&format!("; {problem}"));
        }
        Problem::of_status(status, message, answer)
    }

    fn known<T>(&self, host: &str, read: impl FnOnce(&Host) -> T) -> T {
        read(lock(&self.hosts).entry(host.to_owned()).or_default())
    }

    fn learn(&self, host: &str, change: impl FnOnce(&mut Host)) {
        change(lock(&self.hosts).entry(host.to_owned()).or_default());
    }
}

/// What was asked for.
#[derive(Default)]
struct Document {
    digest: String,
    media_type: Option<String>,
    text: Option<String>,
}

/// Believes an answer only if its bytes have the digest that they should have.
fn document(
    host: &str,
    target: &str,
    digest: Option<&str>,
    limit: usize,
    answer: Answer,
) -> Result<Document, Problem> {
    let media_type = answer.header("content-type").map(str::to_owned);
    let declared =
        answer.header("docker-content-digest").filter(|digest| is_digest(digest)).map(str::to_owned);
    let Some(body) = answer.body else {
        let message = format!("`{target}` has more than {} MiB, so it is not read", limit >> 20);
        return Err(Problem::new(Reason::Refused, message));
    };
    // A tag's document is named as its registry names it: the algorithm is the registry's choice.
    let expected = digest.or(declared.as_deref());
    let algorithm = expected.and_then(|digest| digest.split_once(':')).map_or("sha256", |(name, _)| name);
    let found = digest_of(algorithm, &body);
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        let message =
            format!("{host} sends {found} where {expected} should be: a proxy or cache may have changed it");
        return Err(Problem::new(Reason::Unreachable, message));
    }
    let text = String::from_utf8(body)
        .map_err(|_| Problem::new(Reason::Refused, format!("`{target}` is not text")))?;
    Ok(Document { digest: found, media_type, text: Some(text) })
}

fn digest_of(algorithm: &str, bytes: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hex = match algorithm {
        "sha512" => hex(&sha2::Sha512::digest(bytes)),
        "sha384" => hex(&sha2::Sha384::digest(bytes)),
        _ => hex(&sha2::Sha256::digest(bytes)),
    };
    format!("{algorithm}:{hex}")
}

fn is_digest(text: &str) -> bool {
    ImageReference::parse(&format!("image@{text}")).is_ok()
}

/// The first message of an error document (distribution specification 1.1, "Error codes"), cut short.
fn registry_words(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let error = value.get("errors")?.get(0)?;
    let text = |key| error.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let words = text("message").or_else(|| text("code"))?;
    Some(words.chars().filter(|c| !c.is_control()).take(200).collect())
}

/// Where a `Location` leads (RFC 3986, section 5.2, for the forms that registries use).
fn absolute(url: &str, location: &str) -> Option<String> {
    if location.contains("://") {
        return Some(location.to_owned());
    }
    let (scheme, rest) = url.split_once("://")?;
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    let host = rest.split('/').next()?;
    location.starts_with('/').then(|| format!("{scheme}://{host}{location}"))
}

/// Twice as long each time, of which a random part is left out, so that those who were refused
/// together don't come back together.
pub(crate) fn back_off(base: Duration, attempt: u32) -> Duration {
    let most = base.saturating_mul(1 << (attempt - 1).min(6));
    let random = RandomState::new().build_hasher().finish() % 1000;
    most / 2 + most.mul_f64(random as f64 / 2000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_768_197_600);
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(retry_after(text, now).map(|wait| wait.as_secs()), expected, "{text}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Mon, 12 Jan 2026 06:01:00 GMT", Some(60));
        check("Mon, 12 Jan 2026 05:00:00 GMT", Some(0));
        check("soon", None);
        check("-1", None);
        check("", None);
    }

    #[test]
    fn locations_are_absolute_or_of_the_host() {
        let check = |location: &str, expected: Option<&str>| {
            assert_eq!(absolute("https://a.io:1/v2/x", location).as_deref(), expected, "{location}");
        };
        check("https://b.io/x?sig=1", Some("https://b.io/x?sig=1"));
        check("//b.io/x", Some("https://b.io/x"));
        check("/y", Some("https://a.io:1/y"));
        check("y", None);
    }
}

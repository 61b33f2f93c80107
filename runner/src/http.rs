//! HTTP, with ureq: one request, one bounded answer. No redirect is followed here.

use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use image_factory::abi::Reason;
use ureq::http::{Request, Response};
use ureq::tls::{parse_pem, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

/// What is asked.
pub(crate) struct Ask<'a> {
    pub method: &'static str,
    pub url: &'a str,
    pub headers: &'a [(&'static str, String)],
    /// Sent with it, as a form.
    pub form: Option<String>,
    /// Whether the certificate is checked.
    pub verify: bool,
    /// The most bytes of the answer that are read.
    pub limit: usize,
}

/// What came back.
pub(crate) struct Answer {
    pub status: u16,
    headers: ureq::http::HeaderMap,
    /// `None` where it has more bytes than the limit.
    pub body: Option<Vec<u8>>,
}

impl Answer {
    /// A header's text; `None` too where it is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All of a header's texts.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }
}

/// How long one request may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For a request with its answer.
    pub request: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { connect: Duration::from_secs(10), request: Duration::from_secs(60) }
    }
}

/// One HTTP client for each way to connect, made when it is first used.
pub(crate) struct Transport {
    patience: Patience,
    agents: [OnceLock<Agent>; 4],
}

impl Transport {
    pub fn new(patience: Patience) -> Self {
        Transport { patience, agents: Default::default() }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Who can do something about it, and in words: no connection, no answer in time, an answer that
    /// is not HTTP, a certificate that nobody vouches for.
    pub fn send(&self, ask: &Ask<'_>) -> Result<Answer, (Reason, String)> {
        let agent = self.agent(ask.url, ask.verify).map_err(|message| (Reason::Refused, message))?;
        self.send_by(agent, ask).map_err(|error| words(&error, &self.patience))
    }

    fn send_by(&self, agent: &Agent, ask: &Ask<'_>) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(ask.method).uri(ask.url);
        for (name, value) in ask.headers {
            request = request.header(*name, value);
        }
        let response = match &ask.form {
            Some(form) => {
                let request = request.header("Content-Type", "application/x-www-form-urlencoded");
                agent.run(request.body(form.as_str())?)
            }
            None => agent.run(request.body(())?),
        };
        let response: Response<Body> = response?;
        let (parts, body) = response.into_parts();
        // A declared size is believed only where it is too large.
        let declared = body.content_length().filter(|_| ask.method != "HEAD").unwrap_or_default();
        let mut bytes = Vec::new();
        if declared <= ask.limit as u64 {
            let mut reader = body.into_reader().take(ask.limit as u64 + 1);
            reader.read_to_end(&mut bytes)?;
        }
        let is_whole = declared <= ask.limit as u64 && bytes.len() <= ask.limit;
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: is_whole.then_some(bytes) })
    }

    fn agent(&self, url: &str, verify: bool) -> Result<&Agent, String> {
        // As curl and Go do it, no proxy is asked for this machine itself.
        let is_near = is_loopback(host_of(url));
        let slot = &self.agents[usize::from(verify) * 2 + usize::from(is_near)];
        if slot.get().is_none() {
            let agent = self.make(verify, !is_near)?;
            // Another thread may have been faster, with an equal one.
            let _ = slot.set(agent);
        }
        Ok(slot.get().expect("set just above"))
    }

    fn make(&self, verify: bool, with_proxy: bool) -> Result<Agent, String> {
        let tls = TlsConfig::builder()
            .disable_verification(!verify)
            .root_certs(roots()?)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("image-factory/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(self.patience.connect))
            .timeout_global(Some(self.patience.request))
            .proxy(Proxy::try_from_env().filter(|_| with_proxy))
            .tls_config(tls.build());
        Ok(config.build().new_agent())
    }
}

/// The certificates of SSL_CERT_FILE, as OpenSSL, Go and curl know it; else Mozilla's.
fn roots() -> Result<RootCerts, String> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE") else { return Ok(RootCerts::WebPki) };
    let shown = path.to_string_lossy();
    let pem = std::fs::read(&path).map_err(|error| format!("`SSL_CERT_FILE`, {shown}: {error}"))?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    if certificates.is_empty() {
        return Err(format!("`SSL_CERT_FILE`, {shown}, has no certificate in it"));
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

/// What went wrong, without the URL: it may hold a signature.
fn words(error: &ureq::Error, patience: &Patience) -> (Reason, String) {
    let message = match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            format!("no connection within {} s", patience.connect.as_secs_f32())
        }
        ureq::Error::Timeout(_) => format!("no answer within {} s", patience.request.as_secs_f32()),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        ureq::Error::Rustls(error) => return tls(error),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => return tls(error),
            None => error.to_string(),
        },
        error => error.to_string(),
    };
    (Reason::Unreachable, message)
}

/// No other try will make a certificate good.
fn tls(error: &rustls::Error) -> (Reason, String) {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            let remedy = "`SSL_CERT_FILE` names a file with those that count";
            (Reason::Refused, format!("its certificate is not trusted: {error}; {remedy}"))
        }
        error => (Reason::Unreachable, format!("TLS: {error}")),
    }
}

/// Host and port of a URL.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

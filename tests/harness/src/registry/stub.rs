//! A registry on loopback that can also misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Documents;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// `GET`.
    pub method: String,
    /// `/v2/acme/web/manifests/1`, and what follows a `?`.
    pub path: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// What was sent with it.
    pub bytes: Vec<u8>,
    /// The same as text.
    pub body: String,
    /// How many requests came before it, of all kinds.
    pub number: usize,
}

impl Ask {
    /// A header, empty where it was not sent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers, but for the length.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// How long it takes.
    pub delay: Duration,
    /// Whether the connection ends in the middle of the body.
    pub cut: bool,
}

impl Reply {
    /// With a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Reply { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO, cut: false }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Rule = dyn Fn(&Ask) -> Option<Reply> + Send + Sync;

/// A running server; it ends when it is dropped.
pub struct Stub {
    address: SocketAddr,
    documents: Arc<Mutex<Documents>>,
    asked: Arc<Mutex<Vec<Ask>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stub {
    /// A registry that has these documents and behaves.
    pub fn start(documents: Documents) -> Self {
        Stub::with(documents, |_| None)
    }

    /// One where a rule answers first, if it answers.
    pub fn with(documents: Documents, rule: impl Fn(&Ask) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let documents = Arc::new(Mutex::new(documents));
        let asked: Arc<Mutex<Vec<Ask>>> = Arc::default();
        let is_over: Arc<AtomicBool> = Arc::default();
        let rule: Arc<Rule> = Arc::new(rule);
        let thread = {
            let (documents, asked, is_over) = (documents.clone(), asked.clone(), is_over.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    let (documents, asked, rule) = (documents.clone(), asked.clone(), rule.clone());
                    std::thread::spawn(move || serve(stream, &documents, &asked, &*rule));
                }
            })
        };
        Stub { address, documents, asked, is_over, thread: Some(thread) }
    }

    /// Its name in image references: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What it has, to be changed.
    pub fn documents(&self) -> MutexGuard<'_, Documents> {
        lock(&self.documents)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Ask> {
        lock(&self.asked).clone()
    }

    /// Method and path of all requests so far.
    pub fn log(&self) -> Vec<String> {
        self.asked().iter().map(|ask| format!("{} {}", ask.method, ask.path)).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener; it may be gone already.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// One request a connection; whoever hangs up early is not missed.
fn serve(stream: TcpStream, documents: &Mutex<Documents>, asked: &Mutex<Vec<Ask>>, rule: &Rule) {
    let Some(mut ask) = read(&stream) else { return };
    {
        let mut asked = lock(asked);
        ask.number = asked.len();
        asked.push(ask.clone());
    }
    let reply = rule(&ask).unwrap_or_else(|| document(&ask, &lock(documents)));
    std::thread::sleep(reply.delay);
    let mut head = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", reply.status);
    head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let body = match (ask.method.as_str(), reply.cut) {
        ("HEAD", _) => &[][..],
        (_, true) => &reply.body[..reply.body.len() / 2],
        _ => &reply.body,
    };
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn read(stream: &TcpStream) -> Option<Ask> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let mut ask = Ask { method: words.next()?.to_owned(), path: words.next()?.to_owned(), ..Ask::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                ask.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            None => break,
        }
    }
    let length: u64 = ask.header("content-length").parse().unwrap_or_default();
    reader.take(length).read_to_end(&mut ask.bytes).ok()?;
    ask.body = String::from_utf8_lossy(&ask.bytes).into_owned();
    Some(ask)
}

/// What a registry answers (OCI distribution specification 1.1).
fn document(ask: &Ask, documents: &Documents) -> Reply {
    let unknown = |code: &str, message: &str| {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Reply::new(404, body.to_string()).header("Content-Type", "application/json")
    };
    let path = ask.path.strip_prefix("/v2/").unwrap_or_default();
    let found = path.split_once("/manifests/").or_else(|| path.split_once("/blobs/"));
    let Some((repository, target)) = found else { return unknown("UNSUPPORTED", "not a path of a registry") };
    let digest = match target.contains(':') {
        true => Some(target),
        false => documents.tags.get(&format!("{repository}:{target}")).map(String::as_str),
    };
    let document = digest.and_then(|digest| documents.by_digest.get_key_value(digest));
    match document {
        Some((digest, (media_type, text))) => Reply::new(200, text.as_str())
            .header("Content-Type", media_type.as_str())
            .header("Docker-Content-Digest", digest.as_str()),
        None if path.contains("/blobs/") => unknown("BLOB_UNKNOWN", "blob unknown to registry"),
        None => unknown("MANIFEST_UNKNOWN", "manifest unknown"),
    }
}

//! Image registries: documents by tag or digest, and nothing else.
//!
//! The protocol is the OCI distribution specification 1.1 ("Pulling manifests", "Pulling blobs")
//! with the token protocol of distribution 2.8 (`docs/spec/auth`). A document counts only if its
//! bytes have the digest that was asked for; one that was asked for by tag has the digest of its
//! bytes. Registries count requests, so one that says "too many" is left alone for the rest of the
//! run, and what was fetched once is kept.

mod authorize;
mod client;
mod credentials;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use image_factory::abi::{Reason, RegistryFetched, RegistryKind, RegistryNeed};
use image_factory::factory::Factory;

pub use crate::http::Patience;
use client::Client;
pub(crate) use client::{back_off, retry_after};
pub use credentials::Credentials;

/// How many documents are fetched at the same time.
const AT_ONCE: usize = 8;
/// The most bytes of all documents of one run.
const MAX_TOTAL: usize = 256 << 20;

/// How registries are reached.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Registries that speak HTTP, by host and port.
    pub plain: BTreeSet<String>,
    /// Registries whose certificate goes unchecked.
    pub unverified: BTreeSet<String>,
    /// By registry, `host[:port][/path]` of what is asked before it.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// How patient one request is.
    pub pace: Pace,
}

impl Settings {
    /// What factory.yaml says.
    pub fn of(factory: &Factory) -> Self {
        Settings {
            plain: factory.plain_registries.iter().cloned().collect(),
            unverified: factory.insecure_registries.iter().cloned().collect(),
            mirrors: factory.mirrors.iter().map(|(host, mirrors)| (host.clone(), mirrors.clone())).collect(),
            pace: Pace::default(),
        }
    }
}

/// Time limits, and how often something is tried.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often a request is made before its failure counts.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles each time, and a random part is left out.
    pub back_off: Duration,
    /// The longest time that a registry may ask to wait before its answer counts as a failure.
    pub longest_wait: Duration,
    /// How long one request may take.
    pub patience: Patience,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            attempts: 4,
            back_off: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            patience: Patience::default(),
        }
    }
}

/// The registries of one run.
pub struct Registries {
    client: Client,
    known: BTreeMap<(String, RegistryKind), RegistryFetched>,
    bytes: usize,
}

impl Registries {
    /// With the credentials of Docker's configuration.
    pub fn new(settings: Settings) -> Self {
        Registries::with_credentials(settings, Credentials::from_environment())
    }

    /// With other credentials.
    pub fn with_credentials(settings: Settings, credentials: Credentials) -> Self {
        Registries { client: Client::new(settings, credentials), known: BTreeMap::new(), bytes: 0 }
    }

    /// One answer for each need, in order; a failure is its answer's `error`.
    pub fn fetch(&mut self, needs: &[RegistryNeed]) -> Vec<RegistryFetched> {
        let is_new = |need: &&RegistryNeed| !self.known.contains_key(&(need.image.clone(), need.kind));
        let queue: BTreeSet<&RegistryNeed> = needs.iter().filter(is_new).collect();
        let workers = queue.len().min(AT_ONCE);
        let queue: Mutex<VecDeque<&RegistryNeed>> = Mutex::new(queue.into_iter().collect());
        let done = Mutex::new(Vec::new());
        let client = &self.client;
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| loop {
                    let Some(need) = lock(&queue).pop_front() else { break };
                    let fetched = client.fetch(need);
                    lock(&done).push(fetched);
                });
            }
        });
        let mut failed = BTreeMap::new();
        for mut fetched in done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            self.bytes += fetched.text.as_ref().map_or(0, String::len);
            if self.bytes > MAX_TOTAL {
                let message = format!("all documents together have more than {} MiB", MAX_TOTAL >> 20);
                fetched = refused(&fetched.image, fetched.kind, Reason::Refused, message);
            }
            let key = (fetched.image.clone(), fetched.kind);
            // A failure may be over when the same is asked for again.
            let kept = if fetched.error.is_none() { &mut self.known } else { &mut failed };
            kept.insert(key, fetched);
        }
        let answer = |need: &RegistryNeed| {
            let key = (need.image.clone(), need.kind);
            let found = self.known.get(&key).or_else(|| failed.get(&key)).cloned();
            found.expect("each need was fetched just above, or before")
        };
        needs.iter().map(answer).collect()
    }
}

/// The answer to a need that could not be met.
pub(crate) fn refused(image: &str, kind: RegistryKind, reason: Reason, message: String) -> RegistryFetched {
    RegistryFetched {
        image: image.to_owned(),
        kind,
        error: Some(message),
        reason: Some(reason),
        ..RegistryFetched::default()
    }
}

/// A worker that panicked left whole values behind.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

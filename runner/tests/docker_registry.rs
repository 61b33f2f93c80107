//! The look at a real registry, distribution 2.8, with a password and without.
//!
//! Opt-in, since it needs Debian's package `docker-registry`:
//! `cargo test -p image-factory --test docker_registry -- --ignored`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use image_factory::abi::{Reason, RegistryKind, RegistryNeed};
use image_factory_harness::registry::push::push;
use image_factory_harness::registry::{slsa_1, Documents, Image, INDEX};
use image_factory_runner::registry::{Credentials, Registries, Settings};
use serde_json::Value;
use tempfile::TempDir;

/// me:secret, as htpasswd writes it with bcrypt.
const PASSWORDS: &str = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A running registry; it ends when it is dropped.
struct Registry {
    child: Child,
    host: String,
    _folder: TempDir,
}

impl Registry {
    fn start(with_password: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        fs::write(path("passwords"), PASSWORDS).expect("a file can be written");
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\n",
            path("data")
        );
        if with_password {
            config.push_str(&format!("auth: {{htpasswd: {{realm: here, path: {}}}}}\n", path("passwords")));
        }
        fs::write(path("config.yml"), config).expect("a file can be written");
        let mut child = Command::new("docker-registry")
            .args(["serve", &path("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut lines = stderr.lines().map_while(Result::ok);
        let host = lines.by_ref().take(100).find_map(|line| {
            let message = serde_json::from_str::<Value>(&line).ok()?;
            message["msg"].as_str()?.strip_prefix("listening on ").map(str::to_owned)
        });
        // What it says later must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Registry { child, host: host.expect("it says where it listens"), _folder: folder }
    }

    fn registries(&self, password: Option<&str>) -> Registries {
        let settings = Settings { plain: [self.host.clone()].into(), ..Settings::default() };
        let config = password.map_or("{}".to_owned(), |password| {
            format!(r#"{{"auths": {{"{}": {{"username": "me", "password": "{password}"}}}}}}"#, self.host)
        });
        Registries::with_credentials(settings, Credentials::read(&config, "config.json"))
    }

    fn need(&self, path: &str, kind: RegistryKind) -> [RegistryNeed; 1] {
        [RegistryNeed { image: format!("{}/{path}", self.host), kind }]
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn published() -> (Documents, String) {
    let mut documents = Documents::default();
    let provenance = Some(slsa_1(&[("pkg:docker/node@22", &format!("sha256:{}", "a".repeat(64)))]));
    let images = [
        Image { provenance, ..Image::default() },
        Image { platform: "linux/arm64", layers: vec!["base", "app"], ..Image::default() },
    ];
    let digest = documents.publish("acme/web:1", &images);
    (documents, digest)
}

#[test]
#[ignore = "needs docker-registry"]
fn the_real_one_answers_as_we_expect() {
    let (documents, digest) = published();
    let registry = Registry::start(false);
    push(&registry.host, &documents, None);
    let mut registries = registry.registries(None);
    let head = registries.fetch(&registry.need("acme/web:1", RegistryKind::Head)).remove(0);
    assert_eq!((head.digest.as_ref(), head.error), (Some(&digest), None));
    let index =
        registries.fetch(&registry.need(&format!("acme/web@{digest}"), RegistryKind::Manifest)).remove(0);
    assert_eq!(index.media_type.as_deref(), Some(INDEX));
    assert_eq!(index.text.as_ref(), Some(&documents.by_digest[&digest].1));
    for (path, kind) in [
        ("acme/web:2", RegistryKind::Head),
        ("acme/web:2", RegistryKind::Manifest),
        ("acme/none:1", RegistryKind::Head),
    ] {
        let missing = registries.fetch(&registry.need(path, kind)).remove(0);
        assert_eq!(missing.reason, Some(Reason::Missing), "{missing:?}");
    }

    let image = format!("{}/acme/web:1", registry.host);
    let output = Command::new(env!("CARGO_BIN_EXE_image-factory"))
        .args(["look", &image, "--plain-http", &registry.host, "--output", "json"])
        .output()
        .expect("the program starts");
    let look: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(look["digest"], digest.as_str());
    assert_eq!(look["platforms"].as_array().map(Vec::len), Some(2));
    assert_eq!(look["platforms"][0]["materials"][0]["name"], "docker.io/library/node");
}

#[test]
#[ignore = "needs docker-registry"]
fn the_real_one_wants_its_password() {
    let (documents, digest) = published();
    let registry = Registry::start(true);
    push(&registry.host, &documents, Some("Basic bWU6c2VjcmV0"));
    let need = registry.need("acme/web:1", RegistryKind::Head);
    let known = registry.registries(Some("secret")).fetch(&need).remove(0);
    assert_eq!((known.digest, known.error), (Some(digest), None));
    for password in [None, Some("wrong")] {
        let unknown = registry.registries(password).fetch(&need).remove(0);
        assert_eq!(unknown.reason, Some(Reason::Denied), "{unknown:?}");
    }
}

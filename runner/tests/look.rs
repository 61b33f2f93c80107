//! `look` through the program, on a registry on loopback.

use std::fs;
use std::process::{Command, Output};

use image_factory_harness::registry::stub::{Reply, Stub};
use image_factory_harness::registry::{slsa_1, Documents, Image};
use serde_json::Value;
use tempfile::TempDir;

/// The program, with no configuration of Docker but the one in this folder.
fn look(docker: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-factory"));
    command.arg("look").args(arguments).env("DOCKER_CONFIG", docker.path()).env_remove("ARGOCD_APP_NAME");
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program prints UTF-8")
}

/// A base image, and two images on it: one holds it, and one an older one.
fn fleet() -> (Stub, String) {
    let stub = Stub::start(Documents::default());
    let uri = format!("pkg:docker/{}/base@1?platform=linux%2Famd64", stub.host().replace(':', "%3A"));
    let mut documents = Documents::default();
    let old = documents.publish("base:1", &[Image { layers: vec!["old"], ..Image::default() }]);
    let new = documents.publish("base:1", &[Image { layers: vec!["new"], ..Image::default() }]);
    for (tag, base) in [("web:1", &old), ("web:2", &new)] {
        let provenance = Some(slsa_1(&[(uri.as_str(), base.as_str())]));
        documents.publish(tag, &[Image { provenance, ..Image::default() }]);
    }
    *stub.documents() = documents;
    (stub, old)
}

#[test]
fn an_image_and_its_base_are_shown() {
    let (stub, old) = fleet();
    let host = stub.host();
    let docker = tempfile::tempdir().expect("a folder can be made");
    let base = format!("{host}/base:1");
    let (one, two) = (format!("{host}/web:1"), format!("{host}/web:2"));
    let output = look(&docker, &[&one, &two, "--base", &base, "--plain-http", &host]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let shown = text(&output.stdout);
    let mut lines = shown.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with(&format!("{one}@sha256:"))), "{shown}");
    assert!(shown.contains("linux/amd64  2026-01-05T10:00:00Z  1       sha256:"), "{shown}");
    assert!(shown.contains(&format!("{old}  provenance\n")), "{shown}");
    assert!(shown.contains("the newest") && shown.ends_with("provenance\n"), "{shown}");

    let output = look(&docker, &[&two, "--base", &base, "--plain-http", &host, "--output", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(json["base"]["holds"][0]["newest"], true);
    assert_eq!(json["platforms"][0]["materials"][0]["digest"], json["base"]["digest"]);
}

#[test]
fn the_exit_code_says_who_acts() {
    let (stub, _) = fleet();
    let host = stub.host();
    let docker = tempfile::tempdir().expect("a folder can be made");
    let check = |arguments: &[&str], exit: i32, code: &str| {
        let output = look(&docker, arguments);
        assert_eq!(output.status.code(), Some(exit), "{}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with(&format!("error[{code}]: ")), "{}", text(&output.stderr));
    };
    check(&[&format!("{host}/web:9"), "--plain-http", &host], 1, "IF1104");
    check(&["Web"], 1, "IF0803");
    check(&["web", "--platform", "x y"], 2, "IF1106");
    let limited =
        Stub::with(Documents::default(), |_| Some(Reply::new(429, "").header("Retry-After", "999")));
    check(&[&format!("{}/web:9", limited.host()), "--plain-http", &limited.host()], 3, "IF1102");
    // What one image lacks doesn't hide the others.
    let output = look(&docker, &[&format!("{host}/web:9"), &format!("{host}/web:1"), "--plain-http", &host]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with(&format!("{host}/web:1@sha256:")));
}

#[test]
fn credentials_and_protocol_come_from_files() {
    let mut documents = Documents::default();
    documents.publish("web:1", &[Image::default()]);
    let stub = Stub::with(documents, |ask| {
        let is_known = ask.header("authorization") == "Basic bWU6c2VjcmV0";
        (!is_known).then(|| Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\""))
    });
    let host = stub.host();
    let docker = tempfile::tempdir().expect("a folder can be made");
    let factory = tempfile::tempdir().expect("a folder can be made");
    let settings = format!("registries: {{\"{host}\": {{plainHTTP: true}}}}\n");
    fs::write(factory.path().join("factory.yaml"), settings).expect("a file can be written");
    let folder = factory.path().to_string_lossy().into_owned();
    let image = format!("{host}/web:1");
    let arguments = [image.as_str(), "--factory", &folder];
    let refused = look(&docker, &arguments);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.starts_with(&format!("error[IF1103]: `{image}`: {host} wants credentials (401)\n")),
        "{said}"
    );
    // As a Secret of type kubernetes.io/dockerconfigjson is mounted.
    let config = format!(r#"{{"auths": {{"{host}": {{"auth": "bWU6c2VjcmV0"}}}}}}"#);
    fs::write(docker.path().join(".dockerconfigjson"), config).expect("a file can be written");
    let known = look(&docker, &arguments);
    assert_eq!(known.status.code(), Some(0), "{}", text(&known.stderr));
}

//! Pushes documents to a registry on loopback, as builders do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Documents, INDEX, MANIFEST};

/// Pushes all documents to each repository that has a tag, and its tags.
///
/// # Panics
/// The registry takes one of them not.
pub fn push(host: &str, documents: &Documents, authorization: Option<&str>) {
    let is_manifest = |media_type: &str| media_type == MANIFEST || media_type == INDEX;
    let mut repositories: Vec<&str> = documents.tags.keys().filter_map(|tag| tag.split(':').next()).collect();
    repositories.dedup();
    let send = |method: &str, path: &str, media_type: &str, body: &str| {
        ask(host, method, path, media_type, body, authorization)
    };
    for repository in repositories {
        for (digest, (media_type, text)) in &documents.by_digest {
            if is_manifest(media_type) {
                continue;
            }
            let head = send("POST", &format!("/v2/{repository}/blobs/uploads/"), "text/plain", "");
            let location = header(&head, "location").expect("an upload has a place");
            let path = location.strip_prefix(&format!("http://{host}")).unwrap_or(&location);
            let mark = if path.contains('?') { '&' } else { '?' };
            let done = send("PUT", &format!("{path}{mark}digest={digest}"), "application/octet-stream", text);
            assert!(done.starts_with("HTTP/1.1 201"), "{done}");
        }
        // What an index names must be there before it.
        for kind in [MANIFEST, INDEX] {
            for (digest, (media_type, text)) in
                documents.by_digest.iter().filter(|(_, (found, _))| found == kind)
            {
                let done = send("PUT", &format!("/v2/{repository}/manifests/{digest}"), media_type, text);
                assert!(done.starts_with("HTTP/1.1 201"), "{done}");
            }
        }
        for (tag, digest) in &documents.tags {
            let Some(tag) = tag.strip_prefix(&format!("{repository}:")) else { continue };
            let (media_type, text) = &documents.by_digest[digest];
            let done = send("PUT", &format!("/v2/{repository}/manifests/{tag}"), media_type, text);
            assert!(done.starts_with("HTTP/1.1 201"), "{done}");
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// One request, and all of the answer.
fn ask(
    host: &str,
    method: &str,
    path: &str,
    media_type: &str,
    body: &str,
    authorization: Option<&str>,
) -> String {
    let mut stream = TcpStream::connect(host).expect("the registry listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    let authorization = authorization.map_or(String::new(), |text| format!("Authorization: {text}\r\n"));
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{authorization}\
         Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("the registry reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the registry answers");
    answer
}

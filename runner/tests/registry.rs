//! What registries do to those who look: refusals, limits, lies and time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use image_factory::abi::{Reason, RegistryFetched, RegistryKind, RegistryNeed};
use image_factory_harness::registry::stub::{Ask, Reply, Stub};
use image_factory_harness::registry::{Documents, Image, INDEX};
use image_factory_runner::registry::{Credentials, Pace, Patience, Registries, Settings};

/// Patient enough for a busy machine, and quick where it must wait.
fn pace() -> Pace {
    Pace {
        attempts: 3,
        back_off: Duration::from_millis(2),
        longest_wait: Duration::from_secs(1),
        patience: Patience { connect: Duration::from_secs(10), request: Duration::from_secs(20) },
    }
}

fn settings(stubs: &[&Stub]) -> Settings {
    Settings { plain: stubs.iter().map(|stub| stub.host()).collect(), pace: pace(), ..Settings::default() }
}

fn anonymous(stub: &Stub) -> Registries {
    Registries::with_credentials(settings(&[stub]), Credentials::default())
}

/// With user and password for a registry.
fn with_password(stub: &Stub) -> Registries {
    let config = format!(r#"{{"auths": {{"{}": {{"username": "me", "password": "secret"}}}}}}"#, stub.host());
    Registries::with_credentials(settings(&[stub]), Credentials::read(&config, "config.json"))
}

fn need(image: &str, kind: RegistryKind) -> RegistryNeed {
    RegistryNeed { image: image.to_owned(), kind }
}

fn fetch(registries: &mut Registries, stub: &Stub, path: &str, kind: RegistryKind) -> RegistryFetched {
    let image = format!("{}/{path}", stub.host());
    registries.fetch(&[need(&image, kind)]).pop().expect("one answer for one need")
}

/// Its error, with the registry's host left out.
fn error(fetched: &RegistryFetched, stub: &Stub) -> (Reason, String) {
    assert_eq!((&fetched.text, &fetched.digest), (&None, &None));
    let message = fetched.error.clone().expect("an error").replace(&stub.host(), "HOST");
    (fetched.reason.expect("an error has a reason"), message)
}

/// A registry with one image, `acme/web:1`, and the digest of its index.
fn published() -> (Documents, String) {
    let mut documents = Documents::default();
    let digest = documents.publish("acme/web:1", &[Image::default()]);
    (documents, digest)
}

/// The error of a look at the manifest of `acme/web:1` where the registry answers by a rule.
fn refused(rule: impl Fn(&Ask) -> Option<Reply> + Send + Sync + 'static) -> (Reason, String, usize) {
    let stub = Stub::with(published().0, rule);
    let fetched = fetch(&mut anonymous(&stub), &stub, "acme/web:1", RegistryKind::Manifest);
    let (reason, message) = error(&fetched, &stub);
    (reason, message, stub.log().len())
}

#[test]
fn documents_come_as_they_are() {
    let (documents, digest) = published();
    let stub = Stub::start(documents);
    let mut registries = anonymous(&stub);
    let head = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!((head.digest.as_ref(), &head.text, &head.error), (Some(&digest), &None, &None));
    for path in ["acme/web:1".to_owned(), format!("acme/web@{digest}")] {
        let index = fetch(&mut registries, &stub, &path, RegistryKind::Manifest);
        assert_eq!(index.digest.as_ref(), Some(&digest));
        assert_eq!(index.media_type.as_deref(), Some(INDEX));
        assert_eq!(index.text.as_ref(), Some(&stub.documents().by_digest[&digest].1));
    }
    let index = format!("GET /v2/acme/web/manifests/{digest}");
    assert_eq!(stub.log(), ["HEAD /v2/acme/web/manifests/1", "GET /v2/acme/web/manifests/1", &index]);
    // All kinds of index and manifest are wanted.
    let accept = stub.asked()[0].header("accept").to_owned();
    assert!(
        accept.contains(INDEX) && accept.contains("vnd.docker.distribution.manifest.list.v2+json"),
        "{accept}"
    );
    // What was fetched once is kept.
    fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Manifest);
    assert_eq!(stub.log().len(), 3);
}

#[test]
fn many_are_fetched_at_once_and_answered_in_order() {
    let mut documents = Documents::default();
    let digests: Vec<String> = (0..40)
        .map(|at| {
            documents.publish(
                &format!("acme/web:{at}"),
                &[Image {
                    created: ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"][at % 2],
                    run: serde_json::json!({"User": at.to_string()}),
                    ..Image::default()
                }],
            )
        })
        .collect();
    let stub = Stub::with(documents, |_| {
        std::thread::sleep(Duration::from_millis(5));
        None
    });
    let mut needs: Vec<RegistryNeed> =
        (0..40).map(|at| need(&format!("{}/acme/web:{at}", stub.host()), RegistryKind::Head)).collect();
    needs.push(needs[7].clone());
    let fetched = anonymous(&stub).fetch(&needs);
    let found: Vec<&str> = fetched.iter().filter_map(|found| found.digest.as_deref()).collect();
    let mut expected: Vec<&str> = digests.iter().map(String::as_str).collect();
    expected.push(&digests[7]);
    assert_eq!(found, expected);
    assert_eq!(stub.log().len(), 40, "each is asked for once");
}

#[test]
fn a_registry_without_digest_header_or_head_is_read() {
    for is_refused in [false, true] {
        let (documents, digest) = published();
        let text = documents.by_digest[&digest].1.clone();
        let stub = Stub::with(documents, move |ask| match ask.method.as_str() {
            "HEAD" if is_refused => Some(Reply::new(405, "")),
            _ => Some(Reply::new(200, text.as_str())),
        });
        let head = fetch(&mut anonymous(&stub), &stub, "acme/web:1", RegistryKind::Head);
        assert_eq!((head.digest.as_ref(), &head.text), (Some(&digest), &None));
        assert_eq!(stub.log(), ["HEAD /v2/acme/web/manifests/1", "GET /v2/acme/web/manifests/1"]);
    }
}

#[test]
fn refusals_are_told_and_not_repeated() {
    let check = |status: u16, reason: Reason, message: &str| {
        let (found, text, requests) =
            refused(move |_| Some(Reply::new(status, r#"{"errors":[{"message":"no\nway"}]}"#)));
        assert_eq!((found, text.as_str(), requests), (reason, message, 1), "{status}");
    };
    check(401, Reason::Denied, "HOST wants credentials (401): noway");
    check(403, Reason::Denied, "HOST wants credentials (403): noway");
    check(404, Reason::Missing, "HOST has no `1` in `acme/web` (404): noway");
    check(410, Reason::Missing, "HOST has no `1` in `acme/web` (410): noway");
    check(406, Reason::Refused, "HOST answers 406: noway");
    let stub = Stub::start(Documents::default());
    let mut registries = anonymous(&stub);
    let digest = format!("sha256:{}", "a".repeat(64));
    for kind in [RegistryKind::Head, RegistryKind::Manifest] {
        let fetched = fetch(&mut registries, &stub, "acme/web:1", kind);
        assert_eq!(error(&fetched, &stub).0, Reason::Missing);
    }
    let blob = fetch(&mut registries, &stub, &format!("acme/web@{digest}"), RegistryKind::Blob);
    let expected = format!("HOST has no `{digest}` in `acme/web` (404): blob unknown to registry");
    assert_eq!(error(&blob, &stub), (Reason::Missing, expected));
}

#[test]
fn what_may_pass_is_tried_again() {
    let (reason, message, requests) = refused(|_| Some(Reply::new(500, "<html>")));
    assert_eq!((reason, message.as_str(), requests), (Reason::Unreachable, "HOST answers 500, 3 times", 3));
    let (reason, message, requests) = refused(|_| Some(Reply { cut: true, ..Reply::new(200, "{}{}{}") }));
    assert_eq!((reason, requests), (Reason::Unreachable, 3));
    assert!(message.starts_with("HOST: "), "{message}");
    // It passes.
    let (documents, digest) = published();
    let stub = Stub::with(documents, |ask| (ask.number < 2).then(|| Reply::new(503, "")));
    let fetched = fetch(&mut anonymous(&stub), &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(fetched.digest, Some(digest));
    assert_eq!(stub.log().len(), 3);
}

#[test]
fn a_failure_is_asked_again_in_the_next_round() {
    let (documents, digest) = published();
    let stub = Stub::with(documents, |ask| (ask.number < 3).then(|| Reply::new(500, "")));
    let mut registries = anonymous(&stub);
    let first = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(error(&first, &stub).0, Reason::Unreachable);
    let second = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(second.digest, Some(digest));
}

#[test]
fn nobody_there_and_nobody_in_time() {
    let host = {
        let stub = Stub::start(Documents::default());
        stub.host()
    };
    let mut registries = Registries::with_credentials(
        Settings { plain: [host.clone()].into(), pace: pace(), ..Settings::default() },
        Credentials::default(),
    );
    let fetched = registries.fetch(&[need(&format!("{host}/a/b:1"), RegistryKind::Head)]).remove(0);
    assert_eq!(fetched.reason, Some(Reason::Unreachable));
    assert!(fetched.error.as_deref().is_some_and(|error| error.contains("refused")), "{fetched:?}");

    let stub =
        Stub::with(published().0, |_| Some(Reply { delay: Duration::from_secs(2), ..Reply::new(200, "{}") }));
    let patience = Patience { request: Duration::from_millis(100), ..pace().patience };
    let quick = Pace { attempts: 1, patience, ..pace() };
    let settings = Settings { pace: quick, ..settings(&[&stub]) };
    let mut registries = Registries::with_credentials(settings, Credentials::default());
    let fetched = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(error(&fetched, &stub), (Reason::Unreachable, "HOST: no answer within 0.1 s".to_owned()));
}

#[test]
fn a_rate_limit_is_respected_and_reported() {
    // A short wait is waited for.
    let (documents, digest) = published();
    let stub = Stub::with(documents, |ask| {
        (ask.number == 0).then(|| Reply::new(429, "").header("Retry-After", "1"))
    });
    let start = Instant::now();
    let fetched = fetch(&mut anonymous(&stub), &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(fetched.digest, Some(digest));
    assert!(start.elapsed() >= Duration::from_secs(1), "it came back too early");

    // A long one is not: the registry is then left alone, whatever else is wanted of it.
    let body =
        r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
    let stub = Stub::with(published().0, move |_| Some(Reply::new(429, body).header("Retry-After", "3600")));
    let mut registries = anonymous(&stub);
    let expected = "HOST takes no more requests for now (429): You have reached your pull rate limit., and asks to wait 3600 s";
    for tag in ["1", "2", "3"] {
        let fetched = fetch(&mut registries, &stub, &format!("acme/web:{tag}"), RegistryKind::Manifest);
        assert_eq!(error(&fetched, &stub), (Reason::Limited, expected.to_owned()));
    }
    assert_eq!(stub.log().len(), 1);

    // One that is not told is guessed, a few times.
    let (reason, message, requests) = refused(|_| Some(Reply::new(429, "")));
    assert_eq!(
        (reason, message.as_str(), requests),
        (Reason::Limited, "HOST takes no more requests for now (429), 3 times", 3)
    );
}

#[test]
fn bytes_that_are_not_what_was_asked_for_are_not_believed() {
    let (documents, digest) = published();
    let stub = Stub::with(documents, |ask| (ask.method == "GET").then(|| Reply::new(200, "{}")));
    let fetched = fetch(&mut anonymous(&stub), &stub, &format!("acme/web@{digest}"), RegistryKind::Manifest);
    let (reason, message) = error(&fetched, &stub);
    assert_eq!(reason, Reason::Unreachable);
    let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(
        message,
        format!("HOST sends {empty} where {digest} should be: a proxy or cache may have changed it, 3 times")
    );
    // By tag the registry's own word counts.
    let claimed = digest.clone();
    let (reason, message, _) =
        refused(move |_| Some(Reply::new(200, "{}").header("Docker-Content-Digest", claimed.as_str())));
    assert_eq!(reason, Reason::Unreachable);
    assert!(message.contains(&digest) && message.contains(empty), "{message}");
    // One passing lie is survived.
    let (documents, digest) = published();
    let stub = Stub::with(documents, |ask| (ask.number == 0).then(|| Reply::new(200, "garbage")));
    let fetched = fetch(&mut anonymous(&stub), &stub, &format!("acme/web@{digest}"), RegistryKind::Manifest);
    assert_eq!(fetched.digest, Some(digest));
}

#[test]
fn other_digests_than_sha256_are_computed() {
    let text = "{}";
    let sha512 = "sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd";
    let stub = Stub::with(Documents::default(), move |_| Some(Reply::new(200, text)));
    let found = fetch(&mut anonymous(&stub), &stub, &format!("acme/web@{sha512}"), RegistryKind::Blob);
    assert_eq!(
        (found.digest.as_deref(), found.text.as_deref(), found.error),
        (Some(sha512), Some(text), None)
    );
}

#[test]
fn what_is_too_large_or_no_text_is_refused() {
    let large = vec![b' '; 5 << 20];
    let body = large.clone();
    let (reason, message, requests) = refused(move |_| Some(Reply::new(200, body.clone())));
    assert_eq!(
        (reason, message.as_str(), requests),
        (Reason::Refused, "`1` has more than 4 MiB, so it is not read", 1)
    );
    let (reason, message, _) = refused(|_| Some(Reply::new(200, vec![0xff, 0xfe])));
    assert_eq!((reason, message.as_str()), (Reason::Refused, "`1` is not text"));
    // A configuration may have five.
    let mut documents = Documents::default();
    let digest = documents.put("x", &String::from_utf8(large).expect("blanks"));
    let stub = Stub::start(documents);
    let found = fetch(&mut anonymous(&stub), &stub, &format!("acme/web@{digest}"), RegistryKind::Blob);
    assert_eq!(found.error, None);
    // The head of a large one says its digest.
    let found = fetch(&mut anonymous(&stub), &stub, &format!("acme/web@{digest}"), RegistryKind::Head);
    assert_eq!(found.digest, Some(digest));
}

#[test]
fn a_need_that_names_nothing_is_refused() {
    let stub = Stub::start(Documents::default());
    for image in ["", "ghcr.io/Acme/web:1", "a_b.com/c:1", "x@sha256:1", "../../etc/passwd"] {
        let fetched = anonymous(&stub).fetch(&[need(image, RegistryKind::Head)]).remove(0);
        assert_eq!((fetched.reason, fetched.image.as_str()), (Some(Reason::Refused), image));
    }
    assert!(stub.log().is_empty());
}

/// A registry that wants a token of its own server, `/token`; it takes only the newest one, and
/// counts those it gave. It gives none without the right password, if there is one.
fn with_tokens(
    password: Option<&'static str>,
    is_expired: impl Fn(&Ask) -> bool + Send + Sync + 'static,
) -> (Stub, String) {
    let (documents, digest) = published();
    let given = Arc::new(AtomicUsize::new(0));
    let stub = Stub::with(documents, move |ask| {
        if let Some(query) = ask.path.strip_prefix("/token?") {
            if query != "scope=repository%3Aacme%2Fweb%3Apull&service=the%20registry" {
                return Some(Reply::new(400, "a wrong scope"));
            }
            // base64 of me:secret
            let is_known = password.is_none() && ask.header("authorization").is_empty()
                || password.is_some_and(|password| ask.header("authorization") == password);
            if !is_known {
                return Some(Reply::new(401, "who?"));
            }
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            return Some(Reply::new(200, format!(r#"{{"access_token":"t{number}","expires_in":1}}"#)));
        }
        let newest = format!("Bearer t{}", given.load(Ordering::SeqCst));
        if ask.header("authorization") == newest && !is_expired(ask) {
            return None;
        }
        let realm = format!("http://{}/token", ask.header("host"));
        let challenge =
            format!(r#"Bearer realm="{realm}",service="the registry",scope="repository:acme/web:pull""#);
        Some(Reply::new(401, "").header("WWW-Authenticate", challenge))
    });
    (stub, digest)
}

#[test]
fn a_token_is_fetched_for_the_repository_and_kept() {
    let (stub, digest) = with_tokens(None, |_| false);
    let mut registries = anonymous(&stub);
    let head = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(head.digest.as_ref(), Some(&digest));
    let manifest = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Manifest);
    assert_eq!(manifest.digest.as_ref(), Some(&digest));
    let methods: Vec<String> =
        stub.log().iter().map(|line| line.split('?').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        methods,
        [
            "HEAD /v2/acme/web/manifests/1",
            "GET /token",
            "HEAD /v2/acme/web/manifests/1",
            "GET /v2/acme/web/manifests/1"
        ]
    );
}

#[test]
fn an_expired_token_is_replaced() {
    // The fourth request comes with a token that was good for the third.
    let (stub, digest) = with_tokens(None, |ask| ask.number == 3);
    let mut registries = anonymous(&stub);
    fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    let manifest = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Manifest);
    assert_eq!(manifest.digest.as_ref(), Some(&digest));
    let tokens: Vec<String> = stub.asked().iter().map(|ask| ask.header("authorization").to_owned()).collect();
    assert_eq!(tokens, ["", "", "Bearer t1", "Bearer t1", "", "Bearer t2"]);
    // One that never works is not fetched for ever.
    let (stub, _) = with_tokens(None, |_| true);
    let fetched = fetch(&mut anonymous(&stub), &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(error(&fetched, &stub), (Reason::Denied, "HOST wants credentials (401)".to_owned()));
    assert_eq!(stub.log().len(), 3);
}

#[test]
fn credentials_buy_a_token() {
    let (stub, digest) = with_tokens(Some("Basic bWU6c2VjcmV0"), |_| false);
    let head = fetch(&mut with_password(&stub), &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(head.digest, Some(digest));
    let head = fetch(&mut anonymous(&stub), &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(
        error(&head, &stub),
        (Reason::Denied, "HOST, the token server of HOST, wants credentials (401)".to_owned())
    );
    let (stub, _) = with_tokens(Some("Basic b3RoZXI="), |_| false);
    let head = fetch(&mut with_password(&stub), &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(
        error(&head, &stub),
        (Reason::Denied, "HOST, the token server of HOST, refuses the credentials (401)".to_owned())
    );
}

#[test]
fn a_refresh_token_buys_a_token() {
    let (documents, digest) = published();
    let stub = Stub::with(documents, |ask| match ask.path.as_str() {
        "/token"
            if ask.method == "POST"
                && ask.body.contains("grant_type=refresh_token")
                && ask.body.contains("refresh_token=the%2Bone") =>
        {
            Some(Reply::new(200, r#"{"token":"good"}"#))
        }
        "/token" => Some(Reply::new(401, "")),
        _ if ask.header("authorization") == "Bearer good" => None,
        _ => {
            let challenge = format!(r#"Bearer realm="http://{}/token""#, ask.header("host"));
            Some(Reply::new(401, "").header("WWW-Authenticate", challenge))
        }
    });
    let config = format!(r#"{{"auths": {{"{}": {{"identitytoken": "the+one"}}}}}}"#, stub.host());
    let mut registries =
        Registries::with_credentials(settings(&[&stub]), Credentials::read(&config, "config.json"));
    let head = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(head.digest, Some(digest));
}

#[test]
fn a_password_goes_to_the_registry_that_asks_for_it() {
    let (documents, digest) = published();
    let stub = Stub::with(documents, |ask| {
        let is_known = ask.header("authorization") == "Basic bWU6c2VjcmV0";
        (!is_known).then(|| Reply::new(401, "").header("WWW-Authenticate", r#"Basic realm="x""#))
    });
    let mut registries = with_password(&stub);
    let head = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(head.digest, Some(digest));
    assert_eq!(stub.asked()[0].header("authorization"), "", "it asks without a password first");
    let head = fetch(&mut anonymous(&stub), &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(error(&head, &stub), (Reason::Denied, "HOST wants credentials (401)".to_owned()));
    let broken = Credentials::read("{", "config.json");
    let mut registries = Registries::with_credentials(settings(&[&stub]), broken);
    let head = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(error(&head, &stub).1, "HOST wants credentials (401); config.json is not JSON");
}

#[test]
fn a_token_server_that_fails_is_told() {
    let check = |reply: Reply, reason: Reason, message: &str, requests: usize| {
        let stub = Stub::with(published().0, move |ask| {
            if ask.path.starts_with("/token") {
                return Some(reply.clone());
            }
            let challenge = format!(r#"Bearer realm="http://{}/token""#, ask.header("host"));
            Some(Reply::new(401, "").header("WWW-Authenticate", challenge))
        });
        let fetched = fetch(&mut anonymous(&stub), &stub, "acme/web:1", RegistryKind::Head);
        assert_eq!(error(&fetched, &stub), (reason, message.to_owned()));
        let asked = stub.log().iter().filter(|line| line.contains("/token")).count();
        assert_eq!(asked, requests, "{message}");
    };
    let who = "HOST, the token server of HOST,";
    check(Reply::new(500, ""), Reason::Unreachable, &format!("{who} answers 500, 3 times"), 3);
    check(
        Reply::new(200, "<html>"),
        Reason::Unreachable,
        &format!("{who} answers without a token, 3 times"),
        3,
    );
    check(
        Reply::new(200, r#"{"token":"a\r\nb"}"#),
        Reason::Unreachable,
        &format!("{who} answers without a token, 3 times"),
        3,
    );
    check(Reply::new(403, ""), Reason::Denied, &format!("{who} wants credentials (403)"), 1);
    let limited = Reply::new(429, "").header("Retry-After", "90");
    check(limited, Reason::Limited, &format!("{who} answers 429, and asks to wait 90 s"), 1);
}

#[test]
fn blobs_may_be_elsewhere_and_credentials_stay_here() {
    let mut documents = Documents::default();
    let digest = documents.put("x", "{}");
    let elsewhere =
        Stub::with(documents, |ask| ask.path.starts_with("/blob?signature=").then(|| Reply::new(200, "{}")));
    let target = format!("http://{}/blob?signature=hidden", elsewhere.host());
    let stub = Stub::with(Documents::default(), move |ask| match ask.path.contains("/blobs/") {
        _ if ask.header("authorization") != "Basic bWU6c2VjcmV0" => {
            Some(Reply::new(401, "").header("WWW-Authenticate", "Basic"))
        }
        true => Some(Reply::new(307, "").header("Location", target.as_str())),
        false => None,
    });
    let blob = fetch(&mut with_password(&stub), &stub, &format!("acme/web@{digest}"), RegistryKind::Blob);
    assert_eq!((blob.text.as_deref(), blob.error), (Some("{}"), None));
    let asked = elsewhere.asked();
    assert_eq!((asked.len(), asked[0].header("authorization")), (1, ""));
    // What fails there is told without the signature.
    drop(elsewhere);
    let blob = fetch(&mut with_password(&stub), &stub, &format!("acme/web@{digest}"), RegistryKind::Blob);
    let (reason, message) = error(&blob, &stub);
    assert_eq!(reason, Reason::Unreachable);
    assert!(!message.contains("hidden"), "{message}");
}

#[test]
fn redirects_end() {
    let (reason, message, requests) =
        refused(|ask| Some(Reply::new(302, "").header("Location", ask.path.as_str())));
    assert_eq!(
        (reason, message.as_str()),
        (Reason::Unreachable, "HOST points elsewhere more than 5 times, 3 times")
    );
    assert_eq!(requests, 18);
    let (reason, message, _) = refused(|_| Some(Reply::new(302, "")));
    assert_eq!(
        (reason, message.as_str()),
        (Reason::Unreachable, "HOST answers 302 without saying where to go, 3 times")
    );
    let (reason, message, requests) =
        refused(|_| Some(Reply::new(302, "").header("Location", "file:///etc/passwd")));
    assert_eq!(
        (reason, message.as_str(), requests),
        (Reason::Refused, "HOST points to , which has no TLS", 1)
    );
}

#[test]
fn http_is_spoken_only_where_it_is_told() {
    let (documents, _) = published();
    let stub = Stub::start(documents);
    let tls = Settings { pace: Pace { attempts: 1, ..pace() }, ..Settings::default() };
    let mut registries = Registries::with_credentials(tls, Credentials::default());
    let head = fetch(&mut registries, &stub, "acme/web:1", RegistryKind::Head);
    assert_eq!(error(&head, &stub).0, Reason::Unreachable);
    let heard = stub.log();
    assert!(heard.iter().all(|line| !line.contains("/v2/")), "{heard:?}");
}

#[test]
fn mirrors_are_asked_first() {
    let mut documents = Documents::default();
    let digest = documents.publish("hub/acme/web:1", &[Image::default()]);
    let mirror = Stub::start(documents);
    let (documents, origin_digest) = published();
    let origin = Stub::start(documents);
    let mut settings = settings(&[&mirror, &origin]);
    settings.mirrors.insert(origin.host(), vec![format!("{}/hub", mirror.host())]);
    let mut registries = Registries::with_credentials(settings, Credentials::default());
    let head = fetch(&mut registries, &origin, "acme/web:1", RegistryKind::Head);
    assert_eq!(head.digest, Some(digest));
    assert_eq!((mirror.log().len(), origin.log().len()), (1, 0));
    // What it has not, or can't give, is the registry's to answer.
    let by_digest =
        fetch(&mut registries, &origin, &format!("acme/web@{origin_digest}"), RegistryKind::Manifest);
    assert_eq!(by_digest.error, None);
    let missing = fetch(&mut registries, &origin, "acme/other:1", RegistryKind::Head);
    assert_eq!(
        error(&missing, &origin),
        (Reason::Missing, "HOST has no `1` in `acme/other` (404)".to_owned())
    );
    drop(mirror);
    let manifest = fetch(&mut registries, &origin, "acme/web:1", RegistryKind::Manifest);
    assert_eq!(manifest.digest, Some(origin_digest));
}

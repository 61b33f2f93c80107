//! What GitHub's and GitLab's API do to those who ask for runs.

use std::fs;
use std::time::Duration;

use image_factory::abi::{CiFetched, CiNeed, Reason};
use image_factory::factory;
use image_factory::tree::Tree;
use image_factory_harness::registry::stub::{Ask, Reply, Stub};
use image_factory_harness::registry::Documents;
use image_factory_runner::ci::{Ci, Tokens};
use image_factory_runner::registry::{Pace, Patience};
use tempfile::TempDir;

const PATH: &str = "/repos/acme/web/actions/workflows/build.yml/runs?per_page=100";

/// A folder with one token for both.
fn tokens(token: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for provider in ["github", "gitlab"] {
        fs::write(folder.path().join(provider), token).expect("a file can be written");
    }
    folder
}

/// Asks a stub that stands for both.
fn ask(stub: &Stub, tokens: &TempDir, provider: &str, path: &str) -> CiFetched {
    let mut tree = Tree::default();
    let url = format!("http://{}", stub.host());
    tree.insert(
        "factory.yaml",
        format!("providers: {{github: {{api: \"{url}\"}}, gitlab: {{url: \"{url}\"}}}}\n"),
    );
    let factory = factory::read(&tree, &mut Default::default());
    let pace = Pace {
        attempts: 3,
        back_off: Duration::from_millis(2),
        longest_wait: Duration::from_secs(1),
        patience: Patience { connect: Duration::from_secs(10), request: Duration::from_secs(20) },
    };
    let ci = Ci::new(&factory, Tokens::Folder(tokens.path().to_owned()), pace);
    let need = CiNeed { provider: provider.to_owned(), path: path.to_owned() };
    let fetched = ci.fetch(std::slice::from_ref(&need)).remove(0);
    assert_eq!((&fetched.provider, &fetched.path), (&need.provider, &need.path));
    fetched
}

#[test]
fn each_provider_gets_its_token_its_way() {
    let stub = Stub::with(Documents::default(), |_| Some(Reply::new(200, "[]")));
    let tokens = tokens("secret\n");
    assert_eq!(ask(&stub, &tokens, "github", PATH).text.as_deref(), Some("[]"));
    assert_eq!(ask(&stub, &tokens, "gitlab", "/projects/a%2Fb/pipelines").text.as_deref(), Some("[]"));
    let asked = stub.asked();
    assert_eq!((asked[0].path.as_str(), asked[0].header("authorization")), (PATH, "Bearer secret"));
    assert_eq!(asked[0].header("x-github-api-version"), "2022-11-28");
    assert_eq!(
        (asked[1].path.as_str(), asked[1].header("private-token")),
        ("/api/v4/projects/a%2Fb/pipelines", "secret")
    );
    assert_eq!(asked[1].header("authorization"), "");
}

#[test]
fn refusals_are_told_and_what_may_pass_is_tried_again() {
    let none = tempfile::tempdir().expect("a folder can be made");
    let secret = tokens("secret");
    let check = |tokens: &TempDir, reply: Reply, reason: Reason, message: &str, requests: usize| {
        let stub = Stub::with(Documents::default(), move |_: &Ask| Some(reply.clone()));
        let fetched = ask(&stub, tokens, "github", PATH);
        let found = fetched.error.expect("an error").replace(&stub.host(), "HOST");
        assert_eq!((fetched.reason, found.as_str(), stub.log().len()), (Some(reason), message, requests));
    };
    let message = r#"{"message":"Bad credentials"}"#;
    check(
        &secret,
        Reply::new(401, message),
        Reason::Denied,
        "HOST refuses the token (401): Bad credentials",
        1,
    );
    check(&none, Reply::new(401, ""), Reason::Denied, "HOST wants a token (401)", 1);
    check(&secret, Reply::new(403, ""), Reason::Denied, "HOST refuses the token (403)", 1);
    let hidden = "HOST has no such repository or workflow, or hides it without a token (404)";
    check(&none, Reply::new(404, ""), Reason::Missing, hidden, 1);
    let limit = Reply::new(403, "").header("X-RateLimit-Remaining", "0").header("Retry-After", "900");
    let limited = "HOST takes no more requests for now (403), and asks to wait 900 s";
    check(&secret, limit, Reason::Limited, limited, 1);
    check(&secret, Reply::new(429, ""), Reason::Limited, "HOST takes no more requests for now (429)", 3);
    check(&secret, Reply::new(502, "<html>"), Reason::Unreachable, "HOST answers 502", 3);
    check(&secret, Reply::new(422, ""), Reason::Refused, "HOST answers 422", 1);
    // A redirect is not followed, and the token with it goes nowhere.
    let elsewhere = Reply::new(301, "").header("Location", "https://example.com/");
    check(&secret, elsewhere, Reason::Unreachable, "HOST answers 301", 3);
}

#[test]
fn a_question_to_somewhere_else_is_not_asked() {
    let stub = Stub::with(Documents::default(), |_| Some(Reply::new(200, "[]")));
    let secret = tokens("secret");
    for (provider, path) in
        [("github", "@example.com/"), ("github", "/../x"), ("jenkins", PATH), ("", ""), ("../github", PATH)]
    {
        assert_eq!(ask(&stub, &secret, provider, path).reason, Some(Reason::Refused), "{provider} {path}");
    }
    let broken = tokens("sec\nret");
    let fetched = ask(&stub, &broken, "github", PATH);
    assert_eq!(fetched.error.as_deref(), Some("the token of github has characters that no token has"));
    assert!(stub.log().is_empty());
}

//! The CI that builds images: GitHub's and GitLab's API, asked for runs and for nothing else.
//!
//! The module says what follows the API's URL; the URL itself is factory.yaml's, so no token goes
//! anywhere else. A token is the text of the file `github` or `gitlab` in the folder that
//! `IMAGE_FACTORY_TOKENS` names, as a Secret is mounted, else of `GITHUB_TOKEN` or `GITLAB_TOKEN`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use image_factory::abi::{CiFetched, CiNeed, Reason};
use image_factory::factory::Factory;
use serde_json::Value;

use crate::http::{host_of, Answer, Ask, Transport};
use crate::registry::{back_off, retry_after, Pace};

/// The most bytes of an answer: a hundred runs with all their details are about two.
const MAX_ANSWER: usize = 16 << 20;

/// Where tokens are.
#[derive(Clone, Debug)]
pub enum Tokens {
    /// In a folder, each in a file of its provider's name.
    Folder(PathBuf),
    /// In the variables of the environment that people have.
    Environment,
}

impl Tokens {
    /// As the environment says.
    pub fn from_environment() -> Self {
        match variable("IMAGE_FACTORY_TOKENS") {
            Some(folder) => Tokens::Folder(folder.into()),
            None => Tokens::Environment,
        }
    }

    fn of(&self, provider: &str) -> Result<Option<String>, (Reason, String)> {
        let token = match self {
            Tokens::Folder(folder) => {
                let path = folder.join(provider);
                match std::fs::read_to_string(&path) {
                    Ok(text) => Some(text),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                    Err(error) => return Err((Reason::Denied, format!("{}: {error}", path.display()))),
                }
            }
            Tokens::Environment => {
                variable(if provider == "github" { "GITHUB_TOKEN" } else { "GITLAB_TOKEN" })
                    .and_then(|text| text.into_string().ok())
            }
        };
        let token = token.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        // It goes into a header as it is; what is wrong with it must not be shown.
        match token {
            Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err((Reason::Denied, format!("the token of {provider} has characters that no token has")))
            }
            token => Ok(token),
        }
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The APIs of one run.
pub struct Ci {
    transport: Transport,
    pace: Pace,
    tokens: Tokens,
    github: String,
    gitlab: String,
}

impl Ci {
    /// Those of factory.yaml.
    pub fn new(factory: &Factory, tokens: Tokens, pace: Pace) -> Self {
        let github = factory.providers.github_api().unwrap_or_else(|| "https://api.github.com".to_owned());
        Ci {
            transport: Transport::new(pace.patience),
            pace,
            tokens,
            github,
            gitlab: format!("{}/api/v4", factory.providers.gitlab),
        }
    }

    /// One answer for each need, in order; a failure is its answer's `error`.
    pub fn fetch(&self, needs: &[CiNeed]) -> Vec<CiFetched> {
        let fetch = |need: &CiNeed| match self.patiently(need) {
            Ok(text) => CiFetched {
                provider: need.provider.clone(),
                path: need.path.clone(),
                text: Some(text),
                ..CiFetched::default()
            },
            Err((reason, message)) => refused(need, reason, message),
        };
        needs.iter().map(fetch).collect()
    }

    /// Tries again what may pass.
    fn patiently(&self, need: &CiNeed) -> Result<String, (Reason, String)> {
        let (base, mut headers) = match need.provider.as_str() {
            "github" => (
                &self.github,
                vec![
                    ("Accept", "application/vnd.github+json".to_owned()),
                    ("X-GitHub-Api-Version", "2022-11-28".to_owned()),
                ],
            ),
            "gitlab" => (&self.gitlab, Vec::new()),
            other => return Err((Reason::Refused, format!("`{other}` is no CI that can be asked"))),
        };
        // What follows an API's URL can't make another host of it.
        if !need.path.starts_with('/') || need.path.contains("..") {
            return Err((Reason::Refused, format!("`{}` is no path of an API", need.path)));
        }
        let token = self.tokens.of(&need.provider)?;
        if let Some(token) = &token {
            headers.push(match need.provider.as_str() {
                "github" => ("Authorization", format!("Bearer {token}")),
                _ => ("PRIVATE-TOKEN", token.clone()),
            });
        }
        let url = format!("{base}{}", need.path);
        let ask =
            Ask { method: "GET", url: &url, headers: &headers, form: None, verify: true, limit: MAX_ANSWER };
        let mut attempt = 1;
        loop {
            let (reason, mut message, wait) = match self.transport.send(&ask) {
                Ok(answer) if answer.status == 200 => return text(base, answer),
                Ok(answer) => refusal(base, &answer, token.is_some()),
                Err((reason, error)) => (reason, format!("{}: {error}", host_of(base)), None),
            };
            let may_pass = matches!(reason, Reason::Unreachable | Reason::Limited);
            let too_long = wait.filter(|wait| *wait > self.pace.longest_wait);
            if let Some(wait) = too_long.filter(|_| may_pass) {
                message.push_str(&format!(", and asks to wait {} s", wait.as_secs()));
            }
            if !may_pass || too_long.is_some() || attempt >= self.pace.attempts {
                return Err((reason, message));
            }
            sleep(wait.unwrap_or_default().max(back_off(self.pace.back_off, attempt)));
            attempt += 1;
        }
    }
}

/// The answer to a need that could not be met.
pub(crate) fn refused(need: &CiNeed, reason: Reason, message: String) -> CiFetched {
    CiFetched {
        provider: need.provider.clone(),
        path: need.path.clone(),
        error: Some(message),
        reason: Some(reason),
        ..CiFetched::default()
    }
}

fn text(base: &str, answer: Answer) -> Result<String, (Reason, String)> {
    let host = host_of(base);
    let Some(body) = answer.body else {
        return Err((Reason::Refused, format!("{host} answers with more than {} MiB", MAX_ANSWER >> 20)));
    };
    String::from_utf8(body).map_err(|_| (Reason::Unreachable, format!("{host} answers with what is no text")))
}

fn refusal(base: &str, answer: &Answer, has_token: bool) -> (Reason, String, Option<Duration>) {
    let (host, status) = (host_of(base), answer.status);
    let wait = answer.header("retry-after").and_then(|text| retry_after(text, SystemTime::now()));
    let said = answer.body.as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let said = said.as_ref().and_then(|value| value.get("message").or_else(|| value.get("error"))?.as_str());
    // GitHub counts requests with 403, too (REST API, "Rate limits").
    let is_limit = status == 429
        || status == 403 && (wait.is_some() || answer.header("x-ratelimit-remaining") == Some("0"));
    let (reason, mut message) = match status {
        _ if is_limit => (Reason::Limited, format!("{host} takes no more requests for now ({status})")),
        401 | 403 if has_token => (Reason::Denied, format!("{host} refuses the token ({status})")),
        401 | 403 => (Reason::Denied, format!("{host} wants a token ({status})")),
        404 if has_token => (
            Reason::Missing,
            format!("{host} has no such repository or workflow, or hides it from the token (404)"),
        ),
        404 => (
            Reason::Missing,
            format!("{host} has no such repository or workflow, or hides it without a token (404)"),
        ),
        408 | 500.. | 0..=399 => (Reason::Unreachable, format!("{host} answers {status}")),
        _ => (Reason::Refused, format!("{host} answers {status}")),
    };
    if let Some(said) = said {
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        message.push_str(&format!(": {said}"));
    }
    (reason, message, wait)
}

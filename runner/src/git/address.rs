//! Where a repository is: what git gets, what people see, and the credential between them.
//!
//! ```text
//! https://me:secret@example.com/a.git   git: https://example.com/a.git, and the credential by a file
//!                                       people: https://example.com/a.git
//! ```
//!
//! Git hands a URL to its helpers as an argument, which every user of the machine can read, so a
//! password never stays in one.

use super::error::{is_hidden, redact_urls, GitError, Kind};

/// A checked URL.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// What git gets; without a password.
    pub url: String,
    /// What people see; without user and password, but for ssh's user.
    pub shown: String,
    /// The whole URL, a line of git-credential-store's format, where it had a password.
    pub credential: Option<String>,
    /// Texts that must not be shown, and what to show instead.
    pub secrets: Vec<(String, &'static str)>,
    /// How git reaches it, unless the user's git settings rewrite it.
    pub transport: Transport,
}

/// How git reaches a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// `https://`.
    Https,
    /// `http://`, and whether its host is this machine.
    Http { loopback: bool },
    /// `ssh://` or `user@host:path`.
    Ssh,
    /// `git://`.
    Daemon,
    /// `file://` or a path.
    Local,
}

const LONGEST_URL: usize = 4096;

/// A URL as people are shown it: without user and password, and not at all where it is none.
pub fn shown_url(url: &str) -> String {
    Address::parse(url).map_or_else(|_| "a repository".to_owned(), |address| address.shown)
}

impl Address {
    /// Reads a URL as git does (git 2.39, `transport_get` and `parse_connect_url`).
    ///
    /// Refuses what is no place of a repository: options, remote helpers, other schemes, passwords
    /// that git could not use.
    pub fn parse(url: &str) -> Result<Self, GitError> {
        let refuse = |message: String| GitError::new(Kind::Refused, message);
        if url.is_empty() {
            return Err(refuse("the git URL is empty".to_owned()).hint("`https://host/owner/name.git`"));
        }
        if url.len() > LONGEST_URL || url.chars().any(is_hidden) {
            let what = "has hidden characters or more than 4096 bytes";
            return Err(refuse(format!("a git URL {what}")).hint("`https://host/owner/name.git`"));
        }
        if url.starts_with('-') {
            return Err(refuse(format!("a git URL can't begin with `-`: `{}`", redact_urls(url)))
                .hint("for a local folder of that name, write `./` before it"));
        }
        let scheme_length = url
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
            .unwrap_or(url.len());
        let (scheme, rest) = url.split_at(scheme_length);
        if rest.starts_with("::") {
            // What follows is a command line, and may hold anything.
            return Err(refuse(format!("the remote helper `{scheme}::` is not allowed in a git URL"))
                .hint("use an https, ssh or file URL"));
        }
        match rest.strip_prefix("://") {
            Some(rest) => Address::with_scheme(scheme, rest),
            None => Address::without_scheme(url),
        }
    }

    fn with_scheme(scheme: &str, rest: &str) -> Result<Self, GitError> {
        let refuse = |message: String| GitError::new(Kind::Refused, message);
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let transport = match scheme {
            "https" => Transport::Https,
            "http" => Transport::Http { loopback: is_loopback(host) },
            "ssh" | "git+ssh" | "ssh+git" => Transport::Ssh,
            "git" => Transport::Daemon,
            "file" => Transport::Local,
            _ => {
                return Err(refuse(format!("git URLs with `{scheme}://` are not supported"))
                    .hint("use an https, ssh or file URL"))
            }
        };
        let mut address = Address {
            url: format!("{scheme}://{rest}"),
            shown: format!("{scheme}://{host}{path}"),
            credential: None,
            secrets: Vec::new(),
            transport,
        };
        if transport == Transport::Local {
            address.shown = redact_urls(&address.url);
            return Ok(address);
        }
        let port = host.rsplit_once(':').filter(|_| !host.ends_with(']')).map_or("", |(_, port)| port);
        if host.is_empty() || authority.starts_with('-') || host.starts_with('-') {
            return Err(refuse(format!("the git URL has no host: `{scheme}://{host}`")));
        }
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            // Not shown: it is probably the half of a password with a `/` in it.
            return Err(refuse("the port in the git URL is not a number".to_owned())
                .hint("in a password, write `/` as `%2F` and `@` as `%40`"));
        }
        if matches!(transport, Transport::Https | Transport::Http { .. }) && path.contains(['?', '#', '@']) {
            // Not shown: behind `?` stands a token, and before an `@` the rest of one with a `/` in it.
            return Err(refuse("the path in the git URL holds `?`, `#` or `@`".to_owned()).hint(
                "leave a token to git's credential helper; in a path write them as `%3F`, `%23` and `%40`",
            ));
        }
        let Some(user_info) = user_info else { return Ok(address) };
        let password = user_info.split_once(':').map(|(_, password)| password);
        if transport == Transport::Ssh || transport == Transport::Daemon {
            if password.is_some() {
                return Err(refuse(format!("`{scheme}://{host}{path}` takes no password in its URL"))
                    .hint("add a key to the ssh agent"));
            }
            address.shown = format!("{scheme}://{user_info}@{host}{path}");
            return Ok(address);
        }
        address.secrets.push((format!("{user_info}@"), ""));
        match password {
            Some(password) => {
                address.url = format!("{scheme}://{host}{path}");
                // Git splits at the first `@`, curl at the last; this is the same to both.
                address.credential =
                    Some(format!("{scheme}://{}@{host}{path}", user_info.replace('@', "%40")));
                address.secrets.extend(secret_forms(password));
            }
            // Some hosts take a token as the user.
            None => address.secrets.extend(secret_forms(user_info)),
        }
        Ok(address)
    }

    /// `user@host:path`, or a path.
    fn without_scheme(url: &str) -> Result<Self, GitError> {
        let address = |transport| Address {
            url: url.to_owned(),
            shown: redact_urls(url),
            credential: None,
            secrets: Vec::new(),
            transport,
        };
        let before_slash = &url[..url.find('/').unwrap_or(url.len())];
        let Some((host, path)) = before_slash.split_once(':').filter(|_| !url.starts_with('[')) else {
            return Ok(address(if url.starts_with('[') { Transport::Ssh } else { Transport::Local }));
        };
        if path.contains('@') {
            return Err(GitError::new(Kind::Refused, "a git URL for ssh takes no password")
                .hint("write `user@host:path`, and add a key to the ssh agent"));
        }
        if host.is_empty() || host.contains("@-") {
            return Err(GitError::new(Kind::Refused, format!("the git URL has no host: `{url}`")));
        }
        Ok(address(Transport::Ssh))
    }
}

/// A secret as it is written and as git decodes it; too short ones would blot out half of a text.
fn secret_forms(secret: &str) -> impl Iterator<Item = (String, &'static str)> {
    let forms = [secret.to_owned(), percent_decoded(secret)];
    forms.into_iter().filter(|form| form.len() >= 4).map(|form| (form, "***"))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A word as a shell takes it: what people are told to type does what it looks like.
pub(super) fn typed(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/:@._-+=%,[]~".contains(c);
    match !word.is_empty() && word.chars().all(plain) && !word.starts_with(['~', '=']) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a branch or tag may have this name (git-check-ref-format, git 2.39), a full `refs/…` too.
///
/// So no reference is ever an option, a refspec of two halves, a pattern or a path upwards.
pub(super) fn check_reference(reference: &str) -> Result<(), GitError> {
    let forbidden = |c: char| {
        is_hidden(c) || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\' | '`')
    };
    let wrong = reference.is_empty()
        || reference.len() > 255
        || reference.starts_with('-')
        || reference.chars().any(forbidden)
        || reference.contains("..")
        || reference.contains("@{")
        || reference == "@"
        || reference.ends_with('.')
        || reference
            .split('/')
            .any(|part| part.is_empty() || part.starts_with('.') || part.ends_with(".lock"));
    if !wrong {
        return Ok(());
    }
    let shown: String = reference.chars().take(80).map(|c| if forbidden(c) { '?' } else { c }).collect();
    Err(GitError::new(Kind::Refused, format!("`{shown}` can't be a branch, a tag or a commit"))
        .hint("name a branch, a tag, or a commit by all of its digits"))
}

/// The parts of a path in a repository joined by `/`, without `.`; `None` for one that no file has.
pub(super) fn path_in_repository(path: &str) -> Option<String> {
    if path.starts_with('/') || path.chars().any(char::is_control) {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let is_git = |part: &&str| part.eq_ignore_ascii_case(".git");
    (!parts.is_empty() && !parts.contains(&"..") && !parts.iter().any(is_git)).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_path_is_refused_and_not_shown() {
        for url in [
            "https://example.com/a.git?private_token=s3cret",
            "http://127.0.0.1/a.git#s3cret",
            "https://s3/cret@example.com/a.git",
            "https://me@example.com/a.git?t=s3cret",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error.kind, Kind::Refused, "{url}");
            assert!(!format!("{error:?}").contains("cret"), "{error:?}");
        }
        assert!(Address::parse("file:///srv/a@b/c.git").is_ok());
    }

    #[test]
    fn a_password_is_taken_out_of_the_url() {
        let address = Address::parse("https://me:p%40ss/word@example.com/a.git");
        assert_eq!(address.unwrap_err().kind, Kind::Refused);
        let address = Address::parse("https://me:p%40ss@word@example.com:8443/a.git").unwrap();
        assert_eq!(address.url, "https://example.com:8443/a.git");
        assert_eq!(address.shown, address.url);
        assert_eq!(address.credential.as_deref(), Some("https://me:p%40ss%40word@example.com:8443/a.git"));
        assert!(address.secrets.iter().any(|(secret, _)| secret == "p@ss@word"));
        let address = Address::parse("https://token1@example.com/a.git").unwrap();
        assert_eq!(
            (address.url.as_str(), address.shown.as_str()),
            ("https://token1@example.com/a.git", "https://example.com/a.git")
        );
    }

    #[test]
    fn knows_the_transport() {
        let check =
            |url: &str, transport| assert_eq!(Address::parse(url).unwrap().transport, transport, "{url}");
        check("https://example.com/a", Transport::Https);
        check("http://example.com/a", Transport::Http { loopback: false });
        check("http://localhost.example.com/a", Transport::Http { loopback: false });
        check("http://127.0.0.1:80/a", Transport::Http { loopback: true });
        check("http://[::1]:80/a", Transport::Http { loopback: true });
        check("http://me:secret@localhost:80/a", Transport::Http { loopback: true });
        check("http://localhost@example.com/a", Transport::Http { loopback: false });
        check("ssh://git@example.com/a", Transport::Ssh);
        check("git@example.com:a/b.git", Transport::Ssh);
        check("example.com:a", Transport::Ssh);
        check("[git@example.com:22]:a", Transport::Ssh);
        check("/srv/git/a.git", Transport::Local);
        check("../a:b", Transport::Local);
        check("file:///srv/git/a.git", Transport::Local);
    }

    #[test]
    fn refuses_what_is_no_place() {
        for url in [
            "",
            "-x",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c whoami",
            "fd::3",
            "https://a\u{202e}b/",
            "a\nb",
            "a\0b",
            "https://",
            "https:///a",
            "ssh://-oProxyCommand=x/a",
            "ssh://me:pw@example.com/a",
            "me:pw@example.com:a",
            "me@-x:a",
            "gopher://a/b",
            "https://me:se/cret@example.com/a",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!((error.kind, error.exit_code()), (Kind::Refused, 2), "{url}");
            for secret in ["pw", "cret", "whoami"] {
                assert!(!error.to_string().contains(secret), "{error}");
            }
        }
    }

    #[test]
    fn what_is_typed_is_one_word() {
        let check = |word: &str, expected: &str| assert_eq!(typed(word), expected);
        check("https://example.com/a.git", "https://example.com/a.git");
        check("git@example.com:a/b~c.git", "git@example.com:a/b~c.git");
        check("https://example.com/$(x)", "'https://example.com/$(x)'");
        check("a;b", "'a;b'");
        check("it's", r"'it'\''s'");
        check("~root", "'~root'");
        check("", "''");
    }

    #[test]
    fn references_are_names() {
        for good in ["main", "release/1.x", "v1.0", "refs/heads/main", "feature-1", "ü"] {
            assert_eq!(check_reference(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "-x",
            "--upload-pack=x",
            "a:b",
            "+a:b",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a*",
            "@",
            "a@{1}",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            "a\nb",
            "a\\b",
        ] {
            assert_eq!(check_reference(bad).unwrap_err().kind, Kind::Refused, "{bad}");
        }
    }

    #[test]
    fn paths_stay_in_the_repository() {
        let check =
            |path: &str, expected: Option<&str>| assert_eq!(path_in_repository(path).as_deref(), expected);
        check("Dockerfile", Some("Dockerfile"));
        check("./a//b/./Dockerfile", Some("a/b/Dockerfile"));
        check("-x", Some("-x"));
        check(":(top)x", Some(":(top)x"));
        for none in ["", ".", "/etc/passwd", "../x", "a/../../x", "a\nb", ".git/config", "a/.GIT/x"] {
            check(none, None);
        }
    }
}

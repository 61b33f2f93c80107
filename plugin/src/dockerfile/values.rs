//! Values that BuildKit looks at once their variables are replaced.

use super::words::{lower, upper};

/// A signal by name or number (moby/sys `signal` 0.7, Linux).
pub fn is_signal(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
        "PIPE", "POLL", "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM",
        "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
    ];
    if is_number(text.strip_prefix(['+', '-']).unwrap_or(text)) && text.parse::<i64>().is_ok() {
        return text.parse() != Ok(0_i64);
    }
    let name = upper(text);
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = |prefix: &str, most: u8| {
        let number = name.strip_prefix(prefix)?;
        let is_plain = is_number(number) && !number.starts_with('0');
        Some(is_plain && number.parse::<u8>().is_ok_and(|number| number <= most))
    };
    NAMES.contains(&name) || offset("RTMIN+", 15).or_else(|| offset("RTMAX-", 14)).unwrap_or(false)
}

/// A decimal number as far as anything depends on its value.
pub struct Decimal {
    /// Beyond the range of a float of 64 bits, which Go's `strconv.ParseFloat` refuses.
    pub is_infinite: bool,
    /// Minus zero is not.
    pub is_below_zero: bool,
}

/// Reads digits with a sign, a point and an exponent.
pub fn decimal(text: &str) -> Option<Decimal> {
    // 2^1024 - 2^970: from here on a float is rounded to infinity.
    const INFINITE: &str = "179769313486231580793728971405303415079934132710037826936173778980444968\
        292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000\
        708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365\
        510704342711559699508093042880";
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], &unsigned[at + 1..]),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if mantissa.len() < 1 + usize::from(mantissa.contains('.')) || !are_digits(whole) || !are_digits(fraction)
    {
        return None;
    }
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !is_number(power) {
        return None;
    }
    // What does not fit decides by its sign alone.
    let power = power.parse::<i64>().ok().filter(|power| *power < 1 << 40).unwrap_or(1 << 40);
    let power = if exponent.starts_with('-') { -power } else { power };
    let digits = [whole, fraction].concat();
    let digits = digits.trim_end_matches('0');
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let digits = &digits[zeros..];
    // The number is 0.DIGITS times ten to this.
    let point = whole.len() as i64 - zeros as i64 + power;
    let is_infinite =
        !digits.is_empty() && (point > 309 || point == 309 && digits >= INFINITE.trim_end_matches('0'));
    Some(Decimal { is_infinite, is_below_zero: text.starts_with('-') && !digits.is_empty() })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The mode of a file: octal up to 7777, or symbolic as in `u=rwX,go-w` (dchapes/mode).
pub fn is_mode(text: &str) -> bool {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return is_number(text) && u32::from_str_radix(text, 8).is_ok_and(|mode| mode <= 0o7777);
    }
    text.is_empty()
        || text.split(',').all(|clause| {
            let actions = clause.trim_start_matches(['u', 'g', 'o', 'a']);
            let is_action = |c: char| matches!(c, '+' | '-' | '=');
            actions.starts_with(is_action)
                && actions
                    .chars()
                    .all(|c| is_action(c) || matches!(c, 'r' | 'w' | 'x' | 'X' | 's' | 't' | 'u' | 'g' | 'o'))
        })
}

/// What EXPOSE takes: `[ip:][port:]port[-port][/tcp|udp|sctp]`.
pub fn is_port(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let (ip, host, container) = match parts.as_slice() {
        [container] => (String::new(), "", *container),
        [host, container] => (String::new(), *host, *container),
        [ip @ .., host, container] => (ip.join(":"), *host, *container),
        [] => return false,
    };
    let (port, protocol) = container.split_once('/').unwrap_or((container, ""));
    if !matches!(&*lower(protocol), "" | "tcp" | "udp" | "sctp") {
        return false;
    }
    let address = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(&ip);
    if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
        return false;
    }
    let Some((start, end)) = range(port) else { return false };
    match (host.is_empty(), range(host)) {
        (true, _) => true,
        (false, None) => false,
        (false, Some((host_start, host_end))) => end - start == host_end - host_start || start == end,
    }
}

fn range(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number = text.parse::<i64>().ok().filter(|_| is_number(digits))?;
        u32::try_from(number).ok().filter(|number| *number <= 65_535)
    };
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (number(start)?, if start == end { number(start)? } else { number(end)? });
    (start <= end).then_some((start, end))
}

/// What a source of COPY or ADD is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path in the build context, or a text that looks like nothing else.
    Path,
    /// A file by HTTP.
    Http,
    /// A git repository.
    Git,
    /// A git repository whose query can't be read; why.
    BadGit(String),
}

/// What a source is (BuildKit's `dfgitutil/git_ref.go`, `util/gitutil` and `util/sshutil`).
pub fn source(text: &str) -> Source {
    if text.starts_with("./") || text.starts_with("../") {
        return Source::Path;
    }
    if text.starts_with("github.com/") {
        // The short form is a path here, but its query is read all the same.
        return match Url::parse(text).map(|url| url.check_query()) {
            Some(Err(reason)) => Source::BadGit(reason),
            _ => Source::Path,
        };
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &&str| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    let url = match scheme.filter(is_scheme) {
        None => scp_style(text),
        Some(scheme) => {
            let scheme = scheme.to_ascii_lowercase();
            if !matches!(scheme.as_str(), "http" | "https" | "git" | "ssh") {
                return Source::Path;
            }
            let is_http = scheme.starts_with("http");
            let url = Url::parse(&text[scheme.len() + 3..]);
            match url.filter(|url| !is_http || url.path.ends_with(".git")) {
                None if text.starts_with("http://") || text.starts_with("https://") => return Source::Http,
                url => url,
            }
        }
    };
    match url.map(|url| url.check_query()) {
        None => Source::Path,
        Some(Ok(())) => Source::Git,
        Some(Err(reason)) => Source::BadGit(reason),
    }
}

/// The parts of a git URL that BuildKit reads.
struct Url {
    path: String,
    query: String,
    fragment: String,
}

impl Url {
    /// Reads what stands behind the scheme; `None` where Go's `net/url` does not.
    fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return None;
        }
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (text, query) = text.split_once('?').unwrap_or((text, ""));
        let (authority, path) = match text.find('/') {
            Some(slash) => text.split_at(slash),
            None => (text, ""),
        };
        let host = match authority.rsplit_once('@') {
            Some((user, host)) if user.bytes().all(is_user_byte) && unescape(user).is_some() => host,
            Some(_) => return None,
            None => authority,
        };
        if !is_host(host) {
            return None;
        }
        Some(Url { path: unescape(path)?, query: query.to_owned(), fragment: unescape(fragment)? })
    }

    /// Whether the query says something that BuildKit understands.
    fn check_query(&self) -> Result<(), String> {
        let (branch, folder) = self.fragment.split_once(':').unwrap_or((&self.fragment, ""));
        let mut reference = branch.to_owned();
        let mut values: Vec<(String, String)> = Vec::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let read = |text: &str| unescape(&text.replace('+', " "));
            let (Some(key), Some(value)) = (read(key), read(value)) else { continue };
            if values.iter().any(|(known, _)| *known == key) {
                return Err(format!("`{key}` stands twice in the query"));
            }
            values.push((key, value));
        }
        let get = |name: &str| values.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        for (key, value) in &values {
            let is_switch = matches!(key.as_str(), "submodules" | "keep-git-dir" | "fetch-by-commit");
            let is_known =
                matches!(key.as_str(), "ref" | "tag" | "branch" | "subdir" | "checksum" | "commit" | "mtime");
            if !is_switch && !is_known {
                return Err(format!("the query knows no `{key}`"));
            }
            let is_right = match (key.as_str(), value.as_str()) {
                (_, "") => is_switch,
                (_, value) if is_switch => super::instruction::is_go_bool(value),
                ("mtime", value) => matches!(value, "checkout" | "commit"),
                _ => true,
            };
            if !is_right {
                return Err(format!("`{value}` is no value of `{key}` in the query"));
            }
        }
        let folder = clean(folder);
        if get("subdir").is_some_and(|subdir| !folder.is_empty() && subdir != folder) {
            return Err("the query and the fragment name different directories".to_owned());
        }
        let full = |kind: &str, name: &str| match name.starts_with(kind) {
            true => name.to_owned(),
            false => format!("{kind}{name}"),
        };
        let tag = get("tag").map(|tag| full("refs/tags/", tag));
        let branch = get("branch").map(|branch| full("refs/heads/", branch));
        for named in [get("ref").map(str::to_owned), tag, branch].into_iter().flatten() {
            if !reference.is_empty() && reference != named {
                return Err(format!("it names both `{reference}` and `{named}`"));
            }
            reference = named;
        }
        Ok(())
    }
}

/// `git@host:path?query#fragment`.
fn scp_style(text: &str) -> Option<Url> {
    let (user, rest) = text.split_once('@')?;
    let (host, rest) = rest.split_once(':')?;
    let is_name = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || more.contains(&b))
    };
    if !is_name(user, b"_") || !is_name(host, b".") || rest.contains('\n') {
        return None;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_pair = |pair: &str| !pair.contains(';') && unescape(pair).is_some();
    if !query.split('&').all(is_pair) {
        return None;
    }
    Some(Url { path: path.to_owned(), query: query.to_owned(), fragment: fragment.to_owned() })
}

fn is_user_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)
}

fn is_host(host: &str) -> bool {
    let port = match host.strip_prefix('[') {
        Some(rest) => match rest.rsplit_once(']') {
            Some((_, port)) => port,
            None => return false,
        },
        None => host.rfind(':').map_or("", |colon| &host[colon..]),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let is_host_byte = |byte: u8| {
        !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]<>\"%".contains(&byte)
    };
    is_port && host.bytes().all(is_host_byte) && unescape(host).is_some()
}

/// `%41` and its like as characters; `None` where two hex digits are missing.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A path without `.`, `..` and double slashes, and without the slash before it.
fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_as_floats_see_them() {
        let big = format!("{:.0}", f64::MAX);
        let more = big.replace("1797693134862315708", "1797693134862315808");
        for text in [
            "", ".", "1", "-1", "+1", "1.", ".5", "1.5", "1e", "e1", "1e5", "1e+5", "1E-5", "1e308", "1e309", "-1e309", "0e999",
            "0.0e99999999999999999999", "1e-999", "1e99999999999999999999", "1e-99999999999999999999", "17976931348623157e292",
            "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "0.00017976931348623159e312", "x", "1x", "--1", "1.2.3",
            "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880",
            "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042879.9",
            &big, &more,
        ] {
            let ours = decimal(text).map(|number| number.is_infinite);
            let theirs = text.parse::<f64>().ok().map(f64::is_infinite);
            assert_eq!(ours, theirs, "{text}");
        }
        assert!(decimal("-0.0").is_some_and(|number| !number.is_below_zero));
        assert!(decimal("-1e-3").is_some_and(|number| number.is_below_zero));
    }

    #[test]
    fn signals() {
        for signal in ["SIGTERM", "term", "9", "-1", "RTMIN+15", "SIGRTMAX-14", "RTMAX"] {
            assert!(is_signal(signal), "{signal}");
        }
        for signal in ["", "0", "SIGX", "RTMIN+16", "RTMIN+", "RTMAX-0"] {
            assert!(!is_signal(signal), "{signal}");
        }
    }

    #[test]
    fn modes() {
        for mode in ["755", "0", "7777", "u=rwX,go=rX", "+x", "a-w+x", "g=u"] {
            assert!(is_mode(mode), "{mode}");
        }
        for mode in ["8", "10000", "u", "rwx", "u=y", "+x,", "755 "] {
            assert!(!is_mode(mode), "{mode}");
        }
    }

    #[test]
    fn ports() {
        for port in ["80", "53/udp", "80-90/TCP", "1.2.3.4:80:80", "[::1]:80:80", "8000-8001:80-81", "80/"] {
            assert!(is_port(port), "{port}");
        }
        for port in ["", "a", "80/x", "90-80", "65536", "-1", "80-", "1:2:3:4", "8000-8002:80-81", ":"] {
            assert!(!is_port(port), "{port}");
        }
    }

    #[test]
    fn sources() {
        for text in
            ["git://a/b.git", "ssh://git@a/b", "git@github.com:a/b.git", "https://a/b.git?ref=v1#v1:x"]
        {
            assert_eq!(source(text), Source::Git, "{text}");
        }
        for text in ["https://a/b", "http://a/b.git%zz", "https://a/b.tgz?x=1"] {
            assert_eq!(source(text), Source::Http, "{text}");
        }
        for text in ["a", "./git@a:b", "github.com/a/b", "a:b", "ftp://a", "@a:b", "HTTP://a/b", "ssh://a b"]
        {
            assert_eq!(source(text), Source::Path, "{text}");
        }
        for query in
            ["x=1", "ref", "ref=1&ref=2", "keep-git-dir=x", "tag=a&branch=b", "mtime=now", "=", "ref=a#b"]
        {
            let text = format!("https://a/b.git?{query}");
            assert!(matches!(source(&text), Source::BadGit(_)), "{text}");
        }
    }
}

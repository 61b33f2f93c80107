//! Values that BuildKit looks at once their variables are replaced.

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
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = |prefix: &str, most: u8| {
        let number = name.strip_prefix(prefix)?;
        let is_plain = is_number(number) && !number.starts_with('0');
        Some(is_plain && number.parse::<u8>().is_ok_and(|number| number <= most))
    };
    NAMES.contains(&name) || offset("RTMIN+", 15).or_else(|| offset("RTMAX-", 14)).unwrap_or(false)
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
    if !matches!(protocol.to_lowercase().as_str(), "" | "tcp" | "udp" | "sctp") {
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

/// A source that only ADD takes: a URL, or a git repository.
pub fn is_remote(text: &str) -> bool {
    let is_scheme = |scheme: &str| matches!(scheme, "http" | "https" | "git" | "ssh");
    match text.split_once("://") {
        Some((scheme @ ("http" | "https"), _)) => is_scheme(scheme),
        Some((scheme, rest)) => is_scheme(&scheme.to_ascii_lowercase()) && !rest.is_empty(),
        None => is_scp_style(text),
    }
}

/// `git@host:path`, as BuildKit's `util/sshutil` reads it.
fn is_scp_style(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let is_user = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let Some((host, path)) = rest.split_once(':') else { return false };
    !user.is_empty()
        && user.chars().all(is_user)
        && !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        && !path.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn remotes() {
        for source in ["https://a/b", "git://a/b.git", "ssh://git@a/b", "git@github.com:a/b.git"] {
            assert!(is_remote(source), "{source}");
        }
        for source in ["a", "./a", "github.com/a/b", "a:b", "ftp://a", "@a:b"] {
            assert!(!is_remote(source), "{source}");
        }
    }
}

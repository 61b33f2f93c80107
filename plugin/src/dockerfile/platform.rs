//! Platforms: `linux/arm64`, `linux/arm/v7`, `windows(10.0.17763)/amd64`.
//!
//! The rules are those of containerd's `platforms` 1.0, which BuildKit reads `--platform` with.

use std::fmt;

use super::words::lower;
use crate::sorted::sort_by;

/// An operating system on an architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// Windows has one; empty elsewhere.
    pub os_version: String,
    /// `+win32k`.
    pub os_features: Vec<String>,
    /// `amd64`.
    pub architecture: String,
    /// `v7`; empty where the architecture says it all.
    pub variant: String,
}

impl Platform {
    /// Reads a platform; what is left out is the builder's. `None` where BuildKit refuses it.
    pub fn parse(text: &str, builder: &Platform) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let (first, rest) = parts.split_first()?;
        if rest.iter().any(|part| !is_component(part)) {
            return None;
        }
        let (os, os_version, os_features) = split_os(first)?;
        let platform = Platform {
            os: if os.is_empty() { builder.os.clone() } else { known_spelling(&lower(os)) },
            os_version,
            os_features,
            ..Platform::default()
        };
        match *rest {
            [] if KNOWN_OS.contains(&platform.os.as_str()) => Some(Platform {
                architecture: builder.architecture.clone(),
                variant: builder.variant.clone(),
                ..platform
            }),
            [] => {
                let (architecture, variant) = normalize(first, "");
                let variant = without_default(&architecture, variant);
                KNOWN_ARCHITECTURES.contains(&architecture.as_str()).then(|| Platform {
                    os: builder.os.clone(),
                    architecture,
                    variant,
                    ..platform
                })
            }
            [architecture] => {
                let (architecture, variant) = normalize(architecture, "");
                let variant = without_default(&architecture, variant);
                Some(Platform { architecture, variant, ..platform })
            }
            [architecture, variant] => {
                let (architecture, mut variant) = normalize(architecture, variant);
                if architecture == "arm64" && variant.is_empty() {
                    variant = "v8".to_owned();
                }
                Some(Platform { architecture, variant, ..platform })
            }
            _ => None,
        }
    }

    /// The spelling in which BuildKit compares platforms: `linux/arm64/v8` is `linux/arm64`.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let (architecture, variant) = normalize(&self.architecture, &self.variant);
        let mut os_features = self.os_features.clone();
        sort_by(&mut os_features, Ord::cmp);
        os_features.dedup();
        Platform {
            os: known_spelling(&lower(&self.os)),
            os_version: self.os_version.clone(),
            os_features,
            architecture,
            variant,
        }
    }

    /// Without version and features of the operating system.
    pub fn short(&self) -> String {
        let mut text = self.os.clone();
        for part in [&self.architecture, &self.variant].into_iter().filter(|part| !part.is_empty()) {
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(part);
        }
        text
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if !self.os_version.is_empty() || !self.os_features.is_empty() {
            write!(f, "({}", self.os_version)?;
            for feature in &self.os_features {
                write!(f, "+{feature}")?;
            }
            f.write_str(")")?;
        }
        for part in [&self.architecture, &self.variant] {
            if !part.is_empty() {
                write!(f, "/{part}")?;
            }
        }
        Ok(())
    }
}

const KNOWN_OS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];

const KNOWN_ARCHITECTURES: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

fn is_component(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// `os`, `os(version)`, `os(version+feature+feature)`.
fn split_os(text: &str) -> Option<(&str, String, Vec<String>)> {
    let (os, options) = match text.strip_suffix(')') {
        Some(text) => text.split_once('(').map(|(os, options)| (os, Some(options)))?,
        None => (text, None),
    };
    let is_os = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if os.is_empty() || !os.bytes().all(is_os) {
        return None;
    }
    let mut options = options.unwrap_or_default().split('+');
    let is_option = |text: &&str| text.bytes().all(|b| is_os(b) || matches!(b, b'.' | b'%'));
    let version = options.next().filter(is_option).and_then(decode)?;
    let mut features = Vec::new();
    for feature in options {
        features.push(Some(feature).filter(|text| !text.is_empty() && is_option(text)).and_then(decode)?);
    }
    Some((os, version, features))
}

/// Replaces `%2B` and its like.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2).filter(|hex| !hex.starts_with('+'))?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

fn known_spelling(os: &str) -> String {
    if os == "macos" {
        "darwin".to_owned()
    } else {
        os.to_owned()
    }
}

fn normalize(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (lower(architecture), lower(variant));
    let (architecture, variant) = match (&*architecture, &*variant) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        (architecture, variant) => (architecture, variant),
    };
    (architecture.to_owned(), variant.to_owned())
}

/// `arm` alone means v7 and says so nowhere.
fn without_default(architecture: &str, variant: String) -> String {
    if architecture == "arm" && variant == "v7" {
        String::new()
    } else {
        variant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        let builder = Platform { os: "linux".into(), architecture: "amd64".into(), ..Platform::default() };
        Platform::parse(text, &builder).map(|platform| platform.to_string())
    }

    #[test]
    fn reads_what_containerd_reads() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/X86_64", "linux/amd64"),
            ("linux", "linux/amd64"),
            ("arm64", "linux/arm64"),
            ("armhf", "linux/arm"),
            ("armel", "linux/arm/v6"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("linux/arm64/8", "linux/arm64/v8"),
            ("macos/aarch64", "darwin/arm64"),
            ("windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"),
            ("linux/any.thing", "linux/any.thing"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in
            ["bogus", "", "/amd64", "linux/", "linux/a,b", "linux/a/b/c", "*", "linux/amd64 ", "linux(1"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

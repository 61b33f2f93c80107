//! Debian's packages: which (`debian.lock`), fetched by apt, unpacked by dpkg-deb, never installed.
//!
//! A line of the lock is `PLATFORM ARCHIVE/PATH SHA256`. Maintainer scripts do not run, so both
//! platforms are built on either, and nobody has to be root.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt::Write, fs};

use chrono::DateTime;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType};

use crate::layer::{Files, Node};
use crate::program::{output, run};
use crate::{Platform, Result};

pub const MIRROR: &str = "http://deb.debian.org/{archive}";
/// The release, as purls name it.
pub const DISTRO: &str = "debian-13";
const SUITE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What is asked for; apt adds what these depend on.
const WANTED: &[&str] = &["base-files", "dash", "git", "openssh-client"];

/// What these depend on by Debian's rules, and the image does without: apt is told that it is there.
///
/// * perl: the commands of git that are written in it are not ours
/// * passwd, adduser, debconf, debianutils, init-system-helpers, awk: for maintainer scripts
/// * libfido2-1: of ssh-sk-helper, for keys in hardware; libedit2: of sftp
/// * libsasl2-modules-db: passwords of servers; openssl-provider-legacy: ciphers of old
const LEFT_OUT: &str = "perl (= 99), liberror-perl, passwd (= 99), adduser (= 999), debconf (= 99), \
    debianutils (= 99), init-system-helpers (= 99), awk, libfido2-1 (= 99), libedit2 (= 99), \
    libsasl2-modules-db (= 99), openssl-provider-legacy";

/// Paths that nothing reads in a container; of usr/share/doc the licences stay.
const UNREAD: &[&str] = &[
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/bug/",
    "usr/share/bash-completion/",
    "usr/share/perl5/",
    "usr/share/apport/",
    "usr/share/gitweb/",
    "usr/lib/systemd/",
];

/// A line of the lock.
#[derive(Debug)]
pub struct Package {
    platform: String,
    archive: String,
    path: String,
    sha256: String,
}

impl Package {
    /// Where it lies once it was fetched.
    fn file(&self, cache: &Path) -> PathBuf {
        cache.join(self.path.rsplit('/').next().unwrap_or(&self.path))
    }
}

/// What a package says of itself.
pub struct Described {
    pub name: String,
    pub version: String,
    pub architecture: String,
}

/// Reads the lock.
pub fn packages(lock: &str) -> Result<Vec<Package>> {
    let lines = lock.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let wrong =
                || format!("debian.lock:{}: `{line}` is no line of a lock; type `--lock`", number + 1);
            let words: Vec<&str> = line.split(' ').collect();
            let [platform, place, sha256] = words[..] else { return Err(wrong().into()) };
            let (archive, path) = place.split_once('/').ok_or_else(wrong)?;
            let [platform, archive, path, sha256] = [platform, archive, path, sha256].map(str::to_owned);
            Ok(Package { platform, archive, path, sha256 })
        })
        .collect()
}

/// Fetches what is not there yet, with apt, which knows the machine's proxies, and checks all of it.
pub fn fetch(packages: &[Package], mirror: &str, cache: &Path) -> Result<()> {
    fs::create_dir_all(cache)?;
    for package in packages {
        let file = package.file(cache);
        let is_right = || fs::read(&file).is_ok_and(|bytes| hexadecimal(&bytes) == package.sha256);
        if is_right() {
            continue;
        }
        let url = format!("{}/{}", mirror.replace("{archive}", &package.archive), package.path);
        eprintln!("fetching {url}");
        run(Command::new("/usr/lib/apt/apt-helper")
            .args(["-qq", "-o", "APT::Sandbox::User=root", "download-file", &url])
            .args([file.as_os_str(), format!("SHA256:{}", package.sha256).as_ref()]))
        .map_err(|error| {
            format!(
                "{error}; if Debian serves another version by now, type `--lock`, or take the old one \
                 from `--debian 'https://snapshot.debian.org/archive/{{archive}}/DATE'` with the lock's date"
            )
        })?;
        if !is_right() {
            return Err(format!("{}: the digest is not the one in debian.lock", file.display()).into());
        }
    }
    Ok(())
}

/// The files of a platform's packages, with what dpkg would know of them where scanners look for it.
pub fn unpack(packages: &[Package], cache: &Path, platform: Platform) -> Result<(Files, Vec<Described>)> {
    let mut files = Files::default();
    let mut described = Vec::new();
    for package in packages.iter().filter(|package| package.platform == platform.name()) {
        let file = package.file(cache);
        let control = output(Command::new("dpkg-deb").arg("--field").arg(&file))?;
        let text = String::from_utf8(control.clone())?;
        let field = |name: &str| -> Result<String> {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            Ok(value.ok_or_else(|| format!("{}: there is no field {name}", file.display()))?.to_owned())
        };
        let name = field("Package")?;
        // Where images without dpkg keep it, and scanners look.
        files = files.file(&format!("var/lib/dpkg/status.d/{name}"), 0o644, control);
        described.push(Described { name, version: field("Version")?, architecture: field("Architecture")? });
        let tar = output(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&file))?;
        add(&mut files, &tar)?;
    }
    if described.is_empty() {
        return Err(format!("debian.lock has no package for {}; type `--lock`", platform.name()).into());
    }
    Ok((files, described))
}

/// Adds a package's tar to the files, without what is not read, and without setuid: no container of
/// ours may use it.
fn add(files: &mut Files, tar: &[u8]) -> Result<()> {
    let mut archive = Archive::new(tar);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let clean = |bytes: &[u8]| -> Result<String> {
            let path = std::str::from_utf8(bytes)?;
            Ok(path.strip_prefix("./").unwrap_or(path).trim_end_matches('/').to_owned())
        };
        let path = clean(&entry.path_bytes())?;
        let kind = entry.header().entry_type();
        if path.is_empty() || path == "." || is_unread(&path, kind) {
            continue;
        }
        let mode = entry.header().mode()? & 0o1777;
        let link = entry.link_name_bytes();
        let node = match kind {
            EntryType::Directory => Node::Folder(mode),
            EntryType::Symlink => Node::Link(String::from_utf8(link.unwrap_or_default().into_owned())?),
            EntryType::Link => Node::HardLink(clean(&link.unwrap_or_default())?),
            _ => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                Node::File(mode, bytes)
            }
        };
        files.0.insert(path, node);
    }
    Ok(())
}

fn is_unread(path: &str, kind: EntryType) -> bool {
    let is_text = kind == EntryType::Regular && !path.ends_with("/copyright");
    path.starts_with("usr/share/doc/") && is_text
        || UNREAD.iter().any(|unread| path.starts_with(unread) || path == unread.trim_end_matches('/'))
}

/// The lock of today: apt resolves for each platform, in a root of its own, and checks signatures.
pub fn lock(work: &Path) -> Result<String> {
    let mut lines = BTreeSet::new();
    for platform in Platform::ALL {
        let root = std::path::absolute(work)?.join("apt").join(platform.name());
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::write(
            root.join("status"),
            format!(
                "Package: left-out\nStatus: install ok installed\nArchitecture: all\nMulti-Arch: foreign\n\
                 Version: 1\nMaintainer: nobody\nDescription: what the image does without\nProvides: {LEFT_OUT}\n"
            ),
        )?;
        let sources: String =
            [("debian", SUITE.to_owned()), ("debian-security", format!("{SUITE}-security"))]
                .map(|(archive, suite)| {
                    format!(
                        "deb [signed-by={KEYRING}] {} {suite} main\n",
                        MIRROR.replace("{archive}", archive)
                    )
                })
                .concat();
        fs::write(root.join("sources.list"), sources)?;
        let at = |path: &str| root.join(path).display().to_string();
        fs::write(
            root.join("apt.conf"),
            format!(
                "Dir::State::Lists \"{}\";\nDir::State::Status \"{}\";\nDir::Cache \"{}\";\n\
                 Dir::Etc::SourceList \"{}\";\nDir::Etc::SourceParts \"/dev/null\";\n\
                 Dir::Etc::Preferences \"/dev/null\";\nDir::Etc::PreferencesParts \"/dev/null\";\n\
                 APT::Architecture \"{name}\";\n#clear APT::Architectures;\nAPT::Architectures {{ \"{name}\"; }};\n\
                 APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\n\
                 Acquire::Languages \"none\";\nAcquire::ForceHash \"SHA256\";\n",
                at("lists"),
                at("status"),
                at("cache"),
                at("sources.list"),
                name = platform.name(),
            ),
        )?;
        let apt = |arguments: &[&str]| {
            output(Command::new("apt-get").args(arguments).env("APT_CONFIG", at("apt.conf")))
        };
        apt(&["update", "-qq"])?;
        let mut arguments = vec!["install", "-qq", "--print-uris"];
        arguments.extend(WANTED);
        for line in String::from_utf8(apt(&arguments)?)?.lines() {
            lines.insert(lock_line(platform, line).ok_or_else(|| format!("apt-get says `{line}`"))?);
        }
    }
    let mut lock = String::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let date = DateTime::from_timestamp(now.try_into()?, 0).ok_or("the clock is wrong")?;
    writeln!(lock, "# Debian's packages in image-factory-job, as of {}.", date.format("%Y%m%dT%H%M%SZ"))?;
    writeln!(lock, "# Made by `cargo run --package image-factory-images -- --lock`.")?;
    for line in lines {
        writeln!(lock, "{line}")?;
    }
    Ok(lock)
}

/// `'http://deb.debian.org/ARCHIVE/PATH' FILE SIZE SHA256:DIGEST`, as a line of the lock.
fn lock_line(platform: Platform, line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [url, _, _, digest] = words[..] else { return None };
    let place = url.trim_matches('\'').strip_prefix(MIRROR.trim_end_matches("{archive}"))?;
    Some(format!("{} {place} {}", platform.name(), digest.strip_prefix("SHA256:")?))
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_says_becomes_a_package() {
        let said = "'http://deb.debian.org/debian-security/pool/g/git/git_1%2b1_arm64.deb' git_1+1_arm64.deb 9 SHA256:ab";
        let line = lock_line(Platform::Arm64, said).unwrap();
        let package = &packages(&format!("# made\n{line}\n")).unwrap()[0];
        assert_eq!((package.platform.as_str(), package.sha256.as_str()), ("arm64", "ab"));
        assert_eq!(
            (package.archive.as_str(), package.path.as_str()),
            ("debian-security", "pool/g/git/git_1%2b1_arm64.deb")
        );
        assert_eq!(lock_line(Platform::Arm64, "'http://example.com/x' x 9 SHA256:ab"), None);
        assert_eq!(lock_line(Platform::Arm64, &said.replace("SHA256", "MD5Sum")), None);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let error = packages("# made\namd64 ab\n").unwrap_err().to_string();
        assert_eq!(error, "debian.lock:2: `amd64 ab` is no line of a lock; type `--lock`");
    }

    #[test]
    fn of_a_package_what_is_read_stays() {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, mode) in [
            ("./usr/bin/ssh-keysign", 0o4755),
            ("./usr/share/doc/git/copyright", 0o644),
            ("./usr/share/doc/git/changelog.gz", 0o644),
            ("./usr/share/man/man1/git.1.gz", 0o644),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            header.set_mode(mode);
            tar.append_data(&mut header, path, &b"x"[..]).unwrap();
        }
        let mut files = Files::default();
        add(&mut files, &tar.into_inner().unwrap()).unwrap();
        let paths: Vec<&str> = files.0.keys().map(String::as_str).collect();
        assert_eq!(paths, ["usr/bin/ssh-keysign", "usr/share/doc/git/copyright"]);
        assert!(matches!(files.0["usr/bin/ssh-keysign"], Node::File(0o755, _)), "setuid stays");
    }
}

//! What an image is made of, as CycloneDX 1.6: crates of the program and of the module inside it, and
//! Debian's packages.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{json, Value};

use crate::debian::{Described, DISTRO};
use crate::image::{About, LICENSE, VERSION};
use crate::program::output;
use crate::{Platform, Result};

/// Its media type, registered with IANA.
pub const MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";

pub fn of(
    root: &Path,
    image: &str,
    about: &About,
    platform: Platform,
    packages: &[Described],
) -> Result<Value> {
    let mut components: Vec<Value> = crates(root, platform)?.iter().map(Crate::component).collect();
    components.extend(packages.iter().map(|package| {
        let Described { name, version, architecture } = package;
        let escaped = version.replace('+', "%2B").replace('~', "%7E").replace(':', "%3A");
        let purl = format!("pkg:deb/debian/{name}@{escaped}?arch={architecture}&distro={DISTRO}");
        json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    }));
    let rustc = String::from_utf8(output(Command::new("rustc").arg("--version").current_dir(root))?)?;
    let rustc = rustc.split(' ').nth(1).unwrap_or_default();
    Ok(json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {
            "timestamp": about.created,
            "component": {
                "type": "container", "bom-ref": image, "name": image, "version": VERSION,
                "licenses": [{"expression": LICENSE}],
            },
            "tools": {"components": [{"type": "application", "name": "rustc", "version": rustc}]},
        },
        "components": components,
    }))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    license: String,
    /// Of this repository, so no registry has it.
    is_ours: bool,
}

impl Crate {
    /// Reads `NAME vVERSION [(PLACE)]`, a tab, and the licence, as cargo tree prints them.
    fn parse(line: &str) -> Option<Self> {
        let (package, license) = line.split_once('\t')?;
        let mut words = package.split(' ');
        Some(Crate {
            name: words.next()?.to_owned(),
            version: words.next()?.strip_prefix('v')?.to_owned(),
            // The old way to write OR, which CycloneDX refuses.
            license: license.replace('/', " OR "),
            is_ours: words.next().is_some(),
        })
    }

    fn component(&self) -> Value {
        let Crate { name, version, license, is_ours } = self;
        let purl = format!("pkg:cargo/{name}@{version}");
        let mut component = json!({
            "type": "library", "bom-ref": purl, "name": name, "version": version,
            "licenses": [{"expression": license}],
        });
        if !is_ours {
            component["purl"] = purl.into();
        }
        component
    }
}

/// The crates in the program, in the module inside it, and the one that the CA roots are of.
fn crates(root: &Path, platform: Platform) -> Result<BTreeSet<Crate>> {
    let mut crates = BTreeSet::new();
    for arguments in [
        ["--package", "image-factory", "--features", "cross", "--target", platform.target()].as_slice(),
        &["--package", "image-factory-plugin", "--features", "module", "--target", "wasm32-unknown-unknown"],
        &["--package", "webpki-root-certs", "--depth", "0"],
    ] {
        let tree = output(
            Command::new("cargo")
                .current_dir(root)
                // Macros run on the machine that builds and are in nothing that it makes.
                .args(["tree", "--quiet", "--locked", "--edges", "normal,no-proc-macro"])
                .args(["--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}"])
                .args(arguments),
        )?;
        for line in String::from_utf8(tree)?.lines() {
            crates.insert(Crate::parse(line).ok_or_else(|| format!("cargo tree says `{line}`"))?);
        }
    }
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_becomes_a_component() {
        let component = |line| Crate::parse(line).map(|found| found.component());
        let found = component("http-auth v0.1.10\tMIT/Apache-2.0").unwrap();
        assert_eq!(found["purl"], "pkg:cargo/http-auth@0.1.10");
        assert_eq!(found["licenses"][0]["expression"], "MIT OR Apache-2.0");
        let ours = component("image-factory v0.1.0 (/src/runner)\tApache-2.0").unwrap();
        assert_eq!((&ours["version"], ours.get("purl")), (&json!("0.1.0"), None));
        assert_eq!(component("http-auth"), None);
    }
}

//! The verb `look`: what registries say of images, and what these hold of a base image.
//!
//! ```json
//! {"references":["ghcr.io/acme/web:1.4"],"platforms":["linux/amd64"],"base":"node:22"}
//! [{"reference":"ghcr.io/acme/web:1.4","digest":"sha256:…","created":"2026-01-05T10:00:00Z","version":"1.4.0",
//!   "platforms":[{"platform":"linux/amd64","digest":"sha256:…","content":"sha256:…","created":"…","layers":["sha256:…"],
//!                 "labels":{},"annotations":{},"materials":[{"name":"docker.io/library/node","tag":"22","digest":"sha256:…"}]}],
//!   "base":{"reference":"docker.io/library/node:22","digest":"sha256:…",
//!           "holds":[{"platform":"linux/amd64","digest":"sha256:…","evidence":"provenance","newest":true}]}}]
//! ```

use serde_json::Value;

use super::{holds, look, BaseLook, Live, PlatformImage, Stop, Want};
use crate::abi::{Answer, Arguments, Needs, RegistryNeed, Request};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::platform::Platform;
use crate::json::{object, text};
use crate::reference::ImageReference;
use crate::sorted::SortedMap;
use crate::time::Time;

/// The arguments of `look`.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// The images.
    references: Vec<String>,
    /// The platforms to look at; nothing is all of them.
    platforms: Vec<String>,
    /// A base image that they may hold.
    base: Option<String>,
}

impl Args {
    pub(crate) fn read(arguments: &mut Arguments<'_>) -> Self {
        Args {
            references: arguments.texts("references"),
            platforms: arguments.texts("platforms"),
            base: arguments.text("base"),
        }
    }
}

/// Looks at each image; the exit code is 3 where another try can help, 1 where somebody has to
/// change something.
pub fn show(request: &Request, args: &Args) -> Answer {
    let mut answer = Answer::default();
    let mut needs = Vec::new();
    let mut platforms = Vec::new();
    for platform in &args.platforms {
        match Platform::parse(platform, &Platform::default()) {
            Some(platform) if !platform.os.is_empty() => platforms.push(platform.normalized().short()),
            _ => {
                let message = ["`", platform, "` is not a platform"].concat();
                answer
                    .diagnostics
                    .push(Diagnostic::error("IF1106", message).hint("write for example `linux/arm64`"));
                answer.exit = 2;
                return answer;
            }
        }
    }
    let mut at = |answer: &mut Answer, text: &str, provenance| {
        one(request, text, &platforms, provenance, &mut needs, answer)
    };
    let base = args.base.as_ref().map(|base| at(&mut answer, base, false));
    let looks: Vec<_> = args.references.iter().map(|text| at(&mut answer, text, true)).collect();
    if !needs.is_empty() {
        return Answer { needs: Some(Needs { registry: needs, ..Needs::default() }), ..Answer::default() };
    }
    let base = base.flatten();
    let output = looks.into_iter().flatten().map(|(reference, live)| {
        let mut entries = image(&reference, &live);
        if let Some((base, look)) = &base {
            entries.push(("base", held(&live, base, look)));
        }
        object(entries)
    });
    answer.output = Some(Value::Array(output.collect()));
    answer
}

fn one(
    request: &Request,
    text: &str,
    platforms: &[String],
    provenance: bool,
    needs: &mut Vec<RegistryNeed>,
    answer: &mut Answer,
) -> Option<(ImageReference, Live)> {
    let (diagnostic, exit) = match ImageReference::parse(text) {
        Err(error) => {
            let message = format!("`{text}`: {error}");
            (Diagnostic::error(error.code(), message).hint(error.hint(text)), 1)
        }
        Ok(reference) => {
            let want = Want { reference: &reference, platforms, provenance };
            match look(&request.fetched, &want, needs) {
                Ok(live) => return Some((reference, live)),
                Err(Stop::Wait) => return None,
                Err(Stop::Trouble(trouble)) => (trouble.diagnostic(&reference), trouble.exit()),
            }
        }
    };
    answer.diagnostics.push(diagnostic);
    answer.exit = answer.exit.max(exit);
    None
}

fn image(reference: &ImageReference, live: &Live) -> Vec<(&'static str, Value)> {
    let platforms = live.platforms.iter().map(|(name, image)| platform(name, image));
    vec![
        ("reference", text(reference.normalized().as_str())),
        ("digest", text(live.digest.as_str())),
        ("created", time(live.created())),
        ("version", text(live.version())),
        ("annotations", map(&live.annotations)),
        ("platforms", Value::Array(platforms.collect())),
    ]
}

fn platform(name: &str, image: &PlatformImage) -> Value {
    let materials = image.materials.iter().map(|material| {
        object(vec![
            ("name", text(material.name.as_str())),
            ("tag", text(material.tag.as_deref())),
            ("digest", text(material.digest.as_str())),
        ])
    });
    object(vec![
        ("platform", text(name)),
        ("digest", text(image.digest.as_str())),
        ("content", text(image.content.as_str())),
        ("created", time(image.created)),
        ("annotations", map(&image.annotations)),
        ("labels", map(&image.labels)),
        ("layers", Value::Array(image.layers.iter().map(|layer| text(layer.as_str())).collect())),
        ("materials", Value::Array(materials.collect())),
    ])
}

/// Nobody said how the image uses the base, so it counts as the one of its final stage.
fn held(live: &Live, base: &ImageReference, look: &Live) -> Value {
    let held = holds(live, &BaseLook { reference: base, is_final: true, looks: &[look] });
    let held = held.iter().map(|held| {
        object(vec![
            ("platform", text(held.platform.as_str())),
            ("digest", text(held.digest.as_str())),
            ("evidence", text(held.evidence.name())),
            ("newest", Value::Bool(held.digest == look.digest)),
        ])
    });
    object(vec![
        ("reference", text(base.normalized().as_str())),
        ("digest", text(look.digest.as_str())),
        ("holds", Value::Array(held.collect())),
    ])
}

fn time(time: Option<Time>) -> Value {
    text(time.map(|time| time.to_string()).as_deref())
}

fn map(map: &SortedMap<String>) -> Value {
    object(map.iter().map(|(key, value)| (key.as_str(), text(value.as_str()))).collect())
}

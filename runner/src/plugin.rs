//! `image-factory generate --plugin`: what Argo CD's argocd-cmp-server runs.
//!
//! The contract, read in Argo CD 3.5.3 (`cmpserver/plugin/plugin.go`, `util/app/discovery`): the
//! command starts in a private copy of the Application's folder; what it prints on success is
//! applied, and deleted when it is missing; after a failure its stdout is dropped and its stderr is
//! what a person reads in the user interface. At the deadline it is killed without a word.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::Duration;

use image_factory::diagnostic::Diagnostic;
use serde::de::IgnoredAny;
use serde::Deserialize;

use crate::cli::Global;
use crate::generate::{json_lines, render, Wanted};
use crate::outcome::{print, report_briefly, Failure, AGAIN, FILES};

/// What gRPC carries to Argo CD's repo-server, in bytes, unless `ARGOCD_GRPC_MAX_SIZE_MB` is set.
const MAX_OUTPUT: usize = 100 << 20;

/// The settings of plugin.yaml.
pub(crate) struct Settings {
    /// After how long we give up, before Argo CD does.
    pub deadline: Duration,
    /// How many renders may hold memory at once; without a number, any.
    pub at_once: Option<u32>,
}

/// Renders as the plugin; gives the exit code.
pub(crate) fn run(global: &Global, settings: &Settings) -> u8 {
    watch(settings.deadline);
    let result = render_and_print(global, settings);
    result.unwrap_or_else(|Failure { diagnostic, exit }| {
        tell(vec![diagnostic]);
        exit
    })
}

fn render_and_print(global: &Global, settings: &Settings) -> Result<u8, Failure> {
    let parameters = Parameters::from_environment()?;
    let folder = parameters.folder()?;
    let work = std::env::var_os("ARGOCD_CMP_WORKDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let _slot = settings.at_once.and_then(|slots| Slot::take(&work, slots));
    let wanted = Wanted {
        kargo_version: parameters.kargo_version,
        allow_empty: parameters.allow_empty,
        // The request, and what the module makes of it, have to fit in there.
        largest_tree: u64::from(global.max_memory) << 19,
    };
    let answer = render(global, &folder, &wanted)?;
    let text = json_lines(&answer);
    if text.len() > MAX_OUTPUT {
        let message = format!("the render has {} MiB, and Argo CD takes 100", text.len() >> 20);
        let diagnostic = Diagnostic::error("IF1033", message).hint("split the factory in two folders");
        return Err(Failure { diagnostic, exit: FILES });
    }
    tell(answer.diagnostics);
    print(text.as_bytes())?;
    Ok(answer.exit)
}

/// Says in the words of an Application what the program says of its flags.
fn tell(mut diagnostics: Vec<Diagnostic>) {
    for diagnostic in &mut diagnostics {
        diagnostic.message = diagnostic.message.replace("--kargo-version: ", "parameter `kargoVersion`: ");
        diagnostic.hint = diagnostic.hint.take().map(|hint| {
            hint.replace("pass `--allow-empty`", "set the plugin's parameter `allowEmpty` to `true`")
                .replace("`--timeout SECONDS`", "`--timeout SECONDS` in plugin.yaml")
                .replace("`--max-memory MIB`", "`--max-memory MIB` in plugin.yaml")
        });
    }
    report_briefly(&diagnostics);
}

/// Ends the program at the deadline, with a word.
fn watch(deadline: Duration) {
    thread::spawn(move || {
        thread::sleep(deadline);
        let message = format!("nothing was rendered within {} s", deadline.as_secs());
        let hint = "the sidecar has too little processor time; the limit is `--deadline` in plugin.yaml, \
                    and Argo CD's own are controller.repo.server.timeout.seconds and \
                    server.repo.server.timeout.seconds";
        tell(vec![Diagnostic::error("IF1032", message).hint(hint)]);
        // Whatever is on stdout by now is dropped by the cmp-server.
        std::process::exit(i32::from(AGAIN));
    });
}

/// The plugin's parameters; `spec.source.plugin.parameters` of the Application, or of an
/// `.argocd-source.yaml` in the repository, so nothing in them is trusted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    path: Option<String>,
    kargo_version: Option<String>,
    allow_empty: bool,
}

/// One of them, in Argo CD's spelling: any of the three kinds of value, or none.
#[derive(Deserialize)]
struct Parameter {
    name: String,
    string: Option<String>,
    array: Option<Vec<IgnoredAny>>,
    map: Option<BTreeMap<String, IgnoredAny>>,
}

impl Parameters {
    fn from_environment() -> Result<Self, Failure> {
        match std::env::var_os("ARGOCD_APP_PARAMETERS") {
            None => Ok(Parameters::default()),
            Some(text) => Parameters::read(&text.to_string_lossy()),
        }
    }

    fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |message: String, hint: &str| Err(Failure::usage("IF1030", message, hint));
        if text.trim().is_empty() {
            return Ok(Parameters::default());
        }
        let list: Option<Vec<Parameter>> = match serde_json::from_str(text) {
            Ok(list) => list,
            Err(error) => {
                return wrong(
                    format!("ARGOCD_APP_PARAMETERS holds no list of parameters: {error}"),
                    "it is Argo CD that sets it, from the Application's `spec.source.plugin.parameters`",
                )
            }
        };
        let mut seen = Vec::new();
        let mut parameters = Parameters::default();
        for Parameter { name, string, array, map } in list.unwrap_or_default() {
            if seen.contains(&name) {
                return wrong(format!("the parameter `{name}` is given twice"), "leave one of them");
            }
            if array.is_some_and(|array| !array.is_empty()) || map.is_some_and(|map| !map.is_empty()) {
                return wrong(
                    format!("the parameter `{name}` is a list or a map"),
                    "write `string: VALUE` under it",
                );
            }
            // An empty field in the user interface is not a value.
            let value = string.filter(|value| !value.is_empty());
            match (name.as_str(), value.as_deref()) {
                ("path", _) => parameters.path = value,
                ("kargoVersion", _) => parameters.kargo_version = value,
                ("allowEmpty", None | Some("false")) => parameters.allow_empty = false,
                ("allowEmpty", Some("true")) => parameters.allow_empty = true,
                ("allowEmpty", Some(other)) => {
                    return wrong(
                        format!("the parameter `allowEmpty` is `{other}`"),
                        "write `string: \"true\"` or `string: \"false\"` under it",
                    )
                }
                _ => {
                    return wrong(
                        format!("there is no parameter `{name}`"),
                        "the parameters are `path`, `kargoVersion` and `allowEmpty`",
                    )
                }
            }
            seen.push(name);
        }
        Ok(parameters)
    }

    /// The factory's folder, below the one that we were started in and through no symbolic link.
    fn folder(&self) -> Result<PathBuf, Failure> {
        let Some(path) = &self.path else { return Ok(PathBuf::from(".")) };
        let wrong = |what: &str| {
            Err(Failure::usage(
                "IF1031",
                format!("the parameter `path` is `{path}`, {what}"),
                "name a folder below the Application's `spec.source.path`",
            ))
        };
        let mut folder = PathBuf::from(".");
        for part in Path::new(path).components() {
            match part {
                Component::CurDir => {}
                Component::Normal(part) => folder.push(part),
                _ => return wrong("which leaves the Application's folder"),
            }
            match fs::symlink_metadata(&folder) {
                Ok(metadata) if metadata.is_symlink() => return wrong("and a symbolic link is on the way"),
                Ok(metadata) if metadata.is_dir() => {}
                _ => return wrong("and there is no such folder"),
            }
        }
        Ok(folder)
    }
}

/// The right to render, which the other renders of this sidecar wait for.
///
/// Argo CD starts as many commands as it has Applications to render, with no limit of its own.
struct Slot(#[allow(dead_code, reason = "the lock ends with the file")] File);

impl Slot {
    /// Waits for one of so many slots; none where the disk has no place for them, since a render
    /// with too much company is better than an error that Argo CD would keep for an hour.
    fn take(work: &Path, slots: u32) -> Option<Slot> {
        let folder = work.join("image-factory-slots");
        fs::create_dir_all(&folder).ok()?;
        let mut files = Vec::new();
        for number in 0..slots {
            let path = folder.join(number.to_string());
            files.push(File::options().create(true).truncate(false).write(true).open(path).ok()?);
        }
        loop {
            // The deadline ends the wait.
            for (at, file) in files.iter().enumerate() {
                match file.try_lock() {
                    Ok(()) => return Some(Slot(files.swap_remove(at))),
                    Err(fs::TryLockError::WouldBlock) => {}
                    Err(fs::TryLockError::Error(_)) => return None,
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_render_at_once_than_there_are_slots() {
        let work = tempfile::tempdir().expect("a folder can be made");
        let mut taken: Vec<_> =
            (0..4).map(|_| Slot::take(work.path(), 4).expect("the disk has room")).collect();
        std::thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let path = work.path();
            scope.spawn(move || tell.send(Slot::take(path, 4).is_some()));
            let early = told.recv_timeout(Duration::from_millis(100));
            assert_eq!(early, Err(std::sync::mpsc::RecvTimeoutError::Timeout), "a fifth found a slot");
            taken.pop();
            assert_eq!(told.recv(), Ok(true));
        });
    }

    fn refused(text: &str) -> String {
        let Failure { diagnostic, exit } = Parameters::read(text).expect_err(text);
        assert_eq!((diagnostic.code.as_str(), exit), ("IF1030", crate::outcome::USAGE), "{text}");
        diagnostic.message.clone()
    }

    #[test]
    fn no_parameters_have_many_shapes() {
        let none = Parameters::default();
        for text in [
            "",
            "\n",
            "null",
            "[]",
            r#"[{"name":"path"}]"#,
            r#"[{"name":"path","string":""},{"name":"allowEmpty","string":""},{"name":"kargoVersion"}]"#,
            r#"[{"array":[],"map":{},"name":"allowEmpty","string":"false"}]"#,
        ] {
            assert_eq!(Parameters::read(text).expect(text), none, "{text}");
        }
    }

    #[test]
    fn all_parameters_are_strings() {
        let text = r#"[{"name":"path","string":"a/b"},{"array":[],"name":"kargoVersion","string":"1.8"},
            {"name":"allowEmpty","string":"true","later":1}]"#;
        let all = Parameters {
            path: Some("a/b".to_owned()),
            kargo_version: Some("1.8".to_owned()),
            allow_empty: true,
        };
        assert_eq!(Parameters::read(text).expect("they are fine"), all);
    }

    #[test]
    fn nothing_is_guessed() {
        for (text, message) in [
            ("[", "ARGOCD_APP_PARAMETERS holds no list of parameters: EOF"),
            ("{}", "ARGOCD_APP_PARAMETERS holds no list of parameters: invalid type: map"),
            ("[1]", "ARGOCD_APP_PARAMETERS holds no list of parameters: invalid type: integer"),
            (
                r#"[{"string":"x"}]"#,
                "ARGOCD_APP_PARAMETERS holds no list of parameters: missing field `name`",
            ),
            (r#"[{"name":"Path","string":"x"}]"#, "there is no parameter `Path`"),
            (r#"[{"name":"wave-policy"}]"#, "there is no parameter `wave-policy`"),
            (r#"[{"name":"path","array":["a"]}]"#, "the parameter `path` is a list or a map"),
            (r#"[{"name":"path","map":{"a":"b"}}]"#, "the parameter `path` is a list or a map"),
            (r#"[{"name":"path"},{"name":"path"}]"#, "the parameter `path` is given twice"),
            (r#"[{"name":"allowEmpty","string":"yes"}]"#, "the parameter `allowEmpty` is `yes`"),
        ] {
            let found = refused(text);
            assert!(found.starts_with(message), "{text}: {found}");
        }
    }
}

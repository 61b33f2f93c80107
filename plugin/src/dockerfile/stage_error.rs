//! What can be wrong once a Dockerfile is evaluated.

use thiserror::Error;

use super::error::Explain;
use super::expand::ExpandError;
use crate::reference::ReferenceError;

/// Wrong with a build stage, an image or a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StageError {
    /// A word that can't be expanded.
    #[error("{0}")]
    Expand(#[from] ExpandError),
    /// No FROM.
    #[error("the Dockerfile has no FROM")]
    NoStage,
    /// A base that is nothing.
    #[error("the base image `{word}` is empty")]
    BlankBase {
        /// As written.
        word: String,
        /// A name in it that nothing declares.
        undeclared: Option<String>,
    },
    /// A platform that is nothing.
    #[error("the platform `{0}` is empty")]
    EmptyPlatform(String),
    /// A platform that is none.
    #[error("there is no platform `{0}`")]
    Platform(String),
    /// `--target` names no stage.
    #[error("there is no build stage `{name}`")]
    Target {
        /// What was asked for.
        name: String,
        /// The nearest stage.
        nearest: Option<String>,
    },
    /// `$` in `COPY --from`.
    #[error("`--from={0}` can't hold variables, quotes or escapes")]
    CopyVariable(String),
    /// `COPY --from=9`.
    #[error("there is no build stage number {0}")]
    StageIndex(String),
    /// Stages that need each other.
    #[error("build stage `{0}` needs itself")]
    Circular(String),
    /// No image reference.
    #[error("`{text}` is no image reference: {error}")]
    Reference {
        /// The reference, expanded.
        text: String,
        /// Why.
        error: ReferenceError,
        /// A name in it that nothing declares.
        undeclared: Option<String>,
    },
    /// A source that is built after the stage that needs it.
    #[error("build stage `{0}` is defined only after it is needed")]
    StageOrder(String),
    /// A mount that BuildKit refuses.
    #[error("{0}")]
    Mount(String),
    /// An ONBUILD trigger that can't be read.
    #[error("the ONBUILD trigger `{trigger}` can't be run: {reason}")]
    Trigger {
        /// The instruction.
        trigger: String,
        /// Why.
        reason: String,
    },
    /// A stage's name that can't be the name of a build context.
    #[error("BuildKit looks every stage up as a build context, and `{0}` can't be the name of one")]
    ContextName(String),
    /// A build context that names no image.
    #[error("the build context `{name}` names no image: {error}")]
    Context {
        /// Its name.
        name: String,
        /// Why.
        error: ReferenceError,
    },
    /// No signal.
    #[error("there is no signal `{0}`")]
    Signal(String),
    /// No mode of files.
    #[error("`{0}` is no mode of a file")]
    Chmod(String),
    /// COPY from a URL or a git repository.
    #[error("COPY can't copy from `{0}`")]
    RemoteCopy(String),
    /// A git repository whose query can't be read.
    #[error("the git repository `{url}` can't be read: {reason}")]
    GitQuery {
        /// The source.
        url: String,
        /// Why.
        reason: String,
    },
    /// `--checksum=` that is no digest.
    #[error("`{0}` is no checksum")]
    NoDigest(String),
    /// `--checksum` where there is nothing to check.
    #[error("`--checksum` needs exactly one source, by HTTP or git")]
    Checksum,
    /// VOLUME that becomes empty.
    #[error("a VOLUME is empty")]
    EmptyVolume,
    /// RUN --device, which only the labs channel of the frontend has.
    #[error("`RUN --device` is not in the stable Dockerfile frontend")]
    Device,
    /// No port.
    #[error("`{0}` is no port")]
    Port(String),
    /// `SOURCE_DATE_EPOCH` that is neither a time nor something that has one.
    #[error("`SOURCE_DATE_EPOCH` can't be `{0}`")]
    Epoch(String),
    /// Larger than we evaluate.
    #[error("the Dockerfile is too large to evaluate: {0}")]
    TooMuch(&'static str),
    /// `# syntax=` that names no image.
    #[error("the frontend `{text}` is no image reference: {error}")]
    Frontend {
        /// As written.
        text: String,
        /// Why.
        error: ReferenceError,
    },
}

impl Explain for StageError {
    fn code(&self) -> &'static str {
        match self {
            StageError::Expand(_) => "IF0702",
            StageError::NoStage => "IF0703",
            StageError::BlankBase { .. } => "IF0704",
            StageError::EmptyPlatform(_) => "IF0705",
            StageError::Platform(_) => "IF0706",
            StageError::Target { .. } => "IF0707",
            StageError::CopyVariable(_) => "IF0708",
            StageError::StageIndex(_) => "IF0709",
            StageError::Circular(_) => "IF0710",
            StageError::Reference { .. } => "IF0711",
            StageError::StageOrder(_) => "IF0712",
            StageError::Mount(_) => "IF0713",
            StageError::Trigger { .. } => "IF0714",
            StageError::ContextName(_) => "IF0715",
            StageError::Context { .. } => "IF0716",
            StageError::Signal(_) => "IF0717",
            StageError::Chmod(_) => "IF0718",
            StageError::RemoteCopy(_) => "IF0719",
            StageError::Checksum => "IF0720",
            StageError::Port(_) => "IF0721",
            StageError::TooMuch(_) => "IF0722",
            StageError::EmptyVolume => "IF0724",
            StageError::GitQuery { .. } => "IF0727",
            StageError::NoDigest(_) => "IF0728",
            StageError::Epoch(_) => "IF0726",
            StageError::Device => "IF0726",
            StageError::Frontend { .. } => "IF0723",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            StageError::Expand(ExpandError::SingleQuote) => "close it with `'`".to_owned(),
            StageError::Expand(ExpandError::DoubleQuote) => "close it with `\"`".to_owned(),
            StageError::Expand(ExpandError::Brace) => "close it with `}`; blanks end the word".to_owned(),
            StageError::Expand(ExpandError::Slash) => "write `${NAME/old/new}`".to_owned(),
            StageError::Expand(ExpandError::Name) => "write `${NAME}`".to_owned(),
            StageError::Expand(ExpandError::Modifier(_)) => {
                "write `${NAME:-default}`, `${NAME:+text}`, `${NAME#prefix}`, `${NAME%suffix}` or \
                 `${NAME/old/new}`"
                    .to_owned()
            }
            StageError::Expand(ExpandError::Unset { name, .. } | ExpandError::Empty { name, .. }) => {
                format!("give it a value before the first FROM: `ARG {name}=value`")
            }
            StageError::Expand(ExpandError::Pattern(_)) => "delete the backslash".to_owned(),
            StageError::Expand(ExpandError::TooLarge) | StageError::TooMuch(_) => return None,
            StageError::NoStage => "add a base image: `FROM alpine:3`".to_owned(),
            StageError::BlankBase { undeclared: Some(name), .. }
            | StageError::Reference { undeclared: Some(name), .. } => {
                format!("declare it before the first FROM: `ARG {name}=value`")
            }
            StageError::BlankBase { .. } => "give its arguments another value".to_owned(),
            StageError::EmptyPlatform(_) | StageError::Platform(_) => {
                "write `--platform=linux/amd64` or `--platform=$BUILDPLATFORM`".to_owned()
            }
            StageError::Target { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            StageError::Target { name, .. } => format!("name a stage: `FROM image AS {name}`"),
            StageError::CopyVariable(text) => {
                format!("name a build stage for it before: `FROM {text} AS files`, then `--from=files`")
            }
            StageError::StageIndex(_) => "stages are counted from 0; better name them".to_owned(),
            StageError::Circular(_) => "delete one of the copies or mounts between the stages".to_owned(),
            StageError::Reference { text, error, .. }
            | StageError::Frontend { text, error }
            | StageError::Context { name: text, error } => error.hint(text),
            StageError::StageOrder(name) => format!("move `{name}` before the stage that needs it"),
            StageError::Mount(_) => "write `--mount=type=bind,from=image,target=/path`".to_owned(),
            StageError::Trigger { .. } => "use another base image, or mend its ONBUILD".to_owned(),
            StageError::ContextName(_) => "let it end with a letter or a digit, without `..`".to_owned(),
            StageError::Signal(_) => "write `STOPSIGNAL SIGTERM`".to_owned(),
            StageError::Chmod(_) => "write `--chmod=755` or `--chmod=u=rwX,go=rX`".to_owned(),
            StageError::RemoteCopy(text) => format!("write `ADD {text} /destination`"),
            StageError::GitQuery { .. } => {
                "write `https://host/repository.git?ref=v1&subdir=folder`".to_owned()
            }
            StageError::NoDigest(_) => "write `--checksum=sha256:` and 64 hex digits".to_owned(),
            StageError::Checksum => "write `ADD --checksum=sha256:… https://… /destination`".to_owned(),
            StageError::EmptyVolume => "write `VOLUME /data`".to_owned(),
            StageError::Device => "begin the file with `# syntax=docker/dockerfile:1-labs`".to_owned(),
            StageError::Epoch(_) => "write `ARG SOURCE_DATE_EPOCH=0`, in seconds since 1970".to_owned(),
            StageError::Port(_) => "write `EXPOSE 8080` or `EXPOSE 53/udp`".to_owned(),
        })
    }
}

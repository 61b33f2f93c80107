//! `image-factory schema`: JSON Schemas, made when this program was built.

use clap::{Args, ValueEnum};

use crate::outcome::{print, Failure, OK};

/// The flags of `schema`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Whose schema
    #[arg(value_enum)]
    file: File,
}

#[derive(Clone, Copy, ValueEnum)]
enum File {
    Images,
    Factory,
    State,
}

pub(crate) fn run(flags: &Flags) -> Result<u8, Failure> {
    let schema = match flags.file {
        File::Images => include_str!(concat!(env!("OUT_DIR"), "/images.schema.json")),
        File::Factory => include_str!(concat!(env!("OUT_DIR"), "/factory.schema.json")),
        File::State => include_str!(concat!(env!("OUT_DIR"), "/state.schema.json")),
    };
    print(schema.as_bytes())?;
    Ok(OK)
}

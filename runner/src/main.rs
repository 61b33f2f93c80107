//! Image Factory's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(image_factory_runner::cli::main())
}

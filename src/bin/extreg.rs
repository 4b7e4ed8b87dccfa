//! The client alone: it never serves.

use std::process::ExitCode;

use extension_registry::{build_info, cli};

fn main() -> ExitCode {
    let environment = cli::environment().into_iter().collect();
    let version = build_info::LINE.as_str();
    ExitCode::from(registry_client::extreg(std::env::args_os(), &environment, version))
}

//! The binary: runs a command and converts its failure to a message and an exit code.

use std::io::{self, Write as _};
#[cfg(feature = "cli")]
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
#[cfg(feature = "cli")]
use extension_registry::build_info;
use extension_registry::cli::{Args, environment};
use extension_registry::commands::run;

// Responses are dozens of small allocations on one thread; see `docs/adr/0011-mimalloc.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let program = std::env::args_os().next().unwrap_or_default();
    // A link or a copy of this name is the client alone, which never serves.
    #[cfg(feature = "cli")]
    if Path::new(&program).file_stem().is_some_and(|name| name == "extreg") {
        let environment = environment().into_iter().collect();
        let version = build_info::LINE.as_str();
        return ExitCode::from(registry_client::extreg(std::env::args_os(), &environment, version));
    }
    let args = Args::parse();
    match run(&args, &program, environment()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // Without standard error there is no place left to report the failure.
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

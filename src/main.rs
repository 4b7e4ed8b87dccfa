//! The binary: runs a command and converts its failure to a message and an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use extension_registry::cli::Args;
use extension_registry::commands::run;

// Responses are dozens of small allocations on one thread; see `docs/adr/0011-mimalloc.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    // Variables that are not UTF-8 are skipped: they belong to others, and `vars` would panic.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let program = std::env::args_os().next().unwrap_or_default();
    match run(&args, &program, environment.collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without standard error there is no place left to report the failure.
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

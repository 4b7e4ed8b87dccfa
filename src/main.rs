//! Arguments become a command; its failure becomes a message and an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use extension_registry::args::Args;
use extension_registry::operations::run;

/// Each answer is some dozens of small pieces, made and given back on one thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let program = std::env::args_os().next().unwrap_or_default();
    match run(&args, &program, environment.collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if standard error is gone.
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

//! The command line client: finds, pulls, locks and verifies extensions of a registry.
//!
//! [`extreg`] is a program of its own, [`run`] a command within another program. `docs/cli.md`
//! describes both.

pub mod cli;
pub mod failure;
pub mod reference;

mod commands;
mod completions;
mod context;
mod environment;
mod form;
mod http;
mod interrupt;
mod listing;
mod lock;
mod manual;
mod mirror;
mod names;
mod output;
mod publish;
mod pull;
mod question;
mod resolve;
mod rows;
mod settings;

use std::ffi::OsString;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _};
pub use environment::Environment;

use crate::cli::{Extreg, Invocation, ProgramCommand};
use crate::context::Context;
use crate::failure::{ClientFailure, FailureKind, Result};
use crate::interrupt::Interrupts;
use crate::settings::Display;

/// Longest time that threads have to end after the command.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the program `extreg`. Returns its exit code. `version` is printed by `--version`.
pub fn extreg(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    version: &'static str,
) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = || Extreg::command().version(version);
    if completions::answer(&command, &arguments, environment) {
        return 0;
    }
    let parsed = command().try_get_matches_from(arguments);
    let Extreg { options, command: parsed } =
        match parsed.and_then(|matches| Extreg::from_arg_matches(&matches)) {
            Ok(parsed) => parsed,
            Err(error) => {
                // Without a standard stream there is no place for the text.
                let _ = error.print();
                return u8::try_from(error.exit_code()).unwrap_or(FailureKind::Usage.code());
            }
        };
    let ended = match parsed {
        ProgramCommand::Client(command) => {
            return run(&Invocation { options, command }, environment);
        }
        ProgramCommand::Completions { shell } => completions::print(shell, command()),
        ProgramCommand::Man { directory } => manual::write(command(), directory.as_deref()),
    };
    ended.map_or_else(|failure| reported(&failure, None), |()| 0)
}

/// Runs a command. Returns the exit code of the program.
#[must_use]
pub fn run(invocation: &Invocation, environment: &Environment) -> u8 {
    let display = Display::find(&invocation.options, environment);
    let ended = display.clone().and_then(|display| {
        let Invocation { options, command } = invocation.clone().with_flags_of_commands()?;
        let context = Context::new(&options, environment, Path::new("."), display)?;
        until_interrupted(commands::run(&command, &context), &context.interrupts)
    });
    ended.map_or_else(|failure| reported(&failure, display.ok()), |()| 0)
}

fn reported(failure: &ClientFailure, display: Option<Display>) -> u8 {
    output::report(failure, display);
    failure.kind().code()
}

fn until_interrupted(
    command: impl Future<Output = Result<()>>,
    interrupts: &Interrupts,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        ClientFailure::failed(format!("the program cannot wait for connections: {error}"))
    })?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = command => ended,
            failure = interrupts.watch() => Err(failure),
        }
    });
    // Threads remove their temporary files, but one that waits for a lock must not hold up Ctrl-C.
    runtime.shutdown_timeout(GRACE);
    ended
}

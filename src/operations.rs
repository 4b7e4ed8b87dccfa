//! What the program does: it serves, or carries out one of the commands for who operates it.

mod configuration;
mod doctor;
mod healthcheck;
mod init;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write as _};

use crate::args::{Args, Command, pages};
use crate::config::{Flags, Sources};
use crate::operations::healthcheck::Question;
use crate::service;
use crate::telemetry;

/// What ends the program other than well. `docs/configuration.md` lists the exit codes.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It did not work.
    #[error("{0}")]
    Failed(String),
    /// The configuration, or what was typed, is wrong.
    #[error("{0}")]
    Misused(String),
}

impl Failure {
    /// The exit code for it.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Misused(_) => 2,
        }
    }

    fn failed(problem: impl Display) -> Self {
        Self::Failed(problem.to_string())
    }

    fn misused(problem: impl Display) -> Self {
        Self::Misused(problem.to_string())
    }
}

/// Carries out what the command line asks for. `program` is what the program was started as.
///
/// # Errors
/// It did not work, or was asked for in the wrong way.
pub fn run(
    args: &Args,
    program: &OsStr,
    environment: Vec<(String, String)>,
) -> Result<(), Failure> {
    let sources = Sources {
        file: args.config.as_deref(),
        environment,
        flags: Flags { host: args.host.clone(), port: args.port },
        demo: args.demo,
    };
    match &args.command {
        None => serve(args, &sources),
        Some(Command::Config { action }) => configuration::run(action, program, &sources),
        Some(Command::Healthcheck { ready, url }) => {
            let question = if *ready { Question::Ready } else { Question::Alive };
            healthcheck::run(question, url.as_deref(), &sources)
        }
        Some(Command::Doctor { output }) => doctor::run(*output, &sources),
        Some(Command::Completions { shell }) => print(&pages::completions(*shell)),
        Some(Command::Man { directory: None }) => print(&pages::manual().map_err(Failure::failed)?),
        Some(Command::Man { directory: Some(directory) }) => {
            let place = directory.display();
            let failed = |error| Failure::failed(format!("{place} cannot be written: {error}"));
            pages::write_manuals(directory).map_err(failed)
        }
    }
}

fn serve(args: &Args, sources: &Sources<'_>) -> Result<(), Failure> {
    let config = configuration::checked(sources).map_err(Failure::misused)?;
    telemetry::init(&args.log_level, args.json_log)
        .map_err(|error| Failure::misused(format!("--log-level: {error}")))?;
    service::run(config, args.demo).map_err(Failure::failed)
}

/// Writes to standard output. That nobody reads it to its end, as `head` does not, is no failure.
fn print(text: &[u8]) -> Result<(), Failure> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
        _ => Ok(()),
    }
}

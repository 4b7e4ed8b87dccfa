//! Entry points of the program: the service itself, and commands for operators.

mod configuration;
mod doctor;
mod healthcheck;
mod init;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write as _};

use crate::app;
use crate::cli::{Args, Command, pages};
use crate::commands::healthcheck::Probe;
use crate::config::{Flags, Sources};
use crate::logging::{self, LogError};

/// Failure of the program. `docs/configuration.md` lists the exit codes.
#[derive(Debug, thiserror::Error)]
pub enum CommandFailure {
    /// The operation failed.
    #[error("{0}")]
    Failed(String),
    /// The configuration or the command line is invalid.
    #[error("{0}")]
    Misused(String),
}

impl CommandFailure {
    /// Returns the exit code.
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

/// Runs the service or a command, and returns the exit code. `program` is the name under which the
/// program was started.
pub fn run(
    args: &Args,
    program: &OsStr,
    environment: Vec<(String, String)>,
) -> Result<u8, CommandFailure> {
    let sources = Sources {
        file: args.config.as_deref(),
        environment,
        flags: Flags { host: args.host.clone(), port: args.port },
        demo: args.demo,
    };
    let ended = match &args.command {
        None => serve(args, &sources),
        Some(Command::Config { action }) => configuration::run(action, program, &sources),
        Some(Command::Healthcheck { ready, url }) => {
            let question = if *ready { Probe::Ready } else { Probe::Alive };
            healthcheck::run(question, url.as_deref(), &sources)
        }
        Some(Command::Doctor { output }) => doctor::run(*output, &sources),
        Some(Command::Completions { shell }) => print(&pages::completions(*shell)),
        Some(Command::Man { directory: None }) => {
            print(&pages::manual().map_err(CommandFailure::failed)?)
        }
        Some(Command::Man { directory: Some(directory) }) => {
            let place = directory.display();
            let failed =
                |error| CommandFailure::failed(format!("{place} cannot be written: {error}"));
            pages::write_manuals(directory).map_err(failed)
        }
        #[cfg(feature = "cli")]
        Some(Command::Client(invocation)) => {
            return client(invocation, args.flag_of_service(), sources.environment);
        }
    };
    ended.map(|()| 0)
}

#[cfg(feature = "cli")]
fn client(
    invocation: &registry_client::cli::Invocation,
    flag_of_service: Option<&str>,
    environment: Vec<(String, String)>,
) -> Result<u8, CommandFailure> {
    match flag_of_service {
        Some(flag) => Err(CommandFailure::misused(format!(
            "{flag} belongs to the service, and this is a command for users of a registry; name the \
             registry with --server"
        ))),
        None => Ok(registry_client::run(invocation, &environment.into_iter().collect())),
    }
}

fn serve(args: &Args, sources: &Sources<'_>) -> Result<(), CommandFailure> {
    // Problems of the configuration are printed plainly, so logging starts only afterwards.
    let config = configuration::checked(sources).map_err(CommandFailure::misused)?;
    let metrics = app::metrics().map_err(CommandFailure::failed)?;
    let log = logging::init(&args.log_level, args.json_log, metrics.process.dropped_lines());
    let log = log.map_err(|error| match error {
        LogError::Filter(error) => CommandFailure::misused(format!("--log-level: {error}")),
        LogError::Thread(_) => CommandFailure::failed(error),
    })?;
    let ended = app::run(config, args.demo, metrics);
    // The failure goes to standard error after the last line of the log.
    drop(log);
    ended.map_err(CommandFailure::failed)
}

fn print(text: &[u8]) -> Result<(), CommandFailure> {
    // A reader that closes the pipe early, such as `head`, is no failure.
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandFailure::failed(error))
        }
        _ => Ok(()),
    }
}

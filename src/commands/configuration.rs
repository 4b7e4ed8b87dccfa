//! The `config` commands, and validation of a configuration.

use std::ffi::OsStr;

use crate::app;
use crate::cli::ConfigAction;
use crate::commands::{Failure, init, print};
use crate::config::check::{Problem, Problems};
use crate::config::{Config, Sources, examined, read, schema, show};

pub(super) fn run(
    action: &ConfigAction,
    program: &OsStr,
    sources: &Sources<'_>,
) -> Result<(), Failure> {
    match action {
        ConfigAction::Check => {
            checked(sources).map_err(Failure::misused)?;
            print(b"the configuration is valid\n")
        }
        ConfigAction::Show => {
            let (_, settings) = read(sources).map_err(Failure::misused)?;
            print(show::render(&settings).as_bytes())
        }
        ConfigAction::Init { file } => init::run(file, program),
        ConfigAction::Schema => print(schema::render().as_bytes()),
    }
}

/// Returns a configuration with which the service can start.
///
/// # Errors
/// All problems that would prevent the start, except those of network and port.
pub(super) fn checked(sources: &Sources<'_>) -> Result<Config, Problems> {
    let (settings, config) = examined(sources);
    let found = app::check(&settings, config.as_ref().ok());
    let found = found.into_iter().map(|finding| match finding.key {
        Some((section, key)) => settings.problem(section, key, finding.what),
        None => Problem::of_all(finding.what),
    });
    // Both kinds of problems are reported together, so that an operator needs one round of
    // corrections.
    let found: Vec<Problem> = found.collect();
    match config {
        Ok(config) if found.is_empty() => Ok(config),
        Ok(_) => Err(Problems::new(found)),
        Err(problems) => Err(problems.and(found)),
    }
}

//! The `config` commands, and validation of a configuration.

use std::ffi::OsStr;

use registry_core::config_reader::problems::Problems;

use crate::app;
use crate::cli::ConfigAction;
use crate::commands::{CommandFailure, init, print};
use crate::config::{self, Config, Sources, read};

pub(super) fn run(
    action: &ConfigAction,
    program: &OsStr,
    sources: &Sources<'_>,
) -> Result<(), CommandFailure> {
    match action {
        ConfigAction::Check => {
            let config = checked(sources).map_err(CommandFailure::misused)?;
            let warnings = app::warnings(&config);
            let warnings = warnings.iter().map(|warning| format!("warning: {warning}\n"));
            print((warnings.collect::<String>() + "the configuration is valid\n").as_bytes())
        }
        ConfigAction::Show => {
            let (reader, config) = read(sources);
            print(reader.show().as_bytes())?;
            reader.finish(config, &[]).map(drop).map_err(CommandFailure::misused)
        }
        ConfigAction::Init { file } => init::run(file, program),
        ConfigAction::Schema => print(config::schema().as_bytes()),
    }
}

/// Reports all problems that would prevent the start, except those of network and port.
pub(super) fn checked(sources: &Sources<'_>) -> Result<Config, Problems> {
    let (mut reader, config) = read(sources);
    match config.as_ref().map(app::check) {
        Some(Ok(findings)) => findings.iter().for_each(|it| reader.report(&it.key, &it.what)),
        Some(Err(error)) => reader.report_whole(error.to_string()),
        None => {}
    }
    reader.finish(config, &[])
}

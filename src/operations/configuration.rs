//! `config check`, `show`, `init` and `schema`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::args::ConfigAction;
use crate::config::check::{Problem, Problems};
use crate::config::{Config, Sources, examined, example, read, schema, show};
use crate::operations::{Failure, print};
use crate::service;

pub(super) fn run(action: &ConfigAction, sources: &Sources<'_>) -> Result<(), Failure> {
    match action {
        ConfigAction::Check => {
            checked(sources).map_err(Failure::misused)?;
            print(b"the configuration is valid\n")
        }
        ConfigAction::Show => {
            let (_, settings) = read(sources).map_err(Failure::misused)?;
            print(show::render(&settings).as_bytes())
        }
        ConfigAction::Init { file } if file.as_os_str() == "-" => {
            print(example::render().as_bytes())
        }
        ConfigAction::Init { file } => init(file),
        ConfigAction::Schema => print(schema::render().as_bytes()),
    }
}

/// A configuration that a service can be started with.
///
/// # Errors
/// Everything that would stop the start, except for what the network or the port would.
pub(super) fn checked(sources: &Sources<'_>) -> Result<Config, Problems> {
    let (settings, config) = examined(sources);
    let found = service::check(&settings, config.as_ref().ok());
    let found = found.into_iter().map(|finding| match finding.key {
        Some((section, key)) => settings.problem(section, key, finding.what),
        None => Problem::of_all(finding.what),
    });
    let found: Vec<Problem> = found.collect();
    match config {
        Ok(config) if found.is_empty() => Ok(config),
        Ok(_) => Err(Problems::new(found)),
        Err(problems) => Err(problems.and(found)),
    }
}

fn init(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(example::render().as_bytes()));
    match written {
        Ok(()) => print(
            format!("wrote {shown}; check it with: config check --config {shown}\n").as_bytes(),
        ),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Failure::Failed(format!("{shown} is there already and is left as it is")))
        }
        Err(error) => Err(Failure::Failed(format!("{shown} cannot be written: {error}"))),
    }
}

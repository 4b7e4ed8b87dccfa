//! Settings of one run: flags, then variables, then files, then defaults.

mod client_file;
mod credentials;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum as _;
use console::Term;
pub use credentials::StoredCredentials;
use secrecy::SecretString;
pub use server::{Chosen, Server, is_private, parse_token, read_token};

use crate::cli::{ColorChoice, Options};
use crate::environment::Environment;
use crate::failure::{ClientFailure, Result};
use crate::form::{OutputChoice, OutputForm};
use crate::lock::manifest::ProjectManifest;

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(10);

/// Settings of one run.
#[derive(Debug)]
pub struct Settings {
    /// Registry to ask.
    pub server: Server,
    /// Token for the registry.
    pub token: Option<SecretString>,
    /// Directory of the user's settings.
    pub config_directory: Option<PathBuf>,
    /// Directory of the cache of archives.
    pub cache_directory: Option<PathBuf>,
    /// Connection to the registry.
    pub connection: ConnectionSettings,
    /// If true, no request is sent.
    pub is_offline: bool,
    /// If true, `pull` never writes the lock.
    pub is_locked: bool,
}

/// Settings of connections.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// Longest time to connect.
    pub connect: Duration,
    /// Longest silence.
    pub silence: Duration,
    /// Certificates to trust, in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// If true, each request is printed.
    pub is_verbose: bool,
}

/// What is printed, and how.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch")]
pub struct Display {
    /// Form of the data.
    pub form: OutputForm,
    /// If true, only data and errors are printed.
    pub is_quiet: bool,
    /// If true, progress is shown.
    pub has_progress: bool,
    /// If true, standard output has colors.
    pub colors_output: bool,
    /// If true, standard error has colors.
    pub colors_errors: bool,
}

impl Settings {
    /// Finds the settings of a command that is run in this directory.
    pub fn find(options: &Options, environment: &Environment, directory: &Path) -> Result<Self> {
        let config_directory = environment.config_directory();
        let file = config_directory.as_deref().map(client_file::read).transpose()?.flatten();
        let server = server::find(options, environment, directory, file)?;
        let token = server::token(options, environment, &server, config_directory.as_deref())?;
        Ok(Self {
            server,
            token,
            config_directory,
            cache_directory: environment.cache_directory(),
            connection: ConnectionSettings {
                connect: CONNECT,
                silence: Duration::from_secs(options.timeout),
                ca_file: options.ca_file.clone(),
                is_verbose: options.verbose,
            },
            is_offline: options.offline,
            is_locked: environment.is_on("EXTENSION_REGISTRY_LOCKED"),
        })
    }
}

impl Display {
    /// Finds what is printed. An unknown form is a failure.
    pub fn find(options: &Options, environment: &Environment) -> Result<Self> {
        let form = match (&options.output, environment.get("EXTENSION_REGISTRY_OUTPUT")) {
            (Some(OutputChoice::Form(form)), _) => *form,
            (_, Some(word)) => OutputForm::from_str(word, true).map_err(|_| {
                let message =
                    format!("EXTENSION_REGISTRY_OUTPUT is {word:?}, which is no form of output");
                ClientFailure::usage(message).hint("use table, json, jsonl, nuon or name")
            })?,
            (_, None) => OutputForm::Table,
        };
        let colors = |terminal: &Term| match options.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if environment.get("NO_COLOR").is_some() => false,
            ColorChoice::Auto => environment.is_on("CLICOLOR_FORCE") || terminal.is_term(),
        };
        let hides_progress = options.quiet
            || options.no_progress
            || environment.is_on("EXTENSION_REGISTRY_NO_PROGRESS");
        Ok(Self {
            form,
            is_quiet: options.quiet,
            has_progress: !hides_progress && Term::stderr().is_term(),
            colors_output: colors(&Term::stdout()),
            colors_errors: colors(&Term::stderr()),
        })
    }
}

/// Returns the manifest of the directory, or of the nearest one above that has one.
pub fn find_manifest(directory: &Path) -> Result<Option<ProjectManifest>> {
    directory.ancestors().find_map(|above| ProjectManifest::read(above).transpose()).transpose()
}

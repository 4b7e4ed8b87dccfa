//! What every command works with: settings, the registry, and what is printed.

use std::path::{Path, PathBuf};

use crate::cli::Options;
use crate::environment::Environment;
use crate::failure::{ClientFailure, Result};
use crate::http::Registry;
use crate::interrupt::Interrupts;
use crate::output::tell;
use crate::settings::{Display, Settings};

/// Surroundings of a command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) display: Display,
    pub(crate) registry: Registry,
    pub(crate) environment: Environment,
    /// Directory in which the command is run.
    pub(crate) directory: PathBuf,
    /// Ctrl-C.
    pub(crate) interrupts: Interrupts,
}

impl Context {
    /// Finds everything. Sends no request.
    pub(crate) fn new(
        options: &Options,
        environment: &Environment,
        directory: &Path,
        display: Display,
    ) -> Result<Self> {
        let directory = std::path::absolute(directory).map_err(|error| {
            ClientFailure::failed(format!("the working directory cannot be found: {error}"))
        })?;
        let settings = Settings::find(options, environment, &directory)?;
        let registry = Registry::new(&settings)?;
        let (environment, interrupts) = (environment.clone(), Interrupts::new());
        Ok(Self { settings, display, registry, environment, directory, interrupts })
    }

    /// Prints a message on standard error, unless messages are off.
    pub(crate) fn tell(&self, message: &str) {
        tell(message, self.display);
    }
}

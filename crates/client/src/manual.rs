//! Manual pages, in roff.

use std::path::Path;

use clap::Command;
use clap_mangen::Man;

use crate::failure::{ClientFailure, Result};
use crate::output;

/// Prints the page of the program, or writes the pages of every command into a directory.
pub(crate) fn write(command: Command, directory: Option<&Path>) -> Result<()> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let made = Man::new(command).render(&mut page);
        made.map_err(|error| ClientFailure::failed(format!("the page cannot be made: {error}")))?;
        return output::print(&String::from_utf8_lossy(&page));
    };
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command.disable_help_subcommand(true), directory));
    written.map_err(|error| {
        ClientFailure::failed(format!("{} cannot be written: {error}", directory.display()))
    })
}

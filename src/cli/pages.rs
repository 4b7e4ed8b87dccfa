//! Shell completions and manual pages, generated from the command line definition.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::cli::Args;

/// Generates the completion script for a shell.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    script
}

/// Generates the manual page of the program, in roff.
///
/// # Errors
/// None in practice: the output goes to memory.
pub fn manual() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(Args::command()).render(&mut page)?;
    Ok(page)
}

/// Writes one page for the program and one for each command, such as
/// `extension-registry-config-check.1`.
///
/// # Errors
/// The directory cannot be created or written.
pub fn write_manuals(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Args::command().disable_help_subcommand(true), directory)
}

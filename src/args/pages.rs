//! Completions for shells and manual pages, made of the command line itself.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::args::Args;

/// The script that completes our command line in a shell.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    script
}

/// The manual page of the program, in roff.
///
/// # Errors
/// None that writing to memory has.
pub fn manual() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(Args::command()).render(&mut page)?;
    Ok(page)
}

/// Writes one page for the program and one for each command, such as
/// `extension-registry-config-check.1`.
///
/// # Errors
/// The directory cannot be made or written.
pub fn write_manuals(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Args::command().disable_help_subcommand(true), directory)
}

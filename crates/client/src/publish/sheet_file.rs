//! `extension.toml` of a directory or an archive, and the identity of the version that it describes.

use std::io::ErrorKind;
use std::path::Path;

use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::{Tag, TagStyle};
use registry_packing::{SHEET, Sheet};

use crate::cli::arguments::IdentityArgs;
use crate::failure::{ClientFailure, Result};

/// Longest sheet, in bytes.
pub(crate) const SHEET_MAX: u64 = 1 << 20;

/// Reads the sheet of a directory. Without one the flags must say everything.
pub(crate) fn read(directory: &Path) -> Result<Sheet> {
    let name = directory.display();
    let metadata = directory.metadata();
    let metadata = metadata
        .map_err(|error| ClientFailure::usage(format!("{name} cannot be read: {error}")))?;
    if !metadata.is_dir() {
        return Err(ClientFailure::usage(format!("{name} is not a directory")));
    }
    let path = directory.join(SHEET);
    match std::fs::read(&path) {
        Ok(bytes) => parse(&bytes, &path.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Sheet::default()),
        Err(error) => {
            Err(ClientFailure::usage(format!("{} cannot be read: {error}", path.display())))
        }
    }
}

/// Parses a sheet. `place` is its path for messages.
pub(crate) fn parse(bytes: &[u8], place: &str) -> Result<Sheet> {
    let wrong = |reason: &str| ClientFailure::usage(format!("{place}: {reason}"));
    let text = str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
    Sheet::parse(text).map_err(|reason| wrong(&reason))
}

/// Returns the extension of flags and sheet.
pub(crate) fn identity(args: &IdentityArgs, sheet: &Sheet) -> Result<ExtensionId> {
    let extension_type = match (args.extension_type, &sheet.extension_type) {
        (Some(extension_type), _) => extension_type,
        (None, Some(word)) => word.parse().map_err(|error| of_sheet("type", word, &error))?,
        (None, None) => return Err(missing("type", "--type")),
    };
    let name = match (&args.name, &sheet.name) {
        (Some(name), _) => name.clone(),
        (None, Some(word)) => word.parse().map_err(|error| of_sheet("name", word, &error))?,
        (None, None) => return Err(missing("name", "--name")),
    };
    Ok(ExtensionId { name, extension_type })
}

/// Returns the tag of flags and sheet: a version without `v`, or a tag that was chosen as such.
pub(crate) fn tag(chosen: Option<&Tag>, args: &IdentityArgs, sheet: &Sheet) -> Result<Tag> {
    if let Some(tag) = chosen {
        if tag.is_housekeeping() {
            let message = format!("{tag} is no tag for a version: registries hide it");
            return Err(ClientFailure::usage(message).hint("choose another tag, such as nightly"));
        }
        return Ok(tag.clone());
    }
    let told = match (&args.version, &sheet.version) {
        (Some(version), _) => version.clone(),
        (None, Some(word)) => word.parse().map_err(|error| of_sheet("version", word, &error))?,
        (None, None) => return Err(missing("version", "--version")),
    };
    let version = told.version(TagStyle::Plain).ok_or_else(|| {
        ClientFailure::usage(format!("{told} is not a version such as 1.2.0 or 1.2.0-rc.1"))
            .hint("publish another tag, such as nightly, with --tag")
    })?;
    version.as_str().parse().map_err(|error| of_sheet("version", version.as_str(), &error))
}

fn of_sheet(key: &str, word: &str, error: &dyn std::fmt::Display) -> ClientFailure {
    ClientFailure::usage(format!("{SHEET}: {key} is {word:?}, but {error}"))
}

fn missing(key: &str, flag: &str) -> ClientFailure {
    ClientFailure::usage(format!("the {key} of the extension is missing"))
        .hint(format!("write {key} = \"…\" to {SHEET}, or use {flag}"))
}

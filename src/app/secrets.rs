//! Files of secrets: their permissions are checked, and errors name them.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use registry_core::files;
use secrecy::SecretString;
use tracing::warn;

use crate::app::LOG_TARGET;

/// Largest file of secrets, in bytes: some hundred thousand clients' tokens.
pub(super) const FILE_MAX: u64 = 16 * 1024 * 1024;

pub(super) fn readable(path: &Path) -> io::Result<fs::Permissions> {
    let opened = files::open_named(path).map_err(|error| {
        let who = match (fs::metadata(path), fs::metadata("/proc/self")) {
            (Ok(file), Ok(us)) => {
                format!(" (owner: user {}; the service runs as user {})", file.uid(), us.uid())
            }
            _ => String::new(),
        };
        io::Error::new(error.kind(), format!("{} cannot be read{who}: {error}", path.display()))
    });
    opened.map(|(_, metadata)| metadata.permissions())
}

pub(super) fn check(key: &str, path: &Path) -> io::Result<()> {
    // Only warns if others can read the file: orchestrators mount files with such permissions.
    let mode = readable(path)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        warn!(target: LOG_TARGET, path = %path.display(), mode = format!("{mode:o}"), "{key}: readable by other users; restrict it with chmod 600");
    }
    Ok(())
}

/// Trims the secret; warns as [`check`] does.
pub(super) fn read(key: &str, path: &Path) -> io::Result<SecretString> {
    check(key, path)?;
    word(path)
}

pub(super) fn word(path: &Path) -> io::Result<SecretString> {
    readable(path)?;
    let text = files::text_named(path, FILE_MAX).map_err(|error| {
        io::Error::new(error.kind(), format!("{} cannot be read: {error}", path.display()))
    })?;
    // Editors on Windows write a byte order mark.
    let mut words = text.strip_prefix('\u{feff}').unwrap_or(&text).split_whitespace();
    match (words.next(), words.next()) {
        (Some(word), None) => Ok(word.to_owned().into()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} must hold one word", path.display()),
        )),
    }
}

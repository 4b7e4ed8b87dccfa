//! Replacement of a file at once: readers see the old text or the new one.

use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::failure::{ClientFailure, Result};

/// Replaces a file by a text, unless it has that text already.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    written(path, text).map_err(|error| {
        ClientFailure::failed(format!("{} cannot be written: {error}", path.display()))
    })
}

fn written(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    // A file of the project, readable like others: the default is a private one.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file: NamedTempFile =
        builder.prefix(".extensions").tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

//! The mark of an extracted directory: which archive it was made from, and its files.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{ClientFailure, Result};

/// Name of the mark in the directory.
pub(crate) const NAME: &str = ".extension.json";

/// Origin of an extracted directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DirectoryMark {
    pub(crate) id: String,
    pub(crate) version: String,
    /// Digest of the archive.
    pub(crate) digest: String,
    pub(crate) source: String,
    pub(crate) backend: String,
    /// SHA-256 of each regular file, in hexadecimal digits, by its path with slashes.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
}

impl DirectoryMark {
    /// Reads the mark of a directory. `None` if it has none.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(NAME);
        let failed = |reason: String| {
            ClientFailure::failed(format!("{} cannot be read: {reason}", path.display()))
        };
        match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error.to_string())),
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.to_string()))
            }
        }
    }

    /// Writes the mark into a directory.
    pub(crate) fn write(&self, directory: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(directory.join(NAME), text)
    }
}

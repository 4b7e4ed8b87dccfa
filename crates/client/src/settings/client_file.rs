//! The file `client.toml` of the user's settings: the address of the registry.

use std::io::ErrorKind;
use std::path::Path;

use toml_edit::Document;

use crate::failure::{ClientFailure, Result};

const NAME: &str = "client.toml";

/// Reads the address from `client.toml` in a directory. `None` without the file or the key.
pub(super) fn read(directory: &Path) -> Result<Option<String>> {
    let path = directory.join(NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(ClientFailure::usage(format!(
                "{} cannot be read: {error}",
                path.display()
            )));
        }
    };
    let wrong = |reason: String| ClientFailure::usage(format!("{}: {reason}", path.display()));
    let document = Document::parse(text).map_err(|error| wrong(error.to_string()))?;
    let Some(url) = document.get("url") else { return Ok(None) };
    let url = url.as_str().ok_or_else(|| wrong("url must be text".to_owned()))?;
    Ok(Some(url.to_owned()))
}

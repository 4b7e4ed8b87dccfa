//! A TOML file of the user, and messages with its name and line.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Document, Item};

use crate::failure::{ClientFailure, Result};

/// Largest file that is read, in bytes.
const MAX: u64 = 16 << 20;

/// Text of a file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// Reads a file. `None` if it does not exist.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let failed = |reason: String| {
            ClientFailure::usage(format!("{} cannot be read: {reason}", path.display()))
        };
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() > MAX => {
                return Err(failed("it is larger than 16 MiB".to_owned()));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Ok(Some(Self { path: path.to_owned(), text }))
    }

    /// Parses the text. The failure names the line.
    pub(super) fn parse(&self) -> Result<Document<&str>> {
        Document::parse(self.text.as_str())
            .map_err(|error| self.wrong(error.span(), error.message().trim()))
    }

    /// Describes a fault of the file, at the line of a byte.
    pub(super) fn wrong(&self, place: Option<Range<usize>>, reason: &str) -> ClientFailure {
        let before = place.and_then(|place| self.text.get(..place.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        let reason = reason.replace('\n', "; ");
        ClientFailure::usage(format!("{}:{line}: {reason}", self.path.display()))
    }

    /// Reads a text of a table. `None` without the key.
    pub(super) fn text_of<'a>(
        &self,
        name: &str,
        item: Option<&'a Item>,
    ) -> Result<Option<&'a str>> {
        let Some(item) = item else { return Ok(None) };
        let text = item.as_str();
        text.map(Some).ok_or_else(|| self.wrong(item.span(), &format!("{name} must be text")))
    }
}

//! State files whose first line has the version of their format.

use std::fs::Metadata;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use jiff::Timestamp;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::files;
use registry_core::files::folder::Folder;
use registry_core::models::digest::Digest;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::LOG_TARGET;
use crate::stored::damaged;

#[derive(Debug)]
pub(super) enum Unusable {
    /// A newer release wrote it, so it is left as it is and the start fails.
    Newer(Error),
    /// It is moved aside, and the start goes on.
    Damaged(Error),
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self::Damaged(error)
    }
}

/// Maximum length of a file in bytes. A backend may take `catalog.max_bytes` of memory, 1 GiB by
/// default.
pub(super) const LENGTH_MAX: u64 = 4 << 30;
/// Maximum length of the first line in bytes; a longer one is not valid.
const HEAD_MAX: u64 = 256;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) version: u32,
    /// Digest of the rest; `None` in the state log, whose batches have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
}

pub(super) struct Content {
    pub(super) head: Head,
    pub(super) metadata: Metadata,
    pub(super) bytes: Vec<u8>,
}

impl Content {
    /// Reads a regular file of this format version, up to [`LENGTH_MAX`]; `None` if it is absent.
    pub(super) fn of(dir: &Path, name: &str, version: u32) -> Result<Option<Self>, Unusable> {
        let (mut file, metadata) = match Folder::named(dir).and_then(|dir| dir.file(name)) {
            Ok(opened) => opened,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => return Ok(None),
                _ => return Err(unreadable(error)),
            },
        };
        let mut begins = Vec::new();
        // A foreign file of any size may lie here, so only its beginning is read at first.
        (&file).take(HEAD_MAX).read_to_end(&mut begins).map_err(unreadable)?;
        let head = Head::of(&begins)?;
        head.check(&dir.join(name), version)?;
        if metadata.len() > LENGTH_MAX {
            return Err(damaged(format!("it is larger than {LENGTH_MAX} bytes")).into());
        }
        file.rewind().map_err(unreadable)?;
        let bytes = files::read(file, LENGTH_MAX).map_err(unreadable)?;
        Ok(Some(Self { head, metadata, bytes }))
    }

    /// Returns the text after the first line, whose digest the first line has to name.
    pub(super) fn payload(&self) -> Result<&str> {
        let text = str::from_utf8(&self.bytes);
        let text = text.map_err(|error| damaged("it is no text").because(error))?;
        let (_, payload) = text.split_once('\n').unwrap_or_default();
        if self.head.digest != Some(Digest::sha256(payload.as_bytes()).to_string()) {
            return Err(mismatch());
        }
        Ok(payload)
    }
}

impl Head {
    fn of(bytes: &[u8]) -> Result<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let line = end.and_then(|end| bytes.get(..end));
        let line = line.ok_or_else(|| damaged("its first line is cut short"))?;
        serde_json::from_slice(line).map_err(|error| {
            damaged("its first line is not a header of this format").because(error)
        })
    }

    fn check(&self, path: &Path, known: u32) -> Result<(), Unusable> {
        let (found, path) = (self.version, path.display());
        if found > known {
            return Err(Unusable::Newer(damaged(format!(
                "{path} has format version {found}, and this release reads up to version {known}: \
                 run the release that wrote it, or set cache.state_dir to another directory; \
                 nothing in it was changed"
            ))));
        }
        if found < known {
            return Err(damaged(format!("it is of version {found}, not {known}")).into());
        }
        Ok(())
    }
}

/// Renames a damaged file, so that it can be examined, and logs that. `what` is the file in words.
pub(super) fn set_aside(dir: &Path, name: &str, what: &str, error: &Error, now: Timestamp) {
    let (path, reason) = (dir.join(name), error.report());
    let path = path.display();
    let renamed = format!("{name}.damaged-{}", now.as_second());
    match Folder::named(dir).and_then(|dir| dir.rename(name, &dir, &renamed)) {
        Ok(()) => {
            let aside = dir.join(renamed);
            let aside = aside.display();
            warn!(target: LOG_TARGET, %path, %aside, reason, "{what} is damaged and is moved aside");
        }
        Err(error) => {
            warn!(target: LOG_TARGET, %path, reason, "{what} is damaged and cannot be moved aside: {error}");
        }
    }
}

pub(super) fn mismatch() -> Error {
    damaged("its content does not match its checksum")
}

pub(super) fn unwritable(error: io::Error) -> Error {
    Error::new(ErrorKind::Internal, "its file cannot be written").because(error)
}

fn unreadable(error: io::Error) -> Unusable {
    damaged("it cannot be read").because(error).into()
}

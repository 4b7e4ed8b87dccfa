//! Failures of reading archives as errors of the service.

use registry_archives::{ArchiveIndex, Bounds, ByteCount, Entry, Error as ArchiveError};
use registry_core::error::{Error, ErrorKind, Result};

/// Maximum length of a file that is sent or compared by itself, in bytes.
pub(super) const FILE_MAX: u64 = 16 << 20;

/// Maps a failure to its kind. The messages of archives name bounds, formats and places.
pub(super) fn failed(error: ArchiveError) -> Error {
    let kind = match &error {
        ArchiveError::TooLarge(_) => ErrorKind::TooLarge,
        ArchiveError::NotAnArchive
        | ArchiveError::UnsupportedFormat(_)
        | ArchiveError::Truncated(_)
        | ArchiveError::Malformed { .. } => ErrorKind::Unsupported,
        ArchiveError::NoSuchEntry(_) | ArchiveError::NotAFile { .. } => ErrorKind::NotFound,
        ArchiveError::OtherArchive(_) | ArchiveError::Read(_) | ArchiveError::Write(_) => {
            return Error::new(ErrorKind::Internal, "An archive cannot be read").because(error);
        }
    };
    Error::new(kind, error.to_string())
}

/// Returns the entry of a path. In a truncated index a missing one may exist: `TooLarge`.
pub(super) fn entry_of<'a>(index: &'a ArchiveIndex, path: &str) -> Result<&'a Entry> {
    index.entry(path).ok_or_else(|| no_entry(index.truncated, path))
}

/// Creates the error for a path that no index has.
pub(super) fn no_entry(is_truncated: bool, path: &str) -> Error {
    if !is_truncated {
        return failed(ArchiveError::NoSuchEntry(path.to_owned()));
    }
    let Bounds { entries, path: length, .. } = Bounds::default();
    let message = format!(
        "The entry {path:?} is not among those that are read: the first {entries} with paths of at \
         most {length} bytes; download the archive instead"
    );
    Error::new(ErrorKind::TooLarge, message)
}

/// Creates the error for a file that is too long to be sent by itself.
pub(super) fn long_file() -> Error {
    let message =
        format!("The file has more than {}; download the archive instead", ByteCount(FILE_MAX));
    Error::new(ErrorKind::TooLarge, message)
}

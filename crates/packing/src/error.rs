//! Errors of packing: what is refused, what changed meanwhile, and failures of the disk.

use std::io;
use std::path::{Path, PathBuf};

/// Result of packing.
pub type Result<T, E = PackError> = std::result::Result<T, E>;

/// Reason why a directory was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The directory has something that an archive must not have.
    #[error("{} {reason}", path.display())]
    Refused {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file was written, added or removed while it was read.
    #[error("{} changed while it was packed", .0.display())]
    Changed(PathBuf),
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        error: io::Error,
    },
    /// The archive cannot be written.
    #[error("the archive cannot be written: {0}")]
    Write(io::Error),
}

impl PackError {
    pub(crate) fn refused(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Refused { path: path.into(), reason: reason.into() }
    }

    pub(crate) fn read(path: &Path, error: io::Error) -> Self {
        Self::Read { path: path.to_owned(), error }
    }
}

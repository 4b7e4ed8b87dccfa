//! Errors of reading archives.

use std::fmt;
use std::io;

use crate::bounds::Bound;
use crate::entry::Kind;

/// Result of reading an archive.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Reason why an archive or a file in it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first bytes belong to no format that is known here.
    #[error("The file is not an archive: its first bytes are not those of tar, gzip, zstd or zip")]
    NotAnArchive,
    /// The format is known by its first bytes and cannot be read. Holds the name of the format.
    #[error(
        "A {0} archive cannot be looked into, only tar, gzip, zstd and zip; download it instead"
    )]
    UnsupportedFormat(&'static str),
    /// The archive exceeds a bound.
    #[error("The archive is too large to look into: more than {0}; download it instead")]
    TooLarge(Bound),
    /// The archive ends before it is complete.
    #[error("The archive is cut off at {0}; download or publish it again")]
    Truncated(Location),
    /// The archive breaks the rules of its format, or programs would read it differently.
    #[error("The archive is damaged at {location}: {reason}; publish it again")]
    Malformed {
        /// Position of the fault.
        location: Location,
        /// The rule that the archive breaks.
        reason: String,
    },
    /// The index has no such path.
    #[error("The archive has no entry {0:?}; paths are those of its index, escapes included")]
    NoSuchEntry(String),
    /// The entry has no content of its own.
    #[error("The entry {path:?} is a {kind}, and only files have content")]
    NotAFile {
        /// Path of the entry, escaped.
        path: String,
        /// Kind of the entry.
        kind: Kind,
    },
    /// The archive is not the one that the index was made from.
    #[error("The archive differs from its index at {0}; index it again")]
    OtherArchive(Location),
    /// The reader of the archive failed.
    #[error("The archive cannot be read")]
    Read(#[source] io::Error),
    /// The receiver of a file's bytes failed.
    #[error("The file cannot be passed on")]
    Write(#[source] io::Error),
}

/// Position of a fault in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An entry.
    Entry {
        /// Number of the entry, counted from 1.
        number: u64,
        /// Escaped path, if it was read.
        path: Option<String>,
    },
    /// The central directory of a zip archive.
    Directory,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry { number, path: Some(path) } => write!(f, "entry {number} ({path})"),
            Self::Entry { number, path: None } => write!(f, "entry {number}"),
            Self::Directory => f.write_str("the central directory"),
        }
    }
}

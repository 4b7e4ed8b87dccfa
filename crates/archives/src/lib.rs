//! Readers of release archives. Archives are untrusted: every read is bounded in bytes, entries and
//! memory, and nothing is written to disk. All I/O is blocking.
//!
//! [`index()`] lists an archive, [`read_file`] and [`copy_file`] read one of its files, [`compare()`]
//! finds the differences of two lists, and [`diff_text`] those of two texts. [`visit()`] passes every
//! entry to the caller, with the names and contents of the archive.

mod bounds;
mod compare;
mod diff;
mod entry;
mod error;
mod escape;
mod file;
#[cfg(test)]
mod fixtures;
mod format;
mod gzip;
mod header;
mod index;
mod member;
mod meter;
mod path;
mod pax;
mod pending;
mod raw_type;
mod tar;
mod walk;
mod zip;

pub use bounds::{Bound, Bounds, ByteCount};
pub use compare::{Comparison, EntryChange, compare, find_pair};
pub use diff::{Diff, DiffLine, Hunk, TextDiff, diff_text};
pub use entry::{Entry, Kind, Mark};
pub use error::{Error, Location, Result};
pub use escape::is_hidden;
pub use file::{FileContent, copy_file, read_file, read_files};
pub use format::Format;
pub use index::{ArchiveIndex, index};
pub use member::{Member, Visit};
pub use raw_type::{RawType, raw_content_type};
pub use walk::visit;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

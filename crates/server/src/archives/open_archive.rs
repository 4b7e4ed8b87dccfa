//! An open archive: its entries, and the contents of files.

use bytes::Bytes;
use registry_archives::{ArchiveIndex, Bounds, Entry, FileContent, copy_file, read_file};
use registry_core::error::Result;

use crate::archives::IndexedArchive;
use crate::archives::failure::{FILE_MAX, entry_of, failed, long_file};
use crate::archives::file_cache::FileCache;
use crate::archives::readings::Readings;
use crate::archives::source::{ArchiveBytes, ArchiveSource};

/// An archive whose files can be read.
pub struct OpenArchive<'a> {
    pub(super) readings: &'a Readings,
    pub(super) files: &'a FileCache,
    pub(super) bounds: Bounds,
    pub(super) source: ArchiveSource,
    /// Its entries.
    pub indexed: IndexedArchive,
}

/// One side of a comparison.
pub(super) struct ComparedSide {
    pub(super) indexed: IndexedArchive,
    pub(super) bytes: ArchiveBytes,
}

impl ComparedSide {
    pub(super) fn index(&self) -> &ArchiveIndex {
        &self.indexed.index
    }
}

impl OpenArchive<'_> {
    /// Returns true if the bytes are in the artifact store.
    #[must_use]
    pub const fn is_stored(&self) -> bool {
        matches!(self.source.bytes, ArchiveBytes::Stored { .. })
    }

    /// Returns the entry of an escaped path. Fails with `NotFound`; with `TooLarge` if the path may be
    /// among the entries that are left out.
    pub fn entry(&self, path: &str) -> Result<&Entry> {
        entry_of(&self.indexed.index, path)
    }

    /// Reads the bytes of a file of at most 16 MiB, and caches short ones.
    ///
    /// # Errors
    ///
    /// Those of [`OpenArchive::entry`]; `NotFound` if it is not a file; `TooLarge` if it is longer;
    /// `Overloaded` while other archives are read.
    pub async fn bytes(&self, path: &str) -> Result<Bytes> {
        let size = self.entry(path)?.size;
        if size > FILE_MAX {
            return Err(long_file());
        }
        let (name, side, bounds) = (path.to_owned(), self.side(), self.bounds);
        let read = move || {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            copy_file(side.bytes.reader(), side.index(), &name, &bounds, &mut bytes)
                .map_err(failed)?;
            Ok(Bytes::from(bytes))
        };
        let bytes = self.readings.run(read).await?;
        self.files.put(&self.indexed.digest, path, &bytes);
        Ok(bytes)
    }

    /// Reads a file to show it as text.
    ///
    /// # Errors
    ///
    /// Those of [`OpenArchive::bytes`], but a long file is [`FileContent::TooLong`].
    pub async fn text(&self, path: &str) -> Result<FileContent> {
        self.entry(path)?;
        let (path, side, bounds) = (path.to_owned(), self.side(), self.bounds);
        let read =
            move || read_file(side.bytes.reader(), side.index(), &path, &bounds).map_err(failed);
        self.readings.run(read).await
    }

    pub(super) fn side(&self) -> ComparedSide {
        ComparedSide { indexed: self.indexed.clone(), bytes: self.source.bytes.clone() }
    }
}

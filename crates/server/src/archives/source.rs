//! Bytes of an archive: stored ones are read piece by piece, others are in memory.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use registry_core::models::digest::Digest;
use tokio::runtime::Handle;

use crate::artifacts::blobs::{BlobReader, ReadBuffer};

const READ_SIZE: usize = 64 * 1024;

/// An archive that can be read without its backend.
#[derive(Clone)]
pub(super) struct ArchiveSource {
    /// Digest of the bytes, verified.
    pub(super) digest: Digest,
    pub(super) bytes: ArchiveBytes,
}

/// Bytes of an archive, cheap to clone.
#[derive(Clone)]
pub(super) enum ArchiveBytes {
    Stored { blob: Arc<dyn BlobReader>, size: u64 },
    Memory(Bytes),
}

impl ArchiveBytes {
    /// Returns a reader for a thread that may block, within a runtime.
    pub(super) fn reader(&self) -> ArchiveReader {
        match self {
            Self::Stored { blob, size } => ArchiveReader::Stored(StoredReader {
                blob: Arc::clone(blob),
                size: *size,
                at: 0,
                buffer: vec![0; READ_SIZE],
                runtime: Handle::current(),
            }),
            Self::Memory(bytes) => ArchiveReader::Memory(Cursor::new(bytes.clone())),
        }
    }
}

pub(super) enum ArchiveReader {
    Stored(StoredReader),
    Memory(Cursor<Bytes>),
}

pub(super) struct StoredReader {
    blob: Arc<dyn BlobReader>,
    size: u64,
    at: u64,
    buffer: Vec<u8>,
    runtime: Handle,
}

impl Read for ArchiveReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(reader) => reader.read(buffer),
            Self::Memory(reader) => reader.read(buffer),
        }
    }
}

impl Seek for ArchiveReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Stored(reader) => reader.seek(position),
            Self::Memory(reader) => reader.seek(position),
        }
    }
}

impl Read for StoredReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left).min(READ_SIZE);
        if length == 0 {
            return Ok(0);
        }
        let space = ReadBuffer { bytes: mem::take(&mut self.buffer), length };
        let read = self.runtime.block_on(self.blob.read(space, self.at));
        // The buffer is lost with an error, after which an archive is not read further.
        let (space, count) = read?;
        self.buffer = space.bytes;
        let (Some(to), Some(from)) = (buffer.get_mut(..count), self.buffer.get(..count)) else {
            return Err(io::Error::other("a blob returned more bytes than requested"));
        };
        to.copy_from_slice(from);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for StoredReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let at = match position {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::task::spawn_blocking;

    use super::*;

    /// A blob that gives at most 1,000 bytes at once.
    struct Pieces(Bytes);

    #[async_trait]
    impl BlobReader for Pieces {
        async fn read(&self, mut buffer: ReadBuffer, at: u64) -> io::Result<(ReadBuffer, usize)> {
            let from = &self.0[usize::try_from(at).unwrap().min(self.0.len())..];
            let to = buffer.as_mut();
            let count = from.len().min(to.len()).min(1000);
            to[..count].copy_from_slice(&from[..count]);
            Ok((buffer, count))
        }
    }

    #[tokio::test]
    async fn stored_bytes_are_read_as_those_in_memory() {
        let bytes: Bytes = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let size = bytes.len() as u64;
        let stored = ArchiveBytes::Stored { blob: Arc::new(Pieces(bytes.clone())), size };
        let memory = ArchiveBytes::Memory(bytes);
        let read = move || {
            for seek in [
                SeekFrom::Start(0),
                SeekFrom::Start(199_999),
                SeekFrom::End(-7),
                SeekFrom::End(5),
                SeekFrom::Current(3),
            ] {
                let [stored, memory] = [&stored, &memory].map(|bytes| {
                    let (mut reader, mut rest) = (bytes.reader(), Vec::new());
                    let at = reader.seek(seek).unwrap();
                    reader.read_to_end(&mut rest).unwrap();
                    (at, rest)
                });
                assert_eq!(stored, memory, "{seek:?}");
            }
            assert!(stored.reader().seek(SeekFrom::Current(-1)).is_err());
        };
        spawn_blocking(read).await.unwrap();
    }
}

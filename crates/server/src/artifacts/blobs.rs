//! A store of blobs by digest, as the artifact store needs it. A blob is complete or absent.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use registry_core::models::digest::Digest;

/// State of a stored blob. Every change of its bytes changes the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobStamp {
    /// Length in bytes.
    pub size: u64,
    /// Version of the bytes, which only the store interprets.
    pub version: [i64; 5],
}

/// A blob in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Digest under which the blob is stored. Not verified.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
}

/// An open blob. Stays readable if the blob is deleted.
pub struct OpenBlob {
    /// The bytes.
    pub reader: Arc<dyn BlobReader>,
    /// State before the store noted the use.
    pub found: BlobStamp,
    /// State after the store noted the use.
    pub noted: BlobStamp,
}

/// Result of the verification of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobCheck {
    /// The bytes have the digest.
    Good(BlobStamp),
    /// The bytes have another digest. They were moved to this place and are not served.
    Damaged(String),
    /// There is no such blob.
    Absent,
}

/// Memory for one read.
pub struct ReadBuffer {
    /// Memory, at least `length` bytes.
    pub bytes: Vec<u8>,
    /// Number of bytes to read at most.
    pub length: usize,
}

impl AsMut<[u8]> for ReadBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }
}

/// Access to the bytes of a blob.
#[async_trait]
pub trait BlobReader: Send + Sync {
    /// Reads from a position into a buffer. Returns the number of bytes, 0 at the end of the blob.
    async fn read(&self, buffer: ReadBuffer, at: u64) -> io::Result<(ReadBuffer, usize)>;
}

/// A blob that is being written. Dropping it discards the bytes.
#[async_trait]
pub trait NewBlob: Send + Sync {
    /// Returns access to the bytes written so far.
    fn reader(&self) -> Arc<dyn BlobReader>;

    /// Writes pieces one after the other at a position. Returns the number of bytes.
    async fn write(&self, at: u64, pieces: Vec<Bytes>) -> io::Result<u64>;

    /// Stores the bytes durably under their digest, which the caller verified.
    async fn keep(&self, digest: &Digest) -> io::Result<BlobStamp>;
}

/// A store of blobs.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Prepares the store, and lists its blobs, least recently used first.
    async fn open(&self) -> io::Result<Vec<BlobEntry>>;

    /// Lists the blobs again if the store was replaced since the last listing.
    async fn renewed(&self) -> io::Result<Option<Vec<BlobEntry>>>;

    /// Opens a blob and notes its use; `None` if it is missing.
    async fn get(&self, digest: &Digest) -> io::Result<Option<OpenBlob>>;

    /// Begins a new blob.
    async fn put(&self) -> io::Result<Arc<dyn NewBlob>>;

    /// Reads a blob in full, and compares its digest.
    async fn check(&self, digest: &Digest) -> io::Result<BlobCheck>;

    /// Deletes a blob. Open readers are not affected.
    async fn delete(&self, digest: &Digest) -> io::Result<()>;
}

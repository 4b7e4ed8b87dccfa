//! A writer that counts and hashes what it passes on.

use std::io::{self, Write};

use registry_core::models::digest::{Algorithm, Digest, DigestHasher};

/// Writer with the SHA-256 and the number of the bytes that went through it.
#[derive(Debug)]
pub struct HashingWriter<W> {
    inner: W,
    hasher: DigestHasher,
    size: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Creates a writer that passes everything on.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: DigestHasher::new(Algorithm::Sha256), size: 0 }
    }

    /// Returns the writer, the digest and the number of bytes.
    #[must_use]
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.size)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

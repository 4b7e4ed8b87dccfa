//! Writing and hashing on a thread of their own, so that the network never waits for a disk.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;
use registry_core::models::digest::{Algorithm, Digest, DigestHasher};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Pieces that wait for the disk. Few, since one may have hundreds of KiB, and many files are written
/// at once.
const QUEUE: usize = 2;
const BUFFER: usize = 64 * 1024;

/// Writer of one file.
pub(super) struct PartWriter {
    orders: mpsc::Sender<Order>,
    done: JoinHandle<io::Result<Digest>>,
}

enum Order {
    Write(Bytes),
    /// Begin again: what was written is not the beginning of the file.
    Restart,
}

impl PartWriter {
    /// Begins after the first `start` bytes of a file, which are hashed.
    pub(super) fn begin(file: File, start: u64, algorithm: Algorithm) -> Self {
        let (orders, inbox) = mpsc::channel(QUEUE);
        let done = spawn_blocking(move || write(file, start, algorithm, inbox));
        Self { orders, done }
    }

    /// Appends bytes. Returns false if the writer has failed; `finish` has the reason.
    pub(super) async fn write(&self, piece: Bytes) -> bool {
        self.orders.send(Order::Write(piece)).await.is_ok()
    }

    /// Removes everything that was written. Returns false if the writer has failed.
    pub(super) async fn restart(&self) -> bool {
        self.orders.send(Order::Restart).await.is_ok()
    }

    /// Writes everything to the disk, and returns the digest.
    pub(super) async fn finish(self) -> io::Result<Digest> {
        drop(self.orders);
        self.done.await.map_err(io::Error::other)?
    }
}

fn write(
    mut file: File,
    start: u64,
    algorithm: Algorithm,
    mut inbox: mpsc::Receiver<Order>,
) -> io::Result<Digest> {
    let mut hasher = DigestHasher::new(algorithm);
    hash(&mut file, start, &mut hasher)?;
    while let Some(order) = inbox.blocking_recv() {
        match order {
            Order::Write(piece) => {
                hasher.update(&piece);
                file.write_all(&piece)?;
            }
            Order::Restart => {
                file.set_len(0)?;
                file.rewind()?;
                hasher = DigestHasher::new(algorithm);
            }
        }
    }
    file.sync_all()?;
    Ok(hasher.finish())
}

/// Hashes the first bytes of a file, and stops behind them.
fn hash(file: &mut File, length: u64, hasher: &mut DigestHasher) -> io::Result<()> {
    file.rewind()?;
    let mut buffer = vec![0; BUFFER];
    let mut rest = (&*file).take(length);
    loop {
        let count = rest.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
    file.seek(SeekFrom::Start(length)).map(|_| ())
}

/// Copies a file, and returns the digest of what was copied.
pub(super) fn copy(mut from: &File, to: &mut File, algorithm: Algorithm) -> io::Result<Digest> {
    to.set_len(0)?;
    to.rewind()?;
    let mut hasher = DigestHasher::new(algorithm);
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer)?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        hasher.update(piece);
        to.write_all(piece)?;
    }
    to.sync_all()?;
    Ok(hasher.finish())
}

/// Computes the digest of a file.
pub(crate) fn digest_of(file: &mut File, algorithm: Algorithm) -> io::Result<Digest> {
    let length = file.metadata()?.len();
    let mut hasher = DigestHasher::new(algorithm);
    hash(file, length, &mut hasher)?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_continued_or_begun_again_and_its_digest_is_that_of_all_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let open = || {
            File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap()
        };
        std::fs::write(&path, "abc--").unwrap();
        let writer = PartWriter::begin(open(), 3, Algorithm::Sha256);
        assert!(writer.write(Bytes::from_static(b"def")).await);
        assert_eq!(writer.finish().await.unwrap(), Digest::sha256(b"abcdef"));
        assert_eq!(std::fs::read(&path).unwrap(), b"abcdef");
        let writer = PartWriter::begin(open(), 6, Algorithm::Sha512);
        assert!(writer.restart().await && writer.write(Bytes::from_static(b"x")).await);
        assert_eq!(writer.finish().await.unwrap().algorithm(), Algorithm::Sha512);
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        assert_eq!(digest_of(&mut open(), Algorithm::Sha256).unwrap(), Digest::sha256(b"x"));
    }
}

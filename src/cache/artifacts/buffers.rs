//! Buffers to read files with: large while few are in use, small when many are.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// Bytes of a large buffer: fewer, longer reads, and it still fits a core's second-level cache.
const LARGE: usize = 256 * 1024;
/// Large buffers in use at once, 32 MiB together; downloads beyond them read with small ones.
const LARGE_MAX: usize = 128;
/// Bytes of a small buffer. A thousand stalled downloads hold one each.
const SMALL: usize = 32 * 1024;
/// Large buffers kept for the next reader.
const IDLE_MAX: usize = 8;

/// Hands out buffers, and keeps a few that were used.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Pool>>);

#[derive(Default)]
struct Pool {
    in_use: usize,
    idle: Vec<Vec<u8>>,
}

/// Bytes that were read, in a buffer that goes back to its pool.
struct Filled {
    bytes: Vec<u8>,
    length: usize,
    pool: Option<Buffers>,
}

impl Buffers {
    /// Reads a file from this position on, up to `end` at most: what one buffer takes.
    ///
    /// # Errors
    /// The file cannot be read, or ends before anything was read.
    pub(super) async fn read(&self, file: &Arc<File>, at: u64, end: u64) -> io::Result<Bytes> {
        let mut buffer = self.take(usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX));
        // What the system has in memory is copied at once; only a disk is waited for elsewhere.
        if buffer.fill_from_memory(file, at) {
            return Ok(Bytes::from_owner(buffer));
        }
        let file = Arc::clone(file);
        let read = tokio::task::spawn_blocking(move || buffer.fill(&file, at).map(|()| buffer));
        read.await.map_err(io::Error::other)?.map(Bytes::from_owner)
    }

    fn take(&self, wanted: usize) -> Filled {
        let mut pool = self.0.lock();
        if wanted <= SMALL || pool.in_use >= LARGE_MAX {
            let length = wanted.min(SMALL);
            return Filled { bytes: vec![0; length], length, pool: None };
        }
        pool.in_use += 1;
        let bytes = pool.idle.pop().unwrap_or_else(|| vec![0; LARGE]);
        Filled { length: wanted.min(LARGE), bytes, pool: Some(self.clone()) }
    }
}

impl Filled {
    /// Whether at least something could be read without waiting.
    fn fill_from_memory(&mut self, file: &File, at: u64) -> bool {
        let Some(space) = self.bytes.get_mut(..self.length) else { return false };
        let read = preadv2(file, &mut [IoSliceMut::new(space)], at, ReadWriteFlags::NOWAIT);
        match read {
            Ok(length) if length > 0 => {
                self.length = length;
                true
            }
            // Not in memory, not known to this file system, or an error that reading tells again.
            Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | _) => false,
        }
    }

    fn fill(&mut self, file: &File, at: u64) -> io::Result<()> {
        let space = self.bytes.get_mut(..self.length).unwrap_or_default();
        file.read_exact_at(space, at)
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let Some(buffers) = self.pool.take() else { return };
        let mut pool = buffers.0.lock();
        pool.in_use -= 1;
        if pool.idle.len() < IDLE_MAX {
            pool.idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn buffers_are_small_once_many_are_in_use_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![7; 2 * LARGE]).unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        let buffers = Buffers::default();
        let end = 2 * LARGE as u64;
        let mut held = Vec::new();
        for _ in 0..LARGE_MAX {
            held.push(buffers.read(&file, 0, end).await.unwrap());
        }
        assert!(held.iter().all(|bytes| bytes.len() == LARGE));
        assert_eq!(buffers.read(&file, 0, end).await.unwrap().len(), SMALL);
        held.clear();
        assert_eq!(buffers.0.lock().idle.len(), IDLE_MAX);
        let rest = buffers.read(&file, end - 5, end).await.unwrap();
        assert_eq!(rest.as_ref(), [7; 5]);
        assert!(buffers.read(&file, end, end + 1).await.is_err(), "the file is shorter");
    }
}

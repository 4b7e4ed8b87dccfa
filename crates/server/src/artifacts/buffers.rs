//! Memory for download buffers: a small one for each download, and a shared budget for more while
//! few downloads are in progress.

use std::io;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::backend::download::PIECE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::artifacts::blobs::{BlobReader, ReadBuffer};

/// Maximum number of concurrent downloads. Each has one buffer of [`OWN`] bytes in any case.
const DOWNLOADS_MAX: usize = 5_120;
/// Size of that buffer in bytes.
const OWN: usize = PIECE;
/// Total size of all further buffers in KiB.
const EXTRA_KIB: usize = 12 * 1024;
/// Part of that budget in KiB that large buffers leave free.
const NOT_LARGE_KIB: usize = 4 * 1024;
/// Size of a large buffer in bytes, which fits a core's L2 cache.
const LARGE: usize = 256 * 1024;
/// Size of a small further buffer in bytes.
const SMALL: usize = 32 * 1024;
const IDLE_MAX: usize = 8;

/// Maximum memory for the buffers of all downloads, in bytes.
pub const BYTES_MAX: usize = DOWNLOADS_MAX * OWN + EXTRA_KIB * 1024;

#[derive(Clone)]
pub(super) struct Buffers(Arc<BufferPool>);

struct BufferPool {
    downloads: Arc<Semaphore>,
    extra_kib: Arc<Semaphore>,
    idle: Mutex<Vec<Vec<u8>>>,
}

/// Buffer memory of one download; returned when dropped.
pub(super) struct Allowance {
    pool: Arc<BufferPool>,
    /// Permit for the download's own buffer, held by the piece in it.
    own: Arc<Semaphore>,
    _download: OwnedSemaphorePermit,
}

/// Permission for one piece; returned when the piece is dropped.
pub(super) struct BufferSpace {
    length: usize,
    _permit: Option<OwnedSemaphorePermit>,
}

struct FilledBuffer {
    bytes: Vec<u8>,
    length: usize,
    pool: Arc<BufferPool>,
    _space: BufferSpace,
}

impl Default for Buffers {
    fn default() -> Self {
        let [downloads, extra_kib] =
            [DOWNLOADS_MAX, EXTRA_KIB].map(|permits| Arc::new(Semaphore::new(permits)));
        Self(Arc::new(BufferPool { downloads, extra_kib, idle: Mutex::default() }))
    }
}

impl Buffers {
    pub(super) fn allow(&self) -> Option<Allowance> {
        // Does not wait: a queue of downloads would only end in client timeouts.
        let download = Arc::clone(&self.0.downloads).try_acquire_owned().ok()?;
        let (pool, own) = (Arc::clone(&self.0), Arc::new(Semaphore::new(1)));
        Some(Allowance { pool, own, _download: download })
    }
}

impl Allowance {
    /// Reserves up to `wanted` bytes; waits at most for the download's own buffer.
    pub(super) async fn space(&self, wanted: usize) -> BufferSpace {
        // Some of the budget stays free: a few fast downloads must not slow down the others.
        for (least, length, left_kib) in [(SMALL, LARGE, NOT_LARGE_KIB), (0, SMALL, 0)] {
            let length = length.min(wanted);
            if wanted > least
                && let Some(permit) = self.pool.extra(length, left_kib)
            {
                return BufferSpace { length, _permit: Some(permit) };
            }
        }
        // Never an error: the semaphore is not closed, and dropping a piece returns its permit.
        let own = Arc::clone(&self.own).acquire_owned().await.ok();
        BufferSpace { length: OWN.min(wanted), _permit: own }
    }

    /// Reads one buffer from position `at` up to `end`. Fails if the blob ends at `at`.
    pub(super) async fn read(&self, blob: &dyn BlobReader, at: u64, end: u64) -> io::Result<Bytes> {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut buffer = self.buffer(self.space(left).await);
        let space = ReadBuffer { bytes: mem::take(&mut buffer.bytes), length: buffer.length };
        let (space, length) = blob.read(space, at).await?;
        buffer.bytes = space.bytes;
        // The blob became shorter: without this the caller would loop.
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.length = length;
        Ok(Bytes::from_owner(buffer))
    }

    /// Copies as many bytes as fit: a slice would keep the whole allocation in memory.
    pub(super) fn copy(&self, space: BufferSpace, bytes: &Bytes) -> Bytes {
        let mut buffer = self.buffer(space);
        buffer.length = buffer.length.min(bytes.len());
        for (to, from) in buffer.as_mut().iter_mut().zip(bytes) {
            *to = *from;
        }
        Bytes::from_owner(buffer)
    }

    fn buffer(&self, space: BufferSpace) -> FilledBuffer {
        let (pool, length) = (Arc::clone(&self.pool), space.length);
        // Large buffers are reused: allocating and zeroing one takes longer than many reads.
        let bytes = if length > SMALL {
            self.pool.idle.lock().pop().unwrap_or_else(|| vec![0; LARGE])
        } else {
            vec![0; length]
        };
        FilledBuffer { bytes, length, pool, _space: space }
    }
}

impl BufferSpace {
    pub(super) fn around(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Around { bytes, _space: self })
    }
}

struct Around {
    bytes: Bytes,
    _space: BufferSpace,
}

impl AsRef<[u8]> for Around {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl BufferPool {
    fn extra(&self, bytes: usize, left_kib: usize) -> Option<OwnedSemaphorePermit> {
        // Reused buffers are always large, even if only a part is used.
        let bytes = if bytes > SMALL { LARGE } else { bytes };
        let kib = bytes.div_ceil(1024);
        if self.extra_kib.available_permits() < kib + left_kib {
            return None;
        }
        let kib = u32::try_from(kib).ok()?;
        Arc::clone(&self.extra_kib).try_acquire_many_owned(kib).ok()
    }
}

impl AsMut<[u8]> for FilledBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }
}

impl AsRef<[u8]> for FilledBuffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Drop for FilledBuffer {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.lock();
        // Small buffers are not kept: the allocator serves these sizes fast.
        if self.bytes.len() == LARGE && idle.len() < IDLE_MAX {
            idle.push(mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::artifacts::disk_store::FileReader;

    fn file(length: usize) -> FileReader {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![7; length], 0).unwrap();
        FileReader(Arc::new(file))
    }

    #[tokio::test]
    async fn buffers_shrink_as_more_downloads_stand_still_and_come_back() {
        let (file, end) = (file(2 * LARGE), 2 * LARGE as u64);
        let buffers = Buffers::default();
        let (mut held, mut lengths) = (Vec::new(), Vec::new());
        while let Some(allowance) = buffers.allow() {
            let bytes = allowance.read(&file, 0, end).await.unwrap();
            lengths.push(bytes.len());
            held.push((allowance, bytes));
        }
        let count = |length| lengths.iter().filter(|found| **found == length).count();
        assert_eq!(lengths.len(), DOWNLOADS_MAX);
        assert_eq!((count(LARGE), count(SMALL)), (32, 128));
        assert_eq!(count(OWN), DOWNLOADS_MAX - 160);
        assert!(lengths.iter().sum::<usize>() <= BYTES_MAX);
        held.clear();
        assert_eq!(buffers.0.idle.lock().len(), IDLE_MAX);
        let allowance = buffers.allow().unwrap();
        assert_eq!(allowance.read(&file, 0, end).await.unwrap().len(), LARGE);
        let rest = allowance.read(&file, end - 5, end).await.unwrap();
        assert_eq!(rest.as_ref(), [7; 5]);
        assert!(allowance.read(&file, end, end + 1).await.is_err(), "the file is shorter");
    }

    #[tokio::test]
    async fn without_further_buffers_a_download_goes_on_in_its_own() {
        let (file, end) = (file(4 * OWN), 4 * OWN as u64);
        let buffers = Buffers::default();
        let taken = Arc::clone(&buffers.0.extra_kib)
            .acquire_many_owned(EXTRA_KIB.try_into().unwrap())
            .await;
        let allowance = buffers.allow().unwrap();
        let first = allowance.read(&file, 0, end).await.unwrap();
        assert_eq!(first.len(), OWN);
        assert!(allowance.read(&file, 0, end).now_or_never().is_none(), "its buffer is in use");
        let other = buffers.allow().unwrap();
        assert_eq!(other.read(&file, 0, end).await.unwrap().len(), OWN, "others have theirs");
        drop(first);
        let shared = Bytes::from(vec![1; 3 * OWN]);
        let copied = allowance.copy(allowance.space(shared.len()).await, &shared);
        assert_eq!(copied, shared.slice(..OWN));
        drop(taken);
        assert_eq!(allowance.copy(allowance.space(shared.len()).await, &shared), shared);
    }
}

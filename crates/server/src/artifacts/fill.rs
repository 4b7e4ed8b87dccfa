//! State of one fetch that several readers share. Readers take the newest bytes from memory and
//! older ones from the store. Only `fetch` waits for a disk or a backend.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::error::Error;
use tokio::sync::{Notify, watch};

use crate::artifacts::blobs::BlobReader;

/// Number of bytes that a fetch holds in memory for its readers.
const AHEAD: u64 = 512 * 1024;
/// Largest artifact, in bytes, of which nothing is passed on before what the bucket sends is verified.
const WITHHELD_MAX: u64 = 16 * 1024 * 1024;

pub(super) struct Fill {
    pub(super) size: u64,
    /// The new blob, from which written bytes can be read. Unset until the fetch has begun.
    stored: Mutex<Option<Arc<dyn BlobReader>>>,
    /// True while the bytes come from the shared bucket.
    from_bucket: AtomicBool,
    state: Mutex<FillState>,
    /// Notified when readers have new bytes or an outcome.
    news: watch::Sender<()>,
    /// Notified when a reader advances or leaves.
    progress: Notify,
    /// Notified when a reader leaves.
    left: Notify,
}

#[derive(Default)]
struct FillState {
    window: VecDeque<Bytes>,
    window_at: u64,
    received: u64,
    /// Bytes that may be passed on: all but the piece that completes an unverified artifact.
    passable: u64,
    on_disk: u64,
    /// The file takes no further bytes: they stay in memory until every reader has them.
    memory_only: bool,
    /// The position of each reader; `u64::MAX` for one that only waits for the end.
    readers: BTreeMap<u64, u64>,
    next_reader: u64,
    fastest: u64,
    /// No byte is passed on before the whole is verified.
    withheld: bool,
    /// No further readers can join, because bytes that they would need are gone.
    closed: bool,
    end: Option<FillEnd>,
}

#[derive(Clone)]
pub(super) enum FillEnd {
    Verified,
    /// The store cannot take it; no reader received a byte.
    Unstorable,
    Failed(Error),
}

pub(super) enum FillProgress {
    Here(usize),
    OnDisk(u64),
    Wait,
    Ended(FillEnd),
}

impl Fill {
    pub(super) fn new(size: u64) -> Arc<Self> {
        Arc::new(Self {
            size,
            stored: Mutex::default(),
            from_bucket: AtomicBool::new(false),
            state: Mutex::default(),
            news: watch::Sender::new(()),
            progress: Notify::new(),
            left: Notify::new(),
        })
    }

    /// Sets the new blob, and the source of the bytes to come. Those of the bucket are passed on once
    /// the whole is verified, so that the backend can begin anew; of a large artifact as they come.
    pub(super) fn begin(&self, blob: Arc<dyn BlobReader>, from_bucket: bool) {
        *self.stored.lock() = Some(blob);
        self.from_bucket.store(from_bucket, Ordering::Relaxed);
        self.state.lock().withheld = from_bucket && self.size <= WITHHELD_MAX;
    }

    pub(super) fn blob(&self) -> Option<Arc<dyn BlobReader>> {
        self.stored.lock().clone()
    }

    pub(super) fn is_from_bucket(&self) -> bool {
        self.from_bucket.load(Ordering::Relaxed)
    }

    /// Forgets all bytes for another source. Returns false if readers may have some.
    pub(super) fn restart(&self) -> bool {
        let mut state = self.state.lock();
        if !state.withheld {
            return false;
        }
        state.withheld = false;
        state.window.clear();
        (state.window_at, state.received, state.on_disk) = (0, 0, 0);
        true
    }

    /// Registers a reader of a part. Returns its number and its source of news; `None` if bytes that
    /// it would need are gone.
    pub(super) fn join(&self, part: &Range<u64>) -> Option<(u64, watch::Receiver<()>)> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        let number = state.next_reader;
        state.next_reader += 1;
        // Registered under the same lock, so that no bytes are dropped in between.
        state.moved(number, part);
        Some((number, self.news.subscribe()))
    }

    /// Withholds the last byte of the part until the whole is verified, so that no reader has all
    /// of a corrupt artifact.
    pub(super) fn look(&self, at: u64, end: u64) -> FillProgress {
        let state = self.state.lock();
        let limit = match state.limit(end) {
            Ok(limit) => limit,
            Err(ended) => return FillProgress::Ended(ended),
        };
        if at >= limit {
            return FillProgress::Wait;
        }
        // Memory first: a read of the file costs a switch to a blocking thread.
        if let Some(bytes) = state.in_window(at, limit) {
            return FillProgress::Here(bytes.len());
        }
        FillProgress::OnDisk(state.on_disk.min(limit))
    }

    pub(super) fn piece(&self, at: u64, end: u64) -> Option<Bytes> {
        let state = self.state.lock();
        let limit = state.limit(end).ok()?;
        state.in_window(at, limit).filter(|piece| !piece.is_empty())
    }

    pub(super) fn advance(&self, reader: u64, left: &Range<u64>) {
        let mut state = self.state.lock();
        state.moved(reader, left);
        state.trim();
        drop(state);
        self.progress.notify_one();
    }

    pub(super) fn leave(&self, reader: u64) {
        self.state.lock().readers.remove(&reader);
        self.progress.notify_one();
        self.left.notify_one();
    }

    /// Adds the next bytes. Returns false if they exceed the announced size.
    pub(super) fn append(&self, piece: Bytes) -> bool {
        let mut state = self.state.lock();
        let received = state.received.saturating_add(piece.len() as u64);
        if received > self.size {
            return false;
        }
        // Withheld until the digest is verified: the last piece may be the only corrupt one.
        let passable = if received < self.size { received } else { state.received };
        state.passable = if state.withheld { 0 } else { passable };
        state.received = received;
        state.window.push_back(piece);
        drop(state);
        self.news.send_replace(());
        true
    }

    pub(super) fn received(&self) -> u64 {
        self.state.lock().received
    }

    pub(super) fn written(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.on_disk += bytes;
        state.trim();
    }

    /// Keeps all further bytes in memory. Ends joining, since earlier bytes may be gone.
    pub(super) fn goes_on_in_memory(&self) {
        let mut state = self.state.lock();
        state.memory_only = true;
        state.closed = true;
        // The fetch waits for its readers from now on, so that they have to get something.
        if std::mem::take(&mut state.withheld) {
            let last = state.window.back().map_or(0, Bytes::len) as u64;
            state.passable = state.received.saturating_sub(last);
        }
        drop(state);
        self.news.send_replace(());
    }

    pub(super) fn is_ahead(&self) -> bool {
        let state = self.state.lock();
        state.received.saturating_sub(state.window_at) >= AHEAD
    }

    /// Drops bytes that are in the file. Returns true if the fetch must wait for its readers.
    pub(super) fn rest(&self) -> bool {
        let mut state = self.state.lock();
        if !state.memory_only {
            let on_disk = state.on_disk;
            state.drop_before(on_disk);
        }
        state.memory_only
    }

    pub(super) async fn progress(&self) {
        self.progress.notified().await;
    }

    /// Waits until the last reader leaves an incomplete fetch, and closes it.
    pub(super) async fn deserted(&self) {
        loop {
            self.left.notified().await;
            let mut state = self.state.lock();
            // Complete fetches only wait for the disk, and their work must not be thrown away.
            if state.readers.is_empty() && state.received < self.size {
                state.closed = true;
                return;
            }
        }
    }

    /// Ends the fetch with a failure that every source of the bytes would have.
    pub(super) fn refuse(&self, error: Error) {
        self.from_bucket.store(false, Ordering::Relaxed);
        self.finish(FillEnd::Failed(error));
    }

    pub(super) fn finish(&self, end: FillEnd) {
        let mut state = self.state.lock();
        // A verified fetch takes readers until its file is on the shelf.
        state.closed |= !matches!(end, FillEnd::Verified);
        state.passable = state.received;
        state.end = Some(end);
        drop(state);
        self.news.send_replace(());
    }
}

impl FillState {
    fn moved(&mut self, reader: u64, left: &Range<u64>) {
        // A reader with one byte to go waits for the verification and must not hold up the fetch.
        let at = if left.end.saturating_sub(left.start) > 1 { left.start } else { u64::MAX };
        self.readers.insert(reader, at);
        self.fastest = self.fastest.max(at);
    }

    fn in_window(&self, at: u64, limit: u64) -> Option<Bytes> {
        let mut begins = self.window_at;
        for piece in &self.window {
            let ends = begins + piece.len() as u64;
            if (begins..ends).contains(&at) {
                let [from, to] = [at, limit.min(ends)]
                    .map(|position| usize::try_from(position - begins).unwrap_or(0));
                return Some(piece.slice(from..to));
            }
            begins = ends;
        }
        None
    }

    fn limit(&self, end: u64) -> Result<u64, FillEnd> {
        match &self.end {
            Some(FillEnd::Verified) => Ok(end),
            Some(other) => Err(other.clone()),
            None => Ok(self.passable.min(end - 1)),
        }
    }

    fn slowest(&self) -> u64 {
        self.readers.values().copied().min().unwrap_or(self.received)
    }

    fn trim(&mut self) {
        // With a file, slower readers continue from the file, so only the fastest one counts.
        let needed = if self.memory_only { self.slowest() } else { self.on_disk.min(self.fastest) };
        self.drop_before(needed);
    }

    fn drop_before(&mut self, position: u64) {
        while let Some(piece) = self.window.front() {
            let ends = self.window_at + piece.len() as u64;
            if ends > position {
                break;
            }
            self.window_at = ends;
            self.window.pop_front();
        }
    }
}

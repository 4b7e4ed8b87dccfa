//! One fetch that several readers share: what came, what of it is on disk, who reads where.
//!
//! Nothing in here waits for a disk or a backend; that is `fetch`. Readers take the newest bytes
//! from memory and older ones from the file.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::cache::artifacts::buffers::Allowance;
use crate::cache::artifacts::reader::Reader;
use crate::error::Error;

/// Bytes of a fetch that memory holds for its readers.
const AHEAD: u64 = 512 * 1024;

/// A fetch under way.
pub(super) struct Fill {
    /// Bytes of the whole artifact.
    pub(super) size: u64,
    /// What is on disk of it can be read here. Not set before the fetch began.
    pub(super) file: OnceLock<Arc<File>>,
    state: Mutex<State>,
    /// Changes whenever there is something to read, or to know, for readers.
    news: watch::Sender<()>,
    /// Readers went on, or left.
    progress: Notify,
    /// Readers left.
    left: Notify,
}

#[derive(Default)]
struct State {
    /// The newest bytes, from `window_at` on.
    window: VecDeque<Bytes>,
    window_at: u64,
    /// Bytes that came.
    received: u64,
    /// Bytes that may be passed on: all but the piece that completes the artifact, until that is
    /// verified.
    passable: u64,
    /// Bytes that the file holds.
    on_disk: u64,
    /// The file takes no more: what comes is held in memory until everyone has it.
    memory_only: bool,
    /// The position of each reader; past everything where it waits for the end alone.
    readers: BTreeMap<u64, u64>,
    next_reader: u64,
    /// How far any reader ever was.
    fastest: u64,
    /// No more readers are taken, because what they would need is gone.
    closed: bool,
    end: Option<End>,
}

/// How a fetch ended.
#[derive(Clone)]
pub(super) enum End {
    /// Size and digest agree.
    Verified,
    /// There is nowhere to keep it; nobody was given a byte.
    Unstorable,
    /// It failed.
    Failed(Error),
}

/// What a reader finds at its position.
pub(super) enum Look {
    /// So many bytes in memory.
    Here(usize),
    /// The file has them, up to this position.
    OnDisk(u64),
    /// Nothing yet.
    Wait,
    /// Nothing any more.
    Ended(End),
}

impl Fill {
    pub(super) fn new(size: u64) -> Arc<Self> {
        Arc::new(Self {
            size,
            file: OnceLock::new(),
            state: Mutex::default(),
            news: watch::Sender::new(()),
            progress: Notify::new(),
            left: Notify::new(),
        })
    }

    /// A reader of this part; `None` if the fetch takes no more.
    pub(super) fn join(
        self: &Arc<Self>,
        part: Range<u64>,
        allowance: Arc<Allowance>,
    ) -> Option<Reader> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        let number = state.next_reader;
        state.next_reader += 1;
        state.moved(number, &part);
        let news = self.news.subscribe();
        Some(Reader::new(Arc::clone(self), number, part, news, allowance))
    }

    /// What is to be had at this position of a part that ends at `end`.
    ///
    /// Until the whole is verified the last byte of the part is held back, so that nobody has all
    /// of something wrong.
    pub(super) fn look(&self, at: u64, end: u64) -> Look {
        let state = self.state.lock();
        let limit = match state.limit(end) {
            Ok(limit) => limit,
            Err(ended) => return Look::Ended(ended),
        };
        if at >= limit {
            return Look::Wait;
        }
        if let Some(bytes) = state.in_window(at, limit) {
            return Look::Here(bytes.len());
        }
        Look::OnDisk(state.on_disk.min(limit))
    }

    /// What memory has at this position of a part that ends at `end`, if anything.
    pub(super) fn piece(&self, at: u64, end: u64) -> Option<Bytes> {
        let state = self.state.lock();
        let limit = state.limit(end).ok()?;
        state.in_window(at, limit).filter(|piece| !piece.is_empty())
    }

    /// This is left of a reader's part.
    pub(super) fn advance(&self, reader: u64, left: &Range<u64>) {
        let mut state = self.state.lock();
        state.moved(reader, left);
        state.trim();
        drop(state);
        self.progress.notify_one();
    }

    /// A reader leaves.
    pub(super) fn leave(&self, reader: u64) {
        self.state.lock().readers.remove(&reader);
        self.progress.notify_one();
        self.left.notify_one();
    }

    /// The next bytes came. Answers whether they fit in.
    pub(super) fn append(&self, piece: Bytes) -> bool {
        let mut state = self.state.lock();
        let received = state.received.saturating_add(piece.len() as u64);
        if received > self.size {
            return false;
        }
        // Its last piece may be all that tells a good artifact from a bad one.
        state.passable = if received < self.size { received } else { state.received };
        state.received = received;
        state.window.push_back(piece);
        drop(state);
        self.news.send_replace(());
        true
    }

    /// Bytes that came.
    pub(super) fn received(&self) -> u64 {
        self.state.lock().received
    }

    /// So many more bytes are on disk.
    pub(super) fn written(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.on_disk += bytes;
        state.trim();
    }

    /// The disk takes no more: from now on bytes stay in memory until every reader has them, and
    /// nobody new can join, since they would be missed.
    pub(super) fn goes_on_in_memory(&self) {
        let mut state = self.state.lock();
        state.memory_only = true;
        state.closed = true;
    }

    /// Whether memory holds as much of the fetch as it may.
    pub(super) fn is_ahead(&self) -> bool {
        let state = self.state.lock();
        state.received.saturating_sub(state.window_at) >= AHEAD
    }

    /// Drops from memory what the file has, since nobody takes it for now. Answers whether it is kept,
    /// because there is no file: then the fetch has to wait for its readers.
    pub(super) fn rest(&self) -> bool {
        let mut state = self.state.lock();
        if !state.memory_only {
            let on_disk = state.on_disk;
            state.drop_before(on_disk);
        }
        state.memory_only
    }

    /// Waits until a reader goes on or leaves.
    pub(super) async fn progress(&self) {
        self.progress.notified().await;
    }

    /// Waits until nobody reads any more; from then on nobody can join. A fetch that has all its
    /// bytes is never deserted.
    pub(super) async fn deserted(&self) {
        loop {
            self.left.notified().await;
            let mut state = self.state.lock();
            if state.readers.is_empty() && state.received < self.size {
                state.closed = true;
                return;
            }
        }
    }

    /// Tells every reader how it ended.
    pub(super) fn finish(&self, end: End) {
        let mut state = self.state.lock();
        state.closed |= !matches!(end, End::Verified);
        state.passable = state.received;
        state.end = Some(end);
        drop(state);
        self.news.send_replace(());
    }
}

impl State {
    fn moved(&mut self, reader: u64, left: &Range<u64>) {
        // With one byte to go it waits for the whole to be verified: nothing holds that up.
        let at = if left.end.saturating_sub(left.start) > 1 { left.start } else { u64::MAX };
        self.readers.insert(reader, at);
        self.fastest = self.fastest.max(at);
    }

    /// The bytes in memory from this position on, before `limit`.
    fn in_window(&self, at: u64, limit: u64) -> Option<Bytes> {
        let mut begins = self.window_at;
        for piece in &self.window {
            let ends = begins + piece.len() as u64;
            if (begins..ends).contains(&at) {
                let index = |position: u64| usize::try_from(position - begins).unwrap_or(0);
                return Some(piece.slice(index(at)..index(limit.min(ends))));
            }
            begins = ends;
        }
        None
    }

    /// How far a part that ends at `end` may be passed on.
    fn limit(&self, end: u64) -> Result<u64, End> {
        match &self.end {
            Some(End::Verified) => Ok(end),
            Some(other) => Err(other.clone()),
            None => Ok(self.passable.min(end - 1)),
        }
    }

    fn slowest(&self) -> u64 {
        self.readers.values().copied().min().unwrap_or(self.received)
    }

    /// Drops from memory what nobody needs there.
    fn trim(&mut self) {
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

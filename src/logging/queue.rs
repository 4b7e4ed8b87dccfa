//! Lines of the log that are not written yet: bounded in bytes, so that a standard error that is not
//! read costs lines, not memory or time.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use prometheus::{IntCounter, IntCounterVec};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Maximum size of the queue for lines of level `info` and below, in bytes.
const ROUTINE_MAX: usize = 1024 * 1024;
/// Maximum size for warnings and errors, in bytes: requests alone cannot fill the queue.
const URGENT_MAX: usize = ROUTINE_MAX + 256 * 1024;
/// Time in which lines gather: one system call writes them together.
const GATHER: Duration = Duration::from_millis(5);

/// Number of levels, from the first one of [`LEVELS`], that are warnings or errors.
const URGENT: usize = 2;
const LEVELS: [(Level, &str); 5] = [
    (Level::ERROR, "error"),
    (Level::WARN, "warn"),
    (Level::INFO, "info"),
    (Level::DEBUG, "debug"),
    (Level::TRACE, "trace"),
];

pub(super) struct Queue {
    state: Mutex<State>,
    /// Notified when the first line comes, and at the end.
    changed: Condvar,
    /// Counters of lost lines, in the order of [`LEVELS`].
    dropped: [IntCounter; LEVELS.len()],
    /// Lost lines that no line of the log has reported yet.
    unreported: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: Batch,
    closed: bool,
}

/// Complete lines in order.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Number of lines in `bytes`, in the order of [`LEVELS`].
    lines: [u64; LEVELS.len()],
}

impl Queue {
    pub(super) fn new(dropped: &IntCounterVec) -> Self {
        let dropped = LEVELS.map(|(_, name)| dropped.with_label_values(&[name]));
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { state, changed, dropped, unreported: AtomicU64::new(0) }
    }

    /// Adds a line, or counts it as dropped if the queue is full.
    fn push(&self, level: usize, line: &[u8]) {
        let max = if level < URGENT { URGENT_MAX } else { ROUTINE_MAX };
        let mut state = self.state.lock();
        let waiting = &mut state.waiting;
        if waiting.bytes.len() + line.len() > max {
            drop(state);
            return self.lose(level, 1);
        }
        let first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        if let Some(lines) = waiting.lines.get_mut(level) {
            *lines += 1;
        }
        drop(state);
        if first {
            self.changed.notify_one();
        }
    }

    /// Waits for lines and moves them into the batch. Returns false at the end.
    pub(super) fn take(&self, batch: &mut Batch) -> bool {
        batch.clear();
        let mut state = self.state.lock();
        self.changed
            .wait_while(&mut state, |state| state.waiting.bytes.is_empty() && !state.closed);
        self.changed.wait_while_for(&mut state, |state| !state.closed, GATHER);
        mem::swap(&mut state.waiting, batch);
        !batch.bytes.is_empty()
    }

    /// Counts a batch that was not written.
    pub(super) fn lose_batch(&self, batch: &Batch) {
        for (level, lines) in batch.lines.iter().enumerate() {
            self.lose(level, *lines);
        }
    }

    /// Returns the number of lost lines since the last call.
    pub(super) fn take_unreported(&self) -> u64 {
        self.unreported.swap(0, Ordering::Relaxed)
    }

    /// Ends [`Self::take`] once the queue is empty.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    fn lose(&self, level: usize, lines: u64) {
        if let Some(counter) = self.dropped.get(level) {
            counter.inc_by(lines);
        }
        self.unreported.fetch_add(lines, Ordering::Relaxed);
    }
}

impl Batch {
    fn clear(&mut self) {
        self.bytes.clear();
        self.lines = [0; LEVELS.len()];
    }
}

/// The formatter's end of the queue.
pub(super) struct Lines(pub(super) Arc<Queue>);

/// Writer of one line, which the formatter passes on whole.
pub(super) struct QueuedLine<'a> {
    queue: &'a Queue,
    level: usize,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = QueuedLine<'a>;

    fn make_writer(&'a self) -> QueuedLine<'a> {
        QueuedLine { queue: &self.0, level: 0 }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> QueuedLine<'a> {
        let level = LEVELS.iter().position(|(level, _)| level == event.level());
        QueuedLine { queue: &self.0, level: level.unwrap_or_default() }
    }
}

impl io::Write for QueuedLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(self.level, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use prometheus::Opts;

    use super::*;

    const WARN: usize = 1;
    const INFO: usize = 2;

    fn counters() -> IntCounterVec {
        IntCounterVec::new(Opts::new("dropped", "dropped"), &["level"]).unwrap()
    }

    fn dropped(counters: &IntCounterVec) -> [u64; LEVELS.len()] {
        LEVELS.map(|(_, name)| counters.with_label_values(&[name]).get())
    }

    /// Ends the queue, so that nothing waits for further lines.
    fn rest(queue: &Queue) -> Vec<u8> {
        queue.close();
        let mut batch = Batch::default();
        queue.take(&mut batch);
        batch.bytes
    }

    #[test]
    fn lines_stay_whole_and_in_order() {
        let counters = counters();
        let lines = Lines(Arc::new(Queue::new(&counters)));
        for line in ["one\n", "two\n"] {
            lines.make_writer().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(rest(&lines.0), b"one\ntwo\n");
        assert_eq!(dropped(&counters), [0; LEVELS.len()]);
    }

    #[test]
    fn a_full_queue_drops_and_counts_requests_first_and_errors_last() {
        let counters = counters();
        let queue = Queue::new(&counters);
        let line = vec![b'x'; 64 * 1024];
        for _ in 0..20 {
            queue.push(INFO, &line);
        }
        for _ in 0..6 {
            queue.push(WARN, &line);
        }
        assert_eq!(dropped(&counters), [0, 2, 4, 0, 0]);
        assert_eq!(queue.take_unreported(), 6);
        assert_eq!(rest(&queue).len(), URGENT_MAX);
        assert_eq!(queue.take_unreported(), 0);
    }

    #[test]
    fn a_batch_that_cannot_be_written_is_counted_by_level() {
        let counters = counters();
        let queue = Queue::new(&counters);
        queue.push(INFO, b"one\n");
        queue.push(INFO, b"two\n");
        queue.push(WARN, b"three\n");
        queue.close();
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch));
        queue.lose_batch(&batch);
        assert_eq!(dropped(&counters), [0, 1, 2, 0, 0]);
        assert!(!queue.take(&mut batch), "the end");
    }
}

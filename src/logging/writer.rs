//! The thread that writes the log.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::logging::queue::{Batch, Queue};

/// Maximum wait at the end for queued lines to be written.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// Minimum time between two reports of lost lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The running thread. Dropping it writes what is queued.
pub(super) struct LogWriter {
    queue: Arc<Queue>,
    /// Disconnected when the thread ends.
    ended: Receiver<()>,
}

impl LogWriter {
    pub(super) fn start(
        queue: Arc<Queue>,
        mut output: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let (ending, ended) = mpsc::channel();
        let taken = Arc::clone(&queue);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_all(&taken, &mut output);
            drop(ending);
        })?;
        Ok(Self { queue, ended })
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.queue.close();
        // Nothing is ever sent. A standard error that is not read must not hold up the end.
        let _ = self.ended.recv_timeout(CLOSE_MAX);
    }
}

fn write_all(queue: &Queue, output: &mut impl Write) {
    let mut batch = Batch::default();
    let mut reported: Option<Instant> = None;
    while queue.take(&mut batch) {
        if output.write_all(&batch.bytes).is_err() {
            queue.lose_batch(&batch);
        }
        if reported.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL) && report(queue) {
            reported = Some(Instant::now());
        }
    }
    if report(queue) && queue.take(&mut batch) {
        // The last attempt: a failure has nowhere to go.
        let _ = output.write_all(&batch.bytes);
    }
}

/// Logs how many lines were lost since the last report, if any. The line comes after those that
/// were queued, since the queue has room again.
fn report(queue: &Queue) -> bool {
    let lost = queue.take_unreported();
    if lost > 0 {
        warn!(lost, "log lines were dropped: standard error was not read fast enough");
    }
    lost > 0
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use parking_lot::Mutex;
    use prometheus::{IntCounterVec, Opts};
    use tracing_subscriber::fmt::MakeWriter as _;

    use super::*;
    use crate::logging::queue::Lines;

    /// An output that tells when it is written to, and waits until it may.
    struct Stuck {
        begun: Sender<()>,
        go: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.begun.send(()).unwrap();
            // The sender is gone once the output is no longer stuck.
            let _ = self.go.recv();
            self.written.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_output_stops_no_line_and_everything_queued_is_written_at_the_end() {
        let counters = IntCounterVec::new(Opts::new("dropped", "dropped"), &["level"]).unwrap();
        let queue = Arc::new(Queue::new(&counters));
        let (begun, has_begun) = mpsc::channel();
        let (hold, go) = mpsc::channel();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let stuck = Stuck { begun, go, written: Arc::clone(&written) };
        let writer = LogWriter::start(Arc::clone(&queue), stuck).unwrap();
        let lines = Lines(queue);
        lines.make_writer().write_all(b"first\n").unwrap();
        has_begun.recv().unwrap();
        for number in 0..1000 {
            lines.make_writer().write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(hold);
        drop(writer);
        let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
        assert_eq!(*written.lock(), format!("first\n{expected}").into_bytes());
    }
}

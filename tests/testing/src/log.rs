//! The log of a test, in memory.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use crate::canary;

/// What this thread logs until the guard is dropped.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// From now on what this thread says at this level, or more urgently, is kept.
    pub fn capture(level: Level) -> (Self, DefaultGuard) {
        // While a process has one subscriber only, `tracing` asks that of whichever thread comes by
        // a line of code first whether anybody wants it, and remembers the answer for all. Another
        // test's thread would then say no for ours. With one for everybody beside it all are asked.
        canary::watch_log();
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// Everything so far, and forgets it.
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        canary::shown("a log", bytes);
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One line of code, whoever runs it.
#[cfg(test)]
fn speak() {
    tracing::info!("spoken");
}

#[test]
fn what_another_thread_says_first_is_seen_on_this_one() {
    let (lines, _guard) = Lines::capture(Level::INFO);
    std::thread::spawn(speak).join().unwrap();
    assert_eq!(lines.take(), "", "of this thread alone");
    speak();
    assert!(lines.take().contains("spoken"));
}

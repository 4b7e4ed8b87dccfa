//! Logging to standard error, as text or JSON.

mod clock;
mod plain_fields;
mod queue;
mod writer;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use prometheus::IntCounterVec;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::logging::clock::LogClock;
use crate::logging::plain_fields::PlainFields;
use crate::logging::queue::{Lines, Queue};
use crate::logging::writer::LogWriter;

/// Failure to start the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is neither a level nor a filter such as `info,extension_registry::catalog=debug`.
    #[error(transparent)]
    Filter(#[from] ParseError),
    /// The system refuses a thread.
    #[error("the thread of the log cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// The running log. Dropping it writes the lines that are queued.
#[must_use]
pub struct Log(#[expect(dead_code, reason = "kept to be dropped")] LogWriter);

/// Starts the log. `dropped` counts the lines that are lost, by level.
///
/// A line is formatted by its thread and written by another one: a request does not wait for whoever
/// reads standard error.
pub fn init(level: &str, json: bool, dropped: &IntCounterVec) -> Result<Log, LogError> {
    let filter = EnvFilter::builder().parse(level)?;
    let queue = Arc::new(Queue::new(dropped));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(LogClock::default())
        .with_writer(Lines(Arc::clone(&queue)));
    if json {
        // A line has the list of spans, of which the current one is the last.
        log.json().flatten_event(true).with_current_span(false).with_ansi(false).init();
    } else if io::stderr().is_terminal() {
        log.init();
    } else {
        // Escape sequences would corrupt a log that is redirected to a file or a collector.
        log.with_ansi(false).fmt_fields(PlainFields).init();
    }
    Ok(Log(LogWriter::start(queue, io::stderr())?))
}

//! Logging to standard error, as text or JSON.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Initializes the log.
///
/// # Errors
/// `level` is neither a level nor a filter such as `info,extension_registry::catalog=debug`.
pub fn init(level: &str, json: bool) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(level)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // Escape sequences would corrupt a log that is redirected to a file or a collector.
        .with_ansi(io::stderr().is_terminal());
    if json {
        log.json().flatten_event(true).init();
    } else {
        log.init();
    }
    Ok(())
}

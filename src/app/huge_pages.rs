//! Transparent huge pages, which are turned off for the process.

use rustix::thread::disable_transparent_huge_pages;
use tracing::debug;

use crate::app::LOG_TARGET;

/// Turns huge pages off. Each thread's heap is a few hundred KiB, which pages of 2 MiB round up.
pub(super) fn turn_off() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        debug!(target: LOG_TARGET, "cannot turn off transparent huge pages: {error}");
    }
}

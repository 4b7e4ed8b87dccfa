//! Items of the log that no replica of a fleet wrote.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

use crate::LOG_TARGET;

/// Minimum time between two warnings.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// Counts items that are left out, and warns about many of them once.
#[derive(Default)]
pub(crate) struct UnsignedItems(Mutex<Count>);

#[derive(Default)]
struct Count {
    /// Items since the last warning.
    items: u64,
    warned: Option<Instant>,
}

impl UnsignedItems {
    /// Notes a number of items that were left out.
    pub(crate) fn left_out(&self, items: u64) {
        let mut count = self.0.lock();
        count.items += items;
        let is_early = count.warned.is_some_and(|warned| warned.elapsed() < WARN_EVERY);
        if count.items == 0 || is_early {
            return;
        }
        let items = std::mem::take(&mut count.items);
        count.warned = Some(Instant::now());
        drop(count);
        warn!(
            target: LOG_TARGET,
            "shared: left out {items} items of the log that no replica with this secret wrote; give \
             all replicas the same shared.secret_path, and let no other program write to this server"
        );
    }
}

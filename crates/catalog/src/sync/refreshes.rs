//! The refresh queue of one backend, shared by those who fill it and the task that reads.

use parking_lot::Mutex;
use registry_core::models::naming::ExtensionId;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::sync::refresh_queue::RefreshQueue;

#[derive(Default)]
pub(crate) struct Refreshes {
    queue: Mutex<RefreshQueue>,
    changed: Notify,
}

impl Refreshes {
    pub(crate) fn change(&self, change: impl FnOnce(&mut RefreshQueue)) {
        change(&mut self.queue.lock());
        self.changed.notify_one();
    }

    pub(crate) fn scheduled(&self) -> Vec<ExtensionId> {
        self.queue.lock().scheduled().cloned().collect()
    }

    /// Waits for the next extension to read.
    pub(super) async fn due(&self) -> ExtensionId {
        loop {
            let next = {
                let mut queue = self.queue.lock();
                if let Some(due) = queue.take_due(Instant::now()) {
                    return due;
                }
                queue.next()
            };
            match next {
                // A change of the queue may bring the time forward, so the loop looks again.
                Some(at) => timeout_at(at, self.changed.notified()).await.unwrap_or_default(),
                None => self.changed.notified().await,
            }
        }
    }
}

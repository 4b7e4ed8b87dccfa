//! Concurrency limit of one backend, for requests and downloads.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits for responses that are read whole, and for downloads while they stream.
pub(super) struct ConcurrencyLimit {
    all: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    /// True if a download also needs a general permit. A single one could starve requests.
    shared: bool,
}

pub(super) struct Permit {
    _of_all: Option<OwnedSemaphorePermit>,
    _of_downloads: Option<OwnedSemaphorePermit>,
}

impl ConcurrencyLimit {
    /// Creates `most` permits. Downloads may use three quarters.
    pub(super) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let downloads = (most - most.div_ceil(4)).max(1);
        let [all, downloads] = [most, downloads].map(|turns| Arc::new(Semaphore::new(turns)));
        Self { all, downloads, shared: most > 1 }
    }

    /// Waits for a permit. `None` only if a semaphore is closed, which never happens.
    pub(super) async fn take(&self, download: bool) -> Option<Permit> {
        // The downloads' own permit comes first: a download that waits must not hold a general one.
        let of_downloads = if download {
            Some(Arc::clone(&self.downloads).acquire_owned().await.ok()?)
        } else {
            None
        };
        let of_all = if !download || self.shared {
            Some(Arc::clone(&self.all).acquire_owned().await.ok()?)
        } else {
            None
        };
        Some(Permit { _of_all: of_all, _of_downloads: of_downloads })
    }
}

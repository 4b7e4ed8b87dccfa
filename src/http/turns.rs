//! How many questions and downloads of one backend are under way at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of a backend: of questions whose answers are read whole, and of downloads, which keep
/// theirs for as long as they stream.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    /// Whether a download needs one of all turns. Not where there is only one, which a client that reads
    /// slowly would keep from every question.
    shared: bool,
}

/// A turn, until it is dropped.
pub(super) struct Permit {
    _of_all: Option<OwnedSemaphorePermit>,
    _of_downloads: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// So many in all. Downloads leave a quarter of them to questions.
    pub(super) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let downloads = (most - most.div_ceil(4)).max(1);
        let [all, downloads] = [most, downloads].map(|turns| Arc::new(Semaphore::new(turns)));
        Self { all, downloads, shared: most > 1 }
    }

    /// The next turn. `None` is never answered: nobody closes the semaphores.
    pub(super) async fn take(&self, download: bool) -> Option<Permit> {
        let of_downloads = match download {
            true => Some(Arc::clone(&self.downloads).acquire_owned().await.ok()?),
            false => None,
        };
        let of_all = match !download || self.shared {
            true => Some(Arc::clone(&self.all).acquire_owned().await.ok()?),
            false => None,
        };
        Some(Permit { _of_all: of_all, _of_downloads: of_downloads })
    }
}

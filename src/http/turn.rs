//! Waiting for a turn: few questions are under way at once, and none while the breaker is open.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::http::HttpClient;
use crate::http::breaker::Pass;
use crate::http::request::Request;

/// How many may ask at once: questions whose answers are read whole, and downloads, which keep their
/// turn for as long as they stream.
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

    /// The next turn; `None`: never, which does not happen.
    async fn take(&self, download: bool) -> Option<Permit> {
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

/// The right to ask now.
pub(super) struct Turn {
    pub(super) pass: Pass,
    /// `None` for a probe, which waits for nobody: where every turn is taken by questions that
    /// hang, it is how we learn that they do.
    pub(super) permit: Option<Permit>,
}

impl HttpClient {
    /// Waits for a turn until the deadline, and no longer than the breaker stays closed.
    pub(super) async fn turn(&self, request: &Request, deadline: Instant) -> Result<Turn> {
        let shared = &*self.0;
        shared.breaker.check()?;
        if request.probe {
            return Ok(Turn { pass: shared.breaker.enter()?, permit: None });
        }
        let mut contact = shared.breaker.contact();
        let closes = contact.wait_for(|contact| !contact.breaker.lets_through());
        let turn = async {
            tokio::select! {
                biased;
                permit = shared.turns.take(!request.whole) => permit,
                _ = closes => None,
            }
        };
        let permit = timeout_at(deadline, turn).await.map_err(|_| {
            let message =
                format!("The {} backend has too many questions to answer", shared.settings.backend);
            Error::new(ErrorKind::BackendTimeout, message).at(shared.settings.backend).not_asked()
        })?;
        Ok(Turn { pass: shared.breaker.enter()?, permit })
    }
}

//! How fast a body has to come: some progress within the time that silence may last, never a total.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::error::{Error, Result};
use crate::http::failure;
use crate::models::backend_id::BackendId;

/// So many bytes must come within the time that silence may last; less only at the end.
const PROGRESS: usize = 16 * 1024;

/// The pace of one body. Time counts only while the backend is waited for: however slowly a client
/// reads, it is not the backend's fault.
pub(super) struct Pace {
    backend: BackendId,
    patience: Duration,
    /// What is left of it until the next step of progress.
    left: Duration,
    /// Bytes until then.
    missing: usize,
    bell: Arc<Bell>,
}

/// Notes when what is waited for came. Whoever waits may look much later: a client that stopped
/// reading keeps us from it, and that time is its own.
struct Bell(Mutex<(Waker, Option<Instant>)>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let listener = {
            let mut bell = self.0.lock();
            bell.1.get_or_insert_with(Instant::now);
            bell.0.clone()
        };
        listener.wake();
    }
}

impl Pace {
    pub(super) fn new(backend: BackendId, patience: Duration) -> Self {
        let bell = Arc::new(Bell(Mutex::new((Waker::noop().clone(), None))));
        Self { backend, patience, left: patience, missing: PROGRESS, bell }
    }

    /// The next piece of a body; `None` at its end.
    pub(super) async fn next_piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>> {
        loop {
            let begun = Instant::now();
            self.bell.0.lock().1 = None;
            let frame = timeout(self.left, self.frame(body)).await.map_err(|_| self.failure())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(failure::of_reading)?;
            let piece = frame.into_data().unwrap_or_default();
            let came = self.bell.0.lock().1.unwrap_or(begun);
            self.came(piece.len(), came.saturating_duration_since(begun));
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    async fn frame(&self, body: &mut Incoming) -> Option<hyper::Result<Frame<Bytes>>> {
        let ringing = Waker::from(Arc::clone(&self.bell));
        poll_fn(|context| {
            self.bell.0.lock().0.clone_from(context.waker());
            Pin::new(&mut *body).poll_frame(&mut Context::from_waker(&ringing))
        })
        .await
    }

    fn came(&mut self, bytes: usize, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
        self.missing = self.missing.saturating_sub(bytes);
        if self.missing == 0 {
            (self.left, self.missing) = (self.patience, PROGRESS);
        }
    }

    /// What a wait that was too long shows of the backend.
    fn failure(&self) -> Error {
        if self.missing == PROGRESS {
            failure::silent(self.backend)
        } else {
            failure::slow(self.backend)
        }
    }
}

//! Minimum rate of a streamed body: some progress within each timeout, for any total time.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming};
use parking_lot::Mutex;
use registry_core::error::{Error, Result};
use tokio::time::{Instant, timeout};

use crate::http::failure;
use crate::http::peer::Peer;

/// Bytes that must arrive within one timeout, except at the end of the body.
const PROGRESS: usize = 16 * 1024;

/// Progress of one body. Only waits for the backend count, so that a slow client is harmless.
pub(super) struct StallDetector {
    peer: Peer,
    patience: Duration,
    /// Time left until the next step of progress is due.
    left: Duration,
    /// Bytes missing to that step.
    missing: usize,
    bell: Arc<ArrivalWaker>,
}

/// Records when data arrived: a poll may be late because the client, not the backend, is slow.
struct ArrivalWaker(Mutex<(Waker, Option<Instant>)>);

impl Wake for ArrivalWaker {
    fn wake(self: Arc<Self>) {
        let listener = {
            let mut bell = self.0.lock();
            bell.1.get_or_insert_with(Instant::now);
            bell.0.clone()
        };
        // The lock is free by now: waking may poll the task at once, which takes it again.
        listener.wake();
    }
}

impl StallDetector {
    pub(super) fn new(peer: Peer, patience: Duration) -> Self {
        let bell = Arc::new(ArrivalWaker(Mutex::new((Waker::noop().clone(), None))));
        Self { peer, patience, left: patience, missing: PROGRESS, bell }
    }

    pub(super) async fn next_piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>> {
        loop {
            let begun = Instant::now();
            self.bell.0.lock().1 = None;
            let frame = timeout(self.left, self.frame(body)).await.map_err(|_| self.failure())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(failure::of_reading)?;
            let piece = frame.into_data().unwrap_or_default();
            // Data that was there before the first poll woke nothing and cost no wait.
            let came = self.bell.0.lock().1.unwrap_or(begun);
            self.came(piece.len(), came.saturating_duration_since(begun));
            // Trailers and empty frames carry no data; the wait goes on.
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

    fn failure(&self) -> Error {
        if self.missing == PROGRESS {
            failure::silent(&self.peer)
        } else {
            failure::slow(&self.peer)
        }
    }
}

//! A request to the writer that is not answered yet.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::share::requests::{RequestAnswer, RequestSubject};

pub(super) struct OpenRequest {
    pub(super) subject: RequestSubject,
    pub(super) made: Instant,
    pub(super) posted: Option<Instant>,
    /// True if it could not be posted the last time, and this replica has read the name instead.
    pub(super) has_failed: bool,
    /// True for a webhook in the state directory.
    pub(super) is_kept: bool,
    pub(super) waiting: Vec<oneshot::Sender<RequestAnswer>>,
    /// Callers that wait for the end of the next attempt to post it; `true` if the engine has it.
    pub(super) watching: Vec<oneshot::Sender<bool>>,
}

impl OpenRequest {
    pub(super) fn of(subject: RequestSubject) -> Self {
        Self {
            subject,
            made: Instant::now(),
            posted: None,
            has_failed: false,
            is_kept: false,
            waiting: Vec::new(),
            watching: Vec::new(),
        }
    }

    pub(super) fn tell_watchers(&mut self, is_posted: bool) {
        for caller in self.watching.drain(..) {
            // A caller that left needs no answer.
            let _ = caller.send(is_posted);
        }
    }
}

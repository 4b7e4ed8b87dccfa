//! Row of one backend on the status page.

use std::time::Duration;

use jiff::Timestamp;

use crate::backend_state::BackendStateView;
use crate::charts::day::{self, Bar, HistorySlot};
use crate::format::duration::duration;

/// State of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerView {
    /// Requests are sent.
    Closed,
    /// No request is sent for a while.
    Open {
        /// Remaining time.
        next_try: Duration,
    },
    /// One request decides.
    HalfOpen,
}

/// Row of one backend.
#[derive(Clone, Debug)]
pub struct BackendView {
    /// Name of the backend.
    pub name: String,
    /// `gitea`, `oci` or `local`.
    pub kind: &'static str,
    /// Host with organization or namespace, or directory.
    pub location: String,
    /// State.
    pub state: BackendStateView,
    /// Time since the data was last checked; `None` if it never was.
    pub age: Option<Duration>,
    /// Circuit breaker; `None` for a backend without one.
    pub breaker: Option<BreakerView>,
    /// Number of extensions.
    pub extensions: usize,
    /// Latest error in words, while it fails.
    pub last_error: Option<String>,
    /// Its answers in the last 24 hours, in slots of 30 minutes, oldest first.
    pub day: Vec<HistorySlot>,
    /// Time of the first slot, if the service started within the last 24 hours.
    pub day_since: Option<Timestamp>,
}

impl BackendView {
    pub(super) fn age_words(&self) -> String {
        self.age.map_or_else(|| "never".to_owned(), duration)
    }

    pub(super) fn breaker_words(&self) -> String {
        match self.breaker {
            None => "none".to_owned(),
            Some(BreakerView::Closed) => "closed".to_owned(),
            Some(BreakerView::Open { next_try }) => {
                format!("open, tries again in {}", duration(next_try))
            }
            Some(BreakerView::HalfOpen) => "half-open, one request decides".to_owned(),
        }
    }

    pub(super) fn next_try(&self) -> Option<Duration> {
        match self.breaker {
            Some(BreakerView::Open { next_try }) => Some(next_try),
            _ => None,
        }
    }

    pub(super) fn bars(&self) -> Vec<Bar> {
        day::bars(&self.day)
    }

    pub(super) fn day_words(&self) -> String {
        day::words(&self.day)
    }
}

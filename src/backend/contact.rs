//! How contact with a backend stands, as the client that asks it sees it.

use std::time::Duration;

use tokio::time::Instant;

/// Whether a backend is asked, whether it keeps us waiting, and when it was last asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contact {
    /// Whether questions reach it.
    pub breaker: BreakerState,
    /// Questions under way that it has left unanswered for longer than an answer should take.
    pub late: usize,
    /// When a question was last sent, or an answer last came.
    pub last_heard: Option<Instant>,
    /// Until when the backend asked to be left alone while questions wait for their turn.
    pub paused_until: Option<Instant>,
}

impl Contact {
    /// How long from now on no question is sent.
    #[must_use]
    pub fn pause(&self) -> Duration {
        let open = match self.breaker {
            BreakerState::Open { until } => Some(until),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        };
        let until = open.max(self.paused_until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }
}

/// Whether a backend is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// Every question goes through.
    #[default]
    Closed,
    /// None does before this moment; then one, on trial.
    Open {
        /// The moment.
        until: Instant,
    },
    /// One is under way, and its end decides; no other goes through.
    HalfOpen,
}

impl BreakerState {
    /// Every label, so that each series can exist from the start.
    pub const LABELS: [&str; 3] = ["closed", "open", "half-open"];

    /// Whether a question would go through now.
    #[must_use]
    pub fn lets_through(self) -> bool {
        match self {
            Self::Closed => true,
            Self::Open { until } => until <= Instant::now(),
            Self::HalfOpen => false,
        }
    }

    /// The word for it in `/health` and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

//! State of the connection to a backend, as observed by its HTTP client.

use std::time::Duration;

use tokio::time::Instant;

/// Circuit breaker state, slow requests and latest activity of one backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contact {
    /// State of the circuit breaker.
    pub breaker: BreakerState,
    /// Number of requests in flight that are slower than a response should take.
    pub late: usize,
    /// Time of the latest request sent or response received.
    pub last_heard: Option<Instant>,
    /// End of a pause that the backend demanded; requests wait until then.
    pub paused_until: Option<Instant>,
    /// End of a pause that the backend demanded of another replica. It is no less binding.
    pub held_until: Option<Instant>,
}

impl Contact {
    /// Returns the time from now during which no request is sent.
    #[must_use]
    pub fn pause(&self) -> Duration {
        let open = match self.breaker {
            BreakerState::Open { until } => Some(until),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        };
        remaining(open.max(self.demanded_until()))
    }

    /// Returns the end of the longest pause that the backend demanded.
    #[must_use]
    pub fn demanded_until(&self) -> Option<Instant> {
        self.paused_until.max(self.held_until)
    }

    /// Returns the rest of the longest pause that the backend demanded.
    #[must_use]
    pub fn demanded_pause(&self) -> Duration {
        remaining(self.demanded_until())
    }
}

fn remaining(until: Option<Instant>) -> Duration {
    until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
}

/// State of the circuit breaker of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// Every request is sent.
    #[default]
    Closed,
    /// No request is sent before this time; then one is, as a trial.
    Open {
        /// End of the open state.
        until: Instant,
    },
    /// The trial request is in flight and its result decides; no other request is sent.
    HalfOpen,
}

impl BreakerState {
    /// All labels, so that every metric series exists from the start.
    pub const LABELS: [&str; 3] = ["closed", "open", "half-open"];

    /// Returns true if a request would be sent now.
    #[must_use]
    pub fn lets_through(self) -> bool {
        match self {
            Self::Closed => true,
            Self::Open { until } => until <= Instant::now(),
            Self::HalfOpen => false,
        }
    }

    /// Returns the word used in `/health` and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

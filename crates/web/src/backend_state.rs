//! State of a backend in words.

use jiff::Timestamp;

use crate::format::time::clock;

/// State of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendStateView {
    /// It answers, and its data is fresh.
    Answering,
    /// It answers, but its data is older than configured.
    Stale {
        /// Time of the data.
        as_of: Timestamp,
    },
    /// It does not answer.
    Unreachable {
        /// Time of the last answer.
        since: Timestamp,
    },
    /// It refuses the credentials.
    Refused {
        /// Time of the first refusal.
        since: Timestamp,
    },
    /// It has not answered since the start, and no saved state has its data.
    NeverHeard,
}

/// Look of a state. A word always stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateMark {
    pub(crate) sign: &'static str,
    pub(crate) class: &'static str,
}

impl BackendStateView {
    /// Returns true if the backend answers.
    #[must_use]
    pub const fn is_reachable(self) -> bool {
        matches!(self, Self::Answering | Self::Stale { .. })
    }

    pub(crate) const fn mark(self) -> StateMark {
        match self {
            Self::Answering => StateMark { sign: "✓", class: "ok" },
            Self::Stale { .. } => StateMark { sign: "!", class: "warn" },
            _ => StateMark { sign: "✗", class: "bad" },
        }
    }

    pub(crate) fn words(self) -> String {
        match self {
            Self::Answering => "answers".to_owned(),
            Self::Stale { as_of } => format!("answers, data of {}", clock(as_of)),
            Self::Unreachable { since } => format!("unreachable since {}", clock(since)),
            Self::Refused { since } => format!("refuses our credentials since {}", clock(since)),
            Self::NeverHeard => "no answer since the start".to_owned(),
        }
    }
}

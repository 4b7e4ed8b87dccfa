//! Failures of calls to an engine.

use std::fmt;

/// A call that the engine did not confirm. It may have been carried out, or may be carried out later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Away {
    /// Category of the failure.
    pub reason: AwayReason,
    /// What the engine or the connection reported, without secrets.
    pub detail: String,
}

/// Category of a failure of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwayReason {
    /// No connection, or it broke.
    Unreachable,
    /// No answer within the deadline.
    Late,
    /// The engine loads its data.
    Loading,
    /// The engine is a replica of another one and takes no writes.
    ReadOnly,
    /// The engine has no memory for writes.
    Full,
    /// The engine refuses this service: wrong credentials, missing rights, or an unsupported version.
    Refused,
}

impl Away {
    /// Creates a failure.
    #[must_use]
    pub fn new(reason: AwayReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl AwayReason {
    /// Every category.
    pub const ALL: [Self; 6] =
        [Self::Unreachable, Self::Late, Self::Loading, Self::ReadOnly, Self::Full, Self::Refused];

    /// Returns the word used in `/health` and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Late => "late",
            Self::Loading => "loading",
            Self::ReadOnly => "read-only",
            Self::Full => "full",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for AwayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

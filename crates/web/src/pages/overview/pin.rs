//! Comparison of an archive with its pinned digest.

use jiff::Timestamp;

use crate::format::time::date;

/// Result of the comparison of an archive with its pinned digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// The archive is the one of the first download.
    Same {
        /// Time of the first download, if recorded.
        since: Option<Timestamp>,
    },
    /// The archive differs from the one of the first download.
    Changed,
}

impl PinState {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Same { .. } => "ok",
            Self::Changed => "bad",
        }
    }

    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Same { .. } => "✓",
            Self::Changed => "✗",
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Same { since: Some(since) } => format!("pinned since {}", date(since)),
            Self::Same { since: None } => "pinned at the first download".to_owned(),
            Self::Changed => "changed since the first download".to_owned(),
        }
    }
}

//! Change notices that a backend sends by itself: verified bytes in, change events out.

use hyper::HeaderMap;

use crate::models::naming::ExtensionId;

/// Reads the notices of one backend. Object safe, so that the API names no backend.
///
/// What it answers is a hint: nothing in a notice is believed but that something changed.
pub trait WebhookReceiver: Send + Sync {
    /// Whether the headers alone do not condemn a delivery. Others are refused before any byte of
    /// their body is read.
    fn is_worth_reading(&self, headers: &HeaderMap) -> bool;

    /// Verifies a delivery by its headers and the bytes of its body exactly as received, and only
    /// then reads it.
    ///
    /// # Errors
    /// [`WebhookError`], after which nothing has been remembered.
    fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, WebhookError>;
}

/// Why a delivery is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No signature, an empty one, or one that is not ours (401).
    #[error("The signature of this delivery is missing or wrong")]
    Unsigned,
    /// Signed, but not readable (400).
    #[error("This delivery cannot be read")]
    Malformed,
}

/// What became of a delivery that was taken; each of these is a success to its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// These may have changed: read them again now, and by the schedule of late uploads.
    Changed(Vec<ExtensionId>),
    /// Seen before: no work.
    Replayed,
    /// Nothing in it concerns us.
    Ignored,
}

impl Delivery {
    /// Every word, so that each series can exist from the start.
    pub const LABELS: [&str; 3] = ["changed", "replayed", "ignored"];

    /// The word used in metrics and logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Changed(_) => "changed",
            Self::Replayed => "replayed",
            Self::Ignored => "ignored",
        }
    }
}

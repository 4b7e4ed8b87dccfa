//! Webhooks of a backend: verification of a delivery, and the change events in it.

use hyper::HeaderMap;

use crate::models::naming::ExtensionId;

/// Parses webhooks of one backend; object safe. A delivery is only a hint and is never served.
pub trait WebhookReceiver: Send + Sync {
    /// Returns false if the headers alone disqualify a delivery; its body is then not read.
    fn is_worth_reading(&self, headers: &HeaderMap) -> bool;

    /// Verifies headers and exact body bytes, and parses a delivery only if it is authentic. After
    /// an error the receiver keeps no state of the delivery.
    fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, WebhookError>;

    /// Forgets a delivery that was received and then lost, so that it counts when it is sent again.
    fn forget(&self, headers: &HeaderMap, body: &[u8]);
}

/// Reason why a delivery is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Missing, empty or wrong signature (401).
    #[error("The signature of this delivery is missing or wrong")]
    Unsigned,
    /// Valid signature, but a malformed body (400).
    #[error("This delivery cannot be read")]
    Malformed,
}

/// Result of an accepted delivery. All variants are a success for the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Refresh these extensions now, and again on the schedule for late uploads.
    Changed(Vec<ExtensionId>),
    /// Duplicate of an earlier delivery; no work is done.
    Replayed,
    /// The delivery concerns no extension.
    Ignored,
}

impl Delivery {
    /// All labels, so that every metric series exists from the start.
    pub const LABELS: [&str; 3] = ["changed", "replayed", "ignored"];

    /// Returns the word used in metrics and logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Changed(_) => "changed",
            Self::Replayed => "replayed",
            Self::Ignored => "ignored",
        }
    }
}

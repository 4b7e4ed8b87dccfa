//! The error type below the API: a kind for decisions, a client message, and a cause for the log.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::models::truncate::truncate;

/// Result with the error type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Category of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Invalid request.
    Invalid,
    /// Every backend that could have the object reported that it does not exist.
    NotFound,
    /// Range outside the artifact.
    RangeNotSatisfiable {
        /// Size of the whole artifact, in bytes.
        size: u64,
    },
    /// The backend rejected the configured credentials.
    BackendRefused,
    /// The backend sent an invalid response, or bytes that do not match their digest.
    BackendFaulty,
    /// The backend is down or rate limited, and the cache cannot serve the request.
    BackendUnavailable {
        /// Time after which a retry may succeed.
        retry_after: Duration,
    },
    /// The object exceeds a bound of this service, which the message names.
    TooLarge,
    /// The object has a format that this service cannot read.
    Unsupported,
    /// The object is not at hand, and the caller does not want it fetched from its backend.
    NotStored,
    /// The deadline expired; the request may still complete in the background.
    BackendTimeout,
    /// The service is at its limit of concurrent work.
    Overloaded,
    /// A bug in this service.
    Internal,
}

impl ErrorKind {
    /// Returns true if the backend could not be reached, limits us, or did not answer in time.
    #[must_use]
    pub const fn is_unreachable(self) -> bool {
        matches!(self, Self::BackendUnavailable { .. } | Self::BackendTimeout)
    }

    /// Returns true if the failure tells that the backend as a whole does not serve us. Others concern
    /// one repository or the caller.
    #[must_use]
    pub const fn is_of_whole_backend(self) -> bool {
        self.is_unreachable() || matches!(self, Self::BackendRefused)
    }
}

/// A failure with its kind, a message for clients, and a cause for the log. Clones share the cause.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
    asked: bool,
    too_long: bool,
    missing_place: bool,
}

impl Error {
    /// Creates an error. The message is shown to clients: no secrets, no internals.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
            asked: true,
            too_long: false,
            missing_place: false,
        }
    }

    /// Creates an error of the kind `NotFound`.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Creates an error for an invalid backend response.
    #[must_use]
    pub fn faulty(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BackendFaulty, message)
    }

    /// Creates an error for a backend that is temporarily unavailable.
    #[must_use]
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(ErrorKind::BackendUnavailable { retry_after }, message)
    }

    /// Attaches a cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Marks a failure on this side, so that it tells nothing about the backend.
    #[must_use]
    pub const fn not_asked(mut self) -> Self {
        self.asked = false;
        self
    }

    /// False if the request failed at a limit of ours, such as behind an open circuit breaker.
    #[must_use]
    pub const fn was_asked(&self) -> bool {
        self.asked
    }

    /// Marks a response beyond its size limit; a request for a part may succeed.
    #[must_use]
    pub const fn too_long(mut self) -> Self {
        self.too_long = true;
        self
    }

    /// Returns true if the response exceeds the size limit for its kind of request.
    #[must_use]
    pub const fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// Marks a backend whose location does not exist, such as a directory that is not mounted.
    #[must_use]
    pub const fn of_missing_place(mut self) -> Self {
        self.missing_place = true;
        self
    }

    /// Returns true if the location of the backend does not exist.
    #[must_use]
    pub const fn is_of_missing_place(&self) -> bool {
        self.missing_place
    }

    /// Returns the kind, for decisions by callers.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the message for clients.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns true for "does not exist" as opposed to "unknown".
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Formats message and causes as one line, cut to 500 characters: causes may quote responses.
    #[must_use]
    pub fn report(&self) -> String {
        let mut line = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            // Shortened at each step, so that a cause of megabytes is not copied again and again.
            line = truncate(format!("{line}: {error}"));
            cause = error.source();
        }
        truncate(line)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_short_line_whatever_a_cause_quotes() {
        let told = |text: &str| Error::faulty("no sense").because(text).report();
        assert_eq!(told("line 1"), "no sense: line 1");
        let sent = serde_json::from_str::<u8>(&format!("\"{}\"", "é".repeat(1 << 20)));
        let report = Error::faulty("no sense").because(sent.unwrap_err()).report();
        assert!(report.starts_with("no sense: invalid type: string \"ééé"), "{report}");
        assert_eq!(report.chars().count(), 500);
        assert_eq!(Error::faulty("x".repeat(1 << 20)).report().chars().count(), 500);
    }
}

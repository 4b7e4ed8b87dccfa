//! The one error type below the API: a kind that callers branch on, a message fit for callers,
//! and a cause for the log.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::models::brief::brief;

/// Shorthand used by everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as anyone needs to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The question itself is wrong.
    Invalid,
    /// Every backend that could have it said no.
    NotFound,
    /// A range outside the artifact.
    RangeNotSatisfiable {
        /// Length of the whole artifact, in bytes.
        size: u64,
    },
    /// The backend refused our credentials.
    BackendRefused,
    /// The backend sent nonsense, or bytes that fail their digest.
    BackendFaulty,
    /// The backend is down or limits us, and nothing stored can answer.
    BackendUnavailable {
        /// When asking again may help.
        retry_after: Duration,
    },
    /// The deadline passed; the question may still be answered later.
    BackendTimeout,
    /// We have more to do than we take on at once.
    Overloaded,
    /// Our own bug.
    Internal,
}

/// A failure with its kind, the message that callers may see, and the cause that only the log sees.
/// Copies share the cause.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
    asked: bool,
    oversized: bool,
    too_long: bool,
    missing_place: bool,
}

impl Error {
    /// A failure of this kind. The message is shown to callers: no secrets, no internals.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
            asked: true,
            oversized: false,
            too_long: false,
            missing_place: false,
        }
    }

    /// Nothing of that name.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// A backend's answer that makes no sense.
    #[must_use]
    pub fn faulty(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BackendFaulty, message)
    }

    /// A backend that cannot be asked just now.
    #[must_use]
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(ErrorKind::BackendUnavailable { retry_after }, message)
    }

    /// The same with what brought it about, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// The same of a question that was not put to the backend, which so says nothing of it.
    #[must_use]
    pub const fn not_asked(mut self) -> Self {
        self.asked = false;
        self
    }

    /// Whether the backend had its say. Not if it is left alone because it failed before.
    #[must_use]
    pub const fn was_asked(&self) -> bool {
        self.asked
    }

    /// The same of an answer that takes more room than there was for it; with more it may serve.
    #[must_use]
    pub const fn oversized(mut self) -> Self {
        self.oversized = true;
        self
    }

    /// Whether more room could have helped.
    #[must_use]
    pub const fn is_oversized(&self) -> bool {
        self.oversized
    }

    /// Marks the failure of an answer that is longer than any answer to this question is read. A
    /// part of the answer may be short enough.
    #[must_use]
    pub const fn too_long(mut self) -> Self {
        self.too_long = true;
        self
    }

    /// Whether the answer is longer than any answer to this question is read.
    #[must_use]
    pub const fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// Marks the failure of a backend whose place does not exist, such as a directory that was not
    /// made yet or is not mounted.
    #[must_use]
    pub const fn of_missing_place(mut self) -> Self {
        self.missing_place = true;
        self
    }

    /// Whether the place of the backend does not exist, so that there is nothing to read.
    #[must_use]
    pub const fn is_of_missing_place(&self) -> bool {
        self.missing_place
    }

    /// What callers branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for callers.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether it says "no such thing" rather than "cannot tell".
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Message and causes in one line, for the log and `/health`; 500 characters of it, since a
    /// cause may quote all that a backend sent.
    #[must_use]
    pub fn report(&self) -> String {
        let mut line = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            line = brief(format!("{line}: {error}"));
            cause = error.source();
        }
        brief(line)
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

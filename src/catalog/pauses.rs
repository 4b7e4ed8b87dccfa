//! Errors for requests during a pause of the circuit breaker or of a rate limit.

use std::time::Duration;

use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind};
use crate::models::scope::Scope;

impl Catalog {
    /// Returns the longest pause of the requested backends, in whole seconds.
    pub(super) fn pause(&self, scope: Scope) -> Duration {
        let longest = self.asked(scope).map(|handle| handle.pause()).max().unwrap_or_default();
        // Rounded up: a `Retry-After` that is too short would lead callers into the same pause.
        Duration::from_secs(longest.as_secs() + u64::from(longest.subsec_nanos() > 0))
    }

    /// Converts a timeout into `BackendUnavailable` with the remaining pause, if a pause caused it.
    pub(super) fn held_back(&self, scope: Scope, error: Error) -> Error {
        let pause = self.pause(scope);
        if error.kind() != ErrorKind::BackendTimeout || pause.is_zero() {
            return error;
        }
        Error::unavailable(format!("{} limits our request rate", scope.subject()), pause)
    }
}

//! Deadline of a read: the time until which it waits for backends.

use std::time::Duration;

use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::scope::Scope;
use tokio::time::{Instant, timeout_at};

/// Maximum time that a read other than a download waits for a backend (contract §4).
const PATIENCE: Duration = Duration::from_millis(2500);

/// Time until which a read waits for backends, however many requests it sends one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// Returns the deadline of a read that begins now.
    #[must_use]
    pub fn of_a_read() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// Returns a deadline that has passed: a request is started, but not awaited.
    #[must_use]
    pub fn passed() -> Self {
        Self(Instant::now())
    }

    /// Waits for a result until the deadline. The work must continue by itself when the wait ends.
    ///
    /// # Errors
    ///
    /// The result's own error; `BackendTimeout` after the deadline.
    pub async fn wait<T>(self, scope: Scope, result: impl Future<Output = Result<T>>) -> Result<T> {
        timeout_at(self.0, result).await.unwrap_or_else(|_| Err(late(scope)))
    }
}

fn late(scope: Scope) -> Error {
    let message = format!("{} did not answer in time; retry later", scope.subject());
    Error::new(ErrorKind::BackendTimeout, message)
}

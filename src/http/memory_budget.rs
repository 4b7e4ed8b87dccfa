//! Memory budget for responses: little for each of many concurrent requests, much for one at a
//! time. This bounds the memory of a backend's responses, even if the backend is hostile.

use crate::error::{Error, Result};
use crate::http::HttpClient;

/// Maximum body, in bytes, of one response with [`MemoryBudget::Little`].
const BODY: usize = 512 * 1024;

/// Memory budget of a request while its response is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBudget {
    /// Budget of each concurrent request.
    Little,
    /// Largest budget, used by one request of a backend at a time.
    Much,
}

impl MemoryBudget {
    pub(super) fn body(self, max: usize) -> usize {
        self.of(max.min(BODY), max)
    }

    /// Returns the error of an exceeded budget. With [`MemoryBudget::Much`] it is final.
    #[must_use]
    pub fn lacks(self, error: Error) -> Error {
        if self == Self::Little { error.oversized() } else { error }
    }

    /// Selects a value by the size of the room.
    #[must_use]
    pub fn of<T>(self, little: T, much: T) -> T {
        match self {
            Self::Little => little,
            Self::Much => much,
        }
    }
}

impl HttpClient {
    /// Runs a request with little room, and again with much room if the response does not fit.
    /// Calls must not be nested: the inner one would wait for the outer one's lock.
    pub async fn roomy<T, F>(&self, question: impl Fn(MemoryBudget) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        match question(MemoryBudget::Little).await {
            Err(error) if error.is_oversized() => self.alone(question(MemoryBudget::Much)).await,
            outcome => outcome,
        }
    }

    /// Runs one request with much room at a time. Calls must not be nested.
    pub async fn alone<T>(&self, question: impl Future<Output = T>) -> T {
        // One holder, not permits for bytes: two that wait for more would deadlock (docs/adr/0025).
        let _alone = self.0.large.lock().await;
        question.await
    }
}

//! Room in memory for what a backend answers: little for each of many questions at once, much for
//! one at a time. Whatever a backend sends, its answers then take a bounded part of the memory.

use crate::error::{Error, Result};
use crate::http::HttpClient;

/// Longest body, in bytes, of one answer among many.
const BODY: usize = 512 * 1024;

/// How much a question may take while it is answered and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// As much as each of all questions under way may take.
    Little,
    /// As much as is ever taken, by one question of a backend at a time.
    Much,
}

impl Room {
    /// Longest body to read, in bytes, of what may be this long at all.
    pub(super) fn body(self, max: usize) -> usize {
        self.of(max.min(BODY), max)
    }

    /// A failure for want of room: with much room it is one for good.
    #[must_use]
    pub fn lacks(self, error: Error) -> Error {
        if self == Self::Little { error.oversized() } else { error }
    }

    /// This much, or that.
    #[must_use]
    pub fn of<T>(self, little: T, much: T) -> T {
        match self {
            Self::Little => little,
            Self::Much => much,
        }
    }
}

impl HttpClient {
    /// Answers a question in little room; what does not fit is asked for once more, alone in its
    /// kind, in much. A question must not put another one through here: it would wait for itself.
    ///
    /// # Errors
    /// The question's own.
    pub async fn roomy<T, F>(&self, question: impl Fn(Room) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        match question(Room::Little).await {
            Err(error) if error.is_oversized() => self.alone(question(Room::Much)).await,
            outcome => outcome,
        }
    }

    /// Answers a question that takes much room, when no other one does. As above: not within one.
    pub async fn alone<T>(&self, question: impl Future<Output = T>) -> T {
        let _alone = self.0.large.lock().await;
        question.await
    }
}

//! Attempts: what is tried again, how often, and after which time.

use std::time::Duration;

use tokio::time::sleep;

use crate::failure::{ClientFailure, Result};

/// Times between attempts, unless the server says another one.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];
/// Longest time that a server may ask to wait.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Failure of one attempt.
#[derive(Debug)]
pub(super) enum RequestAttempt {
    /// Another attempt may succeed, after this time if the server says one.
    Again(ClientFailure, Option<Duration>),
    /// Another attempt would fail too.
    Final(ClientFailure),
}

impl From<ClientFailure> for RequestAttempt {
    fn from(failure: ClientFailure) -> Self {
        Self::Final(failure)
    }
}

/// Asks until an attempt succeeds or fails for good, four times at most.
pub(super) async fn retried<T>(ask: impl AsyncFn() -> Result<T, RequestAttempt>) -> Result<T> {
    for pause in PAUSES {
        match ask().await {
            Ok(value) => return Ok(value),
            Err(RequestAttempt::Final(failure)) => return Err(failure),
            Err(RequestAttempt::Again(failure, Some(wait))) if wait > WAIT_MAX => {
                return Err(failure);
            }
            Err(RequestAttempt::Again(_, wait)) => sleep(wait.unwrap_or(pause)).await,
        }
    }
    ask().await.map_err(|last| match last {
        RequestAttempt::Again(failure, _) | RequestAttempt::Final(failure) => failure,
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;
    use crate::failure::FailureKind;

    fn again(wait: Option<u64>) -> RequestAttempt {
        let failure = ClientFailure::new(FailureKind::Unavailable, "down");
        RequestAttempt::Again(failure, wait.map(Duration::from_secs))
    }

    #[tokio::test(start_paused = true)]
    async fn four_attempts_are_made_and_the_servers_time_counts() {
        let (count, start) = (Cell::new(0), Instant::now());
        let failed = retried(async || -> Result<(), RequestAttempt> {
            count.set(count.get() + 1);
            Err(again((count.get() == 2).then_some(60)))
        });
        assert_eq!(failed.await.unwrap_err().kind(), FailureKind::Unavailable);
        assert_eq!((count.get(), start.elapsed().as_secs()), (4, 61));
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_failure_and_a_wait_beyond_the_bound_end_the_attempts() {
        for wait in [None, Some(61)] {
            let count = Cell::new(0);
            let failed = retried(async || -> Result<(), RequestAttempt> {
                count.set(count.get() + 1);
                Err(wait.map_or_else(|| ClientFailure::usage("x").into(), |wait| again(Some(wait))))
            });
            assert!(failed.await.is_err());
            assert_eq!(count.get(), 1);
        }
    }
}

//! Progress of an upload: when the last piece of the body was taken.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Time at which the last piece of a body was taken.
#[derive(Clone, Debug)]
pub(super) struct LastPiece(Arc<Mutex<Instant>>);

impl LastPiece {
    /// Begins now.
    pub(super) fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Notes that a piece is taken now.
    pub(super) fn taken(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until no piece was taken for this time.
    pub(super) async fn silent(&self, silence: Duration) {
        loop {
            let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + silence;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_begins_anew_with_each_piece() {
        let (last_piece, start) = (LastPiece::now(), Instant::now());
        let silence = Duration::from_secs(30);
        let pieces = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(29)).await;
                last_piece.taken();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = pieces => {}
            () = last_piece.silent(silence) => {}
        }
        assert_eq!(start.elapsed().as_secs(), 3 * 29 + 30);
    }
}

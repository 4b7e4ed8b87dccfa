//! Uploads end by silence. The time limit of the HTTP client begins with the request, and would end long
//! ones while their bytes flow.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, sleep_until};

use crate::http::request_body::RequestBody;

/// How an upload failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    /// The connection failed.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    /// Neither was a piece of the body taken nor an answer sent for this time.
    #[error("no answer in {} seconds", .0.as_secs())]
    Silence(Duration),
}

/// Time at which the last piece of a body was taken.
#[derive(Clone, Debug)]
pub(super) struct LastPiece(Arc<Mutex<Instant>>);

impl LastPiece {
    fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Notes that a piece is taken now.
    pub(super) fn taken(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until no piece was taken for this time.
    async fn silent(&self, silence: Duration) {
        loop {
            let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + silence;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}

/// Sends a request with a body. Ends after `silence` without any progress.
pub(super) async fn send(
    request: RequestBuilder,
    body: &RequestBody,
    silence: Duration,
) -> Result<Response, UploadError> {
    let last_piece = LastPiece::now();
    let sent = request.body(body.to_body(&last_piece)).send();
    tokio::select! {
        sent = sent => sent.map_err(UploadError::from),
        () = last_piece.silent(silence) => Err(UploadError::Silence(silence)),
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

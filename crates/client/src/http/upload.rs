//! Uploads end by silence. The time limit of the HTTP client begins with the request, and would end long
//! ones while their bytes flow.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};

use crate::http::last_piece::LastPiece;
use crate::http::request_body::UploadBody;

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

/// Sends a request with a body. Ends after `silence` without any progress.
pub(super) async fn send(
    request: RequestBuilder,
    body: &UploadBody,
    silence: Duration,
) -> Result<Response, UploadError> {
    let last_piece = LastPiece::now();
    let sent = request.body(body.to_body(&last_piece)).send();
    tokio::select! {
        sent = sent => sent.map_err(UploadError::from),
        () = last_piece.silent(silence) => Err(UploadError::Silence(silence)),
    }
}

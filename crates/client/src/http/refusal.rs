//! Responses that are no success: what they mean, and if another attempt may help.

use std::time::Duration;

use registry_public::errors::ErrorBody;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::failure::{ClientFailure, FailureKind};
use crate::http::attempt::RequestAttempt;
use crate::settings::{Chosen, Server};

/// Longest error body that is read, in bytes.
const BODY_MAX: usize = 64 * 1024;
const JSON: &str = "application/json";
/// Words that messages about a failed digest have.
const DIGESTS: [&str; 2] = ["sha256:", "sha512:"];

/// Reads a response that is no success.
pub(super) async fn refusal(mut response: Response, server: &Server) -> RequestAttempt {
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER);
    let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let content_type = response.headers().get(CONTENT_TYPE).cloned();
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await
        && bytes.len() + piece.len() <= BODY_MAX
    {
        bytes.extend_from_slice(&piece);
    }
    let body: Option<ErrorBody> = serde_json::from_slice(&bytes).ok();
    let message = body.map(|body| body.message);
    let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
    judge(status, message.as_deref(), content_type.unwrap_or("nothing"), wait, server)
}

fn judge(
    status: StatusCode,
    message: Option<&str>,
    content_type: &str,
    wait: Option<Duration>,
    server: &Server,
) -> RequestAttempt {
    let url = &server.url;
    let told = message.map_or_else(|| format!("{url} answered {status}"), str::to_owned);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => denied(&told, server).into(),
        StatusCode::BAD_GATEWAY if DIGESTS.iter().any(|digest| told.contains(digest)) => {
            ClientFailure::new(FailureKind::Integrity, told)
                .hint("the archive changed at its source: ask its publisher for a new version")
                .into()
        }
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let failure = ClientFailure::new(FailureKind::Unavailable, told);
            RequestAttempt::Again(failure.hint("try again, or see: extreg status"), wait)
        }
        // Absence counts only in the words of a registry: a proxy knows nothing about extensions.
        // A HEAD has no words.
        StatusCode::NOT_FOUND if message.is_some() || content_type.starts_with(JSON) => {
            ClientFailure::new(FailureKind::NotFound, told).into()
        }
        StatusCode::BAD_REQUEST if message.is_some() => ClientFailure::usage(told).into(),
        _ if message.is_some() => ClientFailure::failed(told).into(),
        _ if status.is_server_error() => ClientFailure::failed(told).into(),
        _ => no_registry(server, &format!("{status} with {content_type}")).into(),
    }
}

/// Describes a server that is no registry.
pub(super) fn no_registry(server: &Server, answer: &str) -> ClientFailure {
    let message = format!("{} is no extension registry: it answered {answer}", server.url);
    let hint = format!("check the address, which {} names", server.chosen);
    ClientFailure::usage(message).hint(hint)
}

fn denied(told: &str, server: &Server) -> ClientFailure {
    let url = &server.url;
    let failure =
        ClientFailure::new(FailureKind::Denied, format!("{url} refused the request: {told}"));
    match server.chosen {
        // See `settings::server::token`: variables are for addresses that the user chose.
        Chosen::Manifest => failure.hint(format!(
            "extreg login --server {url}; or set EXTENSION_REGISTRY_URL={url} beside the token"
        )),
        _ => failure.hint(format!("extreg login --server {url}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, message: Option<&str>) -> (FailureKind, bool) {
        let server = Server { url: "http://127.0.0.1:1".parse().unwrap(), chosen: Chosen::Default };
        let status = StatusCode::from_u16(status).unwrap();
        match judge(status, message, "text/html", None, &server) {
            RequestAttempt::Again(failure, _) => (failure.kind(), true),
            RequestAttempt::Final(failure) => (failure.kind(), false),
        }
    }

    #[test]
    fn each_status_has_its_kind_and_absence_needs_the_words_of_a_registry() {
        for (status, message, expected) in [
            (400, Some("limit must be"), (FailureKind::Usage, false)),
            (401, None, (FailureKind::Denied, false)),
            (403, None, (FailureKind::Denied, false)),
            (404, Some("Extension provider/x not found"), (FailureKind::NotFound, false)),
            (404, None, (FailureKind::Usage, false)),
            (413, Some("too large"), (FailureKind::Failed, false)),
            (429, None, (FailureKind::Unavailable, true)),
            (500, None, (FailureKind::Failed, false)),
            (502, Some("The backend refused"), (FailureKind::Unavailable, true)),
            (502, Some("digest is sha256:ab, not sha256:cd"), (FailureKind::Integrity, false)),
            (503, None, (FailureKind::Unavailable, true)),
            (504, Some("deadline"), (FailureKind::Unavailable, true)),
        ] {
            assert_eq!(kind(status, message), expected, "{status} {message:?}");
        }
    }
}

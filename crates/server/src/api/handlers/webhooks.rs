//! Webhooks of backends: verified, accepted, and acknowledged before any refresh.

use std::sync::Arc;

use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::StatusCode;
use registry_core::backend::webhook::{Delivery, WebhookError};

use crate::api::extract::WholeBody;
use crate::api::state::ApiState;
use crate::edge::admission::Sender;
use crate::edge::problem::Problem;

const REFUSED: &str = "refused";

/// Returns all possible outcomes, as metric labels.
#[must_use]
pub fn outcomes() -> Vec<&'static str> {
    Delivery::LABELS.into_iter().chain([REFUSED]).collect()
}

/// Take a change notice
///
/// A signed notice of a backend that something changed. The affected extensions are read again
/// immediately; the content of the notice is not used otherwise.
#[utoipa::path(
    post,
    path = "/webhooks/{backend}",
    tag = "webhooks",
    params(("backend" = String, Path, description = "The name of the backend")),
    request_body(content = Object, description = "As the backend sends it"),
    responses(
        (status = 202, description = "Taken"),
        (status = 400, description = "The signature is valid, the body is not readable"),
        (status = 401, description = "The signature is missing or wrong"),
        (status = 404, description = "No secret is configured for this backend"),
        (status = 408, description = "The request body did not arrive within 3 seconds"),
        (status = 413, description = "Larger than 1 MiB"),
        (
            status = 503,
            description = "Too many deliveries of this backend or sender are being read; or the engine of `[shared]` is away, and the delivery cannot be saved in `state_dir`",
        ),
    ),
)]
pub async fn receive(
    State(api): State<Arc<ApiState>>,
    Path(backend): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let known = api.receivers.iter().find(|(id, _)| id.as_str() == backend);
    let (backend, receiver) = known.ok_or_else(unknown_receiver)?;
    // Refused by its headers, before the body takes up memory.
    if !receiver.is_worth_reading(request.headers()) {
        api.metrics.webhook(backend.as_str(), REFUSED);
        return Err(refused(WebhookError::Unsigned));
    }
    let sender = request.extensions().get().copied().unwrap_or(Sender(None));
    let Some(_place) = api.notices.enter(*backend, sender).await else {
        api.metrics.refused("overload");
        return Err(Problem::overloaded());
    };
    // The signature covers the exact bytes, so the body is read whole before it is parsed.
    let headers = request.headers().clone();
    let WholeBody(body) = WholeBody::from_request(request, &()).await?;
    let received = receiver.receive(&headers, &body);
    let outcome = received.as_ref().map_or(REFUSED, Delivery::as_str);
    api.metrics.webhook(backend.as_str(), outcome);
    if let Delivery::Changed(ids) = received.map_err(refused)?
        && let Err(error) = api.answers.catalog().syncer.take_notice(*backend, ids).await
    {
        // Sent again, it is no replay.
        receiver.forget(&headers, &body);
        return Err(error.into());
    }
    Ok(StatusCode::ACCEPTED)
}

fn unknown_receiver() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "No webhook secret is configured for this backend")
}

fn refused(error: WebhookError) -> Problem {
    let status = match error {
        WebhookError::Unsigned => StatusCode::UNAUTHORIZED,
        WebhookError::Malformed => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, error.to_string())
}

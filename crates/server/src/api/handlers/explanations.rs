//! Endpoint that explains who answers for a name. Never waits for a backend.

use std::sync::Arc;

use axum::extract::State;

use crate::api::extract::PathParams;
use crate::api::openapi::ExplainResponses;
use crate::api::params::IdParams;
use crate::api::state::ApiState;
use crate::edge::problem::Problem;
use crate::edge::representation::Representation;
use registry_public::explanation::ExplanationBody;

/// Explain ownership
///
/// What every backend has of one name, which of them owns it, and why. Made from the catalog as it
/// is: no request is sent to a backend.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/explain",
    tag = "extensions",
    params(IdParams),
    responses(
        (status = 200, body = ExplanationBody, headers(("ETag" = String, description = "Weak"))),
        ExplainResponses,
    ),
)]
pub async fn explain(
    State(api): State<Arc<ApiState>>,
    path: PathParams,
) -> Result<Representation, Problem> {
    let answer = api.answers.explanation(&path.id()?)?;
    Ok(answer.represent(&api.heads))
}

//! One release: all that is known of it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::answers::Answer;
use crate::api::extract::{ReleasePath, SourceParam};
use crate::api::metadata_view::MetadataView;
use crate::api::problem::{ErrorBody, Problem};
use crate::api::state::ApiState;

/// Get version
///
/// One version in full: its notes, its files and their digests.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/{version}/metadata",
    tag = "extensions",
    params(
        ("type" = String, Path, description = "`provider`, `taskserv` or `cluster`"),
        ("name" = String, Path, description = "Without regard to case", max_length = 100),
        ("version" = String, Path, description = "A tag, a version, or `latest`; a slash as `%2F`", max_length = 255),
        ("tag" = Option<String>, Query, description = "With `latest`: a tag that no path can name"),
        ("source" = Option<String>, Query, description = "Ask `gitea`, `oci` or `local` instead of the owner"),
    ),
    responses(
        (status = 200, body = MetadataView, headers(("ETag" = String, description = "Weak"))),
        (status = 304, description = "The client has it already"),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 502, body = ErrorBody, description = "A backend refused us or sent nonsense"),
        (status = 503, body = ErrorBody, description = "It is not known who owns the name"),
        (status = 504, body = ErrorBody, description = "A backend did not answer in time"),
    ),
)]
pub async fn get_version(
    State(api): State<ApiState>,
    ReleasePath { id, version, .. }: ReleasePath,
    SourceParam(source): SourceParam,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = api.memos.release(&api.catalogue, &id, &version, source).await?;
    api.metrics.extensions_served(1);
    Ok(Answer::new(found.0, &found.1).respond(&headers))
}

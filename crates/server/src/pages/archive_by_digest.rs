//! An archive at an address that names its digest, and so never has other bytes.

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use registry_core::models::digest::Digest;
use serde::Deserialize;

use crate::api::extract::PathParams;
use crate::api::handlers::downloads::{Address, respond};
use crate::api::params::bad_request;
use crate::edge::problem::Problem;
use crate::pages::extension_path::ExtensionPath;
use crate::pages::page_state::Pages;

#[derive(Deserialize)]
struct DigestPathParam {
    digest: String,
}

/// Responds with the archive of a digest, as the API responds with the archive of a version.
pub async fn archive(
    State(pages): State<Pages>,
    method: Method,
    ExtensionPath { id, scope }: ExtensionPath,
    params: PathParams,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let digest: Digest = params.params::<DigestPathParam>()?.digest.parse().map_err(bad_request)?;
    let found = pages.api.downloads.find_by_digest(&id, &digest, scope).await?;
    Ok(respond(&pages.api.downloads, &method, found, Address::Digest(&digest), &headers).await?)
}

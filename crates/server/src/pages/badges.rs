//! Badges with the latest version of an extension.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use registry_core::models::naming::ExtensionId;
use registry_web::badge::{Badge, MEDIA_TYPE};
use registry_web::site::Site;
use serde::Deserialize;

use crate::api::extract::QueryString;
use crate::api::params::bad_request;
use crate::edge::problem::Problem;
use crate::pages::models::archive_digest;
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

const SUFFIX: &str = ".svg";

/// `?digest`: show the digest instead of the version.
#[derive(Deserialize)]
struct DigestParam {
    digest: Option<String>,
}

/// Responds with the badge of an extension.
pub async fn badge(
    State(pages): State<Pages>,
    request: PageRequest,
    Path((extension_type, file)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    let extension_type = extension_type.parse().map_err(bad_request)?;
    let name = file.strip_suffix(SUFFIX).ok_or_else(|| Problem::bare(StatusCode::NOT_FOUND))?;
    let id = ExtensionId { extension_type, name: name.parse().map_err(bad_request)? };
    let query = QueryString::of(&uri)?;
    let (scope, with_digest) =
        (query.scope(pages.catalog())?, query.params::<DigestParam>()?.digest.is_some());
    let (data, found) = pages.api.answers.extension_data(&id, scope, false).await?;
    let name = format!("badge {id} {scope:?} {with_digest}");
    let page = KeptPage { media_type: MEDIA_TYPE, ..KeptPage::html(name, 0).of_view() };
    let render = move |_: &Site, _: &SeenBackends| {
        let latest = found.extension.latest();
        let value = if with_digest {
            latest.and_then(|one| archive_digest(one)).map(|one| one.short().to_owned())
        } else {
            latest.map(|release| release.version.as_str().to_owned())
        };
        let name = found.id().name.as_str();
        let label = scope
            .parameter()
            .map_or_else(|| name.to_owned(), |(_, backend)| format!("{name} ({backend})"));
        Badge { label, value }.render()
    };
    pages.respond(&request, &data, page, render).await
}

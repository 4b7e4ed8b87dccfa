//! Endpoint for the files of an archive: the entries, one file, and differences of two versions.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use registry_core::error::Result;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;

use crate::answers::answer::Answer;
use crate::answers::downloads::{DownloadQuery, RequestedFile};
use crate::answers::entry::AnswerContent;
use crate::answers::provenance::Provenance;
use crate::api::artifact_headers::{policy_of, set};
use crate::api::extract::{PathParams, QueryString};
use crate::api::openapi::ReadResponses;
use crate::api::params::{
    AssetParam, FilesParams, IdParams, ScopeParams, TagParam, VersionPathParam,
};
use crate::api::raw_file::{not_modified, raw_file};
use crate::api::state::ApiState;
use crate::archives::{Fetch, bodies};
use crate::edge::headers::CACHE_STATUS;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use registry_public::files::FilesAnswer;

/// List or compare files
///
/// The entries of the archive of a version. With `path`, the bytes of that file. With `against`, the
/// differences from the archive of another version, of the same or of another backend; with both,
/// the difference of that file.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/{version}/files",
    tag = "extensions",
    params(IdParams, VersionPathParam, FilesParams, TagParam, AssetParam, ScopeParams),
    responses(
        (status = 200, description = "Entries, bytes or differences", content(
            (FilesAnswer = "application/json"),
            (Vec<u8> = "application/octet-stream"),
            (String = "text/plain"),
            (Vec<u8> = "image/png"),
            (Vec<u8> = "image/jpeg"),
            (Vec<u8> = "image/gif"),
            (Vec<u8> = "image/webp"),
        ), headers(
            ("ETag" = String, description = "Weak; strong for the bytes of a file"),
            ("Repr-Digest" = String, description = "The digest of the file (RFC 9530)"),
            ("Content-Disposition" = String, description = "File name of an attachment"),
        )),
        ReadResponses,
        (status = 404, description = "No such extension or version, no single archive, or no such file in it"),
        (status = 413, description = "The archive or the file exceeds a bound, which the message names"),
        (status = 415, description = "It is not an archive, or has a format that is not read"),
        (status = 503, description = "The archive is not stored and its backend is not available, or other archives are being read"),
        (status = 504, description = "The archive did not arrive within 30 seconds"),
    ),
)]
pub async fn get_files(
    State(api): State<Arc<ApiState>>,
    path: PathParams,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let catalog = api.answers.catalog();
    let (id, version) = (path.id()?, path.version(&query)?);
    let AssetParam { asset } = query.params()?;
    let (scope, params) = (query.scope(catalog)?, query.params::<FilesParams>()?);
    let (path, against) = (params.path()?, params.against(scope, catalog)?);
    let query = DownloadQuery { id, version, asset, scope };
    let found = api.downloads.find(&query).await?;
    Ok(match (path, against) {
        (None, None) => entries(&api, &query, &found).await?.into_response(),
        (Some(path), None) => raw(&api, &query.version, &found, path, &headers).await?,
        (path, Some(against)) => {
            let from = other(&api, &query, against).await?;
            compare(&api, &query, [&from, &found], path).await?.into_response()
        }
    })
}

async fn entries(
    api: &ApiState,
    query: &DownloadQuery,
    found: &RequestedFile,
) -> Result<Representation> {
    let indexed = api.archives.index(found, Fetch::IfNeeded).await?;
    let rows = indexed.index.entries.len();
    render(api, query, rows, move || FilesAnswer::Files(bodies::files(&indexed))).await
}

/// Responds with the bytes of one file, under a policy by which browsers do not trust it.
pub(crate) async fn raw(
    api: &ApiState,
    asked: &Tag,
    found: &RequestedFile,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response> {
    let mut response = if let Some(response) = cached_raw(api, found, path, headers) {
        response
    } else {
        let archive = api.archives.open(found, Fetch::IfNeeded).await?;
        let entry = archive.entry(path)?;
        let mut response = match not_modified(entry, headers) {
            Some(response) => response,
            None => raw_file(entry, archive.bytes(path).await?),
        };
        let status = if archive.is_stored() {
            "extension-registry; hit"
        } else {
            "extension-registry; fwd=miss"
        };
        set(&mut response, CACHE_STATUS, status);
        response
    };
    if let Some(policy) = policy_of(&found.release, &found.artifact, asked) {
        response.extensions_mut().insert(policy);
    }
    Ok(response)
}

/// Responds from the caches, without reading the archive; `None` if they lack the entry or its bytes.
fn cached_raw(
    api: &ApiState,
    found: &RequestedFile,
    path: &str,
    headers: &HeaderMap,
) -> Option<Response> {
    let archive = api.archives.cached(found)?;
    let entry = archive.index.entry(path)?;
    not_modified(entry, headers).or_else(|| {
        let mut response = raw_file(entry, api.archives.cached_file(&archive, path)?);
        set(&mut response, CACHE_STATUS, "extension-registry; hit");
        Some(response)
    })
}

/// Finds the archive to compare with.
async fn other(
    api: &ApiState,
    query: &DownloadQuery,
    (version, scope): (Tag, Scope),
) -> Result<RequestedFile> {
    let id = query.id.clone();
    api.downloads.find(&DownloadQuery { id, version, asset: None, scope }).await
}

async fn compare(
    api: &ApiState,
    query: &DownloadQuery,
    [from, to]: [&RequestedFile; 2],
    path: Option<&str>,
) -> Result<Representation> {
    let open = |file| api.archives.open(file, Fetch::IfNeeded);
    let (from, to) = (open(from).await?, open(to).await?);
    if let Some(path) = path {
        let change = api.archives.compare_file(&from, &to, path).await?;
        return render(api, query, 1, move || {
            FilesAnswer::Change(Box::new(bodies::change(&change)))
        })
        .await;
    }
    let difference = api.archives.compare(&from, &to).await?;
    let rows = difference.added.len() + difference.removed.len() + difference.changed.len();
    render(api, query, rows, move || FilesAnswer::Differences(bodies::differences(&difference)))
        .await
}

async fn render(
    api: &ApiState,
    query: &DownloadQuery,
    rows: usize,
    body: impl FnOnce() -> FilesAnswer + Send + 'static,
) -> Result<Representation> {
    let rendered = api.renderer.run(rows, move || Rendered::json(&body())).await?;
    let catalog = api.answers.catalog();
    let provenance = Provenance::asked(catalog, query.scope, Some(&query.id), Vec::new());
    let content = AnswerContent::of(rendered, 0);
    Ok(Answer { content, provenance, form: None }.represent(&api.heads))
}

//! Files of the archive of a version: the tree, or one file.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Deserialize;

use crate::api::extract::QueryString;
use crate::archives::Fetch;
use crate::edge::problem::Problem;
use crate::pages::archive_tree::{page_of, requested, respond};
use crate::pages::extension_path::VersionPath;
use crate::pages::file;
use crate::pages::find_version::find_version;
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::Pages;

/// `?fetch=`, and `?path=` for paths that no address can have.
#[derive(Deserialize)]
struct FilePageParams {
    fetch: Option<String>,
    path: Option<String>,
}

/// Responds with the tree of files, or with the one of `?path=`.
pub async fn files(
    State(pages): State<Pages>,
    request: PageRequest,
    VersionPath { of, tag }: VersionPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::of(&uri)?;
    let FilePageParams { fetch, path } = query.params()?;
    if let Some(path) = path {
        let version = VersionPath { of, tag };
        return file::respond(&pages, &request, version, &path, &query, &headers).await;
    }
    let (data, shown) = find_version(&pages, of, Some(tag)).await?;
    let fetch = if fetch.is_some() { Fetch::IfNeeded } else { Fetch::Never };
    let found = requested(&pages, &shown, &shown.release.tag, shown.scope).await?;
    let page = found.artifact.digest.as_ref().map(|digest| page_of(&shown, digest));
    if let Some(kept) = page.and_then(|page| pages.kept(&request, &data, &page)) {
        return Ok(kept);
    }
    let indexed = pages.api.archives.index(&found, fetch).await;
    respond(&pages, &request, (data, shown), indexed).await
}

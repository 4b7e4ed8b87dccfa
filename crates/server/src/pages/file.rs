//! One file of an archive: as a page with line numbers, or its bytes.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use registry_archives::{FileContent, Kind};
use registry_core::error::ErrorKind;
use registry_core::models::digest::Digest;
use registry_web::pages::file::{FileContents, FilePage};
use registry_web::site::Site;
use serde::Deserialize;

use crate::api::extract::{PathParams, QueryString};
use crate::api::handlers::files::raw;
use crate::archives::Fetch;
use crate::edge::problem::Problem;
use crate::pages::archive_tree::{self, cached_index, requested};
use crate::pages::bare_path::redirect_within;
use crate::pages::extension_path::VersionPath;
use crate::pages::find_version::find_version;
use crate::pages::models::file_digest;
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

/// Bytes of a file that take as long as a row of a list.
const BYTES_OF_A_ROW: u64 = 256;

#[derive(Deserialize)]
struct FilePathParam {
    path: String,
}

/// `?raw=` and `?fetch=`
#[derive(Deserialize)]
struct FileParams {
    raw: Option<String>,
    fetch: Option<String>,
}

/// Responds with the file of a path.
pub async fn file(
    State(pages): State<Pages>,
    request: PageRequest,
    version: VersionPath,
    params: PathParams,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let FilePathParam { path } = params.params()?;
    if let Some(redirect) = redirect_within(&uri, &request.own) {
        return Ok(redirect);
    }
    respond(&pages, &request, version, &path, &QueryString::of(&uri)?, &headers).await
}

/// Responds with the file of a path. An archive that is not stored is fetched only if its entries
/// were shown before, or with `?fetch=`.
pub async fn respond(
    pages: &Pages,
    request: &PageRequest,
    VersionPath { of, tag }: VersionPath,
    path: &str,
    query: &QueryString,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let FileParams { raw: is_raw, fetch } = query.params()?;
    let (data, mut shown) = find_version(pages, of, Some(tag.clone())).await?;
    let found = requested(pages, &shown, &shown.release.tag, shown.scope).await?;
    let is_wanted = fetch.is_some() || cached_index(pages, &shown.release).is_some();
    let fetch = if is_wanted { Fetch::IfNeeded } else { Fetch::Never };
    if is_raw.is_some() && (is_wanted || pages.api.archives.is_at_hand(&found)) {
        return Ok(raw(&pages.api, &tag, &found, path, headers).await?);
    }
    let latest = shown.entry.extension.latest();
    let is_in_latest = latest
        .and_then(|latest| cached_index(pages, latest))
        .is_some_and(|latest| latest.index.entry(path).is_some());
    let key = shown.key_without_files();
    let name = |digest: &Digest| format!("file {key}\n{digest}\n{path}\n{is_in_latest}");
    let page = found.artifact.digest.as_ref().map(|digest| KeptPage::html(name(digest), 0));
    if let Some(kept) = page.and_then(|page| pages.kept(request, &data, &page)) {
        return Ok(kept);
    }
    let archive = match pages.api.archives.open(&found, fetch).await {
        Ok(archive) => archive,
        Err(error) if error.kind() == ErrorKind::NotStored => {
            return archive_tree::respond(pages, request, (data, shown), Err(error)).await;
        }
        Err(error) => return Err(error.into()),
    };
    let entry = archive.entry(path)?.clone();
    let contents = match entry.kind {
        Kind::File => match archive.text(path).await? {
            FileContent::Text(text) => FileContents::Text(text),
            FileContent::Binary => FileContents::Binary,
            FileContent::TooLong => FileContents::TooLarge,
        },
        _ => FileContents::Binary,
    };
    shown.files = Some(archive_tree::count(&archive.indexed));
    let rows = usize::try_from(entry.size / BYTES_OF_A_ROW).unwrap_or(usize::MAX);
    let page = KeptPage::html(name(&archive.indexed.digest), rows);
    let render = move |site: &Site, seen: &SeenBackends| {
        let file = FilePage {
            head: shown.head(site, seen),
            path: entry.path.to_string(),
            size: entry.size,
            mode: entry.mode.unwrap_or_default(),
            digest: file_digest(&entry),
            is_in_latest,
            contents,
        };
        file.render(site)
    };
    pages.respond(request, &data, page, render).await
}

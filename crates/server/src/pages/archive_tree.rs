//! Tree of the archive of a version.

use axum::response::Response;
use registry_archives::{Entry, Kind};
use registry_core::error::{Error, ErrorKind};
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use registry_web::pages::files::{Contents, EntryKind, EntryRow, FilesPage};
use registry_web::site::Site;

use crate::answers::downloads::{DownloadQuery, RequestedFile};
use crate::answers::page_data::PageData;
use crate::archives::IndexedArchive;
use crate::edge::problem::Problem;
use crate::pages::extension_head::ShownVersion;
use crate::pages::models::{archive_size, file_digest};
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

/// Responds with the tree of an archive, or with the reason why it is not shown.
pub async fn respond(
    pages: &Pages,
    request: &PageRequest,
    (data, mut shown): (PageData, ShownVersion),
    indexed: Result<IndexedArchive, Error>,
) -> Result<Response, Problem> {
    shown.files = indexed.as_ref().ok().map(count);
    let page = match &indexed {
        Ok(archive) => {
            let rows = archive.index.entries.len();
            KeptPage { rows, ..page_of(&shown, &archive.digest) }
        }
        Err(error) if is_shown(error) => page_without(&shown, error),
        Err(error) => return Err(error.clone().into()),
    };
    let render = move |site: &Site, seen: &SeenBackends| {
        let contents = contents(indexed, &shown);
        FilesPage { head: shown.head(site, seen), contents }.render(site)
    };
    pages.respond(request, &data, page, render).await
}

/// Returns the page with the tree of an archive by its digest.
#[must_use]
pub fn page_of(shown: &ShownVersion, digest: &Digest) -> KeptPage {
    page(shown, &digest.to_string())
}

/// Returns the page with the reason why an archive is not shown. Only that it is not stored changes
/// while the archive does not.
fn page_without(shown: &ShownVersion, error: &Error) -> KeptPage {
    let digest = shown.release.artifact.chosen().and_then(|archive| archive.digest.as_ref());
    match digest.filter(|_| error.kind() != ErrorKind::NotStored) {
        Some(digest) => page_of(shown, digest),
        None => page(shown, error.message()),
    }
}

fn page(shown: &ShownVersion, state: &str) -> KeptPage {
    KeptPage::html(format!("files {}\n{state}", shown.key_without_files()), 0)
}

/// Finds the archive of a version of the extension on the page.
///
/// # Errors
///
/// `NotFound` if there is no such version, or it has no single archive.
pub async fn requested(
    pages: &Pages,
    shown: &ShownVersion,
    version: &Tag,
    scope: Scope,
) -> Result<RequestedFile, Error> {
    let (id, version) = (shown.entry.id().clone(), version.clone());
    let query = DownloadQuery { id, version, asset: None, scope };
    pages.api.downloads.find(&query).await
}

/// Returns the entries of the archive of a release if they were read before. Does not wait.
#[must_use]
pub fn cached_index(pages: &Pages, release: &Release) -> Option<IndexedArchive> {
    let digest = release.artifact.chosen()?.digest.as_ref()?;
    pages.api.archives.indexed_as(digest)
}

/// Returns the number of files of an archive, without directories.
#[must_use]
pub fn count(archive: &IndexedArchive) -> usize {
    archive.index.entries.iter().filter(|entry| entry.kind != Kind::Directory).count()
}

/// Describes an entry; `None` for a directory, which the paths of its files show.
#[must_use]
pub fn entry_of(entry: &Entry) -> Option<EntryRow> {
    let kind = match entry.kind {
        Kind::Directory => return None,
        Kind::File => EntryKind::File,
        Kind::Symlink | Kind::Hardlink => {
            EntryKind::Link { target: entry.link.as_deref().unwrap_or_default().to_owned() }
        }
        Kind::Other(_) => EntryKind::Special,
    };
    Some(EntryRow {
        path: entry.path.to_string(),
        kind,
        size: entry.size,
        mode: entry.mode.unwrap_or_default(),
        digest: file_digest(entry),
        is_only_in_archive: None,
    })
}

/// Returns true for the failures that a page shows as the state of an archive.
fn is_shown(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotStored | ErrorKind::TooLarge | ErrorKind::Unsupported)
}

fn contents(indexed: Result<IndexedArchive, Error>, shown: &ShownVersion) -> Contents {
    match indexed {
        Ok(archive) => Contents::Listed {
            entries: archive.index.entries.iter().filter_map(entry_of).collect(),
            is_truncated: archive.index.truncated,
        },
        Err(error) if error.kind() == ErrorKind::NotStored => {
            Contents::NotFetched { size: archive_size(&shown.release) }
        }
        Err(error) => Contents::Unreadable { reason: error.message().to_owned() },
    }
}

//! Atom feeds of versions.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use registry_catalog::index::entry::Entry;
use registry_catalog::listing::newest::newest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionType;
use registry_core::models::scope::Scope;
use registry_web::extension_ref::ExtensionRef;
use registry_web::feed::{Feed, FeedItem, MEDIA_TYPE, Subject};
use registry_web::site::Site;

use crate::edge::problem::Problem;
use crate::pages::extension_path::ExtensionPath;
use crate::pages::models::{
    archive_digest, page_type, reference, reference_within, text, version_name,
};
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

const ENTRIES: usize = 50;
const SUFFIX: &str = ".atom";

/// Responds with the newest versions of all extensions, or of one type.
pub async fn newest_versions(
    State(pages): State<Pages>,
    request: PageRequest,
    Path(file): Path<String>,
) -> Result<Response, Problem> {
    let extension_type = subject(&file)?;
    let data = pages.api.answers.list_data(Scope::All).await?;
    let view = data.view.clone();
    let rows = KeptPage::rows_of_a_pass(&view);
    let page = feed_page(format!("feed {file}"), rows);
    let render = move |site: &Site, _: &SeenBackends| {
        let newest = newest(&view, extension_type, Scope::All, ENTRIES);
        let entries = newest
            .iter()
            .map(|new| entry(reference(new.entry.id()), &new.release, new.published_at));
        let subject = extension_type.map_or(Subject::All, |one| Subject::Type(page_type(one)));
        Feed { subject, updated: Timestamp::UNIX_EPOCH, entries: entries.collect() }.render(site)
    };
    pages.respond(&request, &data, page, render).await
}

/// Responds with the versions of one extension.
pub async fn versions(
    State(pages): State<Pages>,
    request: PageRequest,
    ExtensionPath { id, scope }: ExtensionPath,
) -> Result<Response, Problem> {
    let (data, found) = pages.api.answers.extension_data(&id, scope, false).await?;
    let page = feed_page(format!("feed {id} {scope:?}"), found.extension.releases().len());
    let render = move |site: &Site, _: &SeenBackends| of_extension(&found, scope).render(site);
    pages.respond(&request, &data, page, render).await
}

fn feed_page(name: String, rows: usize) -> KeptPage {
    KeptPage { media_type: MEDIA_TYPE, ..KeptPage::html(name, rows).of_view() }
}

/// Returns the type of a feed by its file name; `None` for all.
fn subject(file: &str) -> Result<Option<ExtensionType>, Problem> {
    let name = file.strip_suffix(SUFFIX);
    match name {
        Some("all") => Ok(None),
        Some(name) if name.parse::<ExtensionType>().is_ok() => Ok(name.parse().ok()),
        _ => {
            let message = "No such feed; there are all.atom, provider.atom, taskserv.atom and \
                           cluster.atom";
            Err(Problem::new(StatusCode::NOT_FOUND, message))
        }
    }
}

fn of_extension(found: &Entry, scope: Scope) -> Feed {
    let id = reference_within(found, scope);
    let releases = found.extension.releases().iter();
    let mut entries: Vec<FeedItem> = releases
        .filter_map(|release| Some(entry(id.clone(), release, release.published_at?)))
        .collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.published_at));
    entries.truncate(ENTRIES);
    Feed { subject: Subject::Extension(id), updated: Timestamp::UNIX_EPOCH, entries }
}

fn entry(id: ExtensionRef, release: &Release, published_at: Timestamp) -> FeedItem {
    FeedItem {
        id,
        version: version_name(release),
        published_at,
        author: text(release.about.author.as_deref()),
        description: text(release.about.description.as_deref()),
        digest: archive_digest(release),
    }
}

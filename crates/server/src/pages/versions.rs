//! Versions of an extension.

use axum::extract::State;
use axum::response::Response;
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::extension::{Release, ReleaseVersion};
use registry_core::models::tag::Tag;
use registry_web::pages::versions::{VersionListRow, VersionMark, VersionOrder, VersionsPage};
use registry_web::site::Site;
use serde::Deserialize;

use crate::api::extract::QueryString;
use crate::edge::problem::Problem;
use crate::pages::extension_head::ShownVersion;
use crate::pages::extension_path::ExtensionPath;
use crate::pages::models::{archive_digest, archive_size, version_name};
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

/// `?sort=`
#[derive(Deserialize)]
struct OrderParam {
    sort: Option<String>,
}

impl OrderParam {
    fn order(&self) -> Result<VersionOrder, Problem> {
        match self.sort.as_deref() {
            None | Some("version") => Ok(VersionOrder::Version),
            Some("published") => Ok(VersionOrder::Published),
            Some(_) => Err(Problem::bad_request("sort must be one of version, published")),
        }
    }
}

/// Responds with the table of versions.
pub async fn versions(
    State(pages): State<Pages>,
    request: PageRequest,
    ExtensionPath { id, scope }: ExtensionPath,
    query: QueryString,
) -> Result<Response, Problem> {
    let order = query.params::<OrderParam>()?.order()?;
    let (data, entry) = pages.api.answers.extension_data(&id, scope, true).await?;
    let latest = entry.extension.latest().cloned();
    let release = latest.ok_or_else(|| no_release(&id.to_string()))?;
    let view = data.view.clone();
    let shown = ShownVersion { view, entry, release, scope, is_pinned: false, files: None };
    let rows = shown.entry.extension.releases().len();
    let page = KeptPage::html(format!("versions {} {order:?}", shown.key()), rows);
    // The next request reads what could not be read now.
    let is_read = shown.entry.extension.unread().next().is_none();
    let page = if is_read { page.of_view() } else { page };
    let render =
        move |site: &Site, seen: &SeenBackends| model(&shown, order, site, seen).render(site);
    pages.respond(&request, &data, page, render).await
}

fn model(
    shown: &ShownVersion,
    order: VersionOrder,
    site: &Site,
    seen: &SeenBackends,
) -> VersionsPage {
    let latest = &shown.release.tag;
    let rows = shown.entry.extension.releases().iter().map(|release| VersionListRow {
        name: version_name(release),
        published_at: release.published_at,
        size: archive_size(release),
        digest: archive_digest(release),
        backend: release.backend.to_string(),
        marks: marks(release, latest),
    });
    VersionsPage { head: shown.head(site, seen), rows: rows.collect(), order }
}

fn marks(release: &Release, latest: &Tag) -> Vec<VersionMark> {
    let marks = [
        (release.tag == *latest, VersionMark::Latest),
        (release.is_prerelease(), VersionMark::PreRelease),
        (matches!(release.version, ReleaseVersion::Unversioned(_)), VersionMark::Unversioned),
        (release.change.is_some(), VersionMark::Changed),
        (release.artifact == ArtifactChoice::Unread, VersionMark::Unread),
        (matches!(release.artifact, ArtifactChoice::Ambiguous(_)), VersionMark::Ambiguous),
    ];
    marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark)).collect()
}

/// An extension without a release is not found before a page is made.
fn no_release(id: &str) -> Problem {
    Problem::new(axum::http::StatusCode::NOT_FOUND, format!("Extension {id} has no release"))
}

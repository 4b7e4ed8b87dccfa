//! Changes from one version to another: release notes, and differences of the archives.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use futures_util::future::join_all;
use jiff::Timestamp;
use registry_catalog::Catalog;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use registry_web::pages::changes::{ChangesPage, ComparisonView, Notes};
use registry_web::site::Site;
use serde::Deserialize;

use crate::answers::downloads::RequestedFile;
use crate::answers::markdown::fragment_of;
use crate::answers::query::Query;
use crate::api::extract::QueryString;
use crate::api::params::side;
use crate::archives::Fetch;
use crate::edge::problem::Problem;
use crate::pages::archive_tree::requested;
use crate::pages::difference::file_changes;
use crate::pages::extension_head::ShownVersion;
use crate::pages::extension_path::ExtensionPath;
use crate::pages::find_version::find_version;
use crate::pages::fragment::References;
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

/// Maximum number of versions whose notes are shown: each may be a request to its backend.
const NOTES_MAX: usize = 10;
/// A comparison takes as long as a list of this length.
const ROWS: usize = 1000;

/// `?from=`, `?to=` and `?fetch=`
#[derive(Deserialize)]
struct ChangesParams {
    from: Option<String>,
    to: Option<String>,
    fetch: Option<String>,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
struct ComparedSide {
    /// As in the address: a tag, perhaps with `@` and a backend.
    text: String,
    tag: Tag,
    scope: Scope,
}

/// Responds with the changes, by default those of the latest version.
pub async fn changes(
    State(pages): State<Pages>,
    request: PageRequest,
    of: ExtensionPath,
    uri: Uri,
) -> Result<Response, Problem> {
    let ChangesParams { from, to, fetch } = QueryString::of(&uri)?.params()?;
    let scope = of.scope;
    let (data, shown) = find_version(&pages, of, None).await?;
    let parse = |text| ComparedSide::parse(text, scope, pages.catalog());
    let to = parse(to.unwrap_or_else(|| shown.release.tag.as_str().to_owned()))?;
    let from = from.or_else(|| previous(&shown, &to.tag));
    let from = from.map(parse).transpose()?;
    let notes = notes(&pages, &shown, from.as_ref(), &to).await;
    let fetch = if fetch.is_some() { Fetch::IfNeeded } else { Fetch::Never };
    let files = match &from {
        Some(from) => Some(ComparedFiles::find(&pages, &shown, from, &to).await?),
        None => None,
    };
    let from = from.map_or_else(|| to.text.clone(), |from| from.text);
    let marks: Vec<&str> = notes.iter().map(|one| one.mark.as_str()).collect();
    let name = format!("changes {}\n{from}\n{}\n{marks:?}", shown.key(), to.text);
    let page = |state: &str| KeptPage::html(format!("{name}\n{state}"), ROWS);
    let kept = files.as_ref().and_then(ComparedFiles::digests).map(|digests| page(&digests));
    if let Some(kept) = kept.and_then(|page| pages.kept(&request, &data, &page)) {
        return Ok(kept);
    }
    let (state, comparison) = match &files {
        Some(files) => files.compare(&pages, fetch).await?,
        None => (String::new(), ComparisonView::OneVersion),
    };
    let page = page(&state);
    let choices = shown.entry.extension.releases().iter();
    let choices = choices.map(|release| release.tag.as_str().to_owned()).collect();
    let remote_images = pages.settings.remote_images;
    let render = move |site: &Site, seen: &SeenBackends| {
        let head = shown.head(site, seen);
        let notes = notes.into_iter().map(|one| one.model(remote_images)).collect();
        ChangesPage { head, from, to: to.text, choices, notes, comparison }.render(site)
    };
    pages.respond(&request, &data, page, render).await
}

impl ComparedSide {
    fn parse(text: String, scope: Scope, catalog: &Catalog) -> Result<Self, Problem> {
        let (tag, scope) = side(&text, scope, catalog)?;
        Ok(Self { text, tag, scope })
    }
}

/// Returns the tag of the version that was listed before this one.
fn previous(shown: &ShownVersion, tag: &Tag) -> Option<String> {
    let extension = &shown.entry.extension;
    let newer = extension.find(tag)?;
    let older = extension.releases().iter().skip_while(|release| release.tag != newer.tag);
    older.skip(1).map(|release| release.tag.as_str().to_owned()).next()
}

/// Release notes as their publisher wrote them.
struct FoundNotes {
    /// Equal for equal notes.
    mark: String,
    version: String,
    published_at: Option<Timestamp>,
    markdown: Option<Arc<str>>,
}

impl FoundNotes {
    fn model(self, remote_images: bool) -> Notes {
        let Self { version, published_at, markdown, .. } = self;
        let references = References { above: 3, remote_images, files: None };
        let text = markdown.map(|markdown| references.within_page(&fragment_of(&markdown)));
        Notes { version, published_at, text }
    }
}

/// Reads the notes of the versions after the older side up to the newer one, as the API does.
async fn notes(
    pages: &Pages,
    shown: &ShownVersion,
    from: Option<&ComparedSide>,
    to: &ComparedSide,
) -> Vec<FoundNotes> {
    let extension = &shown.entry.extension;
    let (Some(from), Some(to)) =
        (from.and_then(|from| extension.find(&from.tag)), extension.find(&to.tag))
    else {
        return Vec::new();
    };
    let between = extension.releases().iter().skip_while(|release| release.tag != to.tag);
    let between = between.take_while(|release| release.tag != from.tag).take(NOTES_MAX);
    join_all(between.map(|release| notes_of(pages, shown, release))).await
}

async fn notes_of(pages: &Pages, shown: &ShownVersion, release: &Release) -> FoundNotes {
    let query = Query::Release(shown.entry.id().clone(), release.tag.clone(), shown.scope);
    let content = pages.api.answers.answer(&query).await.ok().map(|answer| answer.content);
    let etag = content.as_ref().and_then(|content| content.rendered.etag()?.to_str().ok());
    let mark = etag.unwrap_or_default().to_owned();
    FoundNotes {
        mark,
        version: release.version.as_str().to_owned(),
        published_at: release.published_at,
        markdown: content.and_then(|one| one.notes).filter(|notes| !notes.trim().is_empty()),
    }
}

/// The archives of both sides, old and new.
struct ComparedFiles([RequestedFile; 2]);

impl ComparedFiles {
    async fn find(
        pages: &Pages,
        shown: &ShownVersion,
        from: &ComparedSide,
        to: &ComparedSide,
    ) -> Result<Self, Problem> {
        let from = requested(pages, shown, &from.tag, from.scope).await?;
        let to = requested(pages, shown, &to.tag, to.scope).await?;
        Ok(Self([from, to]))
    }

    /// Returns both digests, which decide what the comparison shows; `None` if one is unknown.
    fn digests(&self) -> Option<String> {
        let Self([from, to]) = self;
        Some(state(from.artifact.digest.as_ref()?, to.artifact.digest.as_ref()?))
    }

    /// Returns the comparison, and what decided it: the digests, or the reason why there is none.
    async fn compare(
        &self,
        pages: &Pages,
        fetch: Fetch,
    ) -> Result<(String, ComparisonView), Problem> {
        let Self([from, to]) = self;
        if let Some(state) = self.digests()
            && from.artifact.digest == to.artifact.digest
        {
            return Ok((state, ComparisonView::Same));
        }
        match difference(pages, [from, to], fetch).await {
            Ok(compared) => Ok(compared),
            Err(error) => {
                let reason = error.message().to_owned();
                match error.kind() {
                    ErrorKind::NotStored => Ok((reason, ComparisonView::NotFetched)),
                    ErrorKind::TooLarge | ErrorKind::Unsupported => {
                        let state = self.digests().unwrap_or_else(|| reason.clone());
                        Ok((state, ComparisonView::Impossible { reason }))
                    }
                    _ => Err(error.into()),
                }
            }
        }
    }
}

async fn difference(
    pages: &Pages,
    [from, to]: [&RequestedFile; 2],
    fetch: Fetch,
) -> Result<(String, ComparisonView), Error> {
    let archives = &pages.api.archives;
    let (from, to) = (archives.open(from, fetch).await?, archives.open(to, fetch).await?);
    let state = state(&from.indexed.digest, &to.indexed.digest);
    if from.indexed.digest == to.indexed.digest {
        return Ok((state, ComparisonView::Same));
    }
    let difference = archives.compare(&from, &to).await?;
    Ok((state, ComparisonView::Files(file_changes(&difference))))
}

fn state(from: &Digest, to: &Digest) -> String {
    format!("{from} {to}")
}

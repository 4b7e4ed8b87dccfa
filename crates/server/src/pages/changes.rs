//! Changes from one version to another: release notes, and differences of the archives.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use futures_util::future::join_all;
use registry_catalog::Catalog;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::extension::Release;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use registry_web::clean_html::CleanHtml;
use registry_web::pages::changes::{ChangesPage, ComparisonView, Notes};
use registry_web::site::Site;
use serde::Deserialize;

use crate::answers::downloads::RequestedFile;
use crate::answers::markdown::page_of;
use crate::answers::query::Query;
use crate::api::extract::QueryString;
use crate::api::params::side;
use crate::archives::Fetch;
use crate::edge::problem::Problem;
use crate::pages::archive_tree::requested;
use crate::pages::difference::file_changes;
use crate::pages::extension_head::ShownVersion;
use crate::pages::find_version::find_version;
use crate::pages::page_request::{ExtensionPath, PageRequest};
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::remote_pictures::within_page;
use crate::pages::seen_backends::SeenBackends;
use crate::public::metadata::MetadataBody;

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
    let comparison = match &from {
        Some(from) => compare(&pages, &shown, [from, &to], fetch).await?,
        None => ComparisonView::OneVersion,
    };
    let from = from.map_or_else(|| to.text.clone(), |from| from.text);
    let is_fetched = matches!(comparison, ComparisonView::NotFetched);
    let texts: Vec<usize> = notes.iter().map(|one| one.text.as_ref().map_or(0, length)).collect();
    let name = format!("changes {}\n{from}\n{}\n{is_fetched} {texts:?}", shown.key(), to.text);
    let choices = shown.entry.extension.releases().iter();
    let choices = choices.map(|release| release.tag.as_str().to_owned()).collect();
    let render = move |site: &Site, seen: &SeenBackends| {
        let head = shown.head(site, seen);
        ChangesPage { head, from, to: to.text, choices, notes, comparison }.render(site)
    };
    pages.respond(&request.own, &data, KeptPage::html(name, ROWS), render).await
}

fn length(html: &CleanHtml) -> usize {
    html.as_str().len()
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

/// Reads the notes of the versions after the older side up to the newer one, as the API does.
async fn notes(
    pages: &Pages,
    shown: &ShownVersion,
    from: Option<&ComparedSide>,
    to: &ComparedSide,
) -> Vec<Notes> {
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

async fn notes_of(pages: &Pages, shown: &ShownVersion, release: &Release) -> Notes {
    let query = Query::Release(shown.entry.id().clone(), release.tag.clone(), shown.scope);
    let answer = pages.api.answers.answer(&query).await;
    let body = answer.ok().and_then(|answer| {
        serde_json::from_slice::<MetadataBody>(answer.content.rendered.body()).ok()
    });
    let text = body.and_then(|body| body.notes).filter(|notes| !notes.trim().is_empty());
    Notes {
        version: release.version.as_str().to_owned(),
        published_at: release.published_at,
        text: text
            .map(|markdown| within_page(&page_of(&markdown), 3, pages.settings.remote_images)),
    }
}

async fn compare(
    pages: &Pages,
    shown: &ShownVersion,
    [from, to]: [&ComparedSide; 2],
    fetch: Fetch,
) -> Result<ComparisonView, Problem> {
    let from = requested(pages, shown, &from.tag, from.scope).await?;
    let to = requested(pages, shown, &to.tag, to.scope).await?;
    if from.artifact.digest.is_some() && from.artifact.digest == to.artifact.digest {
        return Ok(ComparisonView::Same);
    }
    match difference(pages, [&from, &to], fetch).await {
        Ok(comparison) => Ok(comparison),
        Err(error) => match error.kind() {
            ErrorKind::NotStored => Ok(ComparisonView::NotFetched),
            ErrorKind::TooLarge | ErrorKind::Unsupported => {
                Ok(ComparisonView::Impossible { reason: error.message().to_owned() })
            }
            _ => Err(error.into()),
        },
    }
}

async fn difference(
    pages: &Pages,
    [from, to]: [&RequestedFile; 2],
    fetch: Fetch,
) -> Result<ComparisonView, Error> {
    let archives = &pages.api.archives;
    let (from, to) = (archives.open(from, fetch).await?, archives.open(to, fetch).await?);
    if from.indexed.digest == to.indexed.digest {
        return Ok(ComparisonView::Same);
    }
    let difference = archives.compare(&from, &to).await?;
    Ok(ComparisonView::Files(file_changes(&difference)))
}

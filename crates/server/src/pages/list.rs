//! Lists of extensions, and results of searches.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use registry_catalog::backend_order::BackendOrder;
use registry_catalog::index::entry::Entry;
use registry_catalog::index::view::View;
use registry_catalog::listing::facets::Facets;
use registry_core::models::extension::ReleaseVersion;
use registry_core::models::scope::Scope;
use registry_web::pages::list::{ListPage, ListRow};
use registry_web::site::Site;

use crate::edge::problem::Problem;
use crate::pages::list_params::ListParams;
use crate::pages::matched_text::{description_contains, name_contains};
use crate::pages::models::{page_type, reference, reference_within, text, version_name};
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{KeptPage, Pages};
use crate::pages::seen_backends::SeenBackends;

const KEYWORDS: usize = 20;

/// Responds with a list.
pub async fn list(
    State(pages): State<Pages>,
    uri: Uri,
    request: PageRequest,
) -> Result<Response, Problem> {
    let params = ListParams::read(&uri, pages.catalog(), false)?;
    respond(&pages, &request, params).await
}

/// Responds with the results of a search.
pub async fn search(
    State(pages): State<Pages>,
    uri: Uri,
    request: PageRequest,
) -> Result<Response, Problem> {
    let params = ListParams::read(&uri, pages.catalog(), true)?;
    respond(&pages, &request, params).await
}

async fn respond(
    pages: &Pages,
    request: &PageRequest,
    params: ListParams,
) -> Result<Response, Problem> {
    let data = pages.api.answers.list_data(params.filter.scope).await?;
    // Rows are few, but every extension is visited to count the facets.
    let rows = KeptPage::rows_of_a_pass(&data.view);
    let page = KeptPage::html(format!("list {}", params.key()), rows).of_view();
    let (view, backends) = (Arc::clone(&data.view), pages.catalog().backends.clone());
    let render = move |site: &Site, seen: &SeenBackends| {
        model(&view, &backends, params, site, seen).render(site)
    };
    pages.respond(request, &data, page, render).await
}

fn model(
    view: &View,
    backends: &BackendOrder,
    params: ListParams,
    site: &Site,
    seen: &SeenBackends,
) -> ListPage {
    let ListParams { filter, order, page, query } = params;
    let words = query.words.as_deref();
    let found = match words {
        None => filter.ordered(view, order),
        Some(words) => order.apply(filter.found(view, words).collect()),
    };
    let facets = match words {
        None => Facets::count(view, &filter, backends, KEYWORDS),
        Some(words) => Facets::of_search(view, words, &filter, backends, KEYWORDS),
    };
    let row = |entry: &&Arc<Entry>| row(entry, filter.scope);
    let types = facets.types.into_iter().map(|(one, count)| (page_type(one), count));
    let mut types: Vec<_> = types.collect();
    types.sort_unstable();
    ListPage {
        notices: seen.notices(site),
        total: found.len(),
        near_miss: words.and_then(|words| near_miss(words, &found)),
        rows: page.of(&found).iter().filter_map(row).collect(),
        types,
        backends: facets.backends.into_iter().map(|(one, n)| (one.to_string(), n)).collect(),
        keywords: facets.keywords,
        query,
    }
}

/// Describes an extension by its latest release; `None` without a release.
fn row(entry: &Entry, scope: Scope) -> Option<ListRow> {
    let latest = entry.extension.latest()?;
    let others = entry.backends().filter(|backend| **backend != latest.backend);
    let is_stable = matches!(latest.version, ReleaseVersion::Version(_)) && !latest.is_prerelease();
    let is_selected = matches!(scope, Scope::Backend(_) | Scope::Kind(_));
    Some(ListRow {
        id: if is_selected { reference_within(entry, scope) } else { reference(entry.id()) },
        version: version_name(latest),
        description: text(latest.about.description.as_deref()),
        backend: latest.backend.to_string(),
        also_in: others.map(ToString::to_string).collect(),
        published_at: latest.published_at,
        is_pre_release_only: !is_stable && latest.is_prerelease(),
    })
}

/// Returns the name that is spelled almost like a searched word, if no extension matches the word
/// itself: near misses come last.
fn near_miss(words: &str, found: &[&Arc<Entry>]) -> Option<String> {
    let word = words.trim().to_lowercase();
    let best = found.first()?;
    let is_alone = !word.contains(|c: char| !(c.is_alphanumeric() || "._-".contains(c)));
    let is_match = name_contains(best, &word) || description_contains(best, &word);
    (is_alone && !is_match).then(|| best.id().name.as_str().to_owned())
}

//! Style sheet, script and icon; descriptions for browsers and robots.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use registry_core::models::scope::Scope;
use registry_web::assets;
use registry_web::site::Site;
use registry_web::well_known::{OPEN_SEARCH_TYPE, open_search, robots};

use crate::edge::cache_policy::CachePolicy;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{Pages, unrendered};
use crate::pages::response::PLAIN;
use crate::pages::seen_backends::SeenBackends;

/// Files by their paths. Each keeps its encodings.
static FILES: LazyLock<Vec<(&'static str, Rendered)>> = LazyLock::new(|| {
    let file = |asset: &'static assets::Asset| {
        (asset.path.as_str(), Rendered::file(asset.bytes, asset.media_type))
    };
    assets::all().map(file).into()
});

/// Responds with the file under its digest.
pub async fn file(uri: Uri) -> Result<Response, Problem> {
    let file = FILES.iter().find(|(path, _)| *path == uri.path());
    let (_, file) = file.ok_or_else(|| Problem::bare(StatusCode::NOT_FOUND))?;
    let mut response = Representation::from(file.clone()).into_response();
    response.extensions_mut().insert(CachePolicy::Immutable);
    Ok(response)
}

/// Responds with the icon at its well-known address, which does not change with its bytes.
pub async fn favicon() -> Representation {
    Rendered::file(assets::FAVICON.bytes, assets::FAVICON.media_type).into()
}

/// Responds with the description of the search for browsers.
pub async fn search_description(
    State(pages): State<Pages>,
    request: PageRequest,
) -> Result<Representation, Problem> {
    let site = site(&pages, &request)?;
    let text = open_search(&site).map_err(unrendered)?;
    Ok(Rendered::text(text, OPEN_SEARCH_TYPE).into())
}

/// Responds with the rules for robots.
pub async fn robots_txt(
    State(pages): State<Pages>,
    request: PageRequest,
) -> Result<Representation, Problem> {
    Ok(Rendered::text(robots(&site(&pages, &request)?), PLAIN).into())
}

/// Leads from the former address of the documentation to the reference of the API.
pub async fn docs(State(pages): State<Pages>, request: PageRequest) -> Result<Response, Problem> {
    let site = site(&pages, &request)?;
    Ok((StatusCode::PERMANENT_REDIRECT, [(LOCATION, site.links.reference())]).into_response())
}

fn site(pages: &Pages, request: &PageRequest) -> Result<Site, Problem> {
    let seen = SeenBackends::within(pages.catalog(), Scope::All);
    Ok(pages.site(&request.own, &pages.catalog().store.view(), seen.freshness())?)
}

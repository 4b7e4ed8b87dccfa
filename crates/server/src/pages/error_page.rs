//! Error pages: the message of the API, what lies near, and what to do.

use axum::http::header::{CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use registry_catalog::index::view::View;
use registry_catalog::ownership::Ownership;
use registry_core::models::naming::near_miss::near_miss;
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::scope::Scope;
use registry_web::extension_ref::ExtensionRef;
use registry_web::pages::error_page::{ErrorPage, LocalAddress};
use registry_web::pages::status::FaultView;

use crate::edge::problem::{FailedRequest, Problem};
use crate::pages::models::{page_fault, reference};
use crate::pages::page_state::Pages;
use crate::pages::response::{HTML, restrict};
use crate::pages::seen_backends::SeenBackends;

const NEAR_MAX: usize = 5;
const FAULTS_MAX: usize = 5;

/// Renders an error as a page; `None` if that fails.
#[must_use]
pub fn render(
    pages: &Pages,
    problem: &Problem,
    request: &FailedRequest,
) -> Option<(HeaderMap, Bytes)> {
    let view = pages.catalog().store.view();
    let seen = SeenBackends::within(pages.catalog(), Scope::All);
    let page = model(pages, &view, &seen, problem, request);
    let site = pages.site(&request.own, &view, seen.freshness()).ok()?;
    let html = page.render(&site).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    restrict(&mut headers, false);
    Some((headers, html.into()))
}

fn model(
    pages: &Pages,
    view: &View,
    seen: &SeenBackends,
    problem: &Problem,
    request: &FailedRequest,
) -> ErrorPage {
    let status = problem.status();
    let target = format!("{}{}", request.own.prefix, request.target);
    let mut page = ErrorPage {
        status: status.as_u16(),
        message: problem.message().to_owned(),
        retry_after: problem.retry_after(),
        ..ErrorPage::default()
    };
    let is_missing = status == StatusCode::NOT_FOUND;
    let is_of_extension = is_missing || status == StatusCode::SERVICE_UNAVAILABLE;
    let id = extension_of(request.target.path()).filter(|_| is_of_extension);
    if let Some(id) = &id {
        page.at_backends = at_backends(view, id);
    }
    if let Some(id) = id.filter(|_| is_missing) {
        let known = |id: &ExtensionId| view.get(id, Scope::All).is_some();
        page.other_types = other_types(&id).filter(known).map(|id| reference(&id)).collect();
        page.near = near(view, &id);
        page.not_taken = not_taken(pages, &id);
    }
    if status.is_server_error() {
        page.retry = LocalAddress::parse(&target);
    }
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => {
            page.request_id = request.id.to_str().ok().map(str::to_owned);
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            page.backends = seen.lines();
        }
        _ => {}
    }
    page
}

/// Returns the extension that a path of its pages names.
fn extension_of(path: &str) -> Option<ExtensionId> {
    let mut segments = path.split('/').skip(1);
    let (extension_type, name) = (segments.next()?, segments.next()?);
    Some(ExtensionId { extension_type: extension_type.parse().ok()?, name: name.parse().ok()? })
}

fn other_types(id: &ExtensionId) -> impl Iterator<Item = ExtensionId> {
    let others = ExtensionType::ALL.into_iter().filter(|one| *one != id.extension_type);
    others.map(|extension_type| ExtensionId { extension_type, ..id.clone() })
}

/// Returns extensions with similar names.
fn near(view: &View, id: &ExtensionId) -> Vec<ExtensionRef> {
    let others = view.named_like(id.name.as_str(), Scope::All).into_iter().map(|entry| entry.id());
    let others = others.filter(|one| !one.name.as_str().eq_ignore_ascii_case(id.name.as_str()));
    others.take(NEAR_MAX).map(reference).collect()
}

/// Returns the extension at the backends that have it while its owner cannot answer.
fn at_backends(view: &View, id: &ExtensionId) -> Vec<ExtensionRef> {
    let entry = view.get(id, Scope::All);
    let entry = entry.filter(|entry| !matches!(entry.ownership, Ownership::Owned(_)));
    let backends = entry.into_iter().flat_map(|entry| entry.backends());
    backends.map(|backend| reference(id).at_backend(backend.as_str())).collect()
}

/// Returns the faults of repositories that look like this extension.
fn not_taken(pages: &Pages, id: &ExtensionId) -> Vec<FaultView> {
    let statuses = pages.catalog().health.statuses().into_iter();
    let faults = statuses
        .flat_map(|(backend, status)| status.faults.into_iter().map(move |fault| (backend, fault)));
    let alike = faults.filter(|(backend, fault)| {
        let near = near_miss(&fault.repository, backend.kind());
        let meant = near.as_ref().and_then(|near| near.meant());
        meant == Some(id) || fault.repository.eq_ignore_ascii_case(&id.to_string())
    });
    alike.map(|(backend, fault)| page_fault(backend, &fault)).take(FAULTS_MAX).collect()
}

//! Responses with entity tag, freshness and paging.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LINK, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::api::cache_policy::CachePolicy;
use crate::api::coding::Coding;
use crate::api::conditional::client_has;
use crate::api::rendered::Rendered;
use crate::api::request_id::REQUEST_ID;
use crate::catalog::{Catalog, Freshness};
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// Header that reports cache hits and misses (RFC 9211).
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Header that lists backends whose part of the response is stale or missing.
pub const DEGRADED: HeaderName = HeaderName::from_static("extension-registry-degraded");
/// Header with the number of rows over all pages.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Age and origin of a response.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// Freshness of the backends involved.
    pub freshness: Freshness,
    /// Age of the cache entry, if the response comes from the cache.
    pub memo: Option<Duration>,
}

impl Provenance {
    /// Creates the provenance of a new response. The part of the backends in `lacking` is missing.
    #[must_use]
    pub fn asked(
        catalog: &Catalog,
        scope: Scope,
        of: Option<&ExtensionId>,
        lacking: Vec<BackendId>,
    ) -> Self {
        let mut freshness = catalog.freshness(scope, of);
        freshness.lacks(lacking);
        Self { freshness, memo: None }
    }

    /// Creates the provenance of a cached response of this age.
    #[must_use]
    pub fn kept(catalog: &Catalog, scope: Scope, of: Option<&ExtensionId>, age: Duration) -> Self {
        Self { freshness: catalog.freshness(scope, of), memo: Some(age) }
    }

    /// Creates the provenance of a list just made from the catalog, which counts as a cache hit.
    #[must_use]
    pub fn of_catalog(catalog: &Catalog, scope: Scope) -> Self {
        Self::kept(catalog, scope, None, Duration::ZERO)
    }
}

/// A response from the catalog.
#[derive(Debug)]
pub struct CatalogResponse {
    rendered: Rendered,
    headers: HeaderMap,
}

impl CatalogResponse {
    /// Creates a response with this provenance.
    #[must_use]
    pub fn new(rendered: Rendered, provenance: &Provenance) -> Self {
        Self::with_head(head(), rendered, provenance)
    }

    /// Like [`Self::new`], with headers prepared in advance.
    #[must_use]
    pub fn with_head(headers: HeaderMap, rendered: Rendered, provenance: &Provenance) -> Self {
        let mut answer = Self { rendered, headers };
        let Provenance { freshness, memo } = provenance;
        // The response is as old as its oldest part: the cache entry or the catalog's data.
        let age = memo.map_or(freshness.age, |memo| memo.max(freshness.age));
        let status = match (memo.is_some(), freshness.degraded.is_empty()) {
            (true, true) => "extension-registry; hit",
            (true, false) => "extension-registry; hit; detail=stale",
            (false, true) => "extension-registry; fwd=miss",
            (false, false) => "extension-registry; fwd=miss; detail=stale",
        };
        answer.headers.insert(AGE, age.as_secs().into());
        answer.headers.insert(CACHE_STATUS, HeaderValue::from_static(status));
        if !freshness.degraded.is_empty() {
            let names: Vec<&str> = freshness.degraded.iter().map(|s| s.as_str()).collect();
            answer.set(DEGRADED, &names.join(", "));
        }
        answer
    }

    /// Adds the paging headers for a list of `total` rows.
    #[must_use]
    pub fn paged(mut self, total: usize, links: Option<&str>) -> Self {
        self.set(TOTAL_COUNT, &total.to_string());
        if let Some(links) = links {
            self.set(LINK, links);
        }
        self
    }

    fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// Creates the response, 304 or in full; [marked](Uncoded) if its coding is yet to be computed.
    #[must_use]
    pub fn respond(self, request: &HeaderMap) -> Response {
        let preferred = Coding::preferred(request);
        let coding = preferred.filter(|coding| self.rendered.is_at_hand(*coding));
        let uncoded = preferred.filter(|_| coding.is_none());
        let uncoded = uncoded.map(|coding| Uncoded(self.rendered.clone(), coding));
        let mut response = self.plain(request, coding);
        // A 304 has no body to encode.
        if let Some(uncoded) = uncoded.filter(|_| response.status() == StatusCode::OK) {
            response.extensions_mut().insert(uncoded);
        }
        response.extensions_mut().insert(CachePolicy::Revalidate);
        response.extensions_mut().insert(Coded);
        response
    }

    /// Like [`Self::respond`] for a given coding, without markers for the layers around it.
    #[must_use]
    pub fn plain(self, request: &HeaderMap, coding: Option<Coding>) -> Response {
        let Self { rendered, mut headers } = self;
        headers.insert(ETAG, rendered.etag().clone());
        if rendered.etag().to_str().is_ok_and(|etag| client_has(request, etag)) {
            headers.remove(CONTENT_TYPE);
            return response(StatusCode::NOT_MODIFIED, headers, Body::empty());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(rendered.content_type()));
        let coded = coding.and_then(|coding| Some((coding, rendered.encoded(coding)?)));
        if let Some((coding, _)) = coded {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        }
        let body = coded.map_or(rendered.body(), |(_, body)| body).clone();
        response(StatusCode::OK, headers, body.into())
    }
}

/// Creates response headers with slots for those that vary, so that later inserts move no entries.
#[must_use]
pub fn head() -> HeaderMap {
    // Large enough for the headers of handlers and layers without a reallocation.
    let mut headers = HeaderMap::with_capacity(24);
    for name in [AGE, CACHE_STATUS, ETAG, CONTENT_TYPE, REQUEST_ID] {
        headers.insert(name, HeaderValue::from_static(""));
    }
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Response extension: the body is not encoded yet, and the client prefers this coding.
#[derive(Clone, Debug)]
pub struct Uncoded(Rendered, Coding);

impl Uncoded {
    /// Computes the encoded body, which is kept only if it is shorter. Takes milliseconds.
    pub fn make(&self) {
        let _ = self.0.encoded(self.1);
    }

    /// Replaces the body by the encoded one, if there is one.
    pub fn put(&self, response: &mut Response) {
        let Some(coded) = self.0.encoded(self.1) else { return };
        *response.body_mut() = coded.clone().into();
        // The length is that of the plain body; the server sets the new one.
        response.headers_mut().remove(CONTENT_LENGTH);
        let coding = HeaderValue::from_static(self.1.as_str());
        response.headers_mut().insert(CONTENT_ENCODING, coding);
    }
}

/// Response extension: the coding is final, so that no layer compresses the body again.
#[derive(Clone, Copy, Debug)]
pub struct Coded;

//! Answers with their entity tag, freshness and paging, as the request wants them.

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

/// Whether and how our memos answered (RFC 9211).
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Names backends whose part of an answer is stale or missing.
pub const DEGRADED: HeaderName = HeaderName::from_static("extension-registry-degraded");
/// How many rows a list has over all its pages.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// How old an answer is and where it came from.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// What the catalog says of its backends.
    pub freshness: Freshness,
    /// How long ago a memo was made, if one answered.
    pub memo: Option<Duration>,
}

impl Provenance {
    /// An answer for which the catalog was asked, and perhaps backends, of which these lack
    /// their part.
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

    /// An answer that was made this long ago.
    #[must_use]
    pub fn kept(catalog: &Catalog, scope: Scope, of: Option<&ExtensionId>, age: Duration) -> Self {
        Self { freshness: catalog.freshness(scope, of), memo: Some(age) }
    }

    /// A list made of the catalog just now; it is what our answers are kept in.
    #[must_use]
    pub fn of_catalog(catalog: &Catalog, scope: Scope) -> Self {
        Self::kept(catalog, scope, None, Duration::ZERO)
    }
}

/// An answer to a question of the catalog.
#[derive(Debug)]
pub struct Answer {
    rendered: Rendered,
    headers: HeaderMap,
}

impl Answer {
    /// An answer of this provenance.
    #[must_use]
    pub fn new(rendered: Rendered, provenance: &Provenance) -> Self {
        Self::with_head(head(), rendered, provenance)
    }

    /// The same, whose head is made already but for what every answer says anew.
    #[must_use]
    pub fn with_head(headers: HeaderMap, rendered: Rendered, provenance: &Provenance) -> Self {
        let mut answer = Self { rendered, headers };
        let Provenance { freshness, memo } = provenance;
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

    /// The same as one page of a list of `total` rows.
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

    /// The response to a request with these headers: 304 where the client has it already, else in
    /// the coding that the client prefers, or [marked](Uncoded) where that is still to be made.
    #[must_use]
    pub fn respond(self, request: &HeaderMap) -> Response {
        let preferred = Coding::preferred(request);
        let coding = preferred.filter(|coding| self.rendered.is_at_hand(*coding));
        let uncoded = preferred.filter(|_| coding.is_none());
        let uncoded = uncoded.map(|coding| Uncoded(self.rendered.clone(), coding));
        let mut response = self.plain(request, coding);
        if let Some(uncoded) = uncoded.filter(|_| response.status() == StatusCode::OK) {
            response.extensions_mut().insert(uncoded);
        }
        response.extensions_mut().insert(CachePolicy::Revalidate);
        response.extensions_mut().insert(Coded);
        response
    }

    /// The same in this coding, without a word to the layers around it.
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

/// The head of an answer. What every answer says anew has its place in it, so that nothing moves
/// when it is said.
#[must_use]
pub fn head() -> HeaderMap {
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

/// On a response: its bytes, which are plain so far, and the coding that its client prefers.
#[derive(Clone, Debug)]
pub struct Uncoded(Rendered, Coding);

impl Uncoded {
    /// Makes the coding, if it would be shorter. Takes milliseconds.
    pub fn make(&self) {
        let _ = self.0.encoded(self.1);
    }

    /// Puts what was made in the place of the plain bytes.
    pub fn put(&self, response: &mut Response) {
        let Some(coded) = self.0.encoded(self.1) else { return };
        *response.body_mut() = coded.clone().into();
        response.headers_mut().remove(CONTENT_LENGTH);
        let coding = HeaderValue::from_static(self.1.as_str());
        response.headers_mut().insert(CONTENT_ENCODING, coding);
    }
}

/// On a response: its coding is settled, so that no layer compresses it again.
#[derive(Clone, Copy, Debug)]
pub struct Coded;

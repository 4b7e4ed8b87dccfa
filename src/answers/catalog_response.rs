//! Responses with entity tag, freshness and paging.

use axum::body::Body;
use axum::http::header::{AGE, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LINK};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::answers::provenance::Provenance;
use crate::edge::cache_policy::CachePolicy;
use crate::edge::coding::Coding;
use crate::edge::conditional::client_has;
use crate::edge::headers::{CACHE_STATUS, DEGRADED, TOTAL_COUNT, head};
use crate::edge::rendered::Rendered;
use crate::edge::uncoded::{Coded, Uncoded};

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

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

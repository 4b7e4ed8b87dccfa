//! JSON answers: rendered once, given with their entity tag, freshness and paging.

use std::time::Duration;

use axum::http::header::{AGE, CONTENT_TYPE, ETAG, LINK};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::api::cache_policy::CachePolicy;
use crate::api::conditional::client_has;
use crate::catalog::{Catalogue, Freshness};
use crate::error::{Error, ErrorKind, Result};
use crate::models::digest::Digest;
use crate::models::source::Source;

/// Whether and how our memos answered (RFC 9211).
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Names backends whose part of an answer is stale or missing.
pub const DEGRADED: HeaderName = HeaderName::from_static("extension-registry-degraded");
/// How many rows a list has over all its pages.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// JSON or a text as bytes, with the weak entity tag of these bytes.
#[derive(Clone, Debug)]
pub struct Rendered {
    body: Bytes,
    etag: HeaderValue,
    content_type: &'static str,
}

impl Rendered {
    /// Renders a value.
    ///
    /// # Errors
    /// The value cannot be JSON, which none of ours is.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let internal = |error: serde_json::Error| {
            Error::new(ErrorKind::Internal, "An answer cannot be rendered").because(error)
        };
        let body = serde_json::to_vec(value).map_err(internal)?;
        Ok(Self::bytes(body.into()))
    }

    /// Takes JSON as it is.
    #[must_use]
    pub fn bytes(body: Bytes) -> Self {
        let digest = Digest::sha256(&body);
        let short = digest.hex().get(..32).unwrap_or_default();
        let etag = HeaderValue::from_str(&format!("W/\"{short}\""))
            .unwrap_or_else(|_| HeaderValue::from_static("W/\"\""));
        Self { body, etag, content_type: "application/json" }
    }

    /// Takes a text of this media type.
    #[must_use]
    pub fn text(text: String, content_type: &'static str) -> Self {
        Self { content_type, ..Self::bytes(text.into()) }
    }

    /// Its bytes.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }
}

/// How old an answer is and where it came from.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// What the catalogue says of its backends.
    pub freshness: Freshness,
    /// How long ago a memo was made, if one answered.
    pub memo: Option<Duration>,
}

impl Provenance {
    /// An answer made of the catalogue just now; it is what our answers are kept in.
    #[must_use]
    pub fn of_catalogue(catalogue: &Catalogue, source: Option<Source>) -> Self {
        Self { freshness: catalogue.freshness(source), memo: Some(Duration::ZERO) }
    }
}

/// An answer to a question of the catalogue.
#[derive(Debug)]
pub struct Answer {
    rendered: Rendered,
    headers: HeaderMap,
}

impl Answer {
    /// An answer of this provenance.
    #[must_use]
    pub fn new(rendered: Rendered, provenance: &Provenance) -> Self {
        let mut answer = Self { rendered, headers: HeaderMap::new() };
        let Provenance { freshness, memo } = provenance;
        let age = memo.map_or(freshness.age, |memo| memo.max(freshness.age));
        let status = if memo.is_some() { "hit" } else { "fwd=miss" };
        answer.set(AGE, &age.as_secs().to_string());
        let detail = if freshness.degraded.is_empty() { "" } else { "; detail=stale" };
        answer.set(CACHE_STATUS, &format!("extension-registry; {status}{detail}"));
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

    /// The response to a request with these headers: 304 where the client has it already.
    #[must_use]
    pub fn respond(self, request: &HeaderMap) -> Response {
        let Self { rendered, mut headers } = self;
        let has = rendered.etag.to_str().is_ok_and(|etag| client_has(request, etag));
        headers.insert(ETAG, rendered.etag);
        let mut response = if has {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(rendered.content_type));
            rendered.body.into_response()
        };
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(CachePolicy::Revalidate);
        response
    }
}

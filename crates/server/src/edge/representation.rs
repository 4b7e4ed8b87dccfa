//! Response bodies in memory: the one place that decides on 304 and on content codings.

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::edge::cache_policy::CachePolicy;
use crate::edge::coding::Coding;
use crate::edge::compressor::Compressor;
use crate::edge::conditional::client_has;
use crate::edge::rendered::Rendered;

/// A body with its headers, before its condition and coding are decided.
#[derive(Debug)]
pub struct Representation {
    /// The body.
    pub rendered: Rendered,
    /// Headers of a response with the plain body.
    pub headers: HeaderMap,
    /// Policy for caches.
    pub policy: CachePolicy,
}

impl From<Rendered> for Representation {
    fn from(rendered: Rendered) -> Self {
        let vary = HeaderValue::from_static("accept-encoding");
        let mut headers = HeaderMap::from_iter([(VARY, vary)]);
        rendered.describe(&mut headers);
        Self { rendered, headers, policy: CachePolicy::Revalidate }
    }
}

impl Representation {
    /// Returns the response to a `GET` in this coding, which must be at hand.
    #[must_use]
    pub fn respond(self, request: &HeaderMap, coding: Option<Coding>) -> Response {
        let Self { rendered, mut headers, policy } = self;
        if is_known(&rendered, request) {
            headers.remove(CONTENT_TYPE);
            return response(StatusCode::NOT_MODIFIED, headers, policy, Body::empty());
        }
        let encoded = coding.and_then(|coding| Some((coding, rendered.encoded(coding)?)));
        let body = match encoded {
            Some((coding, body)) => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
                body
            }
            None => rendered.body(),
        };
        response(StatusCode::OK, headers, policy, body.clone().into())
    }
}

impl IntoResponse for Representation {
    /// Returns the response in full and without a coding. The middleware negotiates both.
    fn into_response(self) -> Response {
        let (rendered, policy) = (self.rendered.clone(), self.policy);
        let mut response = self.respond(&HeaderMap::new(), None);
        if rendered.etag().is_some() {
            response.extensions_mut().insert(policy);
        }
        response.extensions_mut().insert(rendered);
        response
    }
}

/// Conditions and codings of a request, for the response of a handler.
#[derive(Debug)]
pub struct Negotiation {
    conditions: HeaderMap,
    coding: Option<Coding>,
    is_head: bool,
}

impl Negotiation {
    /// Captures a request whose client may get this coding.
    #[must_use]
    pub fn new(method: &Method, headers: &HeaderMap, coding: Option<Coding>) -> Self {
        let mut conditions = HeaderMap::new();
        for condition in headers.get_all(IF_NONE_MATCH) {
            conditions.append(IF_NONE_MATCH, condition.clone());
        }
        Self { conditions, coding, is_head: method == Method::HEAD }
    }

    /// Turns a [`Representation`] into a 304 or encodes it; other responses stay.
    pub async fn apply(&self, mut response: Response, compressor: &Compressor) -> Response {
        let Some(rendered) = response.extensions_mut().remove::<Rendered>() else {
            return response;
        };
        if is_known(&rendered, &self.conditions) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(CONTENT_TYPE);
            response.headers_mut().remove(CONTENT_LENGTH);
            return response;
        }
        let Some(coding) = self.coding else { return response };
        if !rendered.is_at_hand(coding) && !compressor.encode(&rendered, coding).await {
            return response;
        }
        let Some(encoded) = rendered.encoded(coding) else { return response };
        let headers = response.headers_mut();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        headers.insert(CONTENT_LENGTH, encoded.len().into());
        if !self.is_head {
            *response.body_mut() = encoded.clone().into();
        }
        response
    }
}

fn is_known(rendered: &Rendered, request: &HeaderMap) -> bool {
    let etag = rendered.etag().and_then(|etag| etag.to_str().ok());
    etag.is_some_and(|etag| client_has(request, etag))
}

fn response(status: StatusCode, headers: HeaderMap, policy: CachePolicy, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    // Most responses are revalidated, and their headers say so already.
    if policy != CachePolicy::Revalidate {
        response.extensions_mut().insert(policy);
    }
    response
}

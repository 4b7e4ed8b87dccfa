//! Headers that every response gets: cache policy, rules for browsers, CORS, and the request id.

use std::convert::Infallible;
use std::future::ready;
use std::mem;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use futures_util::FutureExt as _;
use tower::{Layer as _, Service as _, service_fn};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::edge::cache_policy::{Audience, CachePolicy, apply_cache_policy};
use crate::edge::headers::Heads;
use crate::edge::request_id::REQUEST_ID;

const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Rules for the headers of all responses.
pub struct ResponseHeaders {
    audience: Audience,
    cors: Option<CorsLayer>,
}

impl ResponseHeaders {
    /// Creates the rules; `origins` are those allowed by CORS.
    #[must_use]
    pub fn new(audience: Audience, origins: Option<AllowOrigin>) -> Self {
        Self { audience, cors: origins.map(cors) }
    }

    /// Returns true if other origins may read responses.
    #[must_use]
    pub const fn allows_cors(&self) -> bool {
        self.cors.is_some()
    }

    /// Returns the CORS rules, for the layer around the router.
    #[must_use]
    pub fn cors(&self) -> Option<CorsLayer> {
        self.cors.clone()
    }

    /// Adds the headers that depend on no request.
    pub fn apply(&self, response: &mut Response) {
        apply_cache_policy(self.audience, response);
        security_headers(response.headers_mut());
        vary_once(response.headers_mut());
    }

    /// Adds the request id, unless a shared cache may serve the response to other clients.
    pub fn identify(&self, response: &mut Response, id: HeaderValue) {
        if self.audience == Audience::TheClient || !CachePolicy::is_kept_unasked(response) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }

    /// Adds the CORS headers for a request from this origin.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the layer is ready at once")]
    pub fn cross_origin(&self, response: Response, origin: Option<HeaderValue>) -> Response {
        let Some(cors) = &self.cors else { return response };
        let mut response = Some(response);
        // The layer runs around the finished response, so that its rules exist only once.
        let inside = service_fn(move |_: Request| ready(Ok(response.take().unwrap_or_default())));
        let mut request = Request::default();
        request.headers_mut().extend(origin.map(|origin| (ORIGIN, origin)));
        let crossed = cors.layer(inside).call(request).now_or_never();
        let crossed: Option<Result<Response, Infallible>> = crossed;
        let Ok(response) = crossed.expect("it waits only for what it surrounds, which is ready");
        response
    }

    /// Returns all headers of cached responses to a request without `Origin`, with slots for those
    /// of the content.
    #[must_use]
    pub fn heads(&self) -> Heads {
        let Heads { plain, negotiated, .. } = Heads::default();
        let [plain, negotiated] = [plain, negotiated].map(|head| self.prepared(head));
        Heads { are_final: true, plain, negotiated }
    }

    fn prepared(&self, head: HeaderMap) -> HeaderMap {
        let mut answer = Response::new(Body::empty());
        *answer.headers_mut() = head;
        answer.extensions_mut().insert(CachePolicy::Revalidate);
        let mut answer = self.cross_origin(answer, None);
        self.apply(&mut answer);
        mem::take(answer.headers_mut())
    }
}

fn security_headers(headers: &mut HeaderMap) {
    // A page that needs more sets its own policy.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
}

fn vary_once(headers: &mut HeaderMap) {
    // Some caches read only the first of several lines.
    if headers.get_all(VARY).iter().nth(1).is_none() {
        return;
    }
    let mut names: Vec<String> = Vec::new();
    for line in headers.get_all(VARY).iter().filter_map(|line| line.to_str().ok()) {
        for name in line.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if let Ok(line) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(VARY, line);
    }
}

fn cors(origins: AllowOrigin) -> CorsLayer {
    // `*` covers all headers except `Authorization` (Fetch standard).
    let allowed = [HeaderName::from_static("*"), AUTHORIZATION];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(allowed)
        .expose_headers(Any)
}

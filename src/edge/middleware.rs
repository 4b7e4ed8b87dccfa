//! Middleware around all responses, in a fixed order. Handlers implement none of this.

use std::convert::Infallible;
use std::future::ready;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_SECURITY_POLICY, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::util::{Either, option_layer};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_http::cors::{AllowOrigin, Any, Cors, CorsLayer};
use tracing::Instrument as _;

use crate::edge::admission::{Admission, Admitted};
use crate::edge::cache_policy::{Audience, CachePolicy, apply_cache_policy};
use crate::edge::coding::Coding;
use crate::edge::headers::head;
use crate::edge::offload::Compressor;
use crate::edge::panics::{self, watch_body};
use crate::edge::problem::{rendered, wants_details};
use crate::edge::request_id::{self, REQUEST_ID};
use crate::edge::request_log::RequestRecord;
use crate::edge::templates::Templates;
use crate::metrics::Metrics;

const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Configurable middleware settings.
#[derive(Clone, Default)]
pub struct HttpRules {
    /// Enables compression for clients that accept it.
    pub compression: bool,
    /// Origins allowed by CORS; `None` for none.
    pub cors: Option<AllowOrigin>,
    /// Admission control.
    pub admission: Arc<Admission>,
}

/// Runs requests through the middleware, outermost first: admission by the head; request id,
/// metrics, log and common headers, even on preflights; errors, panics, compression; CORS. Plain
/// function calls: axum clones everything below a function layer for each request.
#[derive(Clone)]
pub struct Middleware {
    around: Arc<MiddlewareState>,
    inside: Either<Cors<Router>, Router>,
}

/// State of the middleware.
pub struct MiddlewareState {
    templates: Arc<Templates>,
    metrics: Metrics,
    admission: Arc<Admission>,
    audience: Audience,
    cors: Option<CorsLayer>,
    compresses: bool,
    compressor: Compressor,
}

pub(crate) struct ErrorFormat {
    as_details: bool,
    origin: Option<HeaderValue>,
}

impl ErrorFormat {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { as_details: wants_details(headers), origin: headers.get(ORIGIN).cloned() }
    }
}

impl Middleware {
    /// Wraps a router with the middleware.
    #[must_use]
    pub fn new(
        inside: Router,
        templates: Arc<Templates>,
        metrics: Metrics,
        rules: &HttpRules,
    ) -> Self {
        let admission = Arc::clone(&rules.admission);
        let closed = admission.auth.is_some();
        let audience = if closed { Audience::TheClient } else { Audience::Anyone };
        let (cors, compresses) = (rules.cors.clone().map(cors), rules.compression);
        let compressor = Compressor::default();
        let around = MiddlewareState {
            templates,
            metrics,
            admission,
            audience,
            cors,
            compresses,
            compressor,
        };
        let inside = option_layer(around.cors.clone()).layer(inside);
        Self { around: Arc::new(around), inside }
    }

    pub(crate) async fn answer(self, mut request: Request, entered: Admitted) -> Response {
        let Self { around, inside } = self;
        let begun = Instant::now();
        let id = request_id::of(request.headers());
        let seen = RequestRecord::of(&request, &around.admission, &id);
        if !around.compresses {
            // The router's own compression layer must not see that the client accepts encodings.
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let route = around.template(seen.path());
        let span = seen.span(route);
        let work = seen.trace().scope(around.admitted(inside, request, entered));
        let mut response = work.instrument(span.clone()).await;
        span.record("status", response.status().as_u16());
        around.apply_response_headers(&mut response);
        around.identify(&mut response, id);
        seen.observe(route, begun.elapsed(), &response, &around.metrics);
        response
    }

    /// Returns the state of the middleware.
    #[must_use]
    pub const fn around(&self) -> &Arc<MiddlewareState> {
        &self.around
    }
}

impl Service<Request> for Middleware {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let entered = self.around.enter(&request);
        self.clone().answer(request, entered).map(Ok).boxed()
    }
}

impl MiddlewareState {
    /// Returns the admission control.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Returns the route template of a path.
    #[must_use]
    pub fn template(&self, path: &str) -> &str {
        self.templates.of(path)
    }

    /// Returns the content coding for a request with these headers; `None` for the plain body.
    #[must_use]
    pub fn coding(&self, headers: &HeaderMap) -> Option<Coding> {
        self.compresses.then(|| Coding::preferred(headers)).flatten()
    }

    pub(crate) fn enter(&self, request: &Request) -> Admitted {
        // A preflight carries no token, and without CORS nothing would handle it as one.
        let preflight = self.cors.is_some() && request.method() == Method::OPTIONS;
        self.admission.enter(request, preflight)
    }

    async fn admitted(
        &self,
        inside: Either<Cors<Router>, Router>,
        request: Request,
        entered: Admitted,
    ) -> Response {
        let asked = ErrorFormat::of(request.headers());
        let as_details = asked.as_details;
        let answer = |request| async {
            let answering = AssertUnwindSafe(async {
                let Ok(response) = inside.oneshot(request).await;
                self.compressor.coded(response).await
            });
            let answered = match answering.catch_unwind().await {
                Ok(response) => watch_body(response, &self.metrics),
                Err(panic) => self.failure(panics::failure(&*panic, &self.metrics), &asked),
            };
            rendered(answered, as_details)
        };
        let admitted = self.admission.admit(&self.metrics, entered, request, answer, |refusal| {
            self.failure(refusal, &asked)
        });
        admitted.await
    }

    pub(crate) fn failure(&self, failure: Response, asked: &ErrorFormat) -> Response {
        self.crossed(rendered(failure, asked.as_details), asked.origin.clone())
    }

    /// Adds the request id, unless a shared cache may serve the response to other clients.
    pub(crate) fn identify(&self, response: &mut Response, id: HeaderValue) {
        if self.audience == Audience::TheClient || !CachePolicy::is_kept_unasked(response) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }

    /// Returns prepared headers of a cached response to a request without `Origin`.
    #[must_use]
    pub fn kept_head(&self) -> HeaderMap {
        let mut answer = Response::new(Body::empty());
        *answer.headers_mut() = head();
        answer.extensions_mut().insert(CachePolicy::Revalidate);
        let mut answer = self.crossed(answer, None);
        self.apply_response_headers(&mut answer);
        mem::take(answer.headers_mut())
    }

    pub(crate) fn apply_response_headers(&self, response: &mut Response) {
        apply_cache_policy(self.audience, response);
        security_headers(response.headers_mut());
        vary_once(response.headers_mut());
    }

    fn crossed(&self, response: Response, origin: Option<HeaderValue>) -> Response {
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

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_says_nothing() {
        let router: Router = Router::new().route("/", get(|| async { explode() }));
        let rules = HttpRules { compression: true, ..HttpRules::default() };
        let metrics = Metrics::new(&[], &[]).unwrap();
        let templates = Arc::new(Templates::new(Vec::new()));
        let router = Middleware::new(router, templates, metrics.clone(), &rules);
        let request = Request::builder().uri("/").header("host", "x").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(
            body,
            r#"{"error":"internal_error","message":"Internal error; the log has the cause"}"#
        );
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains(r#"status="500"} 1"#), "{text}");
        assert!(text.contains("extension_registry_panics_total 1"), "{text}");
    }

    fn explode() -> &'static str {
        panic!("secret")
    }
}

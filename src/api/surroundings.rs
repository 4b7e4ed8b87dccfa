//! What surrounds every answer, in order; handlers hold none of it.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_SECURITY_POLICY, LINK, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::util::{Either, option_layer};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_http::cors::{AllowOrigin, Cors, CorsLayer};

use crate::api::admission::Admission;
use crate::api::answers::{CACHE_STATUS, DEGRADED, TOTAL_COUNT};
use crate::api::cache_policy::{Audience, apply_cache_policy};
use crate::api::limits::{Crowded, bound_head};
use crate::api::panics::{self, watch_body};
use crate::api::problem::{rendered, wants_details};
use crate::api::rate_limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::api::request_id::{self, REQUEST_ID};
use crate::api::request_log::Seen;
use crate::api::templates::Templates;
use crate::metrics::Metrics;

/// What a browser may do with an answer: show it, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What of the surroundings is configured.
#[derive(Clone, Default)]
pub struct HttpRules {
    /// Whether JSON is compressed for who accepts it.
    pub compression: bool,
    /// Pages of which origins may read answers; `None`: nobody's.
    pub cors: Option<AllowOrigin>,
    /// Who is let in.
    pub admission: Arc<Admission>,
}

/// What answers requests, with all that surrounds it, outermost first:
///
/// 1. the request's id, its count and line in the log, and what browsers and caches may do with the
///    answer: errors and preflights need them as well;
/// 2. cross-origin headers;
/// 3. the body of failures, panics, bounds, admission.
///
/// Plain functions one after the other, and not a layer for each: axum clones all that lies below
/// a layer of a function for each request that passes it, and ten of them cost four times as much
/// as all else that a kept answer needs.
#[derive(Clone)]
pub struct Surrounded<S> {
    around: Arc<Surroundings>,
    inside: Either<Cors<Guard<S>>, Guard<S>>,
    crowded: bool,
}

/// Lets in what may come in, and gives every failure its body.
#[derive(Clone)]
struct Guard<S> {
    around: Arc<Surroundings>,
    inside: S,
}

struct Surroundings {
    templates: Templates,
    metrics: Metrics,
    admission: Arc<Admission>,
    audience: Audience,
    compresses: bool,
}

impl<S> Surrounded<S> {
    /// Surrounds what answers requests.
    #[must_use]
    pub fn new(inside: S, templates: Templates, metrics: Metrics, rules: &HttpRules) -> Self {
        let admission = Arc::clone(&rules.admission);
        let closed = admission.auth.is_some();
        let audience = if closed { Audience::TheClient } else { Audience::Anyone };
        let compresses = rules.compression;
        let around = Arc::new(Surroundings { templates, metrics, admission, audience, compresses });
        let guard = Guard { around: Arc::clone(&around), inside };
        let inside = option_layer(rules.cors.clone().map(cors)).layer(guard);
        Self { around, inside, crowded: false }
    }

    /// The same for connections beyond those that are served: there only what needs no room is
    /// answered.
    #[must_use]
    pub fn crowded(self) -> Self {
        Self { crowded: true, ..self }
    }
}

impl<S> Service<Request> for Surrounded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let (around, inside) = (Arc::clone(&self.around), self.inside.clone());
        if self.crowded {
            request.extensions_mut().insert(Crowded);
        }
        async move {
            let begun = Instant::now();
            let id = request_id::of(request.headers());
            let trace = request_id::trace(&id, request.headers());
            let seen = Seen::of(&request, &around.admission, trace.clone());
            if !around.compresses {
                // Nobody learns that a client would take any coding.
                request.headers_mut().remove(ACCEPT_ENCODING);
            }
            let mut response = trace.scope(inside.oneshot(request)).await?;
            apply_cache_policy(around.audience, &mut response);
            harden(response.headers_mut());
            response.headers_mut().insert(REQUEST_ID, id);
            let route = around.templates.of(seen.path());
            seen.observe(route, begun.elapsed(), &response, &around.metrics);
            Ok(response)
        }
        .boxed()
    }
}

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { around, inside } = self.clone();
        async move {
            let as_details = wants_details(request.headers());
            let answered = match bound_head(&request) {
                Ok(()) => {
                    let answer = |request| inside.oneshot(request).map(|Ok(response)| response);
                    let answering = around.admission.admit(&around.metrics, request, answer);
                    let answered = AssertUnwindSafe(answering).catch_unwind().await;
                    let answered = answered.map(|response| watch_body(response, &around.metrics));
                    answered.unwrap_or_else(|panic| panics::failure(&*panic, &around.metrics))
                }
                Err(problem) => problem.into_response(),
            };
            Ok(rendered(answered, as_details))
        }
        .boxed()
    }
}

/// Tells browsers to take an answer for what it says it is, and to run and load nothing of it; a
/// page that needs more says so itself.
fn harden(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
}

fn cors(origins: AllowOrigin) -> CorsLayer {
    let exposed = [
        REQUEST_ID,
        TOTAL_COUNT,
        LINK,
        CACHE_STATUS,
        DEGRADED,
        HeaderName::from_static("age"),
        HeaderName::from_static("etag"),
        HeaderName::from_static("content-disposition"),
        HeaderName::from_static("content-range"),
        HeaderName::from_static("accept-ranges"),
        HeaderName::from_static("repr-digest"),
        HeaderName::from_static("retry-after"),
        RATE_LIMIT,
        RATE_LIMIT_POLICY,
        WWW_AUTHENTICATE,
    ];
    // Of all headers only this one is not meant by `*`.
    let allowed = [HeaderName::from_static("*"), AUTHORIZATION];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(allowed)
        .expose_headers(exposed)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_says_nothing() {
        let router: Router = Router::new().route("/", get(|| async { explode() }));
        let rules = HttpRules { compression: true, ..HttpRules::default() };
        let metrics = Metrics::new(&[], &[]).unwrap();
        let router = Surrounded::new(router, Templates::new(Vec::new()), metrics.clone(), &rules);
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, r#"{"error":"internal_error","message":"The service failed to answer"}"#);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains(r#"status="500"} 1"#), "{text}");
        assert!(text.contains("extension_registry_panics_total 1"), "{text}");
    }

    fn explode() -> &'static str {
        panic!("secret")
    }
}

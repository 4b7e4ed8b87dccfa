//! What surrounds every answer, in order; handlers hold none of it.

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
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::util::{Either, option_layer};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_http::cors::{AllowOrigin, Any, Cors, CorsLayer};

use crate::api::admission::Admission;
use crate::api::answers::head;
use crate::api::cache_policy::{Audience, CachePolicy, apply_cache_policy};
use crate::api::coding::Coding;
use crate::api::limits::bound_head;
use crate::api::panics::{self, watch_body};
use crate::api::problem::{rendered, wants_details};
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
/// a layer of a function for each request that passes it.
#[derive(Clone)]
pub struct Surrounded {
    around: Arc<Surroundings>,
    inside: Either<Cors<Guard>, Guard>,
}

/// Lets in what may come in, and gives every failure its body.
#[derive(Clone)]
struct Guard {
    around: Arc<Surroundings>,
    inside: Router,
}

/// What all answers have in common.
pub struct Surroundings {
    templates: Templates,
    metrics: Metrics,
    admission: Arc<Admission>,
    audience: Audience,
    cors: Option<CorsLayer>,
    compresses: bool,
}

impl Surrounded {
    /// Surrounds what answers requests.
    #[must_use]
    pub fn new(inside: Router, templates: Templates, metrics: Metrics, rules: &HttpRules) -> Self {
        let admission = Arc::clone(&rules.admission);
        let closed = admission.auth.is_some();
        let audience = if closed { Audience::TheClient } else { Audience::Anyone };
        let (cors, compresses) = (rules.cors.clone().map(cors), rules.compression);
        let around = Surroundings { templates, metrics, admission, audience, cors, compresses };
        let around = Arc::new(around);
        let guard = Guard { around: Arc::clone(&around), inside };
        let inside = option_layer(around.cors.clone()).layer(guard);
        Self { around, inside }
    }

    /// What surrounds it.
    #[must_use]
    pub const fn around(&self) -> &Arc<Surroundings> {
        &self.around
    }
}

impl Service<Request> for Surrounded {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let (around, inside) = (Arc::clone(&self.around), self.inside.clone());
        async move {
            let begun = Instant::now();
            let id = request_id::of(request.headers());
            let seen = Seen::of(&request, &around.admission, &id);
            if !around.compresses {
                // Nobody learns that a client would take any coding.
                request.headers_mut().remove(ACCEPT_ENCODING);
            }
            let mut response = seen.trace().scope(inside.oneshot(request)).await?;
            around.dress(&mut response);
            response.headers_mut().insert(REQUEST_ID, id);
            let route = around.template(seen.path());
            seen.observe(route, begun.elapsed(), &response, &around.metrics);
            Ok(response)
        }
        .boxed()
    }
}

impl Service<Request> for Guard {
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

impl Surroundings {
    /// Who is let in.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The template of a path.
    #[must_use]
    pub fn template(&self, path: &str) -> &str {
        self.templates.of(path)
    }

    /// The coding in which a request with these headers is answered, if in any.
    #[must_use]
    pub fn coding(&self, headers: &HeaderMap) -> Option<Coding> {
        self.compresses.then(|| Coding::preferred(headers)).flatten()
    }

    /// A failure with all that surrounds an answer to a request of no other origin.
    #[must_use]
    pub fn dressed(&self, failure: Response, request: &HeaderMap) -> Response {
        let mut response = self.crossed(rendered(failure, wants_details(request)));
        self.dress(&mut response);
        response
    }

    /// The head of a kept answer to a request of no other origin.
    #[must_use]
    pub fn kept_head(&self) -> HeaderMap {
        let mut answer = Response::new(Body::empty());
        *answer.headers_mut() = head();
        answer.extensions_mut().insert(CachePolicy::Revalidate);
        let mut answer = self.crossed(answer);
        self.dress(&mut answer);
        mem::take(answer.headers_mut())
    }

    /// What caches and browsers may do with an answer.
    fn dress(&self, response: &mut Response) {
        apply_cache_policy(self.audience, response);
        harden(response.headers_mut());
    }

    /// The same answer with what the layer of cross-origin headers says to requests without origin.
    fn crossed(&self, response: Response) -> Response {
        let Some(cors) = &self.cors else { return response };
        let mut response = Some(response);
        let inside = service_fn(move |_: Request| ready(Ok(response.take().unwrap_or_default())));
        let crossed = cors.layer(inside).call(Request::default()).now_or_never();
        let crossed: Option<Result<Response, Infallible>> = crossed;
        let Ok(response) = crossed.expect("it waits only for what it surrounds, which is ready");
        response
    }
}

/// Tells browsers to take an answer for what it says it is, and to run and load nothing of it; a
/// page that needs more says so itself.
fn harden(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
}

fn cors(origins: AllowOrigin) -> CorsLayer {
    // Of all headers only this one is not meant by `*`.
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

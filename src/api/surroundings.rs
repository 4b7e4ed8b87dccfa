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

use crate::api::admission::{Admission, Entered};
use crate::api::answers::head;
use crate::api::aside::Compressor;
use crate::api::cache_policy::{Audience, CachePolicy, apply_cache_policy};
use crate::api::coding::Coding;
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
/// 1. who is let in, decided by the head before anything is looked up;
/// 2. the request's id, its count and line in the log, and what browsers and caches may do with the
///    answer: errors and preflights need them as well;
/// 3. the body of failures, panics, compression of large answers;
/// 4. cross-origin headers.
///
/// Plain functions one after the other, and not a layer for each: axum clones all that lies below
/// a layer of a function for each request that passes it.
#[derive(Clone)]
pub struct Surrounded {
    around: Arc<Surroundings>,
    inside: Either<Cors<Router>, Router>,
}

/// What all answers have in common.
pub struct Surroundings {
    templates: Arc<Templates>,
    metrics: Metrics,
    admission: Arc<Admission>,
    audience: Audience,
    cors: Option<CorsLayer>,
    compresses: bool,
    compressor: Compressor,
}

/// What the body of a failure depends on.
pub(super) struct Asked {
    as_details: bool,
    origin: Option<HeaderValue>,
}

impl Asked {
    /// Takes it from the headers of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self { as_details: wants_details(headers), origin: headers.get(ORIGIN).cloned() }
    }
}

impl Surrounded {
    /// Surrounds what answers requests.
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
        let around =
            Surroundings { templates, metrics, admission, audience, cors, compresses, compressor };
        let inside = option_layer(around.cors.clone()).layer(inside);
        Self { around: Arc::new(around), inside }
    }

    /// Answers a request of which was decided whether it is let in.
    pub(super) async fn answer(self, mut request: Request, entered: Entered) -> Response {
        let Self { around, inside } = self;
        let begun = Instant::now();
        let id = request_id::of(request.headers());
        let seen = Seen::of(&request, &around.admission, &id);
        if !around.compresses {
            // Nobody learns that a client would take any coding.
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let mut response = seen.trace().scope(around.admitted(inside, request, entered)).await;
        around.dress(&mut response);
        around.identify(&mut response, id);
        let route = around.template(seen.path());
        seen.observe(route, begun.elapsed(), &response, &around.metrics);
        response
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

    fn call(&mut self, request: Request) -> Self::Future {
        let entered = self.around.enter(&request);
        self.clone().answer(request, entered).map(Ok).boxed()
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

    /// Whether a request is let in.
    pub(super) fn enter(&self, request: &Request) -> Entered {
        let preflight = self.cors.is_some() && request.method() == Method::OPTIONS;
        self.admission.enter(request, preflight)
    }

    /// The answer to a request, if it is let in.
    async fn admitted(
        &self,
        inside: Either<Cors<Router>, Router>,
        request: Request,
        entered: Entered,
    ) -> Response {
        let asked = Asked::of(request.headers());
        let as_details = asked.as_details;
        let answer = |request| async {
            let answering = AssertUnwindSafe(async {
                let Ok(response) = inside.oneshot(request).await;
                self.compressor.coded(response).await
            });
            let answered = answering.catch_unwind().await;
            let answered = answered.map(|response| watch_body(response, &self.metrics));
            let answered = answered.unwrap_or_else(|panic| {
                self.failure(panics::failure(&*panic, &self.metrics), &asked)
            });
            rendered(answered, as_details)
        };
        let dressed = |refusal| self.failure(refusal, &asked);
        self.admission.admit(&self.metrics, entered, request, answer, dressed).await
    }

    /// A failure with its body, and what pages of other origins need to read it.
    pub(super) fn failure(&self, failure: Response, asked: &Asked) -> Response {
        self.crossed(rendered(failure, asked.as_details), asked.origin.clone())
    }

    /// Says which request was answered, unless others may be given the same answer.
    pub(super) fn identify(&self, response: &mut Response, id: HeaderValue) {
        if self.audience == Audience::TheClient || !CachePolicy::is_kept_unasked(response) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }

    /// The head of a kept answer to a request of no other origin.
    #[must_use]
    pub fn kept_head(&self) -> HeaderMap {
        let mut answer = Response::new(Body::empty());
        *answer.headers_mut() = head();
        answer.extensions_mut().insert(CachePolicy::Revalidate);
        let mut answer = self.crossed(answer, None);
        self.dress(&mut answer);
        mem::take(answer.headers_mut())
    }

    /// What caches and browsers may do with an answer.
    pub(super) fn dress(&self, response: &mut Response) {
        apply_cache_policy(self.audience, response);
        harden(response.headers_mut());
        vary_once(response.headers_mut());
    }

    /// The same answer with what the layer of cross-origin headers says to a request of this origin.
    fn crossed(&self, response: Response, origin: Option<HeaderValue>) -> Response {
        let Some(cors) = &self.cors else { return response };
        let mut response = Some(response);
        let inside = service_fn(move |_: Request| ready(Ok(response.take().unwrap_or_default())));
        let mut request = Request::default();
        request.headers_mut().extend(origin.map(|origin| (ORIGIN, origin)));
        let crossed = cors.layer(inside).call(request).now_or_never();
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

/// Puts what an answer varies by in one line: some caches read no second one.
fn vary_once(headers: &mut HeaderMap) {
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
        let templates = Arc::new(Templates::new(Vec::new()));
        let router = Surrounded::new(router, templates, metrics.clone(), &rules);
        let request = Request::builder().uri("/").header("host", "x").body(Body::empty()).unwrap();
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

//! Middleware around all responses, in a fixed order. Handlers implement none of this.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use axum::response::Response;
use axum::{BoxError, Router};
use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture, Ready, ready};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::util::{Either, option_layer};
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::{AllowOrigin, Cors};
use tracing::Instrument as _;

use crate::edge::accept;
use crate::edge::admission::{Admission, Admitted};
use crate::edge::cache_policy::{Audience, CachePolicy};
use crate::edge::coding::Coding;
use crate::edge::compressor::Compressor;
use crate::edge::face::Face;
use crate::edge::headers::Heads;
use crate::edge::own_address::AddressRules;
use crate::edge::panics::{self, watch_body};
use crate::edge::peer::ConnectedPeer;
use crate::edge::problem::{FailedRequest, rendered};
use crate::edge::representation::Negotiation;
use crate::edge::request_id;
use crate::edge::request_log::{LoggedRequest, RequestRecord, is_logged};
use crate::edge::response_headers::ResponseHeaders;
use crate::edge::surface::{OutsideBasePath, Surface};
use crate::edge::target::without_slash;
use crate::edge::templates::Templates;
use crate::metrics::{Metrics, RouteCounters};
use crate::server::ConnectionService;
use crate::urls::is_oci;

/// Configurable middleware settings.
#[derive(Clone, Default)]
pub struct HttpRules {
    /// Enables compression for clients that accept it.
    pub compression: bool,
    /// Origins allowed by CORS; `None` for none.
    pub cors: Option<AllowOrigin>,
    /// Admission control.
    pub admission: Arc<Admission>,
    /// Address of the service.
    pub address: AddressRules,
}

/// A face of the service within the middleware, outermost first: admission by the head; request
/// id, metrics, log and common headers, even on preflights; cached responses; errors, panics,
/// codings; CORS; the router. Plain function calls: axum clones everything below a function layer
/// for each request. A value serves the requests of one connection.
pub struct Middleware<F> {
    state: Arc<MiddlewareState<F>>,
    inside: Either<Cors<Router>, Router>,
    peer: ConnectedPeer,
}

struct MiddlewareState<F> {
    face: F,
    templates: Arc<Templates>,
    metrics: Metrics,
    admission: Arc<Admission>,
    address: AddressRules,
    headers: ResponseHeaders,
    heads: Heads,
    compresses: bool,
    compressor: Compressor,
}

impl<F> Clone for Middleware<F> {
    fn clone(&self) -> Self {
        let (state, inside) = (Arc::clone(&self.state), self.inside.clone());
        Self { state, inside, peer: self.peer }
    }
}

impl<F: Face> Middleware<F> {
    /// Wraps the router of a face with the middleware.
    #[must_use]
    pub fn new(
        inside: Router,
        face: F,
        templates: Arc<Templates>,
        metrics: Metrics,
        rules: &HttpRules,
    ) -> Self {
        let admission = Arc::clone(&rules.admission);
        let closed = admission.auth.is_some();
        let audience = if closed { Audience::TheClient } else { Audience::Anyone };
        let headers = ResponseHeaders::new(audience, rules.cors.clone());
        let inside = option_layer(headers.cors()).layer(inside);
        let state = MiddlewareState {
            face,
            templates,
            metrics,
            admission,
            address: rules.address.clone(),
            heads: headers.heads(),
            headers,
            compresses: rules.compression,
            compressor: Compressor::default(),
        };
        Self { state: Arc::new(state), inside, peer: ConnectedPeer::default() }
    }

    /// Returns the service for connections that get this part of the face.
    #[must_use]
    pub fn on(&self, surface: Surface) -> Self {
        Self { peer: ConnectedPeer { surface, ..self.peer }, ..self.clone() }
    }

    /// Responds to a request: at once if the cache has the response, or else through the router.
    pub fn answer<B>(&self, request: Request<B>) -> Answering
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut head, body) = request.into_parts();
        // OCI clients know no base path: the host alone names a registry.
        let at_root = is_oci(head.uri.path());
        if !at_root && !self.state.address.enter(&mut head.uri) {
            let base_path = self.state.address.base_path.clone();
            head.extensions.insert(OutsideBasePath(base_path));
        }
        without_slash(&mut head.uri);
        let arrival = Arrival { head, peer: self.peer, begun: Instant::now() };
        // Admission comes before the cache: a refusal must not depend on what is cached.
        let entered = self.state.enter(&arrival);
        match self.state.cached(&arrival, entered) {
            Reply::Response(response) => future::Either::Left(ready(response)),
            Reply::Routed(found) => {
                let body = Body::new(body);
                future::Either::Right(self.clone().route(arrival, body, found).boxed())
            }
        }
    }

    async fn route(self, arrival: Arrival, body: Body, found: Found<F::Target>) -> Response {
        let (Self { state, inside, .. }, Found { entered, target }) = (self, found);
        let id = request_id::of(&arrival.head.headers);
        let seen = RequestRecord::of(&arrival.head, entered.address, &id);
        let learned = target.clone().map(|target| (arrival.head.uri.clone(), target));
        let failed = state.failed_request(&arrival, &id);
        let Arrival { mut head, begun, .. } = arrival;
        // Handlers of cached routes take the parsed target from here.
        target.map(|target| head.extensions.insert(target));
        head.extensions.insert(failed.own.clone());
        let request = Request::from_parts(head, body);
        let route = state.templates.of(seen.path());
        let span = seen.span(route);
        let work = seen.trace().scope(state.admitted(inside, request, entered, failed));
        let mut response = work.instrument(span.clone()).await;
        span.record("status", response.status().as_u16());
        state.headers.apply(&mut response);
        state.headers.identify(&mut response, id);
        seen.observe(route, begun.elapsed(), &response, &state.metrics);
        if let Some((uri, target)) = learned.filter(|_| is_answered(&response)) {
            state.face.learn(&uri, target);
        }
        response
    }
}

/// A response, or the work on one.
pub type Answering = future::Either<Ready<Response>, BoxFuture<'static, Response>>;

impl<F: Face> ConnectionService for Middleware<F> {
    type Answering = Answering;

    fn connected(&self, peer: SocketAddr) -> Self {
        Self { peer: ConnectedPeer { address: peer.ip(), ..self.peer }, ..self.clone() }
    }

    fn answer(&self, request: Request<Incoming>) -> Answering {
        self.answer(request)
    }
}

fn is_answered(response: &Response) -> bool {
    response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED
}

/// A request without its body.
struct Arrival {
    head: Parts,
    peer: ConnectedPeer,
    begun: Instant,
}

/// Outcome of the look into the cache.
enum Reply<T> {
    /// The cached response.
    Response(Response),
    /// The router has to respond.
    Routed(Found<T>),
}

/// A request that the cache cannot answer at once.
struct Found<T> {
    entered: Admitted,
    target: Option<Arc<T>>,
}

impl<F: Face> MiddlewareState<F> {
    fn enter(&self, Arrival { head, peer, .. }: &Arrival) -> Admitted {
        // A preflight carries no token, and without CORS nothing would handle it as one.
        let preflight = self.headers.allows_cors() && head.method == Method::OPTIONS;
        self.admission.enter(head, *peer, preflight)
    }

    fn coding(&self, headers: &HeaderMap) -> Option<Coding> {
        self.compresses.then(|| Coding::preferred(headers)).flatten()
    }

    /// Responds from the cache if that takes no wait and no router.
    fn cached(&self, arrival: &Arrival, entered: Admitted) -> Reply<F::Target> {
        let Arrival { head, begun, .. } = arrival;
        let reads = [Method::GET, Method::HEAD].contains(&head.method);
        let target = (reads && entered.is_let_in()).then(|| self.face.resolve(&head.uri)).flatten();
        // The router answers `HEAD`: it has the length of a body that it does not send.
        if head.method != Method::GET || !entered.is_let_in() {
            return Reply::Routed(Found { entered, target });
        }
        // A panic here must become a 500 as behind the router, not an aborted connection.
        let answering = AssertUnwindSafe(|| match &target {
            Some(target) => self.represent(&head.headers, target, *begun).map(|one| (one, None)),
            None => self.known(head, *begun),
        });
        let (response, known) = match catch_unwind(answering) {
            Ok(Some(found)) => found,
            Ok(None) => return Reply::Routed(Found { entered, target }),
            Err(panic) => (self.failed(arrival, panics::failure(&*panic, &self.metrics)), None),
        };
        let counters = target.as_ref().map(|target| self.face.counters(target));
        let Some(counters) = counters.or(known.as_deref()) else {
            return Reply::Routed(Found { entered, target });
        };
        // Many concurrent responses of one connection may wait in memory; with HTTP/1 there is only
        // one.
        let (many, address) = (head.version >= Version::HTTP_2, entered.address);
        let mut response =
            self.admission.admit_at_once(&self.metrics, entered, many, response, |refusal| {
                self.failed(arrival, refusal)
            });
        let (id, took) = (request_id::of(&head.headers), begun.elapsed());
        counters.observe(response.status().as_u16(), took.as_secs_f64());
        if is_logged(&response) {
            LoggedRequest::of(head, address, &id).log(counters.route(), took, &response);
        }
        self.headers.identify(&mut response, id);
        Reply::Response(response)
    }

    /// Responds to a request that names no parsed target; without `Origin`, which the face checks.
    fn known(
        &self,
        head: &Parts,
        begun: Instant,
    ) -> Option<(Response, Option<Arc<RouteCounters>>)> {
        let coding = self.coding(&head.headers);
        let (found, counters) = self.face.known(head, coding, &self.heads, begun)?;
        let mut response = found.respond(&head.headers, coding);
        // The headers of the face are those of responses that are revalidated.
        if CachePolicy::is_kept_unasked(&response) {
            self.headers.apply(&mut response);
        }
        Some((response, Some(counters)))
    }

    fn represent(
        &self,
        headers: &HeaderMap,
        target: &F::Target,
        begun: Instant,
    ) -> Option<Response> {
        let coding = self.coding(headers);
        let Some(origin) = headers.get(ORIGIN) else {
            let found = self.face.cached(target, headers, coding, &self.heads, begun)?;
            return Some(found.respond(headers, coding));
        };
        let found = self.face.cached(target, headers, coding, &Heads::default(), begun)?;
        let mut response = found.respond(headers, coding);
        response.extensions_mut().insert(CachePolicy::Revalidate);
        let mut response = self.headers.cross_origin(response, Some(origin.clone()));
        self.headers.apply(&mut response);
        Some(response)
    }

    async fn admitted(
        &self,
        inside: Either<Cors<Router>, Router>,
        request: Request<Body>,
        entered: Admitted,
        failed: FailedRequest,
    ) -> Response {
        let origin = request.headers().get(ORIGIN).cloned();
        let coding = self.coding(request.headers());
        let negotiation = Negotiation::new(request.method(), request.headers(), coding);
        let answer = |request| async {
            let answering = AssertUnwindSafe(async {
                let Ok(response) = inside.oneshot(request).await;
                negotiation.apply(response, &self.compressor).await
            });
            let answered = match answering.catch_unwind().await {
                Ok(response) => watch_body(response, &self.metrics),
                Err(panic) => {
                    self.failure(panics::failure(&*panic, &self.metrics), &failed, origin.as_ref())
                }
            };
            rendered(answered, &self.face, &failed)
        };
        let admitted = self.admission.admit(&self.metrics, entered, request, answer, |refusal| {
            self.failure(refusal, &failed, origin.as_ref())
        });
        admitted.await
    }

    fn failed(&self, arrival: &Arrival, failure: Response) -> Response {
        let headers = &arrival.head.headers;
        let (origin, id) = (headers.get(ORIGIN), request_id::of(headers));
        self.failure(failure, &self.failed_request(arrival, &id), origin)
    }

    /// Renders an error that the router's layers have not seen, with all headers.
    fn failure(
        &self,
        failure: Response,
        request: &FailedRequest,
        origin: Option<&HeaderValue>,
    ) -> Response {
        let failure = rendered(failure, &self.face, request);
        let mut failure = self.headers.cross_origin(failure, origin.cloned());
        self.headers.apply(&mut failure);
        failure
    }

    fn failed_request(&self, arrival: &Arrival, id: &HeaderValue) -> FailedRequest {
        let Parts { uri, headers, .. } = &arrival.head;
        let own = self.address.address(uri, headers, self.admission.is_proxy(arrival.peer));
        if own.is_prefix_ignored {
            self.metrics.process.prefix_ignored();
        }
        FailedRequest {
            accept: accept::values(headers).collect::<Vec<_>>().join(","),
            target: uri.clone(),
            own,
            id: id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use axum::routing::get;

    use super::*;
    use crate::edge::problem::{Problem, ProblemRenderer};
    use crate::edge::representation::Representation;

    struct Plain;

    impl ProblemRenderer for Plain {
        fn render(&self, problem: &Problem, _: &FailedRequest) -> (HeaderMap, Bytes) {
            (HeaderMap::new(), problem.message().to_owned().into())
        }
    }

    impl Face for Plain {
        type Target = RouteCounters;

        fn resolve(&self, _: &Uri) -> Option<Arc<RouteCounters>> {
            None
        }

        fn learn(&self, _: &Uri, _: Arc<RouteCounters>) {}

        fn cached(
            &self,
            _: &RouteCounters,
            _: &HeaderMap,
            _: Option<Coding>,
            _: &Heads,
            _: Instant,
        ) -> Option<Representation> {
            None
        }

        fn counters<'a>(&self, target: &'a RouteCounters) -> &'a RouteCounters {
            target
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_says_nothing() {
        let router: Router = Router::new().route("/", get(|| async { explode() }));
        let rules = HttpRules { compression: true, ..HttpRules::default() };
        let metrics = Metrics::new(&[], &[]).unwrap();
        let templates = Arc::new(Templates::new(Vec::new()));
        let router = Middleware::new(router, Plain, templates, metrics.clone(), &rules);
        let request = Request::builder().uri("/").header("host", "x").body(Body::empty()).unwrap();
        let response = router.answer(request).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, "Internal error; the log has the cause");
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains(r#"status="500"} 1"#), "{text}");
        assert!(text.contains("extension_registry_panics_total 1"), "{text}");
    }

    fn explode() -> &'static str {
        panic!("secret")
    }
}

//! Fast path: maps a known target to its cached response, at a fraction of the router's cost.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, Ready, ready};
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::Service;

use crate::answers::catalog_response::CatalogResponse;
use crate::answers::response_caches::CachedQuery as _;
use crate::answers::response_caches::extension::ExtensionQuery;
use crate::api::state::ApiState;
use crate::caching::bounded_lru::{BoundedLru, Bounds};
use crate::edge::admission::Admitted;
use crate::edge::middleware::{ErrorFormat, Middleware, MiddlewareState};
use crate::edge::panics;
use crate::edge::request_id::{self, REQUEST_ID};
use crate::edge::request_log::{RequestRecord, count_stale, is_told};
use crate::edge::surface::Surface;
use crate::edge::target::without_slash;
use crate::metrics::GoodAnswers;

// Maximum length of a cached target, in bytes; longer ones are rare and take the normal path.
const TARGET_MAX: usize = 256;
const TARGETS: Bounds = Bounds::new(10_000, BYTES_MAX);
/// Maximum total size of the known targets, in bytes.
pub const BYTES_MAX: usize = 8 << 20;

/// The complete API: cached responses on the fast path, all others on the normal one.
#[derive(Clone)]
pub struct Api {
    whole: Arc<FastPath>,
    surface: Surface,
}

struct FastPath {
    state: Arc<ApiState>,
    around: Arc<MiddlewareState>,
    long: Middleware,
    known: RouteCache,
    head: HeaderMap,
}

/// Parsed targets. Entries never expire: they describe the request, not its response.
struct RouteCache(Mutex<BoundedLru<Box<str>, Arc<CachedRoute>>>);

struct CachedRoute {
    question: ExtensionQuery,
    key: String,
    route: String,
    good: GoodAnswers,
}

impl Api {
    /// Creates the API from the normal path.
    #[must_use]
    pub fn new(long: Middleware, state: Arc<ApiState>) -> Self {
        let around = Arc::clone(long.around());
        let head = around.kept_head();
        let known = RouteCache(Mutex::new(BoundedLru::new(TARGETS)));
        Self {
            whole: Arc::new(FastPath { state, around, long, known, head }),
            surface: Surface::Whole,
        }
    }

    /// Returns the service for connections that get this part of the API.
    #[must_use]
    pub fn on(&self, surface: Surface) -> Self {
        Self { whole: Arc::clone(&self.whole), surface }
    }
}

impl Service<Request> for Api {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<
        Ready<Result<Response, Infallible>>,
        BoxFuture<'static, Result<Response, Infallible>>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if self.surface != Surface::Whole {
            request.extensions_mut().insert(self.surface);
        }
        without_slash(&mut request);
        // Admission comes before the cache: a refusal must not depend on what is cached.
        let entered = self.whole.around.enter(&request);
        let entered = match self.whole.cached(&request, entered) {
            Either::Left(response) => return Either::Left(ready(Ok(response))),
            Either::Right(entered) => entered,
        };
        Either::Right(Arc::clone(&self.whole).answer(request, entered).map(Ok).boxed())
    }
}

impl FastPath {
    fn cached(&self, request: &Request, entered: Admitted) -> Either<Response, Admitted> {
        // The normal path adds CORS headers.
        let short = entered.is_let_in()
            && request.method() == Method::GET
            && !request.headers().contains_key(ORIGIN);
        let known = target(request).filter(|_| short).and_then(|target| self.known.meaning(target));
        let Some(meaning) = known else { return Either::Right(entered) };
        let begun = Instant::now();
        // A panic here must become a 500 as on the normal path, not an aborted connection.
        let answering = AssertUnwindSafe(|| self.kept(request, &meaning, entered));
        let answered = catch_unwind(answering).unwrap_or_else(|panic| {
            let failure = panics::failure(&*panic, &self.state.metrics);
            Either::Left(self.dressed(failure, request))
        });
        let mut response = match answered {
            Either::Left(response) => response,
            Either::Right(entered) => return Either::Right(entered),
        };
        let id = request_id::of(request.headers());
        self.observe(request, &meaning, begun.elapsed(), &id, &response);
        response.headers_mut().insert(REQUEST_ID, id);
        Either::Left(response)
    }

    fn dressed(&self, failure: Response, request: &Request) -> Response {
        let mut failure = self.around.failure(failure, &ErrorFormat::of(request.headers()));
        self.around.apply_response_headers(&mut failure);
        failure
    }

    fn observe(
        &self,
        request: &Request,
        meaning: &CachedRoute,
        took: Duration,
        id: &HeaderValue,
        response: &Response,
    ) {
        let (metrics, status) = (&self.state.metrics, response.status());
        match status {
            StatusCode::OK => meaning.good.one(took.as_secs_f64()),
            _ => metrics.request("GET", &meaning.route, status.as_u16(), took.as_secs_f64()),
        }
        count_stale(response, metrics);
        if is_told(response) {
            let seen = RequestRecord::of(request, self.around.admission(), id);
            seen.log(&meaning.route, took, response);
        }
    }

    /// Returns the cached response. `Right` if nothing is cached or the body must be encoded first.
    fn kept(
        &self,
        request: &Request,
        meaning: &CachedRoute,
        entered: Admitted,
    ) -> Either<Response, Admitted> {
        let ApiState { caches, catalog, metrics, .. } = &*self.state;
        let coding = self.around.coding(request.headers());
        let kept = caches.kept(catalog, &meaning.question, &meaning.key);
        let kept = kept.filter(|kept| coding.is_none_or(|coding| kept.is_at_hand(coding)));
        let Some(kept) = kept else { return Either::Right(entered) };
        let answer = || {
            let (rendered, provenance) = kept.taken();
            metrics.extensions_served(1);
            CatalogResponse::with_head(self.head.clone(), rendered, &provenance)
                .plain(request.headers(), coding)
        };
        // Many concurrent responses of one connection may wait in memory; with HTTP/1 there is only
        // one.
        let many = request.version() >= Version::HTTP_2;
        let admission = self.around.admission();
        Either::Left(admission.admit_at_once(metrics, entered, many, answer, |refusal| {
            self.dressed(refusal, request)
        }))
    }

    async fn answer(self: Arc<Self>, request: Request, entered: Admitted) -> Response {
        let asked = target(&request).map(|target| (Box::from(target), request.uri().clone()));
        let mut response = self.long.clone().answer(request, entered).await;
        let question = response.extensions_mut().remove::<ExtensionQuery>();
        if let Some((question, (target, uri))) = question.zip(asked) {
            let route = self.around.template(uri.path()).to_owned();
            let (key, good) = (question.key(), self.state.metrics.good_answers(&route));
            self.known.learn(target, CachedRoute { question, key, route, good });
        }
        response
    }
}

fn target(request: &Request) -> Option<&str> {
    let target = request.uri().path_and_query()?.as_str();
    (target.len() <= TARGET_MAX).then_some(target)
}

impl RouteCache {
    fn meaning(&self, target: &str) -> Option<Arc<CachedRoute>> {
        self.0.lock().get(target).cloned()
    }

    fn learn(&self, target: Box<str>, meaning: CachedRoute) {
        let texts = 2 * target.len() + meaning.key.len() + meaning.route.len();
        let weight = texts + size_of::<CachedRoute>();
        self.0.lock().put(target, weight as u64, Arc::new(meaning));
    }
}

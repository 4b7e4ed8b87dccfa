//! What surrounds every handler, in order; handlers hold none of it.

use std::any::Any;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LINK,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version,
};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use tokio::time::Instant;
use tower::ServiceBuilder;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::{Level, info, warn};
use uuid::Uuid;

use crate::api::admission::{Admission, ClientName, admit};
use crate::api::answers::{CACHE_STATUS, Coded, DEGRADED, TOTAL_COUNT};
use crate::api::cache_policy::{Audience, apply_cache_policy};
use crate::api::limits::bound_head;
use crate::api::panics::{self, watch_body};
use crate::api::problem::{Problem, render_problems};
use crate::api::rate_limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::metrics::{Metrics, UNMATCHED};
use crate::trace::{self, TRACEPARENT, TRACESTATE, Trace};

/// The id of a request, taken from the caller when sane, else made.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX: usize = 128;
/// Largest body of a request that is read, in bytes.
const BODY_MAX: usize = 1024 * 1024;

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

/// Puts every layer around the routes, outermost first:
///
/// 1. request id, so that everything below can name it;
/// 2. metrics and the request's line in the log, which see the final status and time;
/// 3. what browsers and caches may do with the answer, and cross-origin headers: errors and
///    preflights need them as well;
/// 4. the body of failures, which turns whatever fails below into our one shape;
/// 5. panics, which become a failure like any other, or cut the answer that they are in;
/// 6. the bounds on heads and bodies;
/// 7. admission: tokens, shares, room;
/// 8. compression, innermost: it sees what handlers said, not what the layers added.
pub fn layered<S>(router: Router<S>, metrics: Metrics, rules: &HttpRules) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let compresses = rules.compression;
    let wanted = move |_: StatusCode, _: Version, headers: &HeaderMap, said: &Extensions| {
        compresses && said.get::<Coded>().is_none() && is_text(headers)
    };
    let compression = CompressionLayer::new().compress_when(SizeAbove::default().and(wanted));
    let closed = rules.admission.auth.is_some();
    let audience = if closed { Audience::TheClient } else { Audience::Anyone };
    let counted = metrics.clone();
    let layers = ServiceBuilder::new()
        .layer(from_fn(name_request))
        .layer(option_layer((!compresses).then(|| from_fn(take_no_coding))))
        .layer(from_fn_with_state((Arc::clone(&rules.admission), metrics.clone()), observe))
        .layer(from_fn_with_state(audience, apply_cache_policy))
        .layer(from_fn(harden))
        .layer(option_layer(rules.cors.clone().map(cors)))
        .layer(from_fn(render_problems))
        .layer(CatchPanicLayer::custom(move |panic: Box<dyn Any + Send>| {
            panics::failure(&*panic, &counted)
        }))
        .layer(from_fn_with_state(metrics.clone(), watch_body))
        .layer(from_fn(bound_head))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state((Arc::clone(&rules.admission), metrics), admit))
        .layer(compression);
    router
        .fallback(|| async { StatusCode::NOT_FOUND })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(layers)
}

/// Gives the request an id and the answer the same; what is done for it knows both ids.
async fn name_request(mut request: Request, next: Next) -> Response {
    let sane = |id: &&HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
    };
    let given = request.headers().get(REQUEST_ID).filter(sane).cloned();
    let id = given.unwrap_or_else(made_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let parent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let state = request.headers().get_all(TRACESTATE).iter().filter_map(|line| line.to_str().ok());
    let trace = Trace::new(id.to_str().unwrap_or("-"), parent, state);
    let mut response = trace.scope(next.run(request)).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Tells browsers to take an answer for what it says it is, and to run and load nothing of it; a
/// page that needs more says so itself.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    response
}

/// An id that no other request has: random for the process, counted within it, since random bytes
/// for each request are a call of the system for each.
fn made_id() -> HeaderValue {
    static PROCESS: LazyLock<(u64, u64)> = LazyLock::new(|| Uuid::new_v4().as_u64_pair());
    static MADE: AtomicU64 = AtomicU64::new(0);
    let (process, first) = *PROCESS;
    let id = Uuid::from_u64_pair(process, first.wrapping_add(MADE.fetch_add(1, Ordering::Relaxed)));
    let mut text = Uuid::encode_buffer();
    let text = id.simple().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// With compression off nobody learns that a client would take any.
async fn take_no_coding(mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(ACCEPT_ENCODING);
    next.run(request).await
}

/// What one request was, for its metrics and its line in the log.
struct Seen {
    method: Method,
    route: Option<MatchedPath>,
    target: Uri,
    version: Version,
    id: Option<HeaderValue>,
    address: IpAddr,
}

impl Seen {
    fn of(request: &Request, admission: &Admission) -> Self {
        Self {
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            target: request.uri().clone(),
            version: request.version(),
            id: request.headers().get(REQUEST_ID).cloned(),
            address: admission.address(request),
        }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str)
    }

    fn log(&self, took: Duration, response: &Response) {
        let (status, said) = (response.status().as_u16(), response.extensions());
        let failure = said.get::<Problem>().and_then(|problem| problem.report.as_deref());
        if failure.is_none() && !tracing::enabled!(Level::INFO) {
            return;
        }
        let Self { method, target, version, id, address, .. } = self;
        let (route, target) = (self.route(), target.path_and_query());
        let path: String = target.map_or("/", |t| t.as_str()).chars().take(512).collect();
        let client = said.get::<ClientName>().map_or("-", |name| &*name.0);
        let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or("-");
        let ms = took.as_micros() as f64 / 1000.0;
        let bytes = if method == Method::HEAD { Some(0) } else { length(response) };
        let current = trace::current();
        let trace = current.as_ref().and_then(Trace::id);
        match failure {
            Some(error) => {
                warn!(%method, path, route, ?version, status, ms, bytes, id, trace, client, %address, error, "request failed");
            }
            None => {
                info!(%method, path, route, ?version, status, ms, bytes, id, trace, client, %address, "request")
            }
        }
    }
}

/// Bytes of an answer's body, as far as they are known before they are made.
fn length(response: &Response) -> Option<u64> {
    let said = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    said.and_then(|text| text.parse().ok()).or_else(|| response.body().size_hint().exact())
}

/// Counts the request and writes its line, once its answer has a head.
async fn observe(
    State((admission, metrics)): State<(Arc<Admission>, Metrics)>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let seen = Seen::of(&request, &admission);
    let response = next.run(request).await;
    let took = begun.elapsed();
    let status = response.status();
    metrics.request(seen.method.as_str(), seen.route(), status.as_u16(), took.as_secs_f64());
    for backend in stale_parts(response.headers()) {
        metrics.backends.stale_answer(backend);
    }
    seen.log(took, &response);
    response
}

/// Backends whose part of an answer is stale or missing.
fn stale_parts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let named = headers.get(DEGRADED).and_then(|value| value.to_str().ok());
    named.into_iter().flat_map(|names| names.split(", "))
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

/// JSON, pages and READMEs are compressed; archives never are, and metrics need not be.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let texts = ["application/json", "text/html", "text/markdown"];
    content_type.is_some_and(|kind| texts.iter().any(|text| kind.starts_with(text)))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_says_nothing() {
        let router: Router = Router::new().route("/", get(|| async { explode() }));
        let rules = HttpRules { compression: true, ..HttpRules::default() };
        let metrics = Metrics::new(&[], &[]).unwrap();
        let router = layered(router, metrics.clone(), &rules);
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

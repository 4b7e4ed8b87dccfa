//! The outbound HTTP client. This module alone builds clients and sends requests, and enforces the
//! limits on time, size, retries, redirects, addresses and credentials.

pub mod answer;
mod body;
mod body_buffer;
mod breaker;
mod call;
mod concurrency_limit;
mod concurrency_permit;
mod connect;
pub(crate) mod egress;
mod failure;
mod failure_window;
pub mod inspect;
pub mod json;
pub(crate) mod load;
pub mod memory_budget;
pub mod metrics;
pub mod outcome;
mod redirect;
pub mod request;
mod retry;
pub mod settings;
mod stall;
mod throttle;
pub(crate) mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use rustls::RootCertStore;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::Instrument as _;
use url::Url;

use crate::backend::contact::Contact;
use crate::error::{Error, Result};
use crate::http::answer::{Answered, Streamed, UpstreamResponse};
use crate::http::breaker::{Breaker, TRIAL_MAX};
use crate::http::call::Call;
use crate::http::concurrency_limit::{ConcurrencyLimit, Permit};
use crate::http::concurrency_permit::ConcurrencyPermit;
use crate::http::connect::Pool;
use crate::http::load::load_of;
use crate::http::memory_budget::MemoryBudget;
use crate::http::metrics::UpstreamMetrics;
use crate::http::outcome::{CallOutcome, failure_of};
use crate::http::redirect::Hop;
use crate::http::request::Request;
use crate::http::retry::Retries;
use crate::http::settings::UpstreamSettings;
use crate::http::throttle::{Course, Throttle};
use crate::models::backend_id::BackendId;
use crate::trace::{self, SpanId, TRACEPARENT, TRACESTATE, Trace};

/// Maximum memory of one request or download, in bytes, while its response arrives.
pub const QUESTION_BYTES: usize = 1536 * 1024;
/// Upper bound, in bytes, of the memory that the one request with [`MemoryBudget::Much`] takes.
pub const LARGE_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// `User-Agent` sent to every upstream.
const OUR_NAME: HeaderValue =
    HeaderValue::from_static(concat!("extension-registry/", env!("CARGO_PKG_VERSION")));
/// Time without a response after which a request counts as late; the request itself goes on.
const LATE: Duration = Duration::from_secs(5);

/// Settings of the HTTP client of one backend.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Backend that the client talks to; named in errors, metrics and logs.
    pub backend: BackendId,
    /// Configured address; its origin may be private, every other must be public.
    pub base: Url,
    /// Settings of the client.
    pub upstream: UpstreamSettings,
}

/// HTTP client of one backend. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    settings: HttpSettings,
    pool: Pool,
    turns: ConcurrencyLimit,
    /// Held by the one request with [`MemoryBudget::Much`].
    large: tokio::sync::Mutex<()>,
    breaker: Arc<Breaker>,
    /// Throttles of the configured server and of auxiliary servers, such as a token server.
    home: Throttle,
    aside: Throttle,
    retries: Retries,
    metrics: Arc<dyn UpstreamMetrics>,
}

/// Fails if a PEM file cannot be read or holds no certificate.
pub fn check_ca_file(path: &Path) -> Result<()> {
    tls::add_file(&mut RootCertStore::empty(), path)
}

/// A call that received a response, and its permit while the body streams.
type RememberedRedirect = (Call, Option<Permit>);

/// One of the attempts of a request.
#[derive(Clone, Copy)]
struct Attempt {
    /// From 1.
    number: u32,
    deadline: Instant,
    /// An earlier attempt met a rate limit.
    limited: bool,
}

struct Try<A> {
    end: Result<(A, RememberedRedirect)>,
    outcome: CallOutcome,
    course: Course,
}

struct FinalHop {
    response: Response<Incoming>,
    hop: Hop,
}

impl Shared {
    fn throttle_of(&self, request: &Request) -> &Throttle {
        if request.aside { &self.aside } else { &self.home }
    }
}

impl HttpClient {
    /// Creates a client without a connection. Fails if the certificate file is not usable.
    pub fn new(settings: HttpSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let pool = Pool::new(&settings)?;
        let turns = ConcurrencyLimit::new(settings.upstream.max_concurrency);
        let breaker = Breaker::new(settings.backend, Arc::clone(&metrics));
        let retries = Retries::new(settings.upstream.retries);
        Ok(Self(Arc::new(Shared {
            settings,
            pool,
            turns,
            large: tokio::sync::Mutex::default(),
            breaker,
            home: Throttle::new(),
            aside: Throttle::new(),
            retries,
            metrics,
        })))
    }

    /// Returns a receiver of the backend's contact state: the current value and every change.
    #[must_use]
    pub fn contact(&self) -> watch::Receiver<Contact> {
        self.0.breaker.contact()
    }

    /// Sends a request and reads the whole response, of any status, within `max_bytes` and `room`.
    ///
    /// # Errors
    /// `BackendTimeout` after the deadline, `BackendUnavailable` for a failed connection or an open
    /// breaker, `BackendFaulty` if it is not HTTP, too long, or redirected to a forbidden target.
    pub async fn fetch(
        &self,
        request: Request,
        max_bytes: usize,
        room: MemoryBudget,
    ) -> Result<UpstreamResponse> {
        let request = Request { whole: true, ..request };
        let backend = self.0.settings.backend;
        let answer = self.ask(&request, move |reached| async move {
            let (head, body) = reached.response.into_parts();
            let body = body::read_bounded(body, max_bytes, room).await?;
            let Hop { url, moved, at_home, .. } = reached.hop;
            let (status, headers, left_home) = (head.status, head.headers, !at_home);
            Ok(UpstreamResponse { backend, status, headers, body, url, moved, left_home })
        });
        answer.await.map(|(answer, _)| answer)
    }

    /// Sends a request and returns once the headers are here, with errors as [`HttpClient::fetch`].
    /// The stream fails after a silence of the timeout. Request `identity`: nothing is decoded.
    pub async fn stream(&self, request: Request) -> Result<Streamed> {
        let counted = self.0.pool.stream();
        let backend = self.0.settings.backend;
        let (reached, (call, permit)) = self.ask(&request, |reached| async { Ok(reached) }).await?;
        let (head, body) = reached.response.into_parts();
        let bytes = body::stream(body, self.0.settings.upstream.timeout, call, (counted, permit));
        let left_home = !reached.hop.at_home;
        Ok(Streamed { backend, status: head.status, headers: head.headers, bytes, left_home })
    }

    /// Sends a request, and repeats it after temporary failures and rate limits until the deadline.
    async fn ask<A: Answered, F: Future<Output = Result<A>>>(
        &self,
        request: &Request,
        read: impl Fn(FinalHop) -> F,
    ) -> Result<(A, RememberedRedirect)> {
        let patience = self.0.settings.upstream.timeout;
        let patience = if request.probe { patience.min(TRIAL_MAX) } else { patience };
        // One deadline covers all attempts and their pauses: retries never add to a caller's wait.
        let deadline = Instant::now() + patience;
        let mut tries = self.0.retries.begin(&request.method, deadline);
        let mut last = None;
        let mut attempt = Attempt { number: 1, deadline, limited: false };
        loop {
            let Try { end, outcome, course } = match self.try_once(request, attempt, &read).await {
                Ok(tried) => tried,
                // The failure that opened the breaker explains more than the open breaker does.
                Err(error) => return Err(last.unwrap_or(error)),
            };
            let pause = match course {
                Course::Alone(pause) => return Err(self.limits(pause)),
                // The retry waits in the throttle, which already lasts as long as the pause.
                Course::Again => Some(Duration::ZERO),
                Course::On => tries.pause_after(outcome),
            };
            let Some(pause) = pause else { return end };
            self.0.metrics.retried(self.0.settings.backend);
            sleep(pause).await;
            attempt.number += 1;
            attempt.limited |= course == Course::Again;
            last = match course {
                Course::Again => Some(self.limits(self.0.throttle_of(request).pause())),
                _ => end.err(),
            };
        }
    }

    async fn try_once<A: Answered, F: Future<Output = Result<A>>>(
        &self,
        request: &Request,
        attempt: Attempt,
        read: &impl Fn(FinalHop) -> F,
    ) -> Result<Try<A>> {
        let backend = self.0.settings.backend;
        let Attempt { number, deadline, limited } = attempt;
        let ConcurrencyPermit { pass, permit, throttle, ticket } =
            self.turn(request, deadline).await?;
        let call = Call::begin(backend, request.operation, number, Arc::clone(&self.0.metrics));
        // A trial blocks all other requests to the backend, so that it gets less time than they do.
        let deadline = if pass.trial { deadline.min(Instant::now() + TRIAL_MAX) } else { deadline };
        let question = async { read(self.send(request, call.id).await?).await };
        let question = self.noticed_if_late(question.instrument(call.span.clone()));
        let answer = timeout_at(deadline, question).await;
        let answer = answer.unwrap_or_else(|_| Err(failure::silent(backend)));
        // A streamed body keeps its permit; a retry waits for a new one.
        let streams = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
        let permit = permit.filter(|_| streams && !request.whole);
        let course = match &answer {
            Ok(answer) => {
                let load = load_of(answer.status(), answer.headers());
                throttle.heard(ticket, load, limited)
            }
            Err(_) => Course::On,
        };
        if course == Course::Again {
            // `/health` shows the pause: a throttled backend must not look like one that hangs.
            self.0.breaker.paused(throttle.paused_until());
        } else if let Some(failure) = failure_of(answer.as_ref(), course, request) {
            pass.ended(Some(failure));
            // During an outage the breaker limits requests; the throttle would delay the recovery.
            if course == Course::On && !self.0.breaker.is_closed() {
                throttle.release();
            }
        } else if !request.aside {
            // A token server that responds shows nothing about the registry; its failures do count.
            pass.ended(None);
        }
        call.ended(answer.as_ref());
        let outcome = CallOutcome::of(answer.as_ref());
        Ok(Try { end: answer.map(|answer| (answer, (call, permit))), outcome, course })
    }

    async fn noticed_if_late<T>(&self, question: impl Future<Output = T>) -> T {
        let mut question = std::pin::pin!(question);
        if let Ok(answer) = timeout(LATE, &mut question).await {
            return answer;
        }
        // Only a guard: the request runs on, and the backend stops being late once it responds.
        let _late = self.0.breaker.late();
        question.await
    }

    async fn send(&self, request: &Request, span: SpanId) -> Result<FinalHop> {
        let settings = &self.0.settings;
        let mut hop = Hop::first(request, &settings.base).map_err(Error::faulty)?;
        loop {
            let response = self.send_once(request, &hop, span).await?;
            match hop.next(&response, request.redirects).map_err(Error::faulty)? {
                Some(next) => hop = next,
                None => return Ok(FinalHop { response, hop }),
            }
        }
    }

    async fn send_once(
        &self,
        request: &Request,
        hop: &Hop,
        span: SpanId,
    ) -> Result<Response<Incoming>> {
        let mut message = hyper::Request::builder()
            .method(request.method.clone())
            .uri(hop.url.as_str())
            .body(Full::new(request.body.clone()))
            .map_err(|error| Error::faulty("An address is not usable").because(error))?;
        let headers = message.headers_mut();
        headers.extend(request.headers.clone());
        headers.insert(USER_AGENT, OUR_NAME);
        // Only the operator's own servers receive identifiers of the caller's request.
        if let Some(trace) = trace::current().filter(|_| hop.trusted) {
            headers.extend(ids(&trace, span));
        }
        if let Some(credentials) = &hop.credentials {
            headers.insert(AUTHORIZATION, credentials.header());
        }
        let client = self.0.pool.client_for(hop, request.whole)?;
        let backend = self.0.settings.backend;
        client.request(message).await.map_err(|error| failure::of_sending(backend, error))
    }
}

fn ids(trace: &Trace, span: SpanId) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let parent = trace.traceparent(span);
    let told = [
        // Backends write these into their logs, which ties their lines to ours.
        ("x-request-id", Some(trace.request())),
        (TRACEPARENT, Some(&*parent)),
        (TRACESTATE, trace.tracestate()),
    ];
    let parsed =
        told.map(|(name, text)| Some((HeaderName::from_static(name), text?.parse().ok()?)));
    parsed.into_iter().flatten()
}

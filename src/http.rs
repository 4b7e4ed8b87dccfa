//! The one door out: the only place that builds a client or sends a request, and that keeps what
//! is promised of time, size, retries, redirects, addresses and credentials.

pub mod answer;
mod body;
mod breaker;
mod call;
mod connect;
pub(crate) mod egress;
mod failure;
pub mod inspect;
pub mod json;
pub(crate) mod load;
pub mod metrics;
mod pace;
mod redirect;
pub mod request;
mod retry;
pub mod room;
pub mod settings;
mod throttle;
mod tls;
mod turn;
mod turns;
mod verdict;
mod whole;
mod window;

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
use url::Url;

use crate::backend::contact::Contact;
use crate::error::{Error, Result};
use crate::http::answer::{Answer, Streamed};
use crate::http::breaker::{Breaker, TRIAL_MAX, Verdict};
use crate::http::call::Call;
use crate::http::connect::Pool;
use crate::http::load::load_of;
use crate::http::metrics::UpstreamMetrics;
use crate::http::redirect::Hop;
use crate::http::request::Request;
use crate::http::retry::Retries;
use crate::http::room::Room;
use crate::http::settings::UpstreamSettings;
use crate::http::throttle::{Course, Throttle};
use crate::http::turn::Turn;
use crate::http::turns::{Permit, Turns};
use crate::http::verdict::{Answered, end_of, verdict_of};
use crate::models::backend_kind::BackendKind;
use crate::trace::{self, TRACEPARENT, TRACESTATE, Trace};

/// What one question, or one download, takes while its answer comes, in bytes.
pub const QUESTION_BYTES: usize = 1536 * 1024;
/// What the one question that has much room takes.
pub const LARGE_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How we name ourselves to every upstream.
const OUR_NAME: HeaderValue =
    HeaderValue::from_static(concat!("extension-registry/", env!("CARGO_PKG_VERSION")));
/// A backend that has not answered for this long counts as failing while the question runs on.
const LATE: Duration = Duration::from_secs(5);

/// How one backend is to be talked to.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The backend it is for; named in errors, metrics and logs.
    pub backend: BackendKind,
    /// The configured address. Its origin is trusted, wherever it is; every other one must be
    /// public.
    pub base: Url,
    /// How the server is talked to.
    pub upstream: UpstreamSettings,
}

/// The client of one backend. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    settings: HttpSettings,
    pool: Pool,
    turns: Turns,
    /// Held by the one question that has much room.
    large: tokio::sync::Mutex<()>,
    breaker: Arc<Breaker>,
    /// Of the configured server, and of those that it cannot do without, such as a token server.
    home: Throttle,
    aside: Throttle,
    retries: Retries,
    metrics: Arc<dyn UpstreamMetrics>,
}

/// Whether a PEM file of certificates can be used.
///
/// # Errors
/// It cannot be read, or holds no certificate.
pub fn check_ca_file(path: &Path) -> Result<()> {
    tls::add_file(&mut RootCertStore::empty(), path)
}

/// A call that was answered, and its turn while the answer streams.
type Kept = (Call, Option<Permit>);

/// How a question ended that was sent, and what follows.
struct Try<A> {
    end: Result<(A, Kept)>,
    course: Course,
}

/// The head of a response, and how it was reached.
struct Reached {
    response: Response<Incoming>,
    hop: Hop,
}

impl Shared {
    fn throttle_of(&self, request: &Request) -> &Throttle {
        if request.aside { &self.aside } else { &self.home }
    }
}

impl HttpClient {
    /// A client that has not connected to anything yet.
    ///
    /// # Errors
    /// A certificate file that cannot be read or holds no certificate.
    pub fn new(settings: HttpSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let pool = Pool::new(&settings)?;
        let turns = Turns::new(settings.upstream.max_concurrency);
        let breaker = Breaker::new(settings.backend, Arc::clone(&metrics));
        let retries = Retries::new(settings.upstream.retries);
        let large = tokio::sync::Mutex::default();
        let (home, aside) = (Throttle::new(), Throttle::new());
        Ok(Self(Arc::new(Shared {
            settings,
            pool,
            turns,
            large,
            breaker,
            home,
            aside,
            retries,
            metrics,
        })))
    }

    /// How contact with the backend stands, now and as it changes.
    #[must_use]
    pub fn contact(&self) -> watch::Receiver<Contact> {
        self.0.breaker.contact()
    }

    /// Asks for something small and waits for all of it, at most `max_bytes`, and no more than there
    /// is room for.
    ///
    /// # Errors
    /// `BackendTimeout` after the deadline, `BackendUnavailable` where no connection comes about
    /// or stands, or where the backend failed so often that it is not asked just now,
    /// `BackendFaulty` for what is not HTTP, too long, or redirected where it may not. Any status
    /// is an answer, not an error.
    pub async fn fetch(&self, request: Request, max_bytes: usize, room: Room) -> Result<Answer> {
        let request = Request { whole: true, ..request };
        let backend = self.0.settings.backend;
        let read = move |reached: Reached| async move {
            let (head, body) = reached.response.into_parts();
            let body = body::read_bounded(body, max_bytes, room).await?;
            let Hop { url, moved, at_home, .. } = reached.hop;
            let (status, headers, left_home) = (head.status, head.headers, !at_home);
            Ok(Answer { backend, status, headers, body, url, moved, left_home })
        };
        self.ask(&request, read).await.map(|(answer, _)| answer)
    }

    /// Asks for something large: returns with the headers, and the bytes come as they are read.
    ///
    /// The stream ends with an error if the backend is silent for longer than the timeout.
    /// Nothing is decoded on the way: ask for `identity`.
    ///
    /// # Errors
    /// As [`HttpClient::fetch`]; the deadline holds until the headers are here.
    pub async fn stream(&self, request: Request) -> Result<Streamed> {
        let counted = self.0.pool.stream();
        let backend = self.0.settings.backend;
        let (reached, (call, permit)) = self.ask(&request, |reached| async { Ok(reached) }).await?;
        let (head, body) = reached.response.into_parts();
        let bytes = body::stream(body, self.0.settings.upstream.timeout, call, (counted, permit));
        let left_home = !reached.hop.at_home;
        Ok(Streamed { backend, status: head.status, headers: head.headers, bytes, left_home })
    }

    /// Asks, and again after failures that may pass and after limits, until the deadline.
    async fn ask<A: Answered, F: Future<Output = Result<A>>>(
        &self,
        request: &Request,
        read: impl Fn(Reached) -> F,
    ) -> Result<(A, Kept)> {
        let patience = self.0.settings.upstream.timeout;
        let patience = if request.probe { patience.min(TRIAL_MAX) } else { patience };
        let deadline = Instant::now() + patience;
        let mut tries = self.0.retries.begin(&request.method, deadline);
        let (mut last, mut limited) = (None, false);
        loop {
            let Try { end, course } = match self.try_once(request, deadline, limited, &read).await {
                Ok(tried) => tried,
                // The failure that closed the door says more than the closed door.
                Err(error) => return Err(last.unwrap_or(error)),
            };
            let pause = match course {
                Course::Alone(pause) => return Err(self.limits(pause)),
                // Its turn is as long as the pause.
                Course::Again => Some(Duration::ZERO),
                Course::On => tries.pause_after(end_of(&end)),
            };
            let Some(pause) = pause else { return end };
            self.0.metrics.retried(self.0.settings.backend);
            sleep(pause).await;
            limited |= course == Course::Again;
            last = match course {
                Course::Again => Some(self.limits(self.0.throttle_of(request).pause())),
                _ => end.err(),
            };
        }
    }

    async fn try_once<A: Answered, F: Future<Output = Result<A>>>(
        &self,
        request: &Request,
        deadline: Instant,
        limited: bool,
        read: &impl Fn(Reached) -> F,
    ) -> Result<Try<A>> {
        let backend = self.0.settings.backend;
        let Turn { pass, permit, throttle, ticket } = self.turn(request, deadline).await?;
        let call = Call::begin(backend, request.operation, Arc::clone(&self.0.metrics));
        let deadline = if pass.trial { deadline.min(Instant::now() + TRIAL_MAX) } else { deadline };
        let question = async { read(self.send(request).await?).await };
        let answer = timeout_at(deadline, self.noticed_if_late(question)).await;
        let answer = answer.unwrap_or_else(|_| Err(failure::silent(backend)));
        let answer = answer.map_err(|error| error.at(backend));
        // A body that is streamed keeps its turn; what is asked again waits for another one.
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
            self.0.breaker.paused(throttle.paused_until());
        }
        if let Some(verdict) = verdict_of(&answer, course, request) {
            let failed = verdict != Verdict::There;
            pass.ended(verdict);
            // An outage is the breaker's business alone.
            if failed && course == Course::On && !self.0.breaker.is_closed() {
                throttle.release();
            }
        }
        call.answered(answer.as_ref().map(Answered::status));
        Ok(Try { end: answer.map(|answer| (answer, (call, permit))), course })
    }

    async fn noticed_if_late<T>(&self, question: impl Future<Output = T>) -> T {
        let mut question = std::pin::pin!(question);
        if let Ok(answer) = timeout(LATE, &mut question).await {
            return answer;
        }
        let _late = self.0.breaker.late();
        question.await
    }

    /// Follows redirects as far as the request allows.
    async fn send(&self, request: &Request) -> Result<Reached> {
        let settings = &self.0.settings;
        let mut hop = Hop::first(request, &settings.base).map_err(Error::faulty)?;
        loop {
            let response = self.send_once(request, &hop).await?;
            match hop.next(&response, request.redirects).map_err(Error::faulty)? {
                Some(next) => hop = next,
                None => return Ok(Reached { response, hop }),
            }
        }
    }

    async fn send_once(&self, request: &Request, hop: &Hop) -> Result<Response<Incoming>> {
        let mut message = hyper::Request::builder()
            .method(request.method.clone())
            .uri(hop.url.as_str())
            .body(Full::new(request.body.clone()))
            .map_err(|error| Error::faulty("An address is not usable").because(error))?;
        let headers = message.headers_mut();
        headers.extend(request.headers.clone());
        headers.insert(USER_AGENT, OUR_NAME);
        if let Some(trace) = trace::current().filter(|_| hop.trusted) {
            headers.extend(ids(&trace));
        }
        if let Some(credentials) = &hop.credentials {
            headers.insert(AUTHORIZATION, credentials.header());
        }
        let client = self.0.pool.client_for(hop, request.whole)?;
        let backend = self.0.settings.backend;
        client.request(message).await.map_err(|error| failure::of_sending(backend, error))
    }
}

/// What a backend is told of the request that it is asked for. All are checked texts.
fn ids(trace: &Trace) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let told = [
        ("x-request-id", Some(trace.request())),
        (TRACEPARENT, Some(trace.traceparent())),
        (TRACESTATE, trace.tracestate()),
    ];
    let header = |(name, text): (_, Option<&str>)| {
        Some((HeaderName::from_static(name), text?.parse().ok()?))
    };
    told.into_iter().filter_map(header)
}

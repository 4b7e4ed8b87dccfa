//! HTTP client of one server: a circuit breaker, permits, retries and metrics around each request.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use registry_core::backend::contact::Contact;
use registry_core::error::Result;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;
use url::Url;

use crate::http::answer::{Answered, FinalHop, Streamed, UpstreamResponse};
use crate::http::breaker::TRIAL_MAX;
use crate::http::call::Call;
use crate::http::call_limits::CallLimits;
use crate::http::client::HttpClient;
use crate::http::concurrency_limit::Permit;
use crate::http::memory_permit::ListMemory;
use crate::http::metrics::UpstreamMetrics;
use crate::http::outcome::CallOutcome;
use crate::http::peer::Peer;
use crate::http::request::Request;
use crate::http::request_rate::Course;
use crate::http::retry::Retries;
use crate::http::settings::UpstreamSettings;

/// Time without a response after which a request counts as late; the request itself goes on.
const LATE: Duration = Duration::from_secs(5);

/// Settings of the HTTP client of one server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Server that the client talks to; named in errors, metrics and logs.
    pub peer: Peer,
    /// Configured address; its origin may be private, every other must be public.
    pub base: Url,
    /// Settings of the client.
    pub upstream: UpstreamSettings,
}

/// HTTP client of one server. Cheap to clone.
#[derive(Clone)]
pub struct UpstreamClient(Arc<Shared>);

struct Shared {
    peer: Peer,
    http: HttpClient,
    limits: CallLimits,
    retries: Retries,
    timeout: Duration,
    metrics: Arc<dyn UpstreamMetrics>,
}

/// A call that received a response, and its permit while the body streams.
type CallInProgress = (Call, Option<Permit>);

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
    end: Result<(A, CallInProgress)>,
    outcome: CallOutcome,
    course: Course,
}

impl UpstreamClient {
    /// Creates a client without a connection. Fails if the certificate file is not usable.
    pub fn new(settings: HttpSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let HttpSettings { peer, base, upstream } = settings;
        Ok(Self(Arc::new(Shared {
            peer,
            http: HttpClient::new(peer, base, &upstream)?,
            limits: CallLimits::new(peer, upstream.max_concurrency, Arc::clone(&metrics)),
            retries: Retries::new(upstream.retries),
            timeout: upstream.timeout,
            metrics,
        })))
    }

    /// Returns a receiver of the backend's contact state: the current value and every change.
    #[must_use]
    pub fn contact(&self) -> watch::Receiver<Contact> {
        self.0.limits.contact()
    }

    /// Sends no request before this time, because the server demanded a pause of another replica.
    pub fn hold(&self, until: Option<Instant>) {
        self.0.limits.hold(until);
    }

    /// Starts the account of a list that is read page by page.
    #[must_use]
    pub fn list_memory(&self) -> ListMemory {
        self.0.http.list_memory()
    }

    /// Sends a request and reads the whole response, like [`HttpClient::fetch`].
    ///
    /// # Errors
    /// Those of [`HttpClient::fetch`], and `BackendUnavailable` while the breaker is open.
    pub async fn fetch(&self, request: Request, max_bytes: usize) -> Result<UpstreamResponse> {
        let request = Request { whole: true, ..request };
        let http = &self.0.http;
        let answer = self.ask(&request, |reached, deadline| async move {
            http.read_whole(reached, max_bytes, deadline).await
        });
        answer.await.map(|(answer, _)| answer)
    }

    /// Sends a request and returns once the headers are here, like [`HttpClient::stream`].
    pub async fn stream(&self, request: Request) -> Result<Streamed> {
        let counted = self.0.http.count_stream();
        let (reached, (call, permit)) =
            self.ask(&request, |reached, _| async { Ok(reached) }).await?;
        let answer = self.0.http.read_stream(reached, counted);
        let bytes = answer.bytes.inspect(move |piece| {
            // Dropping the stream frees the permit.
            let _held = &permit;
            if let Err(error) = piece {
                call.ended::<UpstreamResponse>(Err(error));
            }
        });
        Ok(Streamed { bytes: bytes.boxed(), ..answer })
    }

    /// Sends a request, and repeats it after temporary failures and rate limits until the deadline.
    async fn ask<A: Answered, F: Future<Output = Result<A>>>(
        &self,
        request: &Request,
        read: impl Fn(FinalHop, Instant) -> F,
    ) -> Result<(A, CallInProgress)> {
        let shared = &*self.0;
        let patience = if request.probe { shared.timeout.min(TRIAL_MAX) } else { shared.timeout };
        // One deadline covers all attempts and their pauses: retries never add to a caller's wait.
        let deadline = Instant::now() + patience;
        let mut tries = shared.retries.begin(request.can_retry(), deadline);
        let mut last = None;
        let mut attempt = Attempt { number: 1, deadline, limited: false };
        loop {
            let Try { end, outcome, course } = match self.try_once(request, attempt, &read).await {
                Ok(tried) => tried,
                // The failure that opened the breaker explains more than the open breaker does.
                Err(error) => return Err(last.unwrap_or(error)),
            };
            let pause = match course {
                Course::Alone(pause) => return Err(shared.limits.rate_limited(pause)),
                Course::Again if !request.body.can_repeat() => return end,
                // The retry waits in the throttle, which already lasts as long as the pause.
                Course::Again => Some(Duration::ZERO),
                Course::On => tries.pause_after(outcome),
            };
            let Some(pause) = pause else { return end };
            // The response is dropped before the pause, with its memory permit.
            let failure = end.err();
            last = match course {
                Course::Again => Some(shared.limits.throttled(request)),
                _ => failure,
            };
            shared.metrics.retried(shared.peer);
            sleep(pause).await;
            attempt.number += 1;
            attempt.limited |= course == Course::Again;
        }
    }

    async fn try_once<A: Answered, F: Future<Output = Result<A>>>(
        &self,
        request: &Request,
        attempt: Attempt,
        read: &impl Fn(FinalHop, Instant) -> F,
    ) -> Result<Try<A>> {
        let shared = &*self.0;
        let Attempt { number, deadline, limited } = attempt;
        let permit = shared.limits.admit(request, deadline).await?;
        let metrics = Arc::clone(&shared.metrics);
        let call = Call::begin(shared.peer, request.operation, number, metrics);
        // A trial blocks all other requests to the backend, so that it gets less time than they do.
        let deadline =
            if permit.breaker.trial { deadline.min(Instant::now() + TRIAL_MAX) } else { deadline };
        let question = async { read(shared.http.send(request, call.id).await?, deadline).await };
        let question = self.noticed_if_late(question.instrument(call.span.clone()));
        let answer = shared.http.until(deadline, request, question).await;
        let (course, permit) = shared.limits.ended(request, permit, limited, answer.as_ref());
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
        let _late = self.0.limits.late();
        question.await
    }
}

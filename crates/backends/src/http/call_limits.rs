//! The limits that a call passes before it is sent: throttle, permit, circuit breaker.

use std::sync::Arc;
use std::time::Duration;

use registry_core::backend::contact::Contact;
use registry_core::error::{Error, ErrorKind, Result};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::http::answer::Answered;
use crate::http::breaker::{Breaker, BreakerPermit, Late};
use crate::http::concurrency_limit::{ConcurrencyLimit, Permit};
use crate::http::load::load_of;
use crate::http::metrics::UpstreamMetrics;
use crate::http::outcome::failure_of;
use crate::http::peer::Peer;
use crate::http::request::Request;
use crate::http::request_rate::{Course, ThrottlePermit};
use crate::http::throttle::Throttle;

/// Limits of the calls to one backend.
pub(super) struct CallLimits {
    peer: Peer,
    permits: ConcurrencyLimit,
    breaker: Arc<Breaker>,
    /// Throttles of the configured server and of auxiliary servers, such as a token server.
    home: Throttle,
    aside: Throttle,
}

/// Admission of one call.
pub(super) struct CallPermit {
    pub(super) breaker: BreakerPermit,
    throttle: ThrottlePermit,
    /// `None` for a probe, which detects hanging requests even if they hold every permit.
    concurrency: Option<Permit>,
}

impl CallLimits {
    pub(super) fn new(
        peer: Peer,
        max_concurrency: usize,
        metrics: Arc<dyn UpstreamMetrics>,
    ) -> Self {
        Self {
            peer,
            permits: ConcurrencyLimit::new(max_concurrency),
            breaker: Breaker::new(peer, metrics),
            home: Throttle::new(),
            aside: Throttle::new(),
        }
    }

    pub(super) fn contact(&self) -> watch::Receiver<Contact> {
        self.breaker.contact()
    }

    /// Sends no request to the configured server before this time.
    pub(super) fn hold(&self, until: Option<Instant>) {
        self.home.hold(until);
        self.breaker.held(until);
    }

    /// Counts a call as late until the guard is dropped.
    pub(super) fn late(&self) -> Late {
        self.breaker.late()
    }

    /// Waits for admission until the deadline, or until the breaker opens.
    pub(super) async fn admit(&self, request: &Request, deadline: Instant) -> Result<CallPermit> {
        let throttle = self.throttle_of(request);
        loop {
            self.breaker.check()?;
            // A probe never waits, and one during the pause would violate the backend's rate limit.
            if request.probe && throttle.is_paused() {
                return Err(self.rate_limited(throttle.pause()).not_asked());
            }
            let concurrency = if request.probe {
                None
            } else {
                self.permit(throttle, deadline, !request.whole).await?
            };
            // The backend may have sent a rate limit while this request waited for its permit.
            if concurrency.is_some() && throttle.is_paused() {
                continue;
            }
            // Decided again: the breaker may have opened meanwhile, and only one trial is admitted.
            let (breaker, throttle) = (self.breaker.enter()?, throttle.sent());
            return Ok(CallPermit { breaker, throttle, concurrency });
        }
    }

    /// Reports the end of an attempt. Returns what follows, and the permit of a body that streams on.
    pub(super) fn ended<A: Answered>(
        &self,
        request: &Request,
        permit: CallPermit,
        limited: bool,
        end: Result<&A, &Error>,
    ) -> (Course, Option<Permit>) {
        let throttle = self.throttle_of(request);
        let course = match end {
            Ok(answer) => {
                let load = load_of(answer.status(), answer.headers());
                throttle.heard(permit.throttle, load, limited)
            }
            Err(_) => Course::On,
        };
        if course == Course::Again {
            // `/health` shows the pause: a throttled backend must not look like one that hangs.
            self.breaker.paused(throttle.paused_until());
        } else if let Some(failure) = failure_of(end, course, request) {
            if let Some(wait) = failure.wait {
                // Told apart from the pause of the breaker, which is this process's own.
                self.breaker.paused(Instant::now() + wait);
            }
            permit.breaker.ended(Some(failure));
            // During an outage the breaker limits requests; the throttle would delay the recovery.
            if course == Course::On && !self.breaker.is_closed() {
                throttle.release();
            }
        } else if !request.aside && end.err().is_none_or(Error::was_asked) {
            // A token server that responds shows nothing about the registry; its failures do count.
            permit.breaker.ended(None);
        }
        // A streamed body keeps its permit; a retry waits for a new one.
        let streams = end.is_ok_and(|answer| answer.status().is_success()) && !request.whole;
        (course, permit.concurrency.filter(|_| streams))
    }

    /// Returns the error for a request that the server's throttle does not let pass.
    pub(super) fn throttled(&self, request: &Request) -> Error {
        self.rate_limited(self.throttle_of(request).pause())
    }

    pub(super) fn rate_limited(&self, pause: Duration) -> Error {
        let message = format!("The {} limits the request rate", self.peer);
        Error::unavailable(message, pause)
    }

    fn throttle_of(&self, request: &Request) -> &Throttle {
        if request.aside { &self.aside } else { &self.home }
    }

    /// Waits for a throttle slot and for a permit. Returns `None` if the breaker opened meanwhile.
    async fn permit(
        &self,
        throttle: &Throttle,
        deadline: Instant,
        download: bool,
    ) -> Result<Option<Permit>> {
        let mut contact = self.breaker.contact();
        // Waiting requests fail at once when the breaker opens, instead of at the deadline.
        let closes = contact.wait_for(|contact| !contact.breaker.lets_through());
        let turn = async {
            // The slot comes first: a permit held through a pause would block other requests.
            let slot = throttle.slot(deadline).await;
            slot.map_err(|pause| self.rate_limited(pause).not_asked())?;
            Ok(self.permits.take(download).await)
        };
        let turn = async {
            tokio::select! {
                biased;
                permit = turn => permit,
                _ = closes => Ok(None),
            }
        };
        timeout_at(deadline, turn).await.unwrap_or_else(|_| {
            let message =
                format!("The {} has too many concurrent requests; retry later", self.peer);
            let error = Error::new(ErrorKind::BackendTimeout, message);
            Err(error.not_asked())
        })
    }
}

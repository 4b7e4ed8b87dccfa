//! Admission of a request: a permit, a throttle slot, and a breaker that lets it pass.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::http::HttpClient;
use crate::http::breaker::BreakerPermit;
use crate::http::concurrency_limit::Permit;
use crate::http::request::Request;
use crate::http::throttle::{Throttle, ThrottlePermit};

pub(super) struct ConcurrencyPermit<'a> {
    pub(super) pass: BreakerPermit,
    /// `None` for a probe, which detects hanging requests even if they hold every permit.
    pub(super) permit: Option<Permit>,
    pub(super) throttle: &'a Throttle,
    pub(super) ticket: ThrottlePermit,
}

impl HttpClient {
    /// Waits for admission until the deadline, or until the breaker opens.
    pub(super) async fn turn(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<ConcurrencyPermit<'_>> {
        let shared = &*self.0;
        let throttle = shared.throttle_of(request);
        loop {
            shared.breaker.check()?;
            // A probe never waits, and one during the pause would violate the backend's rate limit.
            if request.probe && throttle.is_paused() {
                return Err(self.limits(throttle.pause()).not_asked());
            }
            let permit = match request.probe {
                true => None,
                false => self.permit(throttle, deadline, !request.whole).await?,
            };
            // The backend may have sent a rate limit while this request waited for its permit.
            if permit.is_some() && throttle.is_paused() {
                continue;
            }
            // Decided again: the breaker may have opened meanwhile, and only one trial is admitted.
            let (pass, ticket) = (shared.breaker.enter()?, throttle.sent());
            return Ok(ConcurrencyPermit { pass, permit, throttle, ticket });
        }
    }

    /// Waits for a throttle slot and for a permit. Returns `None` if the breaker opened meanwhile.
    async fn permit(
        &self,
        throttle: &Throttle,
        deadline: Instant,
        download: bool,
    ) -> Result<Option<Permit>> {
        let shared = &*self.0;
        let mut contact = shared.breaker.contact();
        // Waiting requests fail at once when the breaker opens, instead of at the deadline.
        let closes = contact.wait_for(|contact| !contact.breaker.lets_through());
        let turn = async {
            // The slot comes first: a permit held through a pause would block other requests.
            let slot = throttle.slot(deadline).await;
            slot.map_err(|pause| self.limits(pause).not_asked())?;
            Ok(shared.turns.take(download).await)
        };
        let turn = async {
            tokio::select! {
                biased;
                permit = turn => permit,
                _ = closes => Ok(None),
            }
        };
        timeout_at(deadline, turn).await.unwrap_or_else(|_| {
            let message = format!(
                "The {} backend has too many concurrent requests; retry later",
                shared.settings.backend
            );
            let error = Error::new(ErrorKind::BackendTimeout, message);
            Err(error.not_asked())
        })
    }

    pub(super) fn limits(&self, pause: Duration) -> Error {
        let backend = self.0.settings.backend;
        Error::unavailable(format!("The {backend} backend limits the request rate"), pause)
    }
}

//! Waiting for a turn: few questions are under way at once, and none while the breaker is open.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::http::HttpClient;
use crate::http::breaker::Pass;
use crate::http::request::Request;
use crate::http::throttle::{Throttle, Ticket};
use crate::http::turns::Permit;

/// The right to ask now.
pub(super) struct Turn<'a> {
    pub(super) pass: Pass,
    /// `None` for a probe, which waits for nobody: where every turn is taken by questions that
    /// hang, it is how we learn that they do.
    pub(super) permit: Option<Permit>,
    pub(super) throttle: &'a Throttle,
    pub(super) ticket: Ticket,
}

impl HttpClient {
    /// Waits for a turn until the deadline, and no longer than the breaker stays closed.
    pub(super) async fn turn(&self, request: &Request, deadline: Instant) -> Result<Turn<'_>> {
        let shared = &*self.0;
        let throttle = shared.throttle_of(request);
        loop {
            shared.breaker.check()?;
            if request.probe && throttle.is_paused() {
                return Err(self.limits(throttle.pause()).not_asked());
            }
            let permit = match request.probe {
                true => None,
                false => self.permit(throttle, deadline, !request.whole).await?,
            };
            // A limit may have been told while the other questions were waited for.
            if permit.is_some() && throttle.is_paused() {
                continue;
            }
            let (pass, ticket) = (shared.breaker.enter()?, throttle.sent());
            return Ok(Turn { pass, permit, throttle, ticket });
        }
    }

    /// Waits for a slot and for a place; `None`: the breaker opened meanwhile.
    async fn permit(
        &self,
        throttle: &Throttle,
        deadline: Instant,
        download: bool,
    ) -> Result<Option<Permit>> {
        let shared = &*self.0;
        let mut contact = shared.breaker.contact();
        let closes = contact.wait_for(|contact| !contact.breaker.lets_through());
        let turn = async {
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
                "The {} backend has too many requests under way; retry later",
                shared.settings.backend
            );
            let error = Error::new(ErrorKind::BackendTimeout, message);
            Err(error.not_asked())
        })
    }

    /// The backend limits us, and is to be asked again after this pause.
    pub(super) fn limits(&self, pause: Duration) -> Error {
        let backend = self.0.settings.backend;
        Error::unavailable(format!("The {backend} backend limits our request rate"), pause)
    }
}

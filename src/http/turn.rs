//! Waiting for a turn: few questions are under way at once, and none while the breaker is open.

use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::http::HttpClient;
use crate::http::breaker::Pass;
use crate::http::request::Request;

/// The right to ask now.
pub(super) struct Turn<'a> {
    pub(super) pass: Pass,
    /// `None` for a probe, which waits for nobody: where every turn is taken by questions that
    /// hang, it is how we learn that they do.
    pub(super) permit: Option<SemaphorePermit<'a>>,
}

impl HttpClient {
    /// Waits for a turn until the deadline, and no longer than the breaker stays closed.
    pub(super) async fn turn(&self, request: &Request, deadline: Instant) -> Result<Turn<'_>> {
        let shared = &*self.0;
        shared.breaker.check()?;
        if request.probe {
            return Ok(Turn { pass: shared.breaker.enter()?, permit: None });
        }
        let mut contact = shared.breaker.contact();
        let closes = contact.wait_for(|contact| !contact.breaker.lets_through());
        let turn = async {
            tokio::select! {
                biased;
                permit = shared.permits.acquire() => permit.ok(),
                _ = closes => None,
            }
        };
        let permit = timeout_at(deadline, turn).await.map_err(|_| {
            let message =
                format!("The {} backend has too many questions to answer", shared.settings.backend);
            Error::new(ErrorKind::BackendTimeout, message).at(shared.settings.backend).not_asked()
        })?;
        Ok(Turn { pass: shared.breaker.enter()?, permit })
    }
}

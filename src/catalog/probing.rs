//! Health checks of a backend: after a late response, after a silence, and during an outage.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::backend::contact::{BreakerState, Contact};
use crate::catalog::Catalog;
use crate::catalog::apply::{ReadOrigin, read_one};
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::status::Operation;
use crate::error::{Error, ErrorKind};
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;

/// Time without a request after which a backend is probed.
const SILENCE: Duration = Duration::from_secs(15);
const PROBE_PAUSE: Duration = Duration::from_millis(100);

impl Catalog {
    pub(super) async fn keep_watch(self: Arc<Self>, source: BackendId) {
        let Some(handle) = self.handle(source) else { return };
        let mut contact = handle.backend.contact();
        let begun = Instant::now();
        let mut late = 0;
        loop {
            let now = contact.as_mut().map(|contact| *contact.borrow_and_update());
            let now = now.unwrap_or_default();
            // Only the change to "late" counts: a slow download must not cause many probes.
            let keeps_waiting = late == 0 && now.late > 0;
            late = now.late;
            if keeps_waiting {
                handle.failed(Operation::Contact, &unanswered(source));
            }
            let due = due(handle, now, begun);
            if keeps_waiting || due.is_some_and(|at| at <= Instant::now()) {
                self.probe(handle).await;
                // A probe may end before it was sent; without the pause the loop would spin.
                sleep(PROBE_PAUSE).await;
                continue;
            }
            let time = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let news = async {
                match &mut contact {
                    Some(contact) => contact.changed().await.unwrap_or_default(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {}
                () = news => {}
            }
        }
    }

    /// After a refused read, the probe is a read: a request that needs fewer rights would succeed.
    async fn probe(self: &Arc<Self>, handle: &BackendHandle) {
        let (refuses_reads, _) = handle.status.refuses_reads();
        handle.status.refusal_is_checked();
        // Cleared before the read: whatever its outcome, the refusal has been checked.
        let canary = if refuses_reads { self.canary(handle) } else { None };
        let Some(canary) = canary else { return handle.probe().await };
        let read = read_one(handle, canary).await;
        handle.learned(&read.1);
        self.apply(handle, vec![read], ReadOrigin::Backend).await.confirm(handle);
    }

    /// Returns a known extension whose last read succeeded, else one whose last read failed.
    pub(super) fn canary(&self, handle: &BackendHandle) -> Option<ExtensionId> {
        let incomplete = handle.evidence.incomplete();
        let (_, known) = self.index.lock().undoubted(handle.id(), usize::MAX);
        let readable = known.into_iter().find(|id| incomplete.binary_search(id).is_err());
        readable.or_else(|| incomplete.into_iter().next())
    }
}

/// Returns the time of the next probe; `None` if only a change of contact can cause one.
fn due(handle: &BackendHandle, contact: Contact, begun: Instant) -> Option<Instant> {
    match contact.breaker {
        BreakerState::Open { until } => Some(until),
        // The probe of the half-open breaker is under way, and its result changes the contact.
        BreakerState::HalfOpen => None,
        // One refused repository proves nothing about the others.
        BreakerState::Closed if handle.status.refuses_reads().1 => Some(Instant::now()),
        BreakerState::Closed => {
            let heard = [contact.last_heard, handle.status.last_asked()];
            let silent = heard.into_iter().flatten().max().unwrap_or(begun) + SILENCE;
            // A backend that limits our request rate is not probed before its pause ends.
            contact.paused_until.max(Some(silent))
        }
    }
}

fn unanswered(source: BackendId) -> Error {
    let message = format!("The {source} backend did not answer in time");
    Error::new(ErrorKind::BackendTimeout, message)
}

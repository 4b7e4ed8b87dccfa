//! Health checks of a backend: after a late response, after a silence, and during an outage.

use std::sync::Arc;
use std::time::Duration;

use registry_core::backend::contact::{BreakerState, Contact};
use registry_core::error::{Error, ErrorKind};
use registry_core::models::backend_id::BackendId;
use tokio::time::{Instant, sleep, sleep_until};

use crate::health::status::Operation;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::canary::canary;
use crate::sync::intake::{ReadOrigin, read_one};
use crate::sync::removal::apply;

/// Time without a request after which a backend is probed.
const SILENCE: Duration = Duration::from_secs(15);
/// Time without a report of the writer after which a follower probes a backend itself.
const UNREPORTED: Duration = Duration::from_secs(45);
const PROBE_PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn keep_watch(handle: Arc<BackendHandle>) {
    let mut contact = handle.health.contact();
    let begun = Instant::now();
    let mut late = 0;
    loop {
        let now = contact.as_mut().map(|contact| *contact.borrow_and_update());
        let now = now.unwrap_or_default();
        // Only the change to "late" counts: a slow download must not cause many probes.
        let keeps_waiting = late == 0 && now.late > 0;
        late = now.late;
        if keeps_waiting {
            handle.health.failed(Operation::Contact, &unanswered(handle.id()));
        }
        let due = due(&handle, now, begun);
        if keeps_waiting || due.is_some_and(|at| at <= Instant::now()) {
            probe(&handle).await;
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
        let change = async {
            match &mut contact {
                Some(contact) => contact.changed().await.unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = time => {}
            () = change => {}
        }
    }
}

/// After a refused read, the probe is a read: a request that needs fewer rights would succeed.
async fn probe(handle: &BackendHandle) {
    let (refuses_reads, _) = handle.health.status.refuses_reads();
    handle.health.status.refusal_is_checked();
    // Cleared before the read: whatever its outcome, the refusal has been checked.
    let canary = if refuses_reads { canary(handle) } else { None };
    let Some(canary) = canary else { return handle.probe().await };
    let read = read_one(handle, canary).await;
    handle.health.learn(&read.outcome);
    apply(handle, vec![read], ReadOrigin::Backend).await.schedule_confirmation(handle);
}

/// Returns the time of the next probe; `None` if only a change of contact can cause one.
fn due(handle: &BackendHandle, contact: Contact, begun: Instant) -> Option<Instant> {
    let health = &handle.health;
    match contact.breaker {
        BreakerState::Open { until } => Some(until),
        // The probe of the half-open breaker is under way, and its result changes the contact.
        BreakerState::HalfOpen => None,
        // One refused repository proves nothing about the others.
        BreakerState::Closed if health.status.refuses_reads().1 => Some(Instant::now()),
        BreakerState::Closed => {
            let heard = [contact.last_heard, health.status.last_request()];
            let silent = heard.into_iter().flatten().max().unwrap_or(begun) + SILENCE;
            // The writer probes for all replicas, and reports what it finds.
            let followed = handle.followed().map(|share| share.log.progress().heard + UNREPORTED);
            let silent = followed.map_or(silent, |from| silent.max(from));
            // A backend that limits our request rate is not probed before its pause ends.
            contact.demanded_until().max(Some(silent))
        }
    }
}

fn unanswered(backend: BackendId) -> Error {
    let message = format!("The {backend} backend did not answer in time");
    Error::new(ErrorKind::BackendTimeout, message)
}

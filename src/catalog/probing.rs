//! The watch over a backend: whether it keeps a question waiting, whether it is still there after
//! a silence, and whether it is back after an outage.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::backend::contact::{BreakerState, Contact};
use crate::catalog::Catalogue;
use crate::catalog::member::Member;
use crate::error::{Error, ErrorKind};
use crate::models::source::Source;

/// After this long without a question a backend is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(15);
/// The least time between two probes.
const PROBE_PAUSE: Duration = Duration::from_millis(100);

impl Catalogue {
    /// Watches over a backend until dropped.
    pub(super) async fn keep_watch(self: Arc<Self>, source: Source) {
        let Some(member) = self.member(source) else { return };
        let mut contact = member.backend.contact();
        let begun = Instant::now();
        let mut late = 0;
        loop {
            let now = contact.as_mut().map(|contact| *contact.borrow_and_update());
            let now = now.unwrap_or_default();
            let keeps_waiting = late == 0 && now.late > 0;
            late = now.late;
            if keeps_waiting {
                member.failed(&unanswered(source));
            }
            let due = due(member, now, begun);
            if keeps_waiting || due.is_some_and(|at| at <= Instant::now()) {
                member.probe().await;
                // A probe may end before it was sent, and the breaker stay as it is.
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
}

/// When to ask whether the backend is there; `None`: not before there are news.
fn due(member: &Member, contact: Contact, begun: Instant) -> Option<Instant> {
    match contact.breaker {
        BreakerState::Open { until } => Some(until),
        BreakerState::HalfOpen => None,
        BreakerState::Closed => {
            let heard = [contact.last_heard, member.status.last_asked()];
            let silent = heard.into_iter().flatten().max().unwrap_or(begun) + SILENCE;
            contact.paused_until.max(Some(silent))
        }
    }
}

fn unanswered(source: Source) -> Error {
    let message = format!("The {source} backend leaves a question unanswered");
    Error::new(ErrorKind::BackendTimeout, message).at(source)
}

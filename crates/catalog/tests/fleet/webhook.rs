//! Webhooks, and when replicas have to show what they tell.

use std::time::Duration;

use tokio::time::Instant;

use crate::contents::Name;
use crate::incident::{Incident, IncidentRecord};
use crate::scenario::{PROMPTLY, Scenario};

/// Minimum time between two reads of one extension.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// A webhook about a release.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub name: Name,
    /// Number of the change.
    pub change: u64,
    pub at: Instant,
    /// The replica that got it.
    receiver: usize,
    /// Time at which the last read of the extension before it began.
    read_at: Option<Instant>,
    /// Time at which the extension was removed.
    removed_at: Option<Instant>,
}

/// How long a replica took to show the release of a webhook.
#[derive(Clone, Debug)]
pub struct Delay {
    pub replica: usize,
    pub webhook: Webhook,
    /// `None` if it never showed it.
    pub after: Option<Duration>,
    /// Time that it may take; `None` if it need not show it.
    pub allowed: Option<Duration>,
}

impl Webhook {
    /// Returns a webhook that this replica gets now.
    pub fn new(name: Name, change: u64, receiver: usize, read_at: Option<Instant>) -> Self {
        Self { name, change, at: Instant::now(), receiver, read_at, removed_at: None }
    }

    /// Notes that the extension is removed now.
    pub fn is_removed(&mut self) {
        self.removed_at.get_or_insert(Instant::now());
    }

    /// Returns the time that a replica may take to show it. Incidents that concern it, or the
    /// receiver, may delay it until they are over and then by the recovery. Those of another replica
    /// may delay it by the recovery alone, which begins when that replica ends or stops; if it loses a
    /// connection, the first call that fails may be that of the webhook. `None` if the webhook may be
    /// lost with its receiver, or the extension was removed in this time.
    pub fn allowed(
        &self,
        replica: usize,
        begun: Instant,
        incidents: &[IncidentRecord],
        scenario: &Scenario,
    ) -> Option<Duration> {
        let recovery = scenario.recovery();
        // At the start, the first writer is found like one after an incident.
        let mut until = (self.read_from() + scenario.promptly()).max(begun + recovery);
        // A replica without its backends may be the writer after another incident, and give way again.
        let is_cut = |one: &&IncidentRecord| matches!(one.incident, Incident::BackendsCut(..));
        let cut = incidents.iter().filter(is_cut);
        let others = incidents.iter().filter(|one| !is_cut(one));
        for one in others.clone().chain(cut).chain(others) {
            let concerns = [replica, self.receiver].iter().any(|at| one.incident.concerns(*at));
            if one.begun > until || one.ended + recovery + one.incident.held_lease() < self.at {
                continue;
            }
            let ended = match one.incident {
                _ if concerns => one.ended,
                Incident::Restarted(..) | Incident::Paused(..) => one.begun,
                Incident::BackendsCut(..) => until.min(one.ended),
                _ => self.at.max(one.begun),
            };
            if matches!(one.incident, Incident::Restarted(at, _) if at == self.receiver) {
                return None;
            }
            until = until.max(ended + recovery + one.incident.held_lease());
        }
        let is_removed = self.removed_at.is_some_and(|at| at <= until);
        (!is_removed).then(|| until - self.at)
    }

    /// Returns the time from which the extension may be read: one is read at most once a second.
    fn read_from(&self) -> Instant {
        self.read_at.map_or(self.at, |read| self.at.max(read + READ_INTERVAL))
    }
}

impl Delay {
    /// Returns true if it took no longer than allowed without an incident.
    pub fn is_prompt(&self) -> bool {
        self.after.is_some_and(|after| after <= PROMPTLY)
    }

    /// Returns true if it took longer than allowed.
    pub fn is_late(&self) -> bool {
        let allowed = |allowed| self.after.is_some_and(|after| after <= allowed);
        !self.allowed.is_none_or(allowed)
    }
}

//! The task that takes the lease of a backend, renews it, and gives it back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::leases::{LEASE, LeaseState};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::LOG_TARGET;
use crate::replication::Replicator;
use crate::replication::follower::lose_engine;
use crate::replication::shared_backend::SharedBackend;
use crate::replication::writer::{Takeover, step_down, take_over};
use crate::share::role::ReplicaRole;

/// Pause between renewals.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// Pause between attempts to take a lease, and what is added at random: two seconds, a tenth more or less.
const TRY_EVERY: Duration = Duration::from_millis(1800);
const JITTER_MAX: Duration = Duration::from_millis(400);
/// Longer pause of a replica that holds another lease.
const HOLDER_WAITS: Duration = Duration::from_millis(500);
/// Time after the last renewal at which a writer steps down: two seconds before its lease ends.
const DEADLINE: Duration = Duration::from_secs(8);
/// Time after which a replica without the content of the backend tries for the lease.
const EMPTY_TRIES_AFTER: Duration = Duration::from_secs(6);
/// Attempts without an answer after which a replica waits for the end of a lease.
const UNANSWERED_MAX: u32 = 2;
/// Time of failures after which a writer gives the lease to a replica that may reach the backend.
const BLIND_MAX: Duration = Duration::from_secs(5);
/// Time for which it does not try again.
const BLIND_STAYS_AWAY: Duration = Duration::from_secs(30);

/// Silence of the log after which a replica that lacks entries tries for the lease: others have tried
/// by then.
const GAP_TRIES_AFTER: Duration = Duration::from_secs(15);
/// Time for which a replica that lacks entries leaves the lease to others, which try more often.
const YIELDS_FOR: Duration = Duration::from_secs(6);

/// State of the lease, as its keeper knows it.
struct Keeper {
    replicator: Arc<Replicator>,
    backend: Arc<SharedBackend>,
    held: Option<Epoch>,
    deadline: Instant,
    /// Time from which it tries without the content of the backend.
    empty_tries_from: Instant,
    /// Time from which it tries again, after it gave the lease away or had no answers.
    tries_from: Instant,
    /// Attempts in a row without an answer.
    unanswered: u32,
    failing_since: Option<Instant>,
    /// End of the log when it gave the lease to a replica that has all entries.
    yielded: Option<LogPosition>,
}

pub(super) async fn keep_lease(replicator: Arc<Replicator>, backend: Arc<SharedBackend>) {
    let now = Instant::now();
    let mut keeper = Keeper {
        replicator,
        backend,
        held: None,
        deadline: now,
        empty_tries_from: now + EMPTY_TRIES_AFTER,
        tries_from: now,
        unanswered: 0,
        failing_since: None,
        yielded: None,
    };
    loop {
        if let ReplicaRole::Writer { epoch } = keeper.backend.share.role() {
            keeper.renew(epoch).await;
        } else {
            // Only a writer gives way.
            keeper.failing_since = None;
        }
        // Also right after it stepped down, in a new epoch.
        let is_refused = keeper.backend.lease_is_refused.load(Ordering::Relaxed);
        if keeper.backend.share.role() == ReplicaRole::Follower || is_refused {
            keeper.attempt().await;
        }
        keeper.pause().await;
    }
}

impl Keeper {
    async fn pause(&self) {
        let pause = if self.backend.share.role().is_writer() {
            RENEW_EVERY
        } else {
            let jitter = JITTER_MAX.mul_f64(fastrand::f64());
            let holder =
                if self.replicator.holds_a_lease() { HOLDER_WAITS } else { Duration::ZERO };
            TRY_EVERY + jitter + holder
        };
        let mut roles = self.backend.share.roles();
        tokio::select! {
            biased;
            () = sleep(pause) => {}
            // A writer that steps down gives its lease back at once.
            _ = roles.changed() => {}
            () = self.goes_blind() => {}
        }
    }

    /// Waits until a writer has failed to reach the backend for too long.
    async fn goes_blind(&self) {
        match self.failing_since {
            Some(since) => tokio::time::sleep_until(since + BLIND_MAX).await,
            None => std::future::pending().await,
        }
    }

    async fn renew(&mut self, epoch: Epoch) {
        let asked = Instant::now();
        let before = self.backend.share.log.progress();
        let fleet = &self.replicator.fleet;
        let nonce = fastrand::u16(..);
        let taken =
            fleet.leases.take(self.backend.topic(), &fleet.replica, before.seen, nonce).await;
        match taken {
            // An end before the own one: the engine lost entries.
            Ok(LeaseState::Held { epoch: now, tail })
                if now == epoch && tail >= before.position =>
            {
                self.deadline = asked + DEADLINE;
            }
            Ok(LeaseState::Held { epoch, .. }) => {
                self.held = Some(epoch);
                step_down(&self.backend);
            }
            Ok(LeaseState::Taken { epoch }) => {
                self.backend.share.log.saw(epoch);
                self.forget();
                step_down(&self.backend);
            }
            Err(_) if Instant::now() >= self.deadline => step_down(&self.backend),
            Err(_) => {}
        }
        self.give_way_if_blind().await;
    }

    /// Lets another replica take over while the backend fails: it may be the network of this one.
    async fn give_way_if_blind(&mut self) {
        let now = Instant::now();
        let health = &self.backend.handle.health;
        // A pause that the backend demands holds for the next writer, too.
        let is_failing = health.status.is_failing() && health.demanded_pause().is_zero();
        let since = *self.failing_since.get_or_insert(now);
        if !is_failing || !self.has_others() {
            self.failing_since = None;
        } else if since + BLIND_MAX <= now {
            warn!(target: LOG_TARGET, backend = %self.backend.handle.id(),
                "shared: this replica does not reach the backend; another one reads it if it can");
            self.failing_since = None;
            self.tries_from = now + BLIND_STAYS_AWAY;
            step_down(&self.backend);
            let _ = self.release().await;
        }
    }

    async fn attempt(&mut self) {
        self.failing_since = None;
        // While it has the old lease, the engine would renew the old epoch.
        if !self.release().await {
            return;
        }
        let now = Instant::now();
        if now < self.tries_from || now < self.empty_tries_from && !self.backend.handle.is_listed()
        {
            return;
        }
        let progress = self.backend.share.log.progress();
        if self.has_others() && progress.has_gap && progress.appended.elapsed() < GAP_TRIES_AFTER {
            return;
        }
        let fleet = &self.replicator.fleet;
        let seen = progress.seen;
        let nonce = fastrand::u16(..);
        let taken = fleet.leases.take(self.backend.topic(), &fleet.replica, seen, nonce).await;
        self.note_refusal(taken.as_ref().err());
        let (epoch, tail) = match taken {
            Ok(LeaseState::Held { epoch, tail }) => (epoch, tail),
            Ok(LeaseState::Taken { epoch }) => {
                self.unanswered = 0;
                self.backend.share.log.saw(epoch);
                return;
            }
            Err(_) => return self.back_off(now),
        };
        self.unanswered = 0;
        self.held = Some(epoch);
        self.replicator.leases.fetch_add(1, Ordering::Relaxed);
        self.backend.share.log.saw(epoch);
        self.deadline = now + DEADLINE;
        let yields = self.has_others() && self.yielded != Some(tail);
        match take_over(&self.backend, fleet, epoch, tail, yields).await {
            // Requests that came before are still without an answer.
            Takeover::Done => return self.replicator.reread_requests(),
            Takeover::Yielded => {
                self.yielded = Some(tail);
                self.tries_from = Instant::now() + YIELDS_FOR;
            }
            Takeover::Failed => {}
        }
        let _ = self.release().await;
    }

    /// Lets a lease end that this replica may hold without knowing: over a slow connection, attempts
    /// are carried out after their deadline.
    fn back_off(&mut self, now: Instant) {
        self.unanswered += 1;
        if self.unanswered >= UNANSWERED_MAX {
            self.unanswered = 0;
            self.tries_from = now + LEASE;
        }
    }

    fn has_others(&self) -> bool {
        self.backend.share.replicas() > 1
    }

    /// Goes on alone while the engine answers but takes no lease: then there is no writer.
    fn note_refusal(&self, failure: Option<&Away>) {
        let is_refused = failure
            .is_some_and(|away| matches!(away.reason, AwayReason::Full | AwayReason::Refused));
        self.backend.lease_is_refused.store(is_refused, Ordering::Relaxed);
        if is_refused {
            lose_engine(&self.backend);
        }
    }

    /// Gives back a lease that this replica held before. Returns true if it holds none now.
    async fn release(&mut self) -> bool {
        let Some(epoch) = self.held else { return true };
        let fleet = &self.replicator.fleet;
        let released = fleet.leases.release(self.backend.topic(), &fleet.replica, epoch).await;
        if released.is_ok() {
            self.forget();
        }
        released.is_ok()
    }

    fn forget(&mut self) {
        if self.held.take().is_some() {
            self.replicator.leases.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

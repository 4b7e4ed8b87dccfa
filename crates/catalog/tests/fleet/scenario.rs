//! What a simulation plays.

use std::time::Duration;

use registry_core::models::backend_id::BackendId;

use crate::catalog_replica::TTL;

/// Time in which the replicas come to agree after the last incident.
const SETTLING: Duration = Duration::from_secs(20);
/// More than the slowest answer of a backend takes.
const SLOW_ANSWER: Duration = Duration::from_secs(20);

/// What happens at the backends and at the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing changes, and no client asks.
    Idle,
    /// Extensions change, and clients ask.
    Busy,
}

/// What a simulation plays.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Seed of everything random.
    pub seed: u64,
    /// Number of replicas.
    pub replicas: usize,
    /// False for a catalog without an engine.
    pub is_shared: bool,
    /// Backends, of which the first alone tells changes.
    pub backends: &'static [BackendId],
    /// Simulated time, without the time in which the replicas come to agree.
    pub duration: Duration,
    /// What happens at the backends and at the replicas.
    pub activity: Activity,
    /// True if something fails every minute.
    pub has_incidents: bool,
    /// True if some answers of backends take seconds.
    pub has_tails: bool,
}

impl Scenario {
    /// An hour in which everything is as it should be.
    pub const QUIET_HOUR: Self = Self {
        seed: 1,
        replicas: 3,
        is_shared: true,
        backends: &[BackendId::GITEA, BackendId::OCI],
        duration: Duration::from_hours(1),
        activity: Activity::Idle,
        has_incidents: false,
        has_tails: false,
    };

    /// Changes, and an incident every minute. Some seeds have a second backend or slow answers.
    pub fn with_incidents(seed: u64, replicas: usize, duration: Duration) -> Self {
        let backends: &[BackendId] =
            if seed.is_multiple_of(3) { Self::QUIET_HOUR.backends } else { &[BackendId::GITEA] };
        Self {
            seed,
            replicas,
            backends,
            duration,
            activity: Activity::Busy,
            has_incidents: true,
            has_tails: seed.is_multiple_of(4),
            ..Self::QUIET_HOUR
        }
    }

    /// Returns the time after the last incident within which all replicas show the same.
    pub fn agree_within(&self) -> Duration {
        if self.has_tails { SETTLING + SLOW_ANSWER } else { SETTLING }
    }

    /// Returns the time after the last incident within which all show what the backends have: a
    /// change without a webhook waits for a cycle.
    pub fn right_within(&self) -> Duration {
        self.agree_within() + TTL
    }
}

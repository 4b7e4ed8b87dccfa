//! What a simulation plays.

use std::time::Duration;

use registry_core::models::backend_id::BackendId;

use crate::catalog_replica::TTL;

/// Time within which a webhook on any replica shows on all, if the backend answers promptly.
pub const PROMPTLY: Duration = Duration::from_secs(1);
/// Time that a removal takes: two reads, ten seconds apart.
const REMOVAL: Duration = Duration::from_secs(12);
/// Time after an incident within which another replica is the writer and reads what it missed.
const RECOVERY: Duration = Duration::from_secs(12);
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

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentChoice {
    /// Nothing.
    None,
    /// Anything, maybe two things at a time.
    Any,
    /// The writer ends, or is stopped.
    WriterEnds,
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
    /// What goes wrong every minute.
    pub incidents: IncidentChoice,
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
        incidents: IncidentChoice::None,
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
            incidents: IncidentChoice::Any,
            has_tails: seed.is_multiple_of(4),
            ..Self::QUIET_HOUR
        }
    }

    /// Returns the time after an incident within which all replicas show the same.
    pub fn agree_within(&self) -> Duration {
        RECOVERY + REMOVAL + self.two_answers()
    }

    /// Returns the time within which a webhook on any replica shows on all, from the moment at which
    /// its extension may be read.
    pub fn promptly(&self) -> Duration {
        PROMPTLY + self.two_answers()
    }

    /// Returns the time after an incident within which webhooks of before show.
    pub fn recovery(&self) -> Duration {
        RECOVERY + self.two_answers()
    }

    /// A slow read may have begun before a webhook, and the next one may be slow, too.
    fn two_answers(&self) -> Duration {
        2 * self.slowest_answer()
    }

    fn slowest_answer(&self) -> Duration {
        if self.has_tails { SLOW_ANSWER } else { Duration::ZERO }
    }

    /// Returns the time after the last incident within which all show what the backends have: a
    /// change without a webhook waits for a cycle.
    pub fn right_within(&self) -> Duration {
        self.agree_within() + TTL
    }
}

//! Incidents: what goes wrong for a while.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use registry_fleet::leases::LEASE;
use registry_testing::fleet::fault::Fault;
use tokio::time::{Instant, sleep};

use crate::backend_path::PathState;
use crate::replica_set::ReplicaSet;

/// Something that goes wrong, and for how long.
#[derive(Clone, Copy, Debug)]
pub enum Incident {
    /// Every call to the engine.
    Engine(Fault, Duration),
    /// The engine ends and starts without its data.
    EngineLostAll(Duration),
    /// The engine is away for a time, and its latest writes are gone.
    EngineFailedOver { away: Duration, lost: Duration },
    /// The engine lost the numbers of epochs and the leases.
    EpochsLost,
    /// The engine lost the leases.
    LeasesLost,
    /// The engine deleted most of the log.
    LogTrimmed,
    /// The engine's clock was set forward, or back, by milliseconds.
    ClockJumped(i64),
    /// The calls of one replica.
    Connection(usize, Fault, Duration),
    /// One replica cannot reach its backends.
    BackendsCut(usize, Duration),
    /// One replica stops and continues.
    Paused(usize, Duration),
    /// One replica is killed and started again.
    Restarted(usize, Duration),
}

/// An incident that is over.
#[derive(Clone, Copy, Debug)]
pub struct IncidentRecord {
    pub incident: Incident,
    pub begun: Instant,
    pub ended: Instant,
    /// Time after which all replicas showed the same; `None` if they did not in time.
    pub agreed_after: Option<Duration>,
}

impl Incident {
    pub fn random(rng: &mut Rng, replicas: usize) -> Self {
        let at = rng.usize(0..replicas);
        let mut millis = |range| Duration::from_millis(rng.u64(range));
        let (brief, long) = (millis(200..=4000), millis(5000..=40_000));
        let (late, lost) = (millis(50..=2000), millis(50..=3000));
        let faults = [Fault::Refused, Fault::Hanging, Fault::Late(late), Fault::AnswersLost];
        let fault = rng.choice(faults).unwrap_or_default();
        let lasts = if rng.bool() { brief } else { long };
        match rng.u8(0..14) {
            0..=3 => Self::Engine(fault, lasts),
            4 => Self::EngineLostAll(lasts),
            5 => Self::EngineFailedOver { away: brief, lost },
            6 => Self::EpochsLost,
            7 => Self::LeasesLost,
            8 => Self::LogTrimmed,
            9 => Self::ClockJumped(rng.i64(-5000..=5000)),
            10 => Self::Connection(at, fault, lasts),
            11 => Self::BackendsCut(at, lasts),
            12 => Self::Paused(at, long),
            _ => Self::Restarted(at, lasts),
        }
    }

    /// Ends or stops the replica that reads the backends.
    pub fn of_writer(rng: &mut Rng, writer: usize) -> Self {
        let lasts = Duration::from_millis(rng.u64(5000..=40_000));
        if rng.bool() { Self::Restarted(writer, lasts) } else { Self::Paused(writer, lasts) }
    }

    /// Returns true unless it is an incident of another replica alone.
    pub fn concerns(self, replica: usize) -> bool {
        match self {
            Self::Connection(at, ..)
            | Self::BackendsCut(at, _)
            | Self::Paused(at, _)
            | Self::Restarted(at, _) => at == replica,
            _ => true,
        }
    }

    /// Returns the time for which a replica may hold the lease after it without knowing: its attempt
    /// was carried out, and the answer was lost.
    pub fn held_lease(self) -> Duration {
        match self {
            Self::Engine(fault, _) | Self::Connection(_, fault, _)
                if matches!(fault, Fault::Late(_) | Fault::AnswersLost) =>
            {
                LEASE
            }
            _ => Duration::ZERO,
        }
    }

    /// Lets the incident happen, and ends it.
    pub async fn happen(self, replicas: &Mutex<ReplicaSet>) {
        let engine = Arc::clone(&replicas.lock().engine);
        match self {
            Self::Engine(fault, lasts) => {
                engine.set_fault(fault);
                sleep(lasts).await;
                engine.set_fault(Fault::None);
            }
            Self::EngineLostAll(lasts) => {
                engine.set_fault(Fault::Refused);
                sleep(lasts).await;
                engine.flush();
                engine.set_fault(Fault::None);
            }
            Self::EngineFailedOver { away, lost } => {
                // Undone at once: while it is away, the writes grow older.
                engine.set_fault(Fault::Refused);
                engine.fail_over(lost);
                sleep(away).await;
                engine.set_fault(Fault::None);
            }
            Self::EpochsLost => {
                engine.lose_counters();
                engine.lose_leases();
            }
            Self::LeasesLost => engine.lose_leases(),
            Self::LogTrimmed => engine.trim(1),
            Self::ClockJumped(millis) => engine.jump_clock(millis),
            Self::Connection(at, fault, lasts) => {
                replicas.lock().set_connection(at, fault);
                sleep(lasts).await;
                replicas.lock().set_connection(at, Fault::None);
            }
            Self::BackendsCut(at, lasts) => {
                replicas.lock().set_path(at, PathState::Cut);
                sleep(lasts).await;
                replicas.lock().set_path(at, PathState::Open);
            }
            Self::Paused(at, lasts) => {
                replicas.lock().set_paused(at, true);
                sleep(lasts).await;
                replicas.lock().set_paused(at, false);
            }
            Self::Restarted(at, lasts) => {
                replicas.lock().kill(at);
                sleep(lasts).await;
                replicas.lock().start_at(at);
            }
        }
    }
}

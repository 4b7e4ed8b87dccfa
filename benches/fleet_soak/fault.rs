//! The faults, one after the other.

use std::time::Duration;

use registry_testing::engine_proxy::Way;
use tokio::time::sleep;

use crate::fleet::Fleet;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Quiet,
    EngineKilled,
    EngineStopped,
    EngineSlow,
    EngineFlushed,
    OneCutOff,
    BucketKilled,
    BucketStopped,
    WriterKilled,
    WriterStopped,
    RollingRestart,
    FailedOver,
}

impl Fault {
    /// In this order; the first one is what the others are compared with, and the last one changes the
    /// engine.
    pub(crate) const ALL: [Self; 12] = [
        Self::Quiet,
        Self::EngineKilled,
        Self::EngineStopped,
        Self::EngineSlow,
        Self::EngineFlushed,
        Self::OneCutOff,
        Self::BucketKilled,
        Self::BucketStopped,
        Self::WriterKilled,
        Self::WriterStopped,
        Self::RollingRestart,
        Self::FailedOver,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "no fault",
            Self::EngineKilled => "engine killed",
            Self::EngineStopped => "engine stopped",
            Self::EngineSlow => "engine slow, 300 ms",
            Self::EngineFlushed => "engine flushed",
            Self::OneCutOff => "writer cut off from engine",
            Self::BucketKilled => "bucket killed",
            Self::BucketStopped => "bucket stopped",
            Self::WriterKilled => "writer killed",
            Self::WriterStopped => "writer stopped",
            Self::RollingRestart => "rolling restart",
            Self::FailedOver => "failover by sentinels",
        }
    }

    /// The least time that it takes to have its effect: a lease lasts for ten seconds.
    pub(crate) const fn shortest(self) -> Duration {
        match self {
            Self::OneCutOff | Self::WriterKilled | Self::WriterStopped => Duration::from_secs(14),
            _ => Duration::from_secs(3),
        }
    }

    pub(crate) async fn begin(self, fleet: &mut Fleet) {
        match self {
            Self::Quiet | Self::RollingRestart => {}
            Self::EngineKilled => fleet.engine.kill().await,
            Self::EngineStopped => fleet.engine.signal("-STOP"),
            Self::EngineSlow => fleet.set_ways(Way::Slow(Duration::from_millis(300))),
            Self::EngineFlushed => drop(fleet.engine.command(&["FLUSHALL"]).await),
            Self::OneCutOff => {
                let writer = fleet.writer().await;
                fleet.set_way(writer, Way::Cut);
            }
            Self::BucketKilled => fleet.bucket.kill().await,
            Self::BucketStopped => fleet.bucket.signal("-STOP"),
            Self::WriterKilled => fleet.kill_writer().await,
            Self::WriterStopped => fleet.stop_writer().await,
            Self::FailedOver => fleet.stop_primary().await,
        }
        if matches!(
            self,
            Self::EngineKilled | Self::EngineStopped | Self::EngineSlow | Self::FailedOver
        ) {
            // Known by now: the change meets replicas that are alone.
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// What takes longer than its beginning.
    pub(crate) async fn go_on(self, fleet: &mut Fleet) {
        if self == Self::RollingRestart {
            fleet.restart_each().await;
        }
    }

    pub(crate) async fn end(self, fleet: &mut Fleet) {
        match self {
            Self::Quiet | Self::RollingRestart | Self::EngineFlushed => {}
            Self::EngineKilled => fleet.engine.restart().await,
            Self::EngineStopped => fleet.engine.signal("-CONT"),
            Self::EngineSlow | Self::OneCutOff => fleet.set_ways(Way::Open),
            Self::BucketKilled => fleet.bucket.restart().await,
            Self::BucketStopped => fleet.bucket.signal("-CONT"),
            Self::WriterKilled | Self::WriterStopped => fleet.bring_back().await,
            Self::FailedOver => fleet.end_failover().await,
        }
    }
}

//! Locks of fetches in an engine.

use async_trait::async_trait;
use registry_core::models::digest::Digest;
use registry_fleet::failure::Away;
use registry_fleet::fetch_locks::{FETCH_LOCK, FetchLocks};
use registry_fleet::metrics::EngineOperation;
use registry_fleet::replica::ReplicaId;

use crate::link::EngineLink;
use crate::script::{RELEASE, TAKE_LOCK};

/// The locks of a fleet. They are not signed: a forged one delays a first download by the time for
/// which a replica waits for another one.
pub struct EngineFetchLocks {
    link: EngineLink,
    replica: ReplicaId,
}

impl EngineFetchLocks {
    /// Takes locks for a replica.
    #[must_use]
    pub const fn new(link: EngineLink, replica: ReplicaId) -> Self {
        Self { link, replica }
    }

    fn key(&self, archive: &Digest) -> String {
        self.link.key(&format!("fetch:{}:{}", archive.algorithm().as_str(), archive.hex()))
    }
}

#[async_trait]
impl FetchLocks for EngineFetchLocks {
    async fn take(&self, archive: &Digest) -> Result<bool, Away> {
        let mut script = TAKE_LOCK.prepare_invoke();
        script.key(self.key(archive)).arg(self.replica.as_str());
        script.arg(FETCH_LOCK.as_millis().to_string());
        self.link.call(EngineOperation::FetchLock, &script).await
    }

    async fn release(&self, archive: &Digest) -> Result<(), Away> {
        let mut script = RELEASE.prepare_invoke();
        script.key(self.key(archive)).arg(self.replica.as_str());
        self.link.call::<u8>(EngineOperation::FetchLock, &script).await.map(drop)
    }
}

//! Trials of every call, under keys that no replica uses.

use std::time::Duration;

use bytes::Bytes;
use registry_core::models::digest::Digest;
use registry_fleet::buckets::{BucketUse, Buckets as _, SharedLimit};
use registry_fleet::config_digest::ConfigDigest;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::failure::Away;
use registry_fleet::fetch_locks::FetchLocks as _;
use registry_fleet::leases::{LeaseState, Leases as _};
use registry_fleet::log::{Cursor, LogEntry, SharedLog as _, WriteFailure};
use registry_fleet::members::Members as _;
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::{SegmentPlace, Snapshots as _, TopicSnapshot};
use registry_fleet::topic::Topic;

use crate::buckets::EngineBuckets;
use crate::fetch_locks::EngineFetchLocks;
use crate::leases::EngineLeases;
use crate::link::EngineLink;
use crate::log::EngineLog;
use crate::members::EngineMembers;
use crate::pins::EnginePins;
use crate::snapshots::EngineSnapshots;

/// Name of the trial: as a client, a replica and a topic.
const NAME: &str = "doctor";

/// Calls every script and every command. Fails with the first failure.
pub(crate) async fn rights(link: &EngineLink) -> Result<(), Away> {
    let uses = [BucketUse { client: NAME.to_owned(), used: Duration::from_millis(1) }];
    let buckets = EngineBuckets::new(link.clone());
    buckets.take(SharedLimit::Requests, &uses, Duration::from_secs(1)).await?;
    EnginePins::new(link.clone()).trial().await?;
    if let (Ok(replica), Ok(topic)) = (NAME.parse(), NAME.parse()) {
        EngineMembers::trial(link.clone(), ConfigDigest::of(NAME)).present(&replica).await?;
        write_and_read(link, &replica, &topic).await?;
        // That of an archive that no backend has.
        let (locks, archive) = (EngineFetchLocks::new(link.clone(), replica), Digest::sha256(&[]));
        locks.take(&archive).await?;
        locks.release(&archive).await?;
    }
    Ok(())
}

/// Does what a writer does, and reads it like a follower.
async fn write_and_read(link: &EngineLink, replica: &ReplicaId, topic: &Topic) -> Result<(), Away> {
    let leases = EngineLeases::trial(link.clone());
    let snapshots = EngineSnapshots::trial(link.clone());
    let log = EngineLog::trial(link.clone());
    // A check that failed has left its lease: only a new epoch begins with a snapshot.
    let left = epoch_of(leases.take(topic, replica, Epoch::default(), 0).await?);
    leases.release(topic, replica, left).await?;
    leases.take(topic, replica, Epoch::default(), 0).await?;
    let epoch = epoch_of(leases.take(topic, replica, Epoch::default(), 0).await?);
    let begin = LogPosition::first_of(epoch);
    let payload = Bytes::from_static(NAME.as_bytes());
    let snapshot = TopicSnapshot { position: begin, segments: vec![payload.clone()] };
    may_be_fenced(snapshots.write(replica, topic, &snapshot, SegmentPlace::Engine).await)?;
    snapshots.read(topic, LogPosition::START, &mut drop).await?;
    let first = LogEntry { topic: topic.clone(), position: begin.next(), previous: begin, payload };
    may_be_fenced(log.append(replica, &first, &[]).await)?;
    // Places are looked up from the second time on. The request ends the wait for an item.
    let mut cursor = Cursor::default();
    log.follow(&mut cursor).await?;
    log.post(topic, &first.payload).await?;
    let heard = log.follow(&mut cursor).await?;
    let answered: Vec<_> = heard.requests.iter().map(|request| request.place).collect();
    let (position, previous) = (first.position.next(), first.position);
    let second = LogEntry { position, previous, ..first };
    may_be_fenced(log.append(replica, &second, &answered).await)
}

fn epoch_of(state: LeaseState) -> Epoch {
    let (LeaseState::Held { epoch, .. } | LeaseState::Taken { epoch }) = state;
    epoch
}

/// Another check at the same time has the same name, and may have begun another epoch.
fn may_be_fenced(result: Result<(), WriteFailure>) -> Result<(), Away> {
    match result {
        Ok(()) | Err(WriteFailure::Fenced) => Ok(()),
        Err(WriteFailure::Away(away)) => Err(away),
    }
}

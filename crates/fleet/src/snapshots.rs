//! Snapshots: the state of a topic at a position, for replicas that cannot read the whole log.

use async_trait::async_trait;
use bytes::Bytes;

use crate::epoch::LogPosition;
use crate::failure::Away;
use crate::log::WriteFailure;
use crate::replica::ReplicaId;
use crate::topic::Topic;

/// Maximum length of a segment, in bytes.
pub const SEGMENT_MAX: usize = 2 * 1024 * 1024;

/// The state of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSnapshot {
    /// Position of the last entry that it includes.
    pub position: LogPosition,
    /// Content, in segments of at most [`SEGMENT_MAX`] bytes.
    pub segments: Vec<Bytes>,
}

/// Where the segments of a snapshot are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentPlace {
    /// In the bucket of the fleet if it has one that takes them, else in the engine.
    Bucket,
    /// In the engine, for a replica that cannot read the bucket.
    Engine,
}

/// Takes one segment of a snapshot.
pub type SegmentSink<'a> = dyn FnMut(Bytes) + Send + 'a;

/// The snapshots of one fleet, one for each topic.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// Replaces the snapshot of a topic. One of sequence 0 begins an epoch: the next entry of the topic
    /// follows it, whatever came before. Fails with [`WriteFailure::Fenced`] unless the replica holds
    /// the lease in the snapshot's epoch and, after sequence 0, the topic's last entry has the
    /// snapshot's position. May take seconds.
    async fn write(
        &self,
        replica: &ReplicaId,
        topic: &Topic,
        snapshot: &TopicSnapshot,
        place: SegmentPlace,
    ) -> Result<(), WriteFailure>;

    /// Passes each segment of the snapshot of a topic on as it arrives, in order. Returns its position;
    /// `None` if there is none above `known`, or not all of it: what was passed on is then of no use.
    /// May take seconds.
    async fn read(
        &self,
        topic: &Topic,
        known: LogPosition,
        pass: &mut SegmentSink<'_>,
    ) -> Result<Option<LogPosition>, Away>;
}

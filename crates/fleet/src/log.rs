//! The log: one stream of entries of all topics, and one of requests to their writers.

use async_trait::async_trait;
use bytes::Bytes;

use crate::epoch::LogPosition;
use crate::failure::Away;
use crate::replica::ReplicaId;
use crate::topic::Topic;

/// Maximum length of a payload, in bytes.
pub const PAYLOAD_MAX: usize = 4 * 1024 * 1024;

/// What a writer publishes about its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The topic.
    pub topic: Topic,
    /// Position of this entry.
    pub position: LogPosition,
    /// Position of the topic's entry before this one.
    pub previous: LogPosition,
    /// Content.
    pub payload: Bytes,
}

/// Place of an item in a stream of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamPlace {
    /// Time, in milliseconds of the engine's clock.
    pub millis: u64,
    /// Number within that millisecond.
    pub number: u64,
}

/// A request to the writer of a topic, in the stream of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedRequest {
    /// Its place, which names it until it is answered.
    pub place: StreamPlace,
    /// The topic.
    pub topic: Topic,
    /// Content.
    pub payload: Bytes,
}

/// How far a replica has read both streams. The default is before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Last entry that was read.
    pub entries: Option<StreamPlace>,
    /// Last request that was read.
    pub requests: Option<StreamPlace>,
}

/// What followed a cursor, each part in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Entries of all topics.
    pub entries: Vec<LogEntry>,
    /// Requests of all topics.
    pub requests: Vec<PostedRequest>,
}

/// Why the engine did not confirm a write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteFailure {
    /// The call failed, and may have been carried out nevertheless.
    #[error(transparent)]
    Away(#[from] Away),
    /// The replica does not hold the lease in this epoch, or the log does not end as it expects.
    #[error("another replica writes about this topic now")]
    Fenced,
}

/// The log of one fleet.
#[async_trait]
pub trait SharedLog: Send + Sync {
    /// Appends an entry, and deletes the requests that it answers, in one step. Fails with
    /// [`WriteFailure::Fenced`] unless the replica holds the lease in the entry's epoch and the
    /// topic's last entry is `previous`.
    async fn append(
        &self,
        replica: &ReplicaId,
        entry: &LogEntry,
        answered: &[StreamPlace],
    ) -> Result<(), WriteFailure>;

    /// Posts a request to the writer of a topic.
    async fn post(&self, topic: &Topic, payload: &Bytes) -> Result<(), Away>;

    /// Returns what follows the cursor, and moves it. Waits up to a second for the first item. Reads
    /// a stream from its beginning if the cursor's place in it is gone. Items that no replica of this
    /// fleet wrote are left out.
    async fn follow(&self, cursor: &mut Cursor) -> Result<Heard, Away>;
}

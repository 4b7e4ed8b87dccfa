//! The log of a fleet in an engine: two streams.

use async_trait::async_trait;
use bytes::Bytes;
use registry_fleet::failure::Away;
use registry_fleet::log::{Cursor, Heard, LogEntry, SharedLog, StreamPlace, WriteFailure};
use registry_fleet::metrics::EngineOperation;
use registry_fleet::replica::ReplicaId;
use registry_fleet::topic::Topic;

use crate::link::EngineLink;
use crate::log_items::ItemSeal;
use crate::log_keys::{LogKeys, holder};
use crate::log_reader::LogReader;
use crate::script::{APPEND, POST};
use crate::stream::id_of;

/// Number of entries above which the oldest are deleted. The server keeps some more.
const ENTRIES_MAX: u32 = 20_000;
/// Number of requests above which the oldest are deleted. The server keeps some more.
const REQUESTS_MAX: u32 = 10_000;

/// The log of a fleet. Each item is signed, together with the stream it is in.
pub struct EngineLog {
    link: EngineLink,
    keys: LogKeys,
    seal: ItemSeal,
    reader: LogReader,
}

impl EngineLog {
    /// Uses a link, and one more connection to its server for reading.
    #[must_use]
    pub fn new(link: EngineLink) -> Self {
        Self::with(LogKeys::of(&link), link)
    }

    /// Uses keys that no replica uses.
    pub(crate) fn trial(link: EngineLink) -> Self {
        Self::with(LogKeys::trial(&link), link)
    }

    fn with(keys: LogKeys, link: EngineLink) -> Self {
        let seal = ItemSeal::new(link.clone(), keys.clone());
        Self { seal, reader: LogReader::new(link.clone(), keys.clone()), link, keys }
    }
}

#[async_trait]
impl SharedLog for EngineLog {
    async fn append(
        &self,
        replica: &ReplicaId,
        entry: &LogEntry,
        answered: &[StreamPlace],
    ) -> Result<(), WriteFailure> {
        let LogEntry { topic, position, previous, payload } = entry;
        let mut script = APPEND.prepare_invoke();
        script.key(self.keys.lease(topic)).key(&self.keys.tails);
        script.key(&self.keys.log).key(&self.keys.requests);
        script.arg(holder(replica, position.epoch)).arg(topic.as_str());
        script.arg(position.to_string()).arg(previous.to_string());
        script.arg(&payload[..]).arg(self.seal.of_entry(entry)).arg(ENTRIES_MAX);
        for place in answered {
            script.arg(id_of(*place));
        }
        let is_appended = self.link.call(EngineOperation::Append, &script).await?;
        if is_appended { Ok(()) } else { Err(WriteFailure::Fenced) }
    }

    async fn post(&self, topic: &Topic, payload: &Bytes) -> Result<(), Away> {
        let mut script = POST.prepare_invoke();
        script.key(&self.keys.requests).arg(topic.as_str()).arg(&payload[..]);
        script.arg(self.seal.of_request(topic, payload)).arg(REQUESTS_MAX);
        self.link.call::<String>(EngineOperation::Request, &script).await.map(drop)
    }

    async fn follow(&self, cursor: &mut Cursor) -> Result<Heard, Away> {
        self.reader.read(cursor).await
    }
}

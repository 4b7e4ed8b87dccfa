//! The order in which one replica applies the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use registry_catalog::Catalog;
use registry_fleet::epoch::LogPosition;
use registry_fleet::failure::Away;
use registry_fleet::log::{Cursor, Heard, LogEntry, SharedLog, StreamPlace, WriteFailure};
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::{SegmentPlace, SegmentSink, Snapshots, TopicSnapshot};
use registry_fleet::topic::Topic;
use registry_testing::fleet::engine::EngineConnection;

/// The connection of a replica. Whenever the replica calls again, its position must have risen through
/// entries that connect, or from a snapshot.
pub struct ObservedConnection {
    connection: Arc<EngineConnection>,
    catalog: OnceLock<Weak<Catalog>>,
    topics: Mutex<BTreeMap<Topic, AppliedOrder>>,
    violations: Mutex<Vec<String>>,
}

/// How a replica may move on.
#[derive(Default)]
struct AppliedOrder {
    /// Position at the last call.
    position: LogPosition,
    /// Entries with the positions before them.
    entries: BTreeMap<LogPosition, LogPosition>,
    /// Positions of snapshots.
    snapshots: BTreeSet<LogPosition>,
}

impl ObservedConnection {
    pub fn new(connection: Arc<EngineConnection>) -> Arc<Self> {
        let (catalog, topics) = (OnceLock::new(), Mutex::default());
        Arc::new(Self { connection, catalog, topics, violations: Mutex::default() })
    }

    /// Returns the connection as that to the leases, which have no order.
    pub fn leases(&self) -> Arc<EngineConnection> {
        Arc::clone(&self.connection)
    }

    /// Observes the catalog that has this connection, from its present positions on.
    pub fn observe(&self, catalog: &Arc<Catalog>) {
        for (backend, report) in catalog.replicator.as_ref().unwrap().reports() {
            let topic = Topic::of(backend, crate::catalog_replica::FINGERPRINT);
            self.note(&topic, |order| order.position = report.position);
        }
        self.catalog.set(Arc::downgrade(catalog)).unwrap();
    }

    /// Returns the moves that the order of the log does not permit.
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().clone()
    }

    /// Compares the positions of the replica with those of the last call.
    fn check(&self) {
        let Some(catalog) = self.catalog.get().and_then(Weak::upgrade) else { return };
        let reports = catalog.replicator.as_ref().map(|replicator| replicator.reports());
        for (backend, report) in reports.into_iter().flatten() {
            let topic = Topic::of(backend, crate::catalog_replica::FINGERPRINT);
            let mut topics = self.topics.lock();
            let order = topics.entry(topic).or_default();
            if let Err(violation) = order.moves(report.position) {
                self.violations.lock().push(format!("{backend}: {violation}"));
            }
        }
    }

    fn note(&self, topic: &Topic, note: impl FnOnce(&mut AppliedOrder)) {
        note(self.topics.lock().entry(topic.clone()).or_default());
    }
}

impl AppliedOrder {
    fn has_entry(&mut self, position: LogPosition, previous: LogPosition) {
        if position > self.position {
            self.entries.insert(position, previous);
        }
    }

    fn has_snapshot(&mut self, position: LogPosition) {
        self.snapshots.insert(position);
    }

    /// Notes a new position. Fails unless it is reached from the one before, or from a snapshot, by
    /// entries of which each names the one before it.
    fn moves(&mut self, to: LogPosition) -> Result<(), String> {
        let from = std::mem::replace(&mut self.position, to);
        let mut at = to;
        while at != from && !self.snapshots.contains(&at) {
            match self.entries.get(&at) {
                Some(previous) if *previous >= from && *previous < at => at = *previous,
                Some(previous) => return Err(format!("{from} to {to}: {at} follows {previous}")),
                None => return Err(format!("{from} to {to}: {at} was not delivered")),
            }
        }
        self.entries = self.entries.split_off(&to);
        self.snapshots = self.snapshots.split_off(&to);
        if at >= from { Ok(()) } else { Err(format!("{from} to {to}, which is lower")) }
    }
}

#[async_trait]
impl SharedLog for ObservedConnection {
    async fn append(
        &self,
        replica: &ReplicaId,
        entry: &LogEntry,
        answered: &[StreamPlace],
    ) -> Result<(), WriteFailure> {
        self.check();
        self.connection.append(replica, entry, answered).await?;
        self.note(&entry.topic, |order| order.has_entry(entry.position, entry.previous));
        Ok(())
    }

    async fn post(&self, topic: &Topic, payload: &Bytes) -> Result<(), Away> {
        self.connection.post(topic, payload).await
    }

    async fn follow(&self, cursor: &mut Cursor) -> Result<Heard, Away> {
        self.check();
        let heard = self.connection.follow(cursor).await?;
        for entry in &heard.entries {
            self.note(&entry.topic, |order| order.has_entry(entry.position, entry.previous));
        }
        Ok(heard)
    }
}

#[async_trait]
impl Snapshots for ObservedConnection {
    async fn write(
        &self,
        replica: &ReplicaId,
        topic: &Topic,
        snapshot: &TopicSnapshot,
        place: SegmentPlace,
    ) -> Result<(), WriteFailure> {
        self.connection.write(replica, topic, snapshot, place).await?;
        self.note(topic, |order| order.has_snapshot(snapshot.position));
        Ok(())
    }

    async fn read(
        &self,
        topic: &Topic,
        known: LogPosition,
        pass: &mut SegmentSink<'_>,
    ) -> Result<Option<LogPosition>, Away> {
        let position = self.connection.read(topic, known, pass).await?;
        if let Some(position) = position {
            self.note(topic, |order| order.has_snapshot(position));
        }
        Ok(position)
    }
}

#[test]
fn a_move_is_permitted_along_entries_that_connect_and_from_a_snapshot() {
    let at = |sequence| LogPosition { sequence, ..LogPosition::START };
    let mut order = AppliedOrder::default();
    order.has_entry(at(1), at(0));
    order.has_entry(at(2), at(1));
    order.moves(at(2)).unwrap();
    order.moves(at(2)).unwrap();
    order.has_entry(at(4), at(3));
    order.moves(at(4)).unwrap_err();
    order.moves(at(3)).unwrap_err();
    order.has_snapshot(at(6));
    order.has_entry(at(7), at(6));
    order.moves(at(7)).unwrap();
    order.has_snapshot(at(5));
    order.moves(at(5)).unwrap_err();
}

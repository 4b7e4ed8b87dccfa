//! What an engine in memory stores. Each method is one step, like a script of a real engine.

use std::time::Duration;

use bytes::Bytes;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::leases::{LEASE, LeaseState};
use registry_fleet::log::{
    Cursor, Heard, LogEntry, PAYLOAD_MAX, PostedRequest, StreamPlace, WriteFailure,
};
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::{SEGMENT_MAX, TopicSnapshot};
use registry_fleet::topic::Topic;
use tokio::time::Instant;

use super::append_record::AppendRecord;
use super::item_stream::ItemStream;
use super::journaled_map::JournaledMap;

/// Number of items of each stream that a reader gets at once.
const READ_MAX: usize = 100;
/// Number of entries, and of requests, that the engine keeps.
const ENTRIES_MAX: usize = 20_000;
const REQUESTS_MAX: usize = 10_000;

/// Leases, streams and snapshots.
#[derive(Default)]
pub(super) struct EngineData {
    leases: JournaledMap<Topic, HeldLease>,
    /// Highest number of an epoch.
    counters: JournaledMap<Topic, u64>,
    /// Position of the last entry.
    tails: JournaledMap<Topic, LogPosition>,
    snapshots: JournaledMap<Topic, TopicSnapshot>,
    /// End of the log when the snapshot was written.
    marks: JournaledMap<Topic, StreamPlace>,
    entries: ItemStream<LogEntry>,
    requests: ItemStream<PostedRequest>,
    pub(super) appends: AppendRecord,
}

/// A lease, until it ends.
pub(super) struct HeldLease {
    replica: ReplicaId,
    epoch: Epoch,
    ends_at: Instant,
}

impl EngineData {
    pub(super) fn take(
        &mut self,
        topic: &Topic,
        replica: &ReplicaId,
        seen: Epoch,
        nonce: u16,
    ) -> LeaseState {
        let tail = self.tail(topic);
        let seen = seen.max(tail.epoch);
        let counted = self.counters.get(topic).copied().unwrap_or_default();
        let held = self.leases.get(topic).filter(|lease| {
            let is_void = lease.epoch < seen || lease.epoch.number < counted;
            !is_void && Instant::now() < lease.ends_at
        });
        let epoch = match held {
            Some(lease) if lease.replica != *replica => {
                return LeaseState::Taken { epoch: lease.epoch };
            }
            Some(lease) => lease.epoch,
            None => {
                let number = counted.max(seen.number) + 1;
                self.counters.insert(topic.clone(), number);
                Epoch { number, nonce }
            }
        };
        let ends_at = Instant::now() + LEASE;
        let lease = HeldLease { replica: replica.clone(), epoch, ends_at };
        self.leases.insert(topic.clone(), lease);
        LeaseState::Held { epoch, tail }
    }

    pub(super) fn release(&mut self, topic: &Topic, replica: &ReplicaId, epoch: Epoch) {
        if self.is_writer(topic, replica, epoch) {
            self.leases.remove(topic);
        }
    }

    pub(super) fn append(
        &mut self,
        replica: &ReplicaId,
        entry: LogEntry,
        answered: &[StreamPlace],
        millis: u64,
    ) -> Result<(), WriteFailure> {
        assert!(entry.payload.len() <= PAYLOAD_MAX, "{} bytes", entry.payload.len());
        let LogEntry { topic, position, previous, .. } = &entry;
        let follows = *previous == self.tail(topic) && position > previous;
        if !follows || !self.is_writer(topic, replica, position.epoch) {
            return Err(WriteFailure::Fenced);
        }
        self.tails.insert(topic.clone(), *position);
        self.appends.appended(topic, *position);
        self.entries.push(millis, |_| entry);
        self.entries.keep_last(ENTRIES_MAX);
        for place in answered {
            self.requests.remove(place);
        }
        Ok(())
    }

    pub(super) fn post(&mut self, topic: Topic, payload: Bytes, millis: u64) {
        assert!(payload.len() <= PAYLOAD_MAX, "{} bytes", payload.len());
        self.requests.push(millis, |place| PostedRequest { place, topic, payload });
        self.requests.keep_last(REQUESTS_MAX);
    }

    /// Returns what follows the cursor, and moves it.
    pub(super) fn read_after(&self, cursor: &mut Cursor) -> Heard {
        if cursor.entries.is_some_and(|place| !self.entries.contains_key(&place)) {
            *cursor = Cursor::default();
        }
        // Answered requests are deleted one by one, so a missing place alone says nothing.
        let last = self.requests.keys().next_back();
        if last.is_some_and(|last| Some(*last) < cursor.requests) {
            cursor.requests = None;
        }
        let mut heard = Heard::default();
        for (place, entry) in self.entries.after(cursor.entries).take(READ_MAX) {
            cursor.entries = Some(*place);
            heard.entries.push(entry.clone());
        }
        for (place, request) in self.requests.after(cursor.requests).take(READ_MAX) {
            cursor.requests = Some(*place);
            heard.requests.push(request.clone());
        }
        heard
    }

    pub(super) fn write_snapshot(
        &mut self,
        replica: &ReplicaId,
        topic: &Topic,
        snapshot: TopicSnapshot,
    ) -> Result<(), WriteFailure> {
        let longest = snapshot.segments.iter().map(Bytes::len).max().unwrap_or_default();
        assert!(longest <= SEGMENT_MAX, "{longest} bytes");
        let position = snapshot.position;
        let tail = self.tail(topic);
        let fits = position == tail || position.sequence == 0 && position > tail;
        if !fits || !self.is_writer(topic, replica, position.epoch) {
            return Err(WriteFailure::Fenced);
        }
        self.tails.insert(topic.clone(), position);
        self.snapshots.insert(topic.clone(), snapshot);
        if let Some(last) = self.entries.last_place() {
            self.marks.insert(topic.clone(), last);
        }
        self.trim();
        Ok(())
    }

    pub(super) fn read_snapshot(&self, topic: &Topic, known: LogPosition) -> Option<TopicSnapshot> {
        self.snapshots.get(topic).filter(|snapshot| snapshot.position > known).cloned()
    }

    /// Deletes everything.
    pub(super) fn flush(&mut self) {
        self.leases.clear();
        self.counters.clear();
        self.tails.clear();
        self.snapshots.clear();
        self.marks.clear();
        self.entries.clear();
        self.requests.clear();
        self.appends.lost_data();
    }

    /// Undoes the changes that are not older than this.
    pub(super) fn undo(&mut self, age: Duration) {
        self.leases.undo(age);
        self.counters.undo(age);
        self.tails.undo(age);
        self.snapshots.undo(age);
        self.marks.undo(age);
        self.entries.undo(age);
        self.requests.undo(age);
        self.appends.lost_data();
    }

    /// Returns the last places of both streams.
    pub(super) fn ends(&self) -> (Option<StreamPlace>, Option<StreamPlace>) {
        (self.entries.last_place(), self.requests.last_place())
    }

    pub(super) fn lose_counters(&mut self) {
        self.counters.clear();
    }

    pub(super) fn lose_leases(&mut self) {
        self.leases.clear();
    }

    /// Deletes the first entries of more than this number.
    pub(super) fn keep_entries(&mut self, count: usize) {
        self.entries.keep_last(count);
    }

    /// Deletes entries that the snapshot of every topic includes.
    fn trim(&mut self) {
        let marks = self.tails.keys().map(|topic| self.marks.get(topic).copied());
        if let Some(first) = marks.min().flatten() {
            self.entries.trim(first);
        }
    }

    fn tail(&self, topic: &Topic) -> LogPosition {
        self.tails.get(topic).copied().unwrap_or_default()
    }

    fn is_writer(&self, topic: &Topic, replica: &ReplicaId, epoch: Epoch) -> bool {
        self.leases.get(topic).is_some_and(|lease| {
            lease.replica == *replica && lease.epoch == epoch && Instant::now() < lease.ends_at
        })
    }
}

//! A replica that is connected to an engine, for checks that any engine has to pass.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use registry_fleet::epoch::{Epoch, Position};
use registry_fleet::leases::{LeaseState, Leases};
use registry_fleet::log::{Cursor, Log, LogEntry, PostedRequest, StreamPlace, WriteFailure};
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::{Snapshot, Snapshots};
use registry_fleet::topic::Topic;
use tokio::time::sleep;

/// Time between two attempts at a busy engine.
const RETRY: Duration = Duration::from_millis(20);

/// A replica with its engine. Calls without an answer are tried again, as often as it takes: a busy
/// machine decides no check.
#[derive(Clone)]
pub struct Connected<'a> {
    pub replica: ReplicaId,
    pub leases: &'a dyn Leases,
    pub log: &'a dyn Log,
    pub snapshots: &'a dyn Snapshots,
}

impl Connected<'_> {
    /// Takes or renews the lease of a topic.
    pub async fn take(&self, topic: &Topic, seen: Epoch, nonce: u16) -> LeaseState {
        loop {
            match self.leases.take(topic, &self.replica, seen, nonce).await {
                Ok(state) => return state,
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    /// Takes the lease of a topic that no other replica has. Returns the epoch and the position of the
    /// last entry.
    pub async fn hold(&self, topic: &Topic) -> (Epoch, Position) {
        match self.take(topic, Epoch::default(), 7).await {
            LeaseState::Held { epoch, tail } => (epoch, tail),
            LeaseState::Taken { epoch } => panic!("{epoch} is another's"),
        }
    }

    /// Ends a lease.
    pub async fn release(&self, topic: &Topic, epoch: Epoch) {
        while self.leases.release(topic, &self.replica, epoch).await.is_err() {
            sleep(RETRY).await;
        }
    }

    /// Appends an entry. Returns false if the engine fences this replica.
    pub async fn append(&self, entry: &LogEntry, answered: &[StreamPlace]) -> bool {
        let mut is_repeated = false;
        loop {
            match self.log.append(&self.replica, entry, answered).await {
                Ok(()) => return true,
                // An attempt without an answer may have been carried out.
                Err(WriteFailure::Fenced) => {
                    return is_repeated && self.hold(&entry.topic).await.1 == entry.position;
                }
                Err(WriteFailure::Away(_)) => sleep(RETRY).await,
            }
            is_repeated = true;
        }
    }

    /// Appends an entry for each payload, behind the last one. Returns them.
    pub async fn append_all(&self, topic: &Topic, payloads: &[&'static str]) -> Vec<LogEntry> {
        let (epoch, mut previous) = self.hold(topic).await;
        let mut entries = Vec::new();
        for payload in payloads {
            let before = if previous.epoch == epoch { previous } else { Position::first_of(epoch) };
            let (topic, position) = (topic.clone(), before.next());
            let entry = LogEntry {
                topic,
                position,
                previous,
                payload: Bytes::from_static(payload.as_bytes()),
            };
            assert!(self.append(&entry, &[]).await, "another replica writes");
            entries.push(entry);
            previous = position;
        }
        entries
    }

    /// Posts a request, which may then be there more than once.
    pub async fn post(&self, topic: &Topic, payload: &'static [u8]) {
        while self.log.post(topic, &Bytes::from_static(payload)).await.is_err() {
            sleep(RETRY).await;
        }
    }

    /// Writes a snapshot. Returns false if the engine fences this replica.
    pub async fn write(&self, topic: &Topic, snapshot: &Snapshot) -> bool {
        loop {
            match self.snapshots.write(&self.replica, topic, snapshot).await {
                Ok(()) => return true,
                Err(WriteFailure::Fenced) => return false,
                Err(WriteFailure::Away(_)) => sleep(RETRY).await,
            }
        }
    }

    /// Reads the snapshot of a topic.
    pub async fn read(&self, topic: &Topic, known: Position) -> Option<Snapshot> {
        loop {
            match self.snapshots.read(topic, known).await {
                Ok(snapshot) => return snapshot,
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    /// Follows one topic from the beginning of the log.
    pub fn following(&self, topic: &Topic) -> Following<'_> {
        let (entries, requests) = (Vec::new(), Vec::new());
        Following {
            log: self.log,
            topic: topic.clone(),
            cursor: Cursor::default(),
            entries,
            requests,
        }
    }
}

/// What a follower has heard of a topic.
pub struct Following<'a> {
    log: &'a dyn Log,
    topic: Topic,
    pub cursor: Cursor,
    pub entries: Vec<LogEntry>,
    pub requests: Vec<PostedRequest>,
}

impl Following<'_> {
    /// Follows once, for up to a second.
    pub async fn follow(&mut self) {
        if let Ok(heard) = self.log.follow(&mut self.cursor).await {
            self.entries.extend(heard.entries.into_iter().filter(|e| e.topic == self.topic));
            self.requests.extend(heard.requests.into_iter().filter(|r| r.topic == self.topic));
        } else {
            sleep(RETRY).await;
        }
    }

    /// Follows until the last entry of the topic has a position. Returns the entries that came since
    /// the last time.
    pub async fn until(&mut self, position: Position) -> Vec<LogEntry> {
        while self.entries.last().map(|entry| entry.position) != Some(position) {
            self.follow().await;
        }
        std::mem::take(&mut self.entries)
    }

    /// Follows until a request came. Returns its places.
    pub async fn until_request(&mut self, payload: &[u8]) -> Vec<StreamPlace> {
        while !self.requests.iter().any(|request| request.payload == payload) {
            self.follow().await;
        }
        let found = self.requests.iter().filter(|request| request.payload == payload);
        found.map(|request| request.place).collect()
    }
}

impl fmt::Debug for Following<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}, {:?}", self.cursor, self.entries, self.requests)
    }
}

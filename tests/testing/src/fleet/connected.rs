//! A replica that is connected to an engine, for checks that any engine has to pass.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::failure::Away;
use registry_fleet::leases::{LeaseState, Leases};
use registry_fleet::log::{Cursor, LogEntry, PostedRequest, SharedLog, StreamPlace, WriteFailure};
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::{SegmentPlace, Snapshots, TopicSnapshot};
use registry_fleet::topic::Topic;
use tokio::time::{Instant, sleep};

/// Time between two attempts at a busy engine.
const RETRY: Duration = Duration::from_millis(20);
/// Far more than any check takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A replica with its engine. Calls without an answer are tried again, as often as it takes: a busy
/// machine decides no check.
#[derive(Clone)]
pub struct Connected<'a> {
    pub replica: ReplicaId,
    pub leases: &'a dyn Leases,
    pub log: &'a dyn SharedLog,
    pub snapshots: &'a dyn Snapshots,
}

impl<'a> Connected<'a> {
    /// A replica with one connection for everything.
    pub fn of<C: Leases + SharedLog + Snapshots>(name: &str, connection: &'a C) -> Self {
        let replica = name.parse().unwrap();
        Self { replica, leases: connection, log: connection, snapshots: connection }
    }

    /// Takes or renews the lease of a topic.
    pub async fn take(&self, topic: &Topic, seen: Epoch, nonce: u16) -> LeaseState {
        answered(|| self.leases.take(topic, &self.replica, seen, nonce)).await
    }

    /// Takes the lease of a topic that no other replica has. Returns the epoch and the position of the
    /// last entry.
    pub async fn hold(&self, topic: &Topic) -> (Epoch, LogPosition) {
        match self.take(topic, Epoch::default(), 7).await {
            LeaseState::Held { epoch, tail } => (epoch, tail),
            LeaseState::Taken { epoch } => panic!("{epoch} is another's"),
        }
    }

    /// Ends a lease.
    pub async fn release(&self, topic: &Topic, epoch: Epoch) {
        answered(|| self.leases.release(topic, &self.replica, epoch)).await;
    }

    /// Appends an entry. Returns false if the engine fences this replica.
    pub async fn append(&self, entry: &LogEntry, answers: &[StreamPlace]) -> bool {
        let is_repeated = AtomicBool::new(false);
        let attempt = || async {
            let result = self.log.append(&self.replica, entry, answers).await;
            let was_sent = is_repeated.swap(true, Ordering::Relaxed);
            match unless_fenced(result)? {
                // The attempt without an answer may have been carried out.
                false if was_sent => Ok(self.hold(&entry.topic).await.1 == entry.position),
                is_appended => Ok(is_appended),
            }
        };
        answered(attempt).await
    }

    /// Appends an entry for each payload, behind the last one. Returns them.
    pub async fn append_all(&self, topic: &Topic, payloads: &[&'static str]) -> Vec<LogEntry> {
        let (epoch, mut previous) = self.hold(topic).await;
        let mut entries = Vec::new();
        for payload in payloads {
            let before =
                if previous.epoch == epoch { previous } else { LogPosition::first_of(epoch) };
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
        let payload = Bytes::from_static(payload);
        answered(|| self.log.post(topic, &payload)).await;
    }

    /// Writes a snapshot. Returns false if the engine fences this replica.
    pub async fn write(&self, topic: &Topic, snapshot: &TopicSnapshot) -> bool {
        answered(|| async { unless_fenced(self.try_write(topic, snapshot).await) }).await
    }

    /// Writes a snapshot, once.
    pub async fn try_write(
        &self,
        topic: &Topic,
        snapshot: &TopicSnapshot,
    ) -> Result<(), WriteFailure> {
        self.snapshots.write(&self.replica, topic, snapshot, SegmentPlace::Bucket).await
    }

    /// Reads the snapshot of a topic.
    pub async fn read(&self, topic: &Topic, known: LogPosition) -> Option<TopicSnapshot> {
        answered(|| self.try_read(topic, known)).await
    }

    /// Reads the snapshot of a topic, once.
    pub async fn try_read(
        &self,
        topic: &Topic,
        known: LogPosition,
    ) -> Result<Option<TopicSnapshot>, Away> {
        let mut segments = Vec::new();
        let position = self.snapshots.read(topic, known, &mut |one| segments.push(one)).await?;
        Ok(position.map(|position| TopicSnapshot { position, segments }))
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

/// Calls until there is an answer. Panics when none came for a minute.
pub(crate) async fn answered<T, F: Future<Output = Result<T, Away>>>(call: impl Fn() -> F) -> T {
    let begun = Instant::now();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(away) => assert!(begun.elapsed() < PATIENCE, "{away}"),
        }
        sleep(RETRY).await;
    }
}

fn unless_fenced(result: Result<(), WriteFailure>) -> Result<bool, Away> {
    match result {
        Ok(()) => Ok(true),
        Err(WriteFailure::Fenced) => Ok(false),
        Err(WriteFailure::Away(away)) => Err(away),
    }
}

/// What a follower has heard of a topic.
pub struct Following<'a> {
    log: &'a dyn SharedLog,
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
    pub async fn until(&mut self, position: LogPosition) -> Vec<LogEntry> {
        let begun = Instant::now();
        while self.entries.last().map(|entry| entry.position) != Some(position) {
            assert!(begun.elapsed() < PATIENCE, "{position} does not come: {self:?}");
            self.follow().await;
        }
        std::mem::take(&mut self.entries)
    }

    /// Follows until a request came. Returns its places.
    pub async fn until_request(&mut self, payload: &[u8]) -> Vec<StreamPlace> {
        let begun = Instant::now();
        while !self.requests.iter().any(|request| request.payload == payload) {
            assert!(begun.elapsed() < PATIENCE, "{payload:?} does not come: {self:?}");
            self.follow().await;
        }
        let found = self.requests.iter().filter(|request| request.payload == payload);
        found.map(|request| request.place).collect()
    }
}

impl fmt::Debug for Following<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let positions = self.entries.iter().map(|entry| entry.position.to_string());
        let positions: Vec<_> = positions.collect();
        write!(f, "{:?}: {positions:?}, {:?}", self.cursor, self.requests)
    }
}

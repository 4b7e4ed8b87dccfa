//! The connection of one replica to an engine in memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use registry_fleet::DEADLINE;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::leases::{LeaseState, Leases};
use registry_fleet::log::{Cursor, Heard, LogEntry, SharedLog, StreamPlace, WriteFailure};
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::{SegmentPlace, SegmentSink, Snapshots, TopicSnapshot};
use registry_fleet::topic::Topic;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::MemoryEngine;
use super::data::EngineData;
use crate::fleet::fault::Fault;

/// Time that a call takes in each direction.
const LATENCY: Duration = Duration::from_millis(1);
/// Time for which a reader waits for the first item.
const WAIT: Duration = Duration::from_secs(1);
const READ_DEADLINE: Duration = Duration::from_secs(3);
const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(5);

/// Connection of one replica, with a fault of its own.
pub struct EngineConnection {
    engine: Arc<MemoryEngine>,
    fault: Mutex<Fault>,
    is_paused: watch::Sender<bool>,
}

impl EngineConnection {
    pub(super) fn new(engine: Arc<MemoryEngine>) -> Arc<Self> {
        Arc::new(Self { engine, fault: Mutex::default(), is_paused: watch::Sender::default() })
    }

    /// Sets what happens to later calls of this connection, whatever the fault of the engine.
    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock() = fault;
        self.engine.wake();
    }

    /// Stops or continues the replica. Its calls are sent, and their answers arrive, once it
    /// continues.
    pub fn set_paused(&self, is_paused: bool) {
        self.is_paused.send_replace(is_paused);
    }

    fn fault(&self) -> Fault {
        match *self.fault.lock() {
            Fault::None => self.engine.fault(),
            own => own,
        }
    }

    async fn runs(&self) {
        let mut is_paused = self.is_paused.subscribe();
        // Never an error: the sender lives as long as `self`.
        let _ = is_paused.wait_for(|is_paused| !is_paused).await;
    }

    /// Makes a call that changes or reads the state in one step.
    async fn call<T: Send + 'static>(
        &self,
        deadline: Duration,
        step: impl FnOnce(&mut EngineData, u64) -> T + Send + 'static,
    ) -> Result<T, Away> {
        self.runs().await;
        let fault = self.fault();
        if fault != Fault::Refused {
            sleep(LATENCY).await;
        }
        let engine = Arc::clone(&self.engine);
        let answer = fault.call(deadline, move || engine.change(step)).await?;
        sleep(LATENCY).await;
        self.runs().await;
        Ok(answer)
    }
}

#[async_trait]
impl Leases for EngineConnection {
    async fn take(
        &self,
        topic: &Topic,
        replica: &ReplicaId,
        seen: Epoch,
        nonce: u16,
    ) -> Result<LeaseState, Away> {
        let (topic, replica) = (topic.clone(), replica.clone());
        self.call(DEADLINE, move |data, _| data.take(&topic, &replica, seen, nonce)).await
    }

    async fn release(&self, topic: &Topic, replica: &ReplicaId, epoch: Epoch) -> Result<(), Away> {
        let (topic, replica) = (topic.clone(), replica.clone());
        self.call(DEADLINE, move |data, _| data.release(&topic, &replica, epoch)).await
    }
}

#[async_trait]
impl SharedLog for EngineConnection {
    async fn append(
        &self,
        replica: &ReplicaId,
        entry: &LogEntry,
        answered: &[StreamPlace],
    ) -> Result<(), WriteFailure> {
        let (replica, entry, answered) = (replica.clone(), entry.clone(), answered.to_vec());
        self.call(DEADLINE, move |data, millis| data.append(&replica, entry, &answered, millis))
            .await?
    }

    async fn post(&self, topic: &Topic, payload: &Bytes) -> Result<(), Away> {
        let (topic, payload) = (topic.clone(), payload.clone());
        self.call(DEADLINE, move |data, millis| data.post(topic, payload, millis)).await
    }

    async fn follow(&self, cursor: &mut Cursor) -> Result<Heard, Away> {
        self.runs().await;
        let begun = Instant::now();
        loop {
            // It ends with any change from now on, also with one during the read.
            let changed = self.engine.changed();
            let until = match self.fault() {
                Fault::None | Fault::Late(_) => {
                    let mut moved = *cursor;
                    let heard = self.engine.change(|data, _| data.read_after(&mut moved));
                    if heard != Heard::default() || begun.elapsed() >= WAIT {
                        sleep(LATENCY).await;
                        self.runs().await;
                        *cursor = moved;
                        return Ok(heard);
                    }
                    begun + WAIT
                }
                Fault::Refused => return Err(Away::new(AwayReason::Unreachable, "refused")),
                // An engine that continues in time answers.
                Fault::Hanging | Fault::AnswersLost => begun + READ_DEADLINE,
            };
            if begun.elapsed() >= READ_DEADLINE {
                return Err(Away::new(AwayReason::Late, "no answer"));
            }
            timeout_at(until, changed).await.unwrap_or_default();
        }
    }
}

#[async_trait]
impl Snapshots for EngineConnection {
    async fn write(
        &self,
        replica: &ReplicaId,
        topic: &Topic,
        snapshot: &TopicSnapshot,
        _: SegmentPlace,
    ) -> Result<(), WriteFailure> {
        let (replica, topic, snapshot) = (replica.clone(), topic.clone(), snapshot.clone());
        self.call(SNAPSHOT_DEADLINE, move |data, _| data.write_snapshot(&replica, &topic, snapshot))
            .await?
    }

    async fn read(
        &self,
        topic: &Topic,
        known: LogPosition,
        pass: &mut SegmentSink<'_>,
    ) -> Result<Option<LogPosition>, Away> {
        let topic = topic.clone();
        let read = self.call(SNAPSHOT_DEADLINE, move |data, _| data.read_snapshot(&topic, known));
        Ok(read.await?.map(|snapshot| {
            snapshot.segments.into_iter().for_each(pass);
            snapshot.position
        }))
    }
}

//! Tests of the faults, and of what every test of a fleet relies on.

use std::time::Duration;

use bytes::Bytes;
use registry_fleet::DEADLINE;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::leases::{LEASE, LeaseState, Leases as _};
use registry_fleet::log::{Cursor, Heard, LogEntry, SharedLog as _, StreamPlace, WriteFailure};
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::{SegmentPlace, Snapshots as _, TopicSnapshot};
use registry_fleet::topic::Topic;
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::fleet::connected::Connected;

/// A replica, and how far it has read.
struct Replica {
    connection: Arc<EngineConnection>,
    id: ReplicaId,
    topic: Topic,
    cursor: Cursor,
}

impl Replica {
    fn new(engine: &Arc<MemoryEngine>, name: &str) -> Self {
        let topic = "oci.oci.0123".parse().unwrap();
        let (connection, id) = (engine.connect(), name.parse().unwrap());
        Self { connection, id, topic, cursor: Cursor::default() }
    }

    async fn take(&self) -> Result<LeaseState, Away> {
        self.connection.take(&self.topic, &self.id, Epoch::default(), 7).await
    }

    /// Takes the lease, which is free. Returns the epoch.
    async fn writes(&self) -> Epoch {
        match self.take().await {
            Ok(LeaseState::Held { epoch, .. }) => epoch,
            other => panic!("{other:?}"),
        }
    }

    async fn append(
        &self,
        previous: LogPosition,
        position: LogPosition,
        answered: &[StreamPlace],
    ) -> Result<(), WriteFailure> {
        let payload = Bytes::from(position.to_string());
        let entry = LogEntry { topic: self.topic.clone(), position, previous, payload };
        self.connection.append(&self.id, &entry, answered).await
    }

    /// Appends the first `count` entries of an epoch after the start of the log.
    async fn append_first(&self, epoch: Epoch, count: u64) {
        let positions = (1..=count).map(|sequence| LogPosition { epoch, sequence });
        let mut previous = LogPosition::START;
        for position in positions {
            self.append(previous, position, &[]).await.unwrap();
            previous = position;
        }
    }

    async fn write(&self, snapshot: &TopicSnapshot) -> Result<(), WriteFailure> {
        let place = SegmentPlace::Bucket;
        self.connection.write(&self.id, &self.topic, snapshot, place).await
    }

    async fn post(&self, payload: &'static str) -> Result<(), Away> {
        self.connection.post(&self.topic, &payload.into()).await
    }

    async fn follow(&mut self) -> Result<Heard, Away> {
        self.connection.follow(&mut self.cursor).await
    }

    /// Returns the positions of entries and the payloads of requests that follow.
    async fn hears(&mut self) -> (Vec<LogPosition>, Vec<Bytes>) {
        let heard = self.follow().await.unwrap();
        let positions = heard.entries.iter().map(|entry| entry.position).collect();
        (positions, heard.requests.into_iter().map(|request| request.payload).collect())
    }
}

fn at(epoch: Epoch, sequence: u64) -> LogPosition {
    LogPosition { epoch, sequence }
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, Away>) -> AwayReason {
    outcome.unwrap_err().reason
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_unless_it_is_renewed_and_later_epochs_are_higher() {
    let engine = MemoryEngine::new();
    let [one, other] = ["one", "other"].map(|name| Replica::new(&engine, name));
    let first = one.writes().await;
    assert_eq!(first, Epoch { number: 1, nonce: 7 });
    sleep(LEASE / 2).await;
    assert_eq!(one.writes().await, first, "renewed");
    sleep(LEASE / 2).await;
    assert_eq!(other.take().await, Ok(LeaseState::Taken { epoch: first }));
    sleep(LEASE / 2).await;
    assert_eq!(other.writes().await.number, 2);
    let written = other.append(LogPosition::START, at(first, 1), &[]).await;
    assert_eq!(written, Err(WriteFailure::Fenced), "of an earlier epoch");
    let second = Epoch { number: 2, nonce: 7 };
    one.connection.release(&one.topic, &one.id, second).await.unwrap();
    assert_eq!(one.take().await, Ok(LeaseState::Taken { epoch: second }), "by a stranger");
    other.connection.release(&one.topic, &other.id, second).await.unwrap();
    let seen = Epoch { number: 40, nonce: 0 };
    let took = one.connection.take(&one.topic, &one.id, seen, 8).await.unwrap();
    let epoch = Epoch { number: 41, nonce: 8 };
    assert_eq!(took, LeaseState::Held { epoch, tail: LogPosition::START });
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_appended_once_and_deletes_the_requests_that_it_answers() {
    let engine = MemoryEngine::new();
    let [mut one, mut other] = ["one", "other"].map(|name| Replica::new(&engine, name));
    let epoch = one.writes().await;
    other.post("first").await.unwrap();
    other.post("second").await.unwrap();
    let places: Vec<_> =
        one.follow().await.unwrap().requests.into_iter().map(|request| request.place).collect();
    one.append(LogPosition::START, at(epoch, 1), &places[..1]).await.unwrap();
    for previous in [LogPosition::START, at(epoch, 2)] {
        let again = one.append(previous, at(epoch, 3), &[]).await;
        assert_eq!(again, Err(WriteFailure::Fenced), "{previous}");
    }
    let stranger = other.append(at(epoch, 1), at(epoch, 2), &[]).await;
    assert_eq!(stranger, Err(WriteFailure::Fenced));
    assert_eq!(other.hears().await, (vec![at(epoch, 1)], vec!["second".into()]));
    assert_eq!(one.hears().await, (vec![at(epoch, 1)], vec![]), "requests are read once");
    assert_eq!((engine.appended(), engine.disordered()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_a_second_and_wakes_at_once() {
    let engine = MemoryEngine::new();
    let [mut one, other] = ["one", "other"].map(|name| Replica::new(&engine, name));
    let begun = Instant::now();
    assert_eq!(one.follow().await, Ok(Heard::default()));
    assert!((1000..1010).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    let reads = tokio::spawn(async move { (one.hears().await, Instant::now()) });
    sleep(Duration::from_millis(500)).await;
    other.post("now").await.unwrap();
    let (heard, woken) = reads.await.unwrap();
    assert_eq!(heard, (vec![], vec!["now".into()]));
    assert!(woken <= Instant::now() + Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn a_reader_whose_place_is_gone_reads_from_the_beginning() {
    let engine = MemoryEngine::new();
    let [one, mut other] = ["one", "other"].map(|name| Replica::new(&engine, name));
    let epoch = one.writes().await;
    one.append_first(epoch, 2).await;
    assert_eq!(other.hears().await.0, [at(epoch, 1), at(epoch, 2)]);
    engine.trim(0);
    one.append(at(epoch, 2), at(epoch, 3), &[]).await.unwrap();
    one.append(at(epoch, 3), at(epoch, 4), &[]).await.unwrap();
    assert_eq!(other.hears().await.0, [at(epoch, 3), at(epoch, 4)]);
    one.post("lost").await.unwrap();
    other.follow().await.unwrap();
    engine.flush();
    // A clock that was set back must not hide what follows.
    engine.jump_clock(-10_000);
    one.post("new").await.unwrap();
    assert_eq!(other.hears().await, (vec![], vec!["new".into()]));
    assert_eq!(one.writes().await.number, 1, "the counter is lost");
    one.append_first(epoch, 1).await;
    assert_eq!(other.hears().await.0, [at(epoch, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_begins_an_epoch_and_shortens_the_log() {
    let engine = MemoryEngine::new();
    let [mut one, other] = ["one", "other"].map(|name| Replica::new(&engine, name));
    let epoch = one.writes().await;
    one.append_first(epoch, 3).await;
    let snapshot = |position| TopicSnapshot { position, segments: vec!["all".into()] };
    for (replica, position) in [(&other, at(epoch, 3)), (&one, at(epoch, 2))] {
        let written = replica.write(&snapshot(position)).await;
        assert_eq!(written, Err(WriteFailure::Fenced));
    }
    one.write(&snapshot(at(epoch, 3))).await.unwrap();
    assert_eq!(one.hears().await.0, [at(epoch, 3)], "what the snapshot includes is gone");
    let reader = Connected::of("other", &*other.connection);
    assert_eq!(reader.read(&one.topic, at(epoch, 2)).await, Some(snapshot(at(epoch, 3))));
    assert_eq!(reader.read(&one.topic, at(epoch, 3)).await, None);
    one.connection.release(&one.topic, &one.id, epoch).await.unwrap();
    let epoch = other.writes().await;
    let begins = LogPosition::first_of(epoch);
    other.write(&snapshot(begins)).await.unwrap();
    other.append(begins, at(epoch, 1), &[]).await.unwrap();
    assert_eq!(engine.disordered(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_fault_ends_a_call_in_its_way() {
    let engine = MemoryEngine::new();
    let mut one = Replica::new(&engine, "one");
    let late = Duration::from_millis(200);
    for (fault, expected, takes) in [
        (Fault::Refused, AwayReason::Unreachable, Duration::ZERO),
        (Fault::Hanging, AwayReason::Late, DEADLINE),
        (Fault::AnswersLost, AwayReason::Late, DEADLINE),
        (Fault::Late(late), AwayReason::Late, DEADLINE),
    ] {
        engine.set_fault(fault);
        let begun = Instant::now();
        assert_eq!(reason(one.post("a post").await), expected);
        let took = begun.elapsed();
        assert!(takes <= took && took <= takes + Duration::from_millis(5), "{fault:?}: {took:?}");
        engine.set_fault(Fault::None);
        let carried_out = one.hears().await.1.len();
        let is_carried_out = matches!(fault, Fault::AnswersLost | Fault::Late(_));
        assert_eq!(carried_out, usize::from(is_carried_out), "{fault:?}");
    }
    engine.set_fault(Fault::Late(DEADLINE / 2));
    one.post("slow").await.unwrap();
    one.connection.set_fault(Fault::Refused);
    assert_eq!(reason(one.take().await), AwayReason::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn a_reader_notices_a_fault_while_it_waits() {
    let engine = MemoryEngine::new();
    let mut one = Replica::new(&engine, "one");
    let begun = Instant::now();
    let reads = tokio::spawn(async move { (reason(one.follow().await), one) });
    sleep(Duration::from_millis(300)).await;
    engine.set_fault(Fault::Refused);
    let (failed, mut one) = reads.await.unwrap();
    assert_eq!(failed, AwayReason::Unreachable);
    assert!(begun.elapsed() < Duration::from_millis(310));
    engine.set_fault(Fault::Hanging);
    let begun = Instant::now();
    assert_eq!(reason(one.follow().await), AwayReason::Late);
    assert!(begun.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_failover_loses_the_latest_writes_of_every_kind() {
    let engine = MemoryEngine::new();
    let mut one = Replica::new(&engine, "one");
    let epoch = one.writes().await;
    one.append_first(epoch, 1).await;
    one.post("kept").await.unwrap();
    let kept = one.follow().await.unwrap().requests[0].place;
    advance(Duration::from_secs(1)).await;
    one.append(at(epoch, 1), at(epoch, 2), &[kept]).await.unwrap();
    let snapshot = TopicSnapshot { position: at(epoch, 2), segments: vec![] };
    one.write(&snapshot).await.unwrap();
    one.post("lost").await.unwrap();
    one.connection.release(&one.topic, &one.id, epoch).await.unwrap();
    engine.fail_over(Duration::from_millis(500));
    let reader = Connected::of("one", &*one.connection);
    assert_eq!(reader.read(&one.topic, LogPosition::START).await, None);
    assert_eq!(one.take().await, Ok(LeaseState::Held { epoch, tail: at(epoch, 1) }));
    one.cursor = Cursor::default();
    assert_eq!(one.hears().await, (vec![at(epoch, 1)], vec!["kept".into()]));
    engine.lose_leases();
    let second = one.writes().await;
    assert_eq!(second.number, 2);
    engine.lose_leases();
    engine.lose_counters();
    assert_eq!(one.writes().await.number, 2, "above the last entry, which is of epoch 1");
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_stopped_replica_are_carried_out_once_it_continues() {
    let engine = MemoryEngine::new();
    let [mut one, other] = ["one", "other"].map(|name| Replica::new(&engine, name));
    let connection = Arc::clone(&other.connection);
    connection.set_paused(true);
    let posts = tokio::spawn(async move { other.post("late").await });
    sleep(Duration::from_secs(9)).await;
    assert_eq!(one.hears().await.1.len(), 0);
    connection.set_paused(false);
    posts.await.unwrap().unwrap();
    assert_eq!(one.hears().await.1, ["late"]);
}

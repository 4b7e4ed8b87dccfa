//! Followers of a log that is trimmed, emptied, or whose server fails.

use std::time::Duration;

use bytes::Bytes;
use registry_fleet::epoch::Position;
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::log::{Cursor, Heard, Log as _, LogEntry};
use registry_fleet::metrics::EngineOperation;
use registry_fleet::topic::Topic;
use registry_testing::engine_proxy::Way;
use registry_testing::fleet::conformance::{entry, first, snapshot};
use registry_testing::fleet::connected::Connected;
use tokio::join;
use tokio::time::{Instant, sleep, timeout};

use crate::engine::rig::{PATIENCE, Replica, servers};

/// No answer takes longer: two seconds for a connection, one for a look at the places of the cursor,
/// three for items, and what a busy machine adds.
const FOLLOW_MAX: Duration = Duration::from_secs(8);

fn topic(text: &str) -> Topic {
    text.parse().unwrap()
}

/// Appends entries of a new epoch behind each other.
async fn appended(one: &Connected<'_>, topic: &Topic, payloads: &[&'static str]) -> Vec<LogEntry> {
    let (epoch, tail) = one.hold(topic).await;
    let mut entries: Vec<LogEntry> = Vec::new();
    for payload in payloads {
        let next = match entries.last() {
            Some(last) => entry(topic, last.position, *payload),
            None if tail.epoch == epoch => entry(topic, tail, *payload),
            None => first(topic, epoch, tail, *payload),
        };
        assert!(one.append(&next, &[]).await);
        entries.push(next);
    }
    entries
}

/// Follows until something came.
async fn heard(replica: &Replica, cursor: &mut Cursor) -> Heard {
    let waited = timeout(PATIENCE, async {
        loop {
            match replica.log.follow(cursor).await {
                Ok(heard) if heard != Heard::default() => return heard,
                Ok(_) => {}
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    });
    waited.await.unwrap()
}

/// Follows until that fails.
async fn failed(replica: &Replica, cursor: &mut Cursor) -> Away {
    let waited = timeout(PATIENCE, async {
        loop {
            let begun = Instant::now();
            let result = replica.log.follow(cursor).await;
            assert!(begun.elapsed() < FOLLOW_MAX, "{:?}", begun.elapsed());
            if let Err(away) = result {
                return away;
            }
        }
    });
    waited.await.unwrap()
}

#[tokio::test]
async fn a_cursor_whose_entry_was_trimmed_reads_the_log_from_its_beginning() {
    let [one_topic, other_topic] = ["one", "other"].map(topic);
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut early = Cursor::default();
        let ours = appended(&one, &one_topic, &["1", "2"]).await;
        assert_eq!(heard(&replica, &mut early).await.entries, ours);
        let theirs = appended(&one, &other_topic, &["3"]).await;
        let tail = ours[1].position;
        assert!(one.write(&one_topic, &snapshot(tail, &[b"state"])).await);
        let all = [&ours[..], &theirs[..]].concat();
        assert_eq!(
            heard(&replica, &mut Cursor::default()).await.entries,
            all,
            "a topic has no snapshot"
        );
        let mut late = early;
        assert_eq!(heard(&replica, &mut late).await.entries, theirs);
        assert!(one.write(&other_topic, &snapshot(theirs[0].position, &[b"state"])).await);
        // The last entry stays: whoever has read it has missed nothing.
        assert_eq!(heard(&replica, &mut Cursor::default()).await.entries, theirs);
        let more = appended(&one, &one_topic, &["4"]).await;
        assert_eq!(heard(&replica, &mut late).await.entries, more);
        assert_eq!(heard(&replica, &mut early).await.entries, [theirs, more].concat());
    }
}

#[tokio::test]
async fn a_cursor_reads_both_streams_from_their_beginning_after_a_flush() {
    let topic = topic("topic");
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut cursor = Cursor::default();
        one.post(&topic, b"before").await;
        appended(&one, &topic, &["1", "2"]).await;
        heard(&replica, &mut cursor).await;
        // The clock of the server may have gone back, too.
        let ahead = ["9999999999999-1", "9999999999999-2"];
        for (stream, id) in ["er:{a}:log", "er:{a}:requests"].into_iter().zip(ahead) {
            server.command(&["XADD", stream, id, "name", "value"]).await;
        }
        assert_eq!(replica.log.follow(&mut cursor).await.unwrap(), Heard::default());
        assert_eq!(cursor.entries.map(|place| place.millis), Some(9_999_999_999_999));
        server.command(&["FLUSHALL"]).await;
        let again = appended(&one, &topic, &["3"]).await;
        one.post(&topic, b"after").await;
        let heard = heard(&replica, &mut cursor).await;
        assert_eq!(heard.entries, again);
        assert_eq!(heard.requests.first().map(|r| r.payload.clone()), Some(Bytes::from("after")));
        // A stream of requests that ends before the cursor is another one.
        server.command(&["DEL", "er:{a}:requests"]).await;
        server.command(&["XADD", "er:{a}:requests", "5-0", "name", "value"]).await;
        assert_eq!(replica.log.follow(&mut cursor).await.unwrap(), Heard::default());
        assert_eq!(cursor.requests.map(|place| place.millis), Some(5));
        assert!(cursor.entries.is_some_and(|place| place.millis > 5), "the log is the same");
    }
}

#[tokio::test]
async fn a_wait_holds_up_no_call_and_counts_as_no_duration() {
    let topic = topic("topic");
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let mut cursor = Cursor::default();
        replica.log.follow(&mut cursor).await.unwrap();
        replica.calls.take();
        let begun = Instant::now();
        let ((empty, waited), taken) =
            join!(async { (replica.log.follow(&mut cursor).await, begun.elapsed()) }, async {
                replica.taken().await;
                begun.elapsed()
            });
        assert_eq!(empty.unwrap(), Heard::default());
        assert!(taken < waited, "{taken:?} {waited:?}");
        assert!(waited >= Duration::from_millis(900), "{waited:?}");
        let calls = replica.calls.take();
        let follows = calls.iter().filter(|call| call.operation == EngineOperation::Follow);
        let durations: Vec<Duration> = follows.map(|call| call.duration).collect();
        assert!(durations.len() == 1 && durations[0] < waited / 2, "{durations:?}");
        replica.named("one").post(&topic, b"asked").await;
        assert_eq!(heard(&replica, &mut cursor).await.requests[0].payload, "asked");
    }
}

#[tokio::test]
async fn a_killed_server_ends_a_wait_and_is_followed_again_from_its_beginning() {
    let topic = topic("topic");
    for mut server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut cursor = Cursor::default();
        appended(&one, &topic, &["1"]).await;
        heard(&replica, &mut cursor).await;
        let before = cursor;
        let (away, ()) = join!(failed(&replica, &mut cursor), server.kill());
        assert_eq!(away.reason, AwayReason::Unreachable, "{away}");
        assert_eq!(cursor, before, "a failure moves no cursor");
        replica.away(AwayReason::Unreachable).await;
        let begun = Instant::now();
        for _ in 0..50 {
            replica.log.follow(&mut cursor).await.unwrap_err();
            replica.named("one").snapshots.read(&topic, Position::START).await.unwrap_err();
        }
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        server.restart().await;
        let again = appended(&one, &topic, &["2"]).await;
        assert_eq!(heard(&replica, &mut cursor).await.entries, again);
    }
}

#[tokio::test]
async fn a_stopped_and_a_silent_server_end_a_wait_within_its_bound() {
    let topic = topic("topic");
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut cursor = Cursor::default();
        appended(&one, &topic, &["1"]).await;
        heard(&replica, &mut cursor).await;
        server.signal("-STOP");
        let away = failed(&replica, &mut cursor).await;
        assert_eq!(away.reason, AwayReason::Late, "{away}");
        server.signal("-CONT");
        let more = appended(&one, &topic, &["2"]).await;
        assert_eq!(heard(&replica, &mut cursor).await.entries, more);
        server.proxy.set(Way::Held);
        let away = failed(&replica, &mut cursor).await;
        assert_eq!(away.reason, AwayReason::Late, "{away}");
        server.proxy.set(Way::Open);
        let more = appended(&one, &topic, &["3"]).await;
        assert_eq!(heard(&replica, &mut cursor).await.entries, more);
    }
}

#[tokio::test]
async fn a_flush_during_a_wait_is_followed() {
    let topic = topic("topic");
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut cursor = Cursor::default();
        appended(&one, &topic, &["1", "2", "3"]).await;
        heard(&replica, &mut cursor).await;
        let (heard, again) = join!(heard(&replica, &mut cursor), async {
            server.command(&["FLUSHALL"]).await;
            server.command(&["SCRIPT", "FLUSH"]).await;
            appended(&one, &topic, &["4"]).await
        });
        assert_eq!(heard.entries, again);
    }
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_ends_a_wait_and_is_not_followed() {
    let topic = topic("topic");
    for (server, primary) in servers("").await.into_iter().zip(servers("").await) {
        let replica = Replica::of(&server, "a").await;
        let mut cursor = Cursor::default();
        appended(&replica.named("one"), &topic, &["1"]).await;
        heard(&replica, &mut cursor).await;
        let port = primary.proxy.address.port().to_string();
        let (away, ()) = join!(failed(&replica, &mut cursor), async {
            while !server.command(&["INFO", "clients"]).await.contains("blocked_clients:1") {
                sleep(Duration::from_millis(5)).await;
            }
            server.command(&["REPLICAOF", "127.0.0.1", &port]).await;
            // A wait that begins only now ends once the link has noticed.
            while replica.take().await.is_ok() {}
        });
        assert_eq!(away.reason, AwayReason::ReadOnly, "{away}");
        let away = failed(&replica, &mut cursor).await;
        assert_eq!(away.reason, AwayReason::ReadOnly, "{away}");
        server.command(&["REPLICAOF", "NO", "ONE"]).await;
        replica.taken().await;
        let more = appended(&replica.named("one"), &topic, &["2"]).await;
        assert_eq!(heard(&replica, &mut cursor).await.entries, more);
    }
}

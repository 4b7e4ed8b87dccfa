//! Followers of a log whose server fails, is slow, or is another one.

use std::time::Duration;

use registry_fleet::epoch::LogPosition;
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::log::{Cursor, Heard, SharedLog as _};
use registry_fleet::metrics::{EngineCall, EngineOperation};
use registry_fleet::topic::Topic;
use registry_testing::engine_proxy::Way;
use registry_testing::engine_server::EngineServer;
use tokio::join;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::engine::rig::{PATIENCE, Replica, servers};

/// No answer takes longer: two seconds for a connection, one for a look at the places of the cursor,
/// three for items, and what a busy machine adds.
const FOLLOW_MAX: Duration = Duration::from_secs(8);

fn topic(text: &str) -> Topic {
    text.parse().unwrap()
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

/// Number that the server gave to the connection that read the log.
async fn reader(server: &EngineServer) -> String {
    let clients = server.command(&["CLIENT", "LIST"]).await;
    let reader = clients.lines().find(|client| client.contains("cmd=xread")).unwrap();
    reader.split(' ').find(|word| word.starts_with("id=")).unwrap().to_owned()
}

#[tokio::test]
async fn the_connection_is_kept_until_the_link_has_connected_again() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let mut cursor = Cursor::default();
        replica.log.follow(&mut cursor).await.unwrap();
        let first = reader(&server).await;
        replica.log.follow(&mut cursor).await.unwrap();
        assert_eq!(reader(&server).await, first);
        // The link finds out by itself. Another server may answer afterwards.
        server.signal("-STOP");
        replica.away(AwayReason::Late).await;
        server.signal("-CONT");
        replica.connected().await;
        while replica.log.follow(&mut cursor).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        assert_ne!(reader(&server).await, first);
    }
}

#[tokio::test]
async fn more_than_a_slow_network_carries_in_time_comes_in_smaller_parts() {
    let mut checks = JoinSet::new();
    for server in servers("").await {
        checks.spawn(async move {
            let replica = Replica::of(&server, "a").await;
            let large: &'static str = "x".repeat(200_000).leak();
            let entries = replica.named("one").append_all(&topic("topic"), &[large; 100]).await;
            replica.calls.take();
            // 20 MB by 64 kB every 20 ms take six seconds, and an answer may take three.
            server.proxy.set(Way::Slow(Duration::from_millis(20)));
            let one = replica.named("one");
            let mut following = one.following(&topic("topic"));
            let all = timeout(2 * PATIENCE, following.until(entries[99].position)).await;
            assert!(all.is_ok_and(|all| all == entries));
            let calls = replica.calls.take();
            let is_late = |call: &EngineCall| call.failure == Some(AwayReason::Late);
            let mut follows = calls.iter().filter(|call| call.operation == EngineOperation::Follow);
            assert!(follows.any(is_late));
        });
    }
    checks.join_all().await;
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
        assert_eq!(replica.heard(&mut cursor).await.requests[0].payload, "asked");
    }
}

#[tokio::test]
async fn a_killed_server_ends_a_wait_and_is_followed_again_from_its_beginning() {
    let topic = topic("topic");
    for mut server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut cursor = Cursor::default();
        one.append_all(&topic, &["1"]).await;
        replica.heard(&mut cursor).await;
        let before = cursor;
        let (away, ()) = join!(failed(&replica, &mut cursor), server.kill());
        assert_eq!(away.reason, AwayReason::Unreachable, "{away}");
        assert_eq!(cursor, before, "a failure moves no cursor");
        replica.away(AwayReason::Unreachable).await;
        let begun = Instant::now();
        for _ in 0..50 {
            replica.log.follow(&mut cursor).await.unwrap_err();
            one.try_read(&topic, LogPosition::START).await.unwrap_err();
        }
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        server.restart().await;
        let again = one.append_all(&topic, &["2"]).await;
        assert_eq!(replica.heard(&mut cursor).await.entries, again);
    }
}

#[tokio::test]
async fn a_stopped_and_a_silent_server_end_a_wait_within_its_bound() {
    let topic = topic("topic");
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut cursor = Cursor::default();
        one.append_all(&topic, &["1"]).await;
        replica.heard(&mut cursor).await;
        server.signal("-STOP");
        let away = failed(&replica, &mut cursor).await;
        assert_eq!(away.reason, AwayReason::Late, "{away}");
        server.signal("-CONT");
        let more = one.append_all(&topic, &["2"]).await;
        assert_eq!(replica.heard(&mut cursor).await.entries, more);
        server.proxy.set(Way::Held);
        let away = failed(&replica, &mut cursor).await;
        assert_eq!(away.reason, AwayReason::Late, "{away}");
        server.proxy.set(Way::Open);
        let more = one.append_all(&topic, &["3"]).await;
        assert_eq!(replica.heard(&mut cursor).await.entries, more);
    }
}

#[tokio::test]
async fn a_flush_during_a_wait_is_followed() {
    let topic = topic("topic");
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let mut cursor = Cursor::default();
        one.append_all(&topic, &["1", "2", "3"]).await;
        replica.heard(&mut cursor).await;
        let (heard, again) = join!(replica.heard(&mut cursor), async {
            server.command(&["FLUSHALL"]).await;
            server.command(&["SCRIPT", "FLUSH"]).await;
            one.append_all(&topic, &["4"]).await
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
        replica.named("one").append_all(&topic, &["1"]).await;
        replica.heard(&mut cursor).await;
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
        let more = replica.named("one").append_all(&topic, &["2"]).await;
        assert_eq!(replica.heard(&mut cursor).await.entries, more);
    }
}

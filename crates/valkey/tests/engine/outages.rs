//! Servers that are killed, stopped, slow, cut off, emptied or full.

use std::time::Duration;

use registry_fleet::epoch::LogPosition;
use registry_fleet::failure::AwayReason;
use registry_fleet::log::{Cursor, Heard, SharedLog as _, WriteFailure};
use registry_fleet::metrics::{EngineCall, EngineOperation};
use registry_testing::engine_proxy::Way;
use registry_testing::fleet::conformance::snapshot;
use tokio::time::{Instant, sleep};

use crate::engine::rig::{Replica, servers};

/// A call never takes longer: 40 ms, and what a busy machine adds.
const CALL_MAX: Duration = Duration::from_millis(400);

async fn fails_at_once(replica: &Replica) {
    replica.calls.take();
    for _ in 0..50 {
        replica.take().await.unwrap_err();
    }
    // Nothing is sent while the engine is away: fifty waits of 40 ms would be two seconds.
    let waits: Duration = replica.calls.take().iter().map(|call| call.duration).sum();
    assert!(waits < Duration::from_millis(40), "{waits:?}");
}

#[tokio::test]
async fn a_killed_server_costs_nothing_and_is_used_again() {
    for mut server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        replica.take().await.unwrap();
        server.kill().await;
        replica.away(AwayReason::Unreachable).await;
        fails_at_once(&replica).await;
        server.restart().await;
        replica.connected().await;
        replica.take().await.unwrap();
    }
}

#[tokio::test]
async fn a_stopped_server_costs_three_calls_of_40_ms() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        replica.take().await.unwrap();
        server.signal("-STOP");
        let begun = Instant::now();
        for _ in 0..3 {
            assert_eq!(replica.take().await.unwrap_err().reason, AwayReason::Late);
        }
        assert!(begun.elapsed() < CALL_MAX, "{:?}", begun.elapsed());
        replica.away(AwayReason::Late).await;
        fails_at_once(&replica).await;
        server.signal("-CONT");
        replica.connected().await;
        replica.taken().await;
    }
}

#[tokio::test]
async fn a_slow_server_is_away_and_one_below_the_deadline_is_not() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        replica.take().await.unwrap();
        server.proxy.set(Way::Slow(Duration::from_millis(5)));
        replica.taken().await;
        assert!(replica.link.state().report().failure().is_none());
        server.proxy.set(Way::Slow(Duration::from_millis(300)));
        for _ in 0..3 {
            replica.take().await.unwrap_err();
        }
        replica.away(AwayReason::Late).await;
        fails_at_once(&replica).await;
        // Also a new connection stays unused.
        sleep(Duration::from_secs(3)).await;
        assert_eq!(replica.link.state().report().failure().unwrap().reason, AwayReason::Late);
        server.proxy.set(Way::Open);
        replica.connected().await;
        replica.taken().await;
    }
}

#[tokio::test]
async fn a_cut_and_a_silent_network_are_noticed_without_a_call() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        server.proxy.set(Way::Cut);
        replica.away(AwayReason::Unreachable).await;
        server.proxy.set(Way::Open);
        replica.connected().await;
        server.proxy.set(Way::Held);
        replica.away(AwayReason::Late).await;
        server.proxy.set(Way::Open);
        replica.connected().await;
        replica.taken().await;
    }
}

#[tokio::test]
async fn a_flush_forgets_buckets_and_scripts_and_no_call_fails() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        replica.taken().await;
        server.command(&["FLUSHALL"]).await;
        server.command(&["SCRIPT", "FLUSH"]).await;
        replica.take().await.unwrap();
        assert!(replica.link.state().report().failure().is_none());
    }
}

#[tokio::test]
async fn a_full_server_is_told_as_full_and_used_again_once_it_has_room() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        replica.taken().await;
        server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
        let away = replica.take().await.unwrap_err();
        assert_eq!(away.reason, AwayReason::Full, "{away}");
        assert!(away.detail.contains("maxmemory"), "{away}");
        replica.away(AwayReason::Full).await;
        server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
        replica.take().await.unwrap();
        replica.connected().await;
    }
}

#[tokio::test]
async fn a_full_server_refuses_snapshots_and_is_read_nevertheless() {
    let topic = "topic".parse().unwrap();
    for mut server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let (epoch, _) = one.hold(&topic).await;
        let small = snapshot(LogPosition::first_of(epoch), &[b"small"]);
        assert!(one.write(&topic, &small).await);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
        let more = snapshot(small.position, &[b"more"]);
        let failure = one.try_write(&topic, &more).await.unwrap_err();
        let WriteFailure::Away(away) = failure else { panic!("{failure}") };
        assert_eq!(away.reason, AwayReason::Full, "{away}");
        let refused = replica.link.state().report().refused;
        assert_eq!(refused.get(&EngineOperation::Snapshot), Some(&away));
        assert_eq!(one.read(&topic, LogPosition::START).await, Some(small));
        assert_eq!(replica.log.follow(&mut Cursor::default()).await, Ok(Heard::default()));
        server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
        assert!(one.write(&topic, &more).await);
        assert!(replica.link.state().report().failure().is_none());
        server.kill().await;
        replica.away(AwayReason::Unreachable).await;
        replica.calls.take();
        one.try_read(&topic, LogPosition::START).await.unwrap_err();
        one.try_write(&topic, &more).await.unwrap_err();
        let is_snapshot = |call: &EngineCall| call.operation == EngineOperation::Snapshot;
        let calls: Vec<_> = replica.calls.take().into_iter().filter(is_snapshot).collect();
        assert!(calls.len() == 2 && calls.iter().all(|call| call.failure.is_some()), "{calls:?}");
        server.restart().await;
        assert_eq!(one.read(&topic, LogPosition::START).await, None, "it kept nothing");
    }
}

#[tokio::test]
async fn an_evicting_server_is_used_with_a_warning() {
    for server in servers("--maxmemory 100mb --maxmemory-policy allkeys-lru").await {
        let replica = Replica::of(&server, "a").await;
        let warning = replica.link.state().report().warning.unwrap();
        assert!(warning.contains("allkeys-lru") && warning.contains("noeviction"), "{warning}");
        replica.taken().await;
    }
}

#[tokio::test]
async fn a_primary_that_became_a_replica_is_left_and_used_again_once_it_is_one() {
    for (server, primary) in servers("").await.into_iter().zip(servers("").await) {
        let replica = Replica::of(&server, "a").await;
        replica.taken().await;
        let port = primary.proxy.address.port().to_string();
        server.command(&["REPLICAOF", "127.0.0.1", &port]).await;
        // The first write is refused, or the server still waits for the other one.
        while replica.take().await.is_ok() {}
        let away = replica.away(AwayReason::ReadOnly).await;
        assert!(away.detail.contains("replica"), "{away}");
        fails_at_once(&replica).await;
        server.command(&["REPLICAOF", "NO", "ONE"]).await;
        replica.connected().await;
        replica.taken().await;
    }
}

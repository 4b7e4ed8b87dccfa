//! Leases, tails and counters that no replica wrote, or that were lost.

use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::failure::AwayReason;
use registry_fleet::leases::{LeaseState, Leases as _};
use registry_fleet::log::SharedLog as _;
use registry_fleet::topic::Topic;
use registry_testing::fleet::conformance::first;

use crate::engine::rig::{Replica, servers};

#[tokio::test]
async fn a_forged_lease_counts_as_none_or_ends_like_any_other() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let key = "er:{a}:lease:topic";
        for forged in [
            &["SET", key, ""][..],
            &["SET", key, "words"],
            &["SET", key, "stranger "],
            &["SET", key, "stranger 1"],
            &["SET", key, "stranger 1.1"],
            &["SET", key, "stranger 1.zzzz"],
            &["SET", key, "stranger -1.0000"],
            &["SET", key, "stranger 1e3.0000"],
            &["SET", key, "stranger nan.0000"],
            &["SET", key, "stranger 9999999999999999.0000"],
            &["SET", key, "stranger 99999999999999999999999999.0000"],
            &["SET", key, "stranger 5.0000 5.0000"],
            &["SET", key, "\u{e9} 0.0000"],
            &["LPUSH", key, "stranger 5.0000"],
            &["HSET", key, "stranger", "5.0000"],
        ] {
            server.command(&["FLUSHALL"]).await;
            server.command(forged).await;
            assert_eq!(one.hold(&topic).await.0, Epoch { number: 1, nonce: 7 }, "{forged:?}");
        }
        server.command(&["FLUSHALL"]).await;
        // One in the right form keeps the writers out, not longer than a lease lasts.
        for forged in
            [&["SET", key, "stranger 5.0000"][..], &["SET", key, "stranger 5.0000", "PX", "900000"]]
        {
            server.command(forged).await;
            let state = one.take(&topic, Epoch::default(), 1).await;
            assert_eq!(state, LeaseState::Taken { epoch: Epoch { number: 5, nonce: 0 } });
            let left = server.command(&["PTTL", key]).await;
            let left: u64 = left.trim_start_matches(':').parse().unwrap();
            assert!((1..=10_000).contains(&left), "{left}");
        }
    }
}

#[tokio::test]
async fn forged_tails_and_counters_stop_no_writer() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        for forged in [
            "",
            "words",
            "1",
            "-1.0000.0",
            "1.0.0",
            "1e9.0000.0",
            "inf",
            "0x10.0000.1",
            "nan.0000.nan",
            "18446744073709551615.ffff.18446744073709551615",
        ] {
            server.command(&["FLUSHALL"]).await;
            server.command(&["HSET", "er:{a}:tails", "topic", forged]).await;
            server.command(&["HSET", "er:{a}:epochs", "topic", forged]).await;
            let (epoch, tail) = one.hold(&topic).await;
            // A single digit is a good counter.
            let number = if forged == "1" { 2 } else { 1 };
            assert_eq!((epoch.number, tail), (number, LogPosition::START), "{forged}");
            assert!(one.append(&first(&topic, epoch, tail, "first"), &[]).await, "{forged}");
        }
        server.command(&["FLUSHALL"]).await;
        server.command(&["HSET", "er:{a}:tails", "topic", "41.00ff.6"]).await;
        let (epoch, tail) = one.hold(&topic).await;
        assert_eq!((epoch.number, tail), (42, "41.00ff.6".parse().unwrap()));
        // A key of another type fails the calls that need it, and no others.
        for key in ["er:{a}:tails", "er:{a}:epochs", "er:{a}:log"] {
            server.command(&["FLUSHALL"]).await;
            server.command(&["SET", key, "words"]).await;
            let taken = replica.leases.take(&topic, &one.replica, Epoch::default(), 0).await;
            let failed = match taken {
                Ok(_) => {
                    let entry =
                        first(&topic, Epoch { number: 1, nonce: 0 }, LogPosition::START, "");
                    replica.log.append(&one.replica, &entry, &[]).await.unwrap_err().to_string()
                }
                Err(away) => away.to_string(),
            };
            assert!(failed.starts_with(AwayReason::Refused.as_str()), "{key}: {failed}");
            replica.take().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_epoch_rises_after_the_counter_or_everything_was_lost() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let (epoch, tail) = one.hold(&topic).await;
        let start = first(&topic, epoch, tail, "first");
        assert!(one.append(&start, &[]).await);
        server.command(&["DEL", "er:{a}:epochs", "er:{a}:lease:topic"]).await;
        let (later, tail) = one.hold(&topic).await;
        assert_eq!((later.number, tail), (2, start.position), "above the last entry");
        server.command(&["FLUSHALL"]).await;
        let state = one.take(&topic, later, 3).await;
        let again = Epoch { number: 3, nonce: 3 };
        assert_eq!(state, LeaseState::Held { epoch: again, tail: LogPosition::START });
        assert!(!one.append(&first(&topic, later, start.position, "late"), &[]).await);
        let restart = first(&topic, again, LogPosition::START, "first");
        assert!(one.append(&restart, &[]).await);
        assert_eq!(one.following(&topic).until(restart.position).await, [restart]);
    }
}

#[tokio::test]
async fn a_lease_that_a_failover_brought_back_is_void() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        for (key, value) in [("er:{a}:epochs", "9"), ("er:{a}:tails", "9.0000.4")] {
            server.command(&["FLUSHALL"]).await;
            let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
            one.named("one").hold(&topic).await;
            server.command(&["HSET", key, "topic", value]).await;
            let (epoch, _) = other.named("other").hold(&topic).await;
            assert_eq!(epoch.number, 10, "{key}");
            let state = one.named("one").take(&topic, Epoch::default(), 0).await;
            assert_eq!(state, LeaseState::Taken { epoch });
        }
    }
}

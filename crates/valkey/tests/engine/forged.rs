//! Values that somebody else wrote.

use std::time::Duration;

use registry_fleet::buckets::{BucketUse, Buckets as _, SharedLimit};
use registry_fleet::state::EnginePresence;

use crate::engine::rig::{CAPACITY, Replica, servers};

#[tokio::test]
async fn a_forged_bucket_costs_a_client_twice_its_capacity_at_most_and_the_others_nothing() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let uses = |client: &str| {
            vec![BucketUse { client: client.to_owned(), used: Duration::from_secs(1) }]
        };
        for (command, value) in [
            ("SET", "99999999999999999999999"),
            ("SET", "-1"),
            ("SET", "nan"),
            ("SET", "inf"),
            ("SET", "-inf"),
            ("SET", ""),
            ("SET", "0x7fffffffffffffff"),
            ("SET", "words"),
            ("LPUSH", "1"),
            ("SADD", "1"),
        ] {
            server.command(&["FLUSHALL"]).await;
            replica.buckets.take(SharedLimit::Requests, &uses("c"), CAPACITY).await.unwrap();
            let keys = server.command(&["KEYS", "*"]).await;
            let key = keys.lines().last().unwrap().to_owned();
            assert!(
                key.starts_with("er:{a}:rate:requests:")
                    && key.ends_with(|c: char| c.is_ascii_hexdigit())
            );
            server.command(&["DEL", &key]).await;
            server.command(&[command, &key, value]).await;
            let both = [uses("c"), uses("other")].concat();
            let left = replica.buckets.take(SharedLimit::Requests, &both, CAPACITY).await.unwrap();
            assert!(left[0] <= CAPACITY * 2, "{value}: {left:?}");
            assert!(left[1] <= Duration::from_secs(1), "{value}: {left:?}");
            assert!(replica.link.state().report().failure().is_none());
        }
    }
}

#[tokio::test]
async fn keys_tell_no_names_and_no_addresses() {
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let client = BucketUse { client: "network 192.0.2.77".to_owned(), used: CAPACITY };
        replica.buckets.take(SharedLimit::Requests, &[client], CAPACITY).await.unwrap();
        let keys = server.command(&["KEYS", "*"]).await;
        assert!(keys.contains("er:{a}:rate:requests:") && !keys.contains("192"), "{keys}");
        assert!(!server.command(&["PTTL", keys.lines().last().unwrap()]).await.contains('-'));
    }
}

#[tokio::test]
async fn forged_and_moved_members_do_not_count() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "b").await);
        other.presence("moved").await;
        let theirs = server.command(&["ZRANGE", "er:{b}:members", "0", "-1"]).await;
        let moved = theirs.lines().last().unwrap().trim().to_owned();
        let now = server.command(&["TIME"]).await;
        let seconds: u64 = now.lines().nth(2).unwrap().trim().parse().unwrap();
        let score = (seconds * 1000).to_string();
        let long = "x".repeat(100_000);
        let forged =
            ["", " ", "name", "name 0", &format!("name {}", "0".repeat(32)), &moved, &long];
        for member in forged {
            server.command(&["ZADD", "er:{a}:members", &score, member]).await;
        }
        let seen = one.presence("one").await;
        assert_eq!(seen, EnginePresence { replicas: 1, differing: 0, foreign: forged.len() });
        // One from the future, as after a step of the server's clock, does not stay for ever.
        let later = (seconds * 1000 + 3_600_000).to_string();
        server.command(&["ZADD", "er:{a}:members", &later, "future"]).await;
        assert_eq!(one.presence("one").await, seen);
    }
}

//! The lists that every engine has to pass: in memory, Redis, Valkey.

use registry_fleet::state::EnginePresence;
use registry_testing::fleet::buckets::MemoryBuckets;
use registry_testing::fleet::conformance;
use registry_testing::fleet::pins::MemoryPins;

use crate::engine::rig::{Replica, secrets, servers, settings};

#[tokio::test]
async fn buckets_in_memory_do_what_those_of_every_engine_do() {
    let buckets = MemoryBuckets::default();
    conformance::buckets(&buckets, &buckets).await;
}

#[tokio::test]
async fn buckets_of_redis_and_valkey_do_what_those_of_every_engine_do() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
        conformance::buckets(&one.buckets, &other.buckets).await;
    }
}

#[tokio::test]
async fn pins_in_memory_do_what_those_of_every_engine_do() {
    let pins = MemoryPins::new();
    conformance::pins(&*pins.connect(), &*pins.connect()).await;
}

#[tokio::test]
async fn pins_of_redis_and_valkey_do_what_those_of_every_engine_do() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
        conformance::pins(&one.pins, &other.pins).await;
    }
}

#[tokio::test]
async fn members_are_counted_by_name_and_secret() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
        let foreign = Replica::new(settings(&server, "a"), None, secrets("f"));
        foreign.connected().await;
        let apart = Replica::of(&server, "b").await;
        let of = |replicas, foreign| EnginePresence { replicas, foreign };
        assert_eq!(one.presence("one").await, of(1, 0));
        assert_eq!(one.presence("one").await, of(1, 0), "a replica counts once");
        assert_eq!(other.presence("two").await, of(2, 0));
        assert_eq!(one.presence("one").await, of(2, 0));
        assert_eq!(foreign.presence("three").await, of(1, 2));
        assert_eq!(one.presence("one").await, of(2, 1));
        assert_eq!(apart.presence("four").await, of(1, 0), "another name is another fleet");
    }
}

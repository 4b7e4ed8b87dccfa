//! The lists that every engine has to pass: in memory, Redis, Valkey.

use std::sync::Arc;

use registry_testing::fleet::buckets::MemoryBuckets;
use registry_testing::fleet::conformance;
use registry_testing::fleet::connected::Connected;
use registry_testing::fleet::engine::MemoryEngine;
use registry_testing::fleet::fetch_locks::MemoryFetchLocks;
use registry_testing::fleet::pins::MemoryPins;
use tokio::task::JoinSet;

use crate::engine::rig::{Replica, servers};

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

#[tokio::test(start_paused = true)]
async fn fetch_locks_in_memory_do_what_those_of_every_engine_do() {
    let locks = Arc::<MemoryFetchLocks>::default();
    let (one, other) = (locks.connect(1), locks.connect(2));
    conformance::fetch_locks(&*one, &*other).await;
    conformance::fetch_lock_ends(&*one, &*other).await;
}

#[tokio::test]
async fn fetch_locks_of_redis_and_valkey_do_what_those_of_every_engine_do() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
        conformance::fetch_locks(&one.fetch_locks("one"), &other.fetch_locks("other")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_in_memory_does_what_every_engine_does() {
    let engine = MemoryEngine::new();
    let (one, other) = (engine.connect(), engine.connect());
    let (one, other) = (Connected::of("one", &*one), Connected::of("other", &*other));
    conformance::leases(&one, &other).await;
    conformance::lease_ends(&one, &other).await;
    conformance::log(&one, &other).await;
    conformance::large_payloads(&one, &other).await;
    conformance::snapshots(&one, &other).await;
}

#[tokio::test]
async fn leases_of_redis_and_valkey_do_what_those_of_every_engine_do() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
        conformance::leases(&one.named("one"), &other.named("other")).await;
    }
}

#[tokio::test]
async fn leases_and_locks_of_redis_and_valkey_end_when_they_are_not_renewed() {
    let mut checks = JoinSet::new();
    for server in servers("").await {
        checks.spawn(async move {
            let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
            let (one_locks, other_locks) = (one.fetch_locks("one"), other.fetch_locks("other"));
            let (one, other) = (one.named("one"), other.named("other"));
            tokio::join!(
                conformance::lease_ends(&one, &other),
                conformance::fetch_lock_ends(&one_locks, &other_locks),
            );
        });
    }
    checks.join_all().await;
}

#[tokio::test]
async fn the_log_of_redis_and_valkey_does_what_that_of_every_engine_does() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
        conformance::log(&one.named("one"), &other.named("other")).await;
        conformance::large_payloads(&one.named("one"), &other.named("other")).await;
    }
}

#[tokio::test]
async fn snapshots_of_redis_and_valkey_do_what_those_of_every_engine_do() {
    for server in servers("").await {
        let (one, other) = (Replica::of(&server, "a").await, Replica::of(&server, "a").await);
        conformance::snapshots(&one.named("one"), &other.named("other")).await;
    }
}

//! Snapshots whose segments are in a bucket: stored, read, away and wrong.

use std::sync::Arc;

use registry_fleet::epoch::LogPosition;
use registry_fleet::snapshots::{SegmentPlace, Snapshots as _};
use registry_fleet::topic::Topic;
use registry_testing::engine_server::EngineServer;
use registry_testing::fleet::conformance;
use registry_testing::fleet::conformance::snapshot;
use registry_testing::memory_bucket::{BucketFault, MemoryBucket};

use crate::engine::rig::{Replica, servers};

async fn with_bucket(server: &EngineServer, bucket: &Arc<MemoryBucket>) -> Replica {
    Replica::of(server, "a").await.with_bucket(Arc::clone(bucket) as _)
}

/// Number of segments in the engine.
async fn in_engine(server: &EngineServer) -> usize {
    server.command(&["KEYS", "er:{a}:segment:*"]).await.matches("segment").count()
}

#[tokio::test]
async fn snapshots_with_a_bucket_do_what_those_of_every_engine_do() {
    for server in servers("").await {
        let bucket = MemoryBucket::new();
        let (one, other) =
            (with_bucket(&server, &bucket).await, with_bucket(&server, &bucket).await);
        conformance::snapshots(&one.named("one"), &other.named("other")).await;
        assert!(bucket.count() > 0);
        assert_eq!(in_engine(&server).await, 0);
    }
}

#[tokio::test]
async fn a_snapshot_that_a_replica_asks_for_is_in_the_engine() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let bucket = MemoryBucket::new();
        let (replica, without) =
            (with_bucket(&server, &bucket).await, Replica::of(&server, "a").await);
        let (one, other) = (replica.named("one"), without.named("other"));
        let (epoch, _) = one.hold(&topic).await;
        let written = snapshot(LogPosition::first_of(epoch), &[b"one", b"two"]);
        assert!(one.write(&topic, &written).await);
        assert_eq!(other.read(&topic, LogPosition::START).await, None, "it has no bucket");
        let place = SegmentPlace::Engine;
        replica.snapshots.write(&one.replica, &topic, &written, place).await.unwrap();
        assert_eq!(other.read(&topic, LogPosition::START).await, Some(written));
    }
}

#[tokio::test]
async fn segments_that_the_bucket_does_not_take_are_in_the_engine() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        for fault in [BucketFault::Down, BucketFault::Refuses, BucketFault::Full] {
            server.command(&["FLUSHALL"]).await;
            let bucket = MemoryBucket::new();
            bucket.fail(Some(fault));
            let replica = with_bucket(&server, &bucket).await;
            let one = replica.named("one");
            let (epoch, _) = one.hold(&topic).await;
            let written = snapshot(LogPosition::first_of(epoch), &[b"one", b"two"]);
            assert!(one.write(&topic, &written).await, "{fault:?}");
            assert_eq!((in_engine(&server).await, bucket.count()), (2, 0), "{fault:?}");
            let read = one.read(&topic, LogPosition::START).await;
            assert_eq!(read, Some(written), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_bucket_that_is_away_at_the_read_is_no_snapshot_until_it_is_back() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let bucket = MemoryBucket::new();
        let replica = with_bucket(&server, &bucket).await;
        let one = replica.named("one");
        let (epoch, _) = one.hold(&topic).await;
        let written = snapshot(LogPosition::first_of(epoch), &[b"one", b"two"]);
        assert!(one.write(&topic, &written).await);
        for fault in
            [BucketFault::Down, BucketFault::Refuses, BucketFault::Forgets, BucketFault::Cuts]
        {
            bucket.fail(Some(fault));
            assert_eq!(one.read(&topic, LogPosition::START).await, None, "{fault:?}");
            bucket.fail(None);
            let read = one.read(&topic, LogPosition::START).await;
            assert_eq!(read, Some(written.clone()), "{fault:?}");
        }
        assert!(replica.calls.take().iter().all(|call| call.failure.is_none()));
    }
}

#[tokio::test]
async fn a_bucket_with_wrong_bytes_is_no_snapshot_until_it_is_written_again() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let bucket = MemoryBucket::new();
        let replica = with_bucket(&server, &bucket).await;
        let one = replica.named("one");
        let (epoch, _) = one.hold(&topic).await;
        let written = snapshot(LogPosition::first_of(epoch), &[b"one", b"two"]);
        for fault in [
            BucketFault::WrongByte,
            BucketFault::WrongEnd,
            BucketFault::Longer,
            BucketFault::Shorter,
            BucketFault::EndsEarly,
            BucketFault::Html,
        ] {
            assert!(one.write(&topic, &written).await, "{fault:?}");
            bucket.fail(Some(fault));
            assert_eq!(one.read(&topic, LogPosition::START).await, None, "{fault:?}");
            bucket.fail(None);
            assert_eq!(one.read(&topic, LogPosition::START).await, None, "{fault:?}: deleted");
            assert!(one.write(&topic, &written).await, "{fault:?}");
            let read = one.read(&topic, LogPosition::START).await;
            assert_eq!(read, Some(written.clone()), "{fault:?}");
        }
    }
}

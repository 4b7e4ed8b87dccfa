//! Manifests and segments that no replica wrote, and segments that are gone.

use bytes::Bytes;
use registry_core::models::digest::Digest;
use registry_fleet::epoch::LogPosition;
use registry_fleet::snapshots::TopicSnapshot;
use registry_fleet::topic::Topic;
use registry_testing::engine_server::EngineServer;
use registry_testing::fleet::conformance::snapshot;

use crate::engine::rig::{Replica, secrets, servers, settings};

const MANIFEST: &str = "er:{a}:snapshot:topic";

fn segment_key(segment: &[u8]) -> String {
    format!("er:{{a}}:segment:{}", Digest::sha256(segment).hex())
}

async fn stored(server: &EngineServer, key: &str) -> String {
    server.command(&["GET", key]).await.lines().last().unwrap().to_owned()
}

/// Writes the snapshot of a new epoch.
async fn written(replica: &Replica, topic: &Topic, segments: &[&[u8]]) -> TopicSnapshot {
    let one = replica.named("one");
    let (epoch, _) = one.hold(topic).await;
    let written = snapshot(LogPosition::first_of(epoch), segments);
    assert!(one.write(topic, &written).await);
    written
}

#[tokio::test]
async fn forged_changed_and_moved_manifests_are_none() {
    let [topic, other]: [Topic; 2] = ["topic", "other"].map(|topic| topic.parse().unwrap());
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let ours = written(&replica, &topic, &[b"one", b"two"]).await;
        written(&replica, &other, &[b"other"]).await;
        let value = stored(&server, MANIFEST).await;
        let words: Vec<&str> = value.split(' ').collect();
        let moved = stored(&server, "er:{a}:snapshot:other").await;
        let long = "x".repeat(1_000_000);
        for forged in [
            "",
            " ",
            "words",
            words[0],
            &moved,
            &value.to_uppercase(),
            &value.replacen("1.", "9.", 1),
            &[words[0], words[2], words[1], words[3]].join(" "),
            &[words[0], words[1], words[3]].join(" "),
            &[words[0], &"0".repeat(32)].join(" "),
            &format!("{value} "),
            &long,
        ] {
            server.command(&["SET", MANIFEST, forged]).await;
            assert_eq!(one.read(&topic, LogPosition::START).await, None, "{forged}");
        }
        server.command(&["SET", MANIFEST, &value]).await;
        assert_eq!(one.read(&topic, LogPosition::START).await, Some(ours));
        let foreign = Replica::new(settings(&server, "a"), None, secrets("f"));
        foreign.connected().await;
        assert_eq!(foreign.named("three").read(&topic, LogPosition::START).await, None);
    }
}

#[tokio::test]
async fn a_missing_or_wrong_segment_is_no_snapshot_until_it_is_written_again() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let ours = written(&replica, &topic, &[b"one", b"two"]).await;
        for damage in [
            &["DEL", &segment_key(b"two")][..],
            &["SET", &segment_key(b"one"), "forged"],
            &["SET", &segment_key(b"two"), ""],
        ] {
            server.command(damage).await;
            assert_eq!(one.read(&topic, LogPosition::START).await, None, "{damage:?}");
            assert!(one.write(&topic, &ours).await);
            assert_eq!(
                one.read(&topic, LogPosition::START).await,
                Some(ours.clone()),
                "{damage:?}"
            );
        }
    }
}

#[tokio::test]
async fn segments_are_sent_once_and_end_when_no_manifest_names_them_again() {
    let topic: Topic = "topic".parse().unwrap();
    for server in servers("").await {
        let replica = Replica::of(&server, "a").await;
        let one = replica.named("one");
        let ours = written(&replica, &topic, &[b"kept", b"dropped"]).await;
        let calls = replica.calls.take();
        for segment in [&b"kept"[..], b"dropped"] {
            server.command(&["PEXPIRE", &segment_key(segment), "100000"]).await;
        }
        server.command(&["CONFIG", "RESETSTAT"]).await;
        let segments = [&b"kept"[..], b"new"].map(Bytes::from_static).to_vec();
        assert!(one.write(&topic, &TopicSnapshot { segments, ..ours }).await);
        let stats = server.command(&["INFO", "commandstats"]).await;
        // The new segment and the manifest.
        assert!(stats.contains("cmdstat_set:calls=2,"), "{stats}");
        for (segment, least, most) in [
            (&b"kept"[..], 7_000_000, 7_200_000),
            (b"new", 7_000_000, 7_200_000),
            (b"dropped", 1, 100_000),
        ] {
            let left = server.command(&["PTTL", &segment_key(segment)]).await;
            let left: u64 = left.trim_start_matches(':').parse().unwrap();
            assert!((least..=most).contains(&left), "{segment:?}: {left}");
        }
        assert!(calls.iter().all(|call| call.failure.is_none()), "{calls:?}");
    }
}

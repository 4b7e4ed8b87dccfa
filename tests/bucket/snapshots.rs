//! Shared snapshots with a real engine and a real S3 server.

use std::sync::Arc;

use registry_fleet::epoch::LogPosition;
use registry_fleet::metrics::{EngineCall, EngineMetrics};
use registry_fleet::topic::Topic;
use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::fleet::conformance;
use registry_testing::fleet::conformance::snapshot;
use registry_testing::fleet::connected::Connected;
use registry_testing::versity::Versity;
use registry_valkey::leases::EngineLeases;
use registry_valkey::link::EngineLink;
use registry_valkey::log::EngineLog;
use registry_valkey::passwords::EnginePasswords;
use registry_valkey::secrets::FleetSecrets;
use registry_valkey::settings::EngineSettings;
use registry_valkey::snapshots::EngineSnapshots;
use tokio::task::JoinSet;

use super::bucket_at;

/// Counts nothing.
struct Uncounted;

impl EngineMetrics for Uncounted {
    fn record(&self, _: &EngineCall) {}

    fn connected(&self, _: bool) {}
}

/// One replica. Ends with its value.
struct Replica {
    leases: EngineLeases,
    log: EngineLog,
    snapshots: EngineSnapshots,
    _supervisor: JoinSet<()>,
}

impl Replica {
    fn of(server: &EngineServer, bucket: &Versity) -> Self {
        let settings = EngineSettings {
            address: server.url().parse().unwrap(),
            name: "a".parse().unwrap(),
            username: None,
            ca: None,
            sentinels: None,
        };
        let secrets = FleetSecrets::parse(&"s".repeat(32).into()).unwrap();
        let link = EngineLink::new(
            settings,
            EnginePasswords::new(None, None),
            secrets,
            Arc::new(Uncounted),
        );
        let mut supervisor = JoinSet::new();
        supervisor.spawn(link.clone().run());
        let (bucket, _) = bucket_at(&bucket.url());
        Self {
            leases: EngineLeases::new(link.clone()),
            log: EngineLog::new(link.clone()),
            snapshots: EngineSnapshots::new(link).with_bucket(bucket, "a".parse().unwrap()),
            _supervisor: supervisor,
        }
    }

    fn named(&self, name: &str) -> Connected<'_> {
        let (leases, log, snapshots) = (&self.leases, &self.log, &self.snapshots);
        Connected { replica: name.parse().unwrap(), leases, log, snapshots }
    }
}

#[tokio::test]
async fn snapshots_in_a_real_bucket_do_what_those_of_every_engine_do() {
    let Some(bucket) = Versity::start().await else { return };
    let Some(server) = EngineServer::start(Product::Redis, "").await else { return };
    let (one, other) = (Replica::of(&server, &bucket), Replica::of(&server, &bucket));
    conformance::snapshots(&one.named("one"), &other.named("other")).await;
    assert!(bucket.directory().join("some/prefix/catalog/a").is_dir());
    assert!(!server.command(&["KEYS", "*segment*"]).await.contains("segment"));
}

#[tokio::test]
async fn a_snapshot_is_written_to_the_engine_while_a_real_bucket_is_away() {
    let Some(mut bucket) = Versity::start().await else { return };
    let Some(server) = EngineServer::start(Product::Redis, "").await else { return };
    let topic: Topic = "topic".parse().unwrap();
    let (one, other) = (Replica::of(&server, &bucket), Replica::of(&server, &bucket));
    let (one, other) = (one.named("one"), other.named("other"));
    let (epoch, _) = one.hold(&topic).await;
    let begin = LogPosition::first_of(epoch);
    let in_bucket = snapshot(begin, &[b"one", b"two"]);
    assert!(one.write(&topic, &in_bucket).await);
    bucket.kill().await;
    assert_eq!(other.read(&topic, LogPosition::START).await, None, "its segments are away");
    let in_engine = snapshot(begin, &[b"two", b"three"]);
    assert!(one.write(&topic, &in_engine).await);
    assert_eq!(other.read(&topic, LogPosition::START).await, Some(in_engine));
}

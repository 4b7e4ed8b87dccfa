//! A replica whose writer publishes what it cannot read, as one of a newer release does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use registry_catalog::replication::ReplicaRole;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::leases::{LeaseState, Leases as _};
use registry_fleet::log::{LogEntry, SharedLog as _};
use registry_fleet::topic::Topic;
use registry_testing::fleet::engine::{EngineConnection, MemoryEngine};
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use tokio::time::sleep;

use crate::applied_order::ObservedConnection;
use crate::catalog_replica::{CatalogReplica, FINGERPRINT, Membership, TTL};

/// First byte of a payload of a release that does not exist.
const NEWER_FORM: &[u8] = b"\xffwords";
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// Holds the lease of a topic and publishes a payload, again and again.
async fn write(connection: Arc<EngineConnection>, topic: Topic, payload: Option<&'static [u8]>) {
    let replica = "stranger".parse().unwrap();
    let mut previous = LogPosition::START;
    loop {
        let taken = connection.take(&topic, &replica, Epoch::default(), 1).await.unwrap();
        let LeaseState::Held { epoch, .. } = taken else { panic!("another replica holds it") };
        if let Some(payload) = payload {
            let before =
                if previous.epoch == epoch { previous } else { LogPosition::first_of(epoch) };
            let (topic, position) = (topic.clone(), before.next());
            let payload = Bytes::from_static(payload);
            let entry = LogEntry { topic, position, previous, payload };
            connection.append(&replica, &entry, &[]).await.unwrap();
            previous = position;
        }
        sleep(RENEW_EVERY).await;
    }
}

async fn serves_under(payload: Option<&'static [u8]>) {
    let engine = MemoryEngine::new();
    let topic = Topic::of(BackendId::GITEA, FINGERPRINT);
    let writer = tokio::spawn(write(engine.connect(), topic, payload));
    sleep(Duration::from_secs(1)).await;
    let backend = Arc::new(MemoryBackend::new(BackendId::GITEA));
    let publish = |name| backend.publish(&id(name), tag("1.0.0"), about("one", &[]), "archive");
    publish("provider/aws");
    let membership = Membership {
        connection: ObservedConnection::new(engine.connect()),
        replica: "replica".parse().unwrap(),
        replicas: 2,
    };
    let replica = CatalogReplica::start(vec![Arc::clone(&backend) as _], Some(membership), None);
    sleep(TTL + Duration::from_secs(30)).await;
    assert_eq!(replica.role(), Some(ReplicaRole::Follower));
    assert_eq!(replica.view().entries(Scope::All).len(), 1, "it reads the backend by itself");
    publish("provider/gcp");
    sleep(TTL + Duration::from_secs(30)).await;
    assert_eq!(replica.view().entries(Scope::All).len(), 2, "again after the time to live");
    assert!(!writer.is_finished(), "{:?}", writer.await);
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_a_writer_that_publishes_nothing_reads_the_backend_by_itself() {
    serves_under(None).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_a_writer_of_a_newer_release_reads_the_backend_by_itself() {
    serves_under(Some(NEWER_FORM)).await;
}

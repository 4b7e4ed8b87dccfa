//! Replicas under one name whose backends of one name are different servers.

use registry_testing::engine_server::Product;
use registry_testing::fake_gitea::FakeGitea;

use crate::shared::fleet::{Fleet, organization};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_another_url_of_the_backend_has_a_log_of_its_own() {
    let Some(mut fleet) = Fleet::without_replicas(Product::Redis).await else { return };
    fleet.add().await;
    let other = FakeGitea::start(organization()).await;
    let first = std::mem::replace(&mut fleet.gitea, other);
    fleet.publish(1, "3.0.0");
    fleet.add().await;
    for replica in &fleet.replicas {
        replica.becomes("writer").await;
    }
    // Each has read its own backend, and hears nothing of the other one.
    fleet.show([1], 1, "3.0.0").await;
    fleet.show([0], 1, "1.0.0").await;
    let other = std::mem::replace(&mut fleet.gitea, first);
    fleet.publish(2, "2.0.0");
    fleet.deliver(1, 2).await;
    fleet.deliver(0, 2).await;
    fleet.show([0], 2, "2.0.0").await;
    fleet.show([1], 2, "1.0.0").await;
    assert!(other.has_seen("/e02_taskserv"), "its webhook was answered by its own backend");
    fleet.show([0], 1, "1.0.0").await;
}

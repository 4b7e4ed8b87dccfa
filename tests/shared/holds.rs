//! A backend that demands a pause of the writer.

use registry_testing::engine_server::Product;
use registry_testing::fake_gitea::Fault;
use reqwest::StatusCode;
use tokio::time::{sleep, timeout};

use crate::shared::fleet::{Fleet, PATIENCE};

/// Asks a replica for what only the backend can say.
async fn is_told_to_wait(fleet: &Fleet, place: usize) {
    for path in ["/extensions/taskserv/unknown", "/extensions/taskserv/e07/1.0.0"] {
        let got = fleet.replicas[place].running.get(path).await;
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", got.text());
        let seconds: u64 = got.header("retry-after").parse().unwrap();
        // Less only by what the test took, which is no more than a few waits.
        assert!((1..=300).contains(&seconds), "{path}: {seconds}");
    }
}

/// Waits until a replica knows that the backend answers no more.
async fn knows(fleet: &Fleet, place: usize) {
    let replica = &fleet.replicas[place];
    let waited = timeout(PATIENCE, async {
        while replica.health().await["backends"]["gitea"]["healthy"] != false {
            sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{}", replica.health().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_52_no_replica_asks_a_backend_that_told_the_writer_to_wait() {
    let Some(mut fleet) = Fleet::of_three(Product::Valkey).await else { return };
    let writer = fleet.writer().await;
    let wait = vec![("Retry-After", "300".to_owned())];
    fleet.gitea.fault("/api/v1/", Fault::Answer(429, wait, Vec::new()));
    fleet.deliver(writer, 1).await;
    for place in 0..3 {
        knows(&fleet, place).await;
    }
    assert!(!fleet.gitea.take_seen().is_empty(), "the writer was told");
    fleet.gitea.heal();
    for place in 0..3 {
        is_told_to_wait(&fleet, place).await;
    }
    fleet.replicas[writer].kill();
    let next = fleet.writer_other_than(Some(writer)).await;
    fleet.deliver(next, 2).await;
    fleet.replicas[writer].restart();
    fleet.replicas[writer].becomes("follower").await;
    knows(&fleet, writer).await;
    for place in 0..3 {
        is_told_to_wait(&fleet, place).await;
    }
    let seen = fleet.gitea.take_seen();
    assert!(seen.is_empty(), "{seen:?}");
}

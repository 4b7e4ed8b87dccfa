//! Digests that a replica computes from a first download: Gitea states none.

use std::time::Duration;

use registry_core::models::digest::Digest;
use registry_testing::engine_proxy::Way;
use registry_testing::engine_server::Product;
use reqwest::StatusCode;
use tokio::time::{sleep, timeout};

use crate::shared::fleet::{Fleet, PATIENCE};

fn path(number: usize) -> String {
    format!("/extensions/taskserv/e{number:02}/1.0.0")
}

/// Downloads an archive from a replica. Before, no replica shows its digest.
async fn download(fleet: &Fleet, place: usize, number: usize) {
    let metadata = fleet.replicas[place].running.get(&format!("{}/metadata", path(number))).await;
    assert_eq!(metadata.json()["digest"], serde_json::Value::Null, "{}", metadata.text());
    let got = fleet.replicas[place].running.get(&path(number)).await;
    assert_eq!((got.status, got.text().as_str()), (StatusCode::OK, "1.0.0"));
}

/// Waits until replicas show the digest of an archive.
async fn show(fleet: &Fleet, places: impl IntoIterator<Item = usize>, number: usize) {
    let digest = Digest::sha256(b"1.0.0").to_string();
    for place in places {
        let running = &fleet.replicas[place].running;
        let metadata = async || running.get(&format!("{}/metadata", path(number))).await.json();
        let shown = timeout(PATIENCE, async {
            while metadata().await["digest"] != digest.as_str() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let is_shown = shown.await.is_ok();
        assert!(is_shown, "replica {place}: {}", metadata().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_replicas_show_the_digest_that_one_of_them_computed() {
    let Some(mut fleet) = Fleet::of_three(Product::Redis).await else { return };
    let writer = fleet.writer().await;
    let follower = (writer + 1) % 3;
    download(&fleet, follower, 3).await;
    show(&fleet, 0..3, 3).await;
    download(&fleet, writer, 4).await;
    show(&fleet, 0..3, 4).await;
    // One that starts without state learns them from the log, or from a snapshot.
    let late = fleet.add().await;
    fleet.agree().await;
    show(&fleet, [late], 3).await;
    fleet.engine.command(&["FLUSHALL"]).await;
    fleet.agree().await;
    let later = fleet.add().await;
    fleet.agree().await;
    show(&fleet, [later], 3).await;
    show(&fleet, [later], 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_an_outage_is_shown_by_all_replicas_when_the_engine_is_back() {
    let Some(fleet) = Fleet::of_three(Product::Valkey).await else { return };
    let alone = (fleet.writer().await + 1) % 3;
    fleet.replicas[alone].proxy.set(Way::Cut);
    fleet.replicas[alone].loses_engine().await;
    download(&fleet, alone, 5).await;
    show(&fleet, [alone], 5).await;
    fleet.replicas[alone].proxy.set(Way::Open);
    show(&fleet, 0..3, 5).await;
}

//! Webhooks that arrive while the engine is away.

use std::path::Path;
use std::time::Duration;

use registry_testing::engine_proxy::Way;
use registry_testing::engine_server::Product;
use registry_testing::gitea_webhook::Delivery;
use reqwest::{Method, StatusCode};
use tokio::time::{sleep, timeout};

use crate::shared::fleet::{Fleet, PATIENCE, repository};
use crate::shared::fleet_replica::FleetReplica;
use crate::support::served::Got;

const FILE: &str = "state/webhooks.json";

#[tokio::test(flavor = "multi_thread")]
async fn row_51_a_webhook_of_an_outage_reaches_all_replicas_although_its_receiver_is_killed() {
    let Some(mut fleet) = Fleet::of_three(Product::Valkey).await else { return };
    let writer = fleet.writer().await;
    let receiver = (writer + 1) % 3;
    let file = fleet.replicas[receiver].dir.path().join(FILE);
    fleet.deliver(receiver, 7).await;
    assert!(!file.exists(), "the engine has it");
    fleet.replicas[receiver].proxy.set(Way::Cut);
    fleet.replicas[receiver].loses_engine().await;
    fleet.publish(8, "2.0.0");
    fleet.deliver(receiver, 8).await;
    assert!(file.exists());
    fleet.replicas[receiver].kill();
    fleet.show([writer], 8, "1.0.0").await;
    fleet.replicas[receiver].proxy.set(Way::Open);
    fleet.replicas[receiver].restart();
    // The next cycle of the writer is minutes away.
    fleet.all_show(8, "2.0.0").await;
    gone(&file).await;
    fleet.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_51_without_a_state_directory_a_webhook_is_refused_while_the_engine_is_away() {
    let Some(mut fleet) = Fleet::without_replicas(Product::Redis).await else { return };
    fleet.add().await;
    let config = fleet.replicas[0].dir.path().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("state_dir = \"state\"\n", "")).unwrap();
    fleet.replicas[0].restart();
    fleet.agree().await;
    fleet.publish(9, "2.0.0");
    let delivery = Delivery::of_release(&repository(9));
    let replica = &fleet.replicas[0];
    replica.proxy.set(Way::Cut);
    replica.loses_engine().await;
    let got = deliver(replica, &delivery).await;
    let answer = (got.status, got.header("retry-after"));
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, "5"), "{}", got.text());
    assert_eq!(got.json()["error"], "backend_unavailable");
    let message = got.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("away") && message.contains("cache.state_dir"), "{message}");
    // Read nevertheless.
    fleet.all_show(9, "2.0.0").await;
    replica.proxy.set(Way::Open);
    replica.becomes("writer").await;
    fleet.publish(9, "3.0.0");
    let got = deliver(replica, &delivery).await;
    assert_eq!(got.status, StatusCode::ACCEPTED, "{}", got.text());
    fleet.all_show(9, "3.0.0").await;
}

async fn deliver(replica: &FleetReplica, delivery: &Delivery) -> Got {
    let (headers, body) = (delivery.headers(), &delivery.body);
    replica.running.send(Method::POST, "/webhooks/gitea", &headers, body).await
}

/// Waits until a file is gone.
async fn gone(path: &Path) {
    let removed = async {
        while path.exists() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let removed = timeout(PATIENCE, removed).await;
    assert!(removed.is_ok(), "{} is still there", path.display());
}

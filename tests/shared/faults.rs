//! Replicas whose engine is killed, stopped, slowed, cut off and emptied while they serve.

use std::time::Duration;

use registry_testing::engine_proxy::Way;
use registry_testing::engine_server::EngineServer;
use reqwest::StatusCode;
use serde_json::Value;

use crate::shared::rig::{Replica, servers};

/// Far more requests than a test sends: no 429 here.
const NO_LIMIT: u32 = 100_000;
/// What known things are asked for.
const KNOWN: [&str; 4] = [
    "/extensions",
    "/extensions?type=provider",
    "/extensions/provider/aws",
    "/extensions/provider/aws/versions",
];

async fn serves(replica: &Replica) {
    for path in KNOWN.iter().cycle().take(200) {
        assert_eq!(replica.running.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(replica.running.get("/health/ready").await.status, StatusCode::OK);
}

async fn is_away(replica: &Replica, reason: &str) {
    replica.until(|shared| says(shared, reason)).await;
    let health = replica.running.get("/health").await.json();
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(replica.metric("extension_registry_shared_up{engine=\"redis\"}").await, 0);
    serves(replica).await;
}

async fn is_back(replica: &Replica) {
    replica.until(|shared| shared["healthy"] == true).await;
    assert_eq!(replica.running.get("/health").await.json()["status"], "healthy");
    assert_eq!(replica.metric("extension_registry_shared_up{engine=\"redis\"}").await, 1);
}

fn says(shared: &Value, reason: &str) -> bool {
    shared["last_error"].as_str().is_some_and(|error| error.starts_with(reason))
}

async fn play(server: &mut EngineServer, replica: &Replica) {
    server.kill().await;
    is_away(replica, "unreachable").await;
    server.restart().await;
    is_back(replica).await;
    server.signal("-STOP");
    is_away(replica, "late").await;
    server.signal("-CONT");
    is_back(replica).await;
    server.proxy.set(Way::Slow(Duration::from_millis(300)));
    is_away(replica, "late").await;
    server.proxy.set(Way::Cut);
    is_away(replica, "unreachable").await;
    server.proxy.set(Way::Open);
    is_back(replica).await;
    server.command(&["FLUSHALL"]).await;
    serves(replica).await;
    is_back(replica).await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    replica.until(|shared| says(shared, "full")).await;
    serves(replica).await;
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    // Only a call of the kind that was refused shows that it works again.
    serves(replica).await;
    is_back(replica).await;
}

#[tokio::test]
async fn row_37_every_fault_of_the_engine_costs_no_answer_and_ends_by_itself() {
    for mut server in servers().await {
        let replica = Replica::start(&server, 's', NO_LIMIT).await;
        assert_eq!(replica.metric("extension_registry_replicas").await, 1);
        serves(&replica).await;
        play(&mut server, &replica).await;
    }
}

#[tokio::test]
async fn a_replica_with_another_secret_is_told_and_shares_nothing() {
    for server in servers().await {
        let ours = Replica::start(&server, 's', NO_LIMIT).await;
        let foreign = Replica::start(&server, 'f', NO_LIMIT).await;
        for replica in [&ours, &foreign] {
            replica.until(|shared| shared["foreign_replicas"] == 1).await;
            assert_eq!(replica.shared().await["replicas"], 1);
        }
        let lines = ours.running.lines_until(|line| line.contains("another secret"));
        assert!(lines.last().unwrap().contains("WARN"), "{lines:#?}");
        // The secret is replaced without a restart: then they are of one registry.
        std::fs::write(foreign.dir.path().join("secret-f"), "s".repeat(32)).unwrap();
        ours.until(|shared| shared["replicas"] == 2).await;
    }
}

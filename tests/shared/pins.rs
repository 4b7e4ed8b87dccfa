//! The first archive of a version, which is the same for all replicas.

use reqwest::StatusCode;

use crate::shared::rig::{Replica, servers};

const DOWNLOAD: &str = "/extensions/provider/aws/1.0.0";
const NO_LIMIT: u32 = 100_000;
const CONFLICTS: &str = "extension_registry_pin_conflicts_total{backend=\"local\"}";

#[tokio::test]
async fn the_first_archive_of_one_replica_is_that_of_all() {
    for mut server in servers().await {
        let first = Replica::serving(&server, 's', NO_LIMIT, b"first").await;
        let same = Replica::serving(&server, 's', NO_LIMIT, b"first").await;
        let other = Replica::serving(&server, 's', NO_LIMIT, b"other").await;
        let got = first.running.get(DOWNLOAD).await;
        assert_eq!((got.status, got.text().as_str()), (StatusCode::OK, "first"));
        assert_eq!(same.running.get(DOWNLOAD).await.status, StatusCode::OK);
        for _ in 0..2 {
            let got = other.running.get(DOWNLOAD).await;
            assert_eq!(got.status, StatusCode::BAD_GATEWAY, "{}", got.text());
        }
        for (replica, conflicts) in [(&first, 0), (&same, 0), (&other, 1)] {
            assert_eq!(replica.metric(CONFLICTS).await, conflicts);
        }
        // Another fleet decides for itself, and so does a replica without the engine.
        let foreign = Replica::serving(&server, 'f', NO_LIMIT, b"other").await;
        assert_eq!(foreign.running.get(DOWNLOAD).await.status, StatusCode::OK);
        let alone = Replica::serving(&server, 's', NO_LIMIT, b"other").await;
        server.kill().await;
        alone.until(|shared| shared["healthy"] == false).await;
        assert_eq!(alone.running.get(DOWNLOAD).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn row_37_a_certain_replica_refuses_first_archives_while_the_engine_is_away() {
    const CERTAIN: &str = "[downloads]\npin = \"certain\"\n";
    for mut server in servers().await {
        let [first, new] = [
            Replica::configured(&server, 's', NO_LIMIT, b"first", CERTAIN).await,
            Replica::configured(&server, 's', NO_LIMIT, b"first", CERTAIN).await,
        ];
        assert_eq!(first.running.get(DOWNLOAD).await.status, StatusCode::OK);
        server.kill().await;
        for replica in [&first, &new] {
            replica.until(|shared| shared["healthy"] == false).await;
        }
        assert_eq!(first.running.get(DOWNLOAD).await.text(), "first", "its pin is confirmed");
        let got = new.running.get(DOWNLOAD).await;
        let answer = (got.status, got.header("retry-after"));
        assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, "5"), "{}", got.text());
        assert_eq!(got.json()["error"], "backend_unavailable");
        let message = got.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("provider/aws 1.0.0") && message.contains("away"), "{message}");
        let health = new.running.get("/health").await.json();
        assert_eq!(health["backends"]["local"]["healthy"], true, "{health}");
        assert_eq!(new.running.get("/extensions/provider/aws").await.status, StatusCode::OK);
        server.restart().await;
        new.until(|shared| shared["healthy"] == true).await;
        assert_eq!(new.running.get(DOWNLOAD).await.text(), "first");
    }
}

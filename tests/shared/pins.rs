//! The first archive of a version, which is the same for all replicas.

use reqwest::StatusCode;

use crate::shared::rig::{Replica, servers};

const DOWNLOAD: &str = "/extensions/provider/aws/1.0.0";
const NO_LIMIT: u32 = 100_000;

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
        // Another fleet decides for itself, and so does a replica without the engine.
        let foreign = Replica::serving(&server, 'f', NO_LIMIT, b"other").await;
        assert_eq!(foreign.running.get(DOWNLOAD).await.status, StatusCode::OK);
        let alone = Replica::serving(&server, 's', NO_LIMIT, b"other").await;
        server.kill().await;
        alone.until(|shared| shared["healthy"] == false).await;
        assert_eq!(alone.running.get(DOWNLOAD).await.status, StatusCode::OK);
    }
}

//! Replicas that are not configured alike.

use registry_testing::engine_server::EngineServer;
use serde_json::Value;

use crate::shared::rig::{Replica, servers};
use crate::support::program::run;

const NO_LIMIT: u32 = 100_000;
/// Nothing listens on port 1 of this machine.
const GITEA: &str = "[gitea]\nurl = \"http://127.0.0.1:1\"\norganization = \"a\"\n";

async fn ordered(server: &EngineServer, order: &str) -> Replica {
    let sections = format!("{GITEA}[catalog]\norder = [{order}]\n");
    Replica::configured(server, 's', NO_LIMIT, b"archive", &sections).await
}

async fn until(replica: &Replica, replicas: u64, differing: u64) {
    replica
        .until(|shared| shared["replicas"] == replicas && shared["differing_replicas"] == differing)
        .await;
    assert_eq!(replica.shared().await["foreign_replicas"], 0);
}

/// The entries of `doctor` about replicas.
fn told(replica: &Replica) -> Vec<Value> {
    let output = run(replica.dir.path(), &["doctor", "-o", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let entries = report["entries"].as_array().unwrap().clone();
    entries.into_iter().filter(|entry| entry["step"] == "replicas").collect()
}

// The proxy before the engine runs while the doctor is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_another_order_of_backends_are_warned_about_and_shown() {
    for server in servers().await {
        let one = ordered(&server, "\"gitea\", \"local\"").await;
        let alike = ordered(&server, "\"gitea\", \"local\"").await;
        // Each has its own directory.
        until(&one, 2, 0).await;
        let other = ordered(&server, "\"local\", \"gitea\"").await;
        until(&one, 3, 1).await;
        until(&alike, 3, 1).await;
        until(&other, 3, 2).await;
        for replica in [&one, &other] {
            let lines = replica.running.lines_until(|line| line.contains("other backends"));
            let line = lines.last().unwrap();
            assert!(line.contains("WARN") && line.contains("catalog.order"), "{line}");
        }
        let told = told(&other);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0]["state"], "note", "{told:#?}");
        assert!(told[0]["what"].as_str().unwrap().starts_with("2 of 3 replica(s)"), "{told:#?}");
    }
}

//! Programs that share an engine.

use std::path::Path;
use std::time::Duration;

use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::ids::id;
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::support::layouts::publish;
use crate::support::program::Running;

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Both products that are installed here.
pub async fn servers() -> Vec<EngineServer> {
    let mut found = Vec::new();
    for product in Product::ALL {
        found.extend(EngineServer::start(product, "").await);
    }
    found
}

/// `[shared]` with this server and a secret of this letter, and a limit of this burst.
pub fn config(dir: &Path, server: &EngineServer, secret: char, burst: u32) -> String {
    let file = format!("secret-{secret}");
    std::fs::write(dir.join(&file), secret.to_string().repeat(32)).unwrap();
    format!(
        "[local]\npath = \"layouts\"\n[rate_limit]\nrequests_per_second = 1\nburst = {burst}\n\
         [shared]\nredis_url = \"{}\"\nsecret_path = \"{file}\"\n",
        server.url()
    )
}

/// Publishes `provider/aws` below a directory.
pub fn published(dir: &Path) {
    publish(&dir.join("layouts"), &id("provider/aws"), "1.0.0", "described", b"archive");
}

/// One process, with its directory.
pub struct Replica {
    pub running: Running,
    pub dir: TempDir,
}

impl Replica {
    /// Starts one, and waits until it uses the engine.
    pub async fn start(server: &EngineServer, secret: char, burst: u32) -> Self {
        Self::serving(server, secret, burst, b"archive").await
    }

    /// Starts one whose backend has other bytes.
    pub async fn serving(server: &EngineServer, secret: char, burst: u32, archive: &[u8]) -> Self {
        Self::configured(server, secret, burst, archive, "").await
    }

    /// Starts one whose backend has other bytes, with further sections.
    pub async fn configured(
        server: &EngineServer,
        secret: char,
        burst: u32,
        archive: &[u8],
        sections: &str,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        publish(&dir.path().join("layouts"), &id("provider/aws"), "1.0.0", "described", archive);
        let text = config(dir.path(), server, secret, burst) + sections;
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        let replica = Self { running: Running::start(dir.path(), &[]), dir };
        replica.until(|shared| shared["healthy"] == true && shared["replicas"] != 0).await;
        replica
    }

    /// `shared` of its health.
    pub async fn shared(&self) -> Value {
        self.running.get("/health").await.json()["shared"].clone()
    }

    /// The value of a series of its metrics.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = self.running.get("/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }

    /// Waits until `shared` of its health is such.
    pub async fn until(&self, holds: impl Fn(&Value) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !holds(&self.shared().await) {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let is_met = waited.await.is_ok();
        assert!(is_met, "{}", self.shared().await);
    }

    /// Asks for the list. Returns whether it was within the limit.
    pub async fn is_let_in(&self) -> bool {
        let got = self.running.get("/extensions").await;
        assert!(matches!(got.status, StatusCode::OK | StatusCode::TOO_MANY_REQUESTS));
        got.status == StatusCode::OK
    }
}

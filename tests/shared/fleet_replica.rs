//! One replica of several, which can be killed, paused, and cut off from the engine or the backend.

use std::time::Duration;

use registry_testing::engine_proxy::EngineProxy;
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::shared::fleet::PATIENCE;
use crate::support::program::Running;

/// One process, with its directory and its way to the engine, or to one sentinel.
pub struct FleetReplica {
    pub running: Running,
    pub proxy: EngineProxy,
    /// Name of its token at the backend.
    pub token: String,
    pub(super) dir: TempDir,
}

/// A process that does not run until this is dropped.
pub struct Pause<'a>(&'a Running);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.signal("-CONT");
    }
}

impl FleetReplica {
    /// `shared.backends.gitea` of its health.
    pub async fn shared(&self) -> Value {
        self.health().await["shared"]["backends"]["gitea"].clone()
    }

    pub async fn health(&self) -> Value {
        self.running.get("/health").await.json()
    }

    /// Waits until its role is this one.
    pub async fn becomes(&self, role: &str) {
        let waited = timeout(PATIENCE, async {
            while self.shared().await["role"] != role {
                sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "not {role}: {}", self.health().await);
    }

    /// Waits until it knows that the engine is away.
    pub async fn loses_engine(&self) {
        let waited = timeout(PATIENCE, async {
            while self.health().await["shared"]["healthy"] != false {
                sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "{}", self.health().await);
    }

    /// Stops it from running for a while.
    pub fn pause(&self) -> Pause<'_> {
        self.running.signal("-STOP");
        Pause(&self.running)
    }

    /// Kills it.
    pub fn kill(&self) {
        self.running.signal("-KILL");
    }

    /// Starts it again in its directory.
    pub fn restart(&mut self) {
        self.running = Running::start(self.dir.path(), &[]);
    }

    /// The newest version of an extension, or the status without one.
    pub async fn version(&self, number: usize) -> String {
        let got = self.running.get(&format!("/extensions/taskserv/e{number:02}")).await;
        if got.status == StatusCode::OK {
            got.json()["version"].as_str().unwrap().to_owned()
        } else {
            got.status.to_string()
        }
    }
}

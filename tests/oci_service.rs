//! The OCI pull API of the program as a process, over backends of this machine.

mod damaged_files;
mod loops;
mod namespaces;
mod several;
mod storms;

use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::Running;
use crate::support::served::Got;

/// The program with a configuration in a directory of its own.
struct Program {
    running: Running,
    client: reqwest::Client,
    _dir: TempDir,
}

impl Program {
    /// Starts it, and waits until every backend has been read.
    async fn start(config: &str) -> Self {
        let started = Self::start_unready(config);
        while started.get("/api/v1/health/ready").await.status != 200
            || started
                .get("/api/v1/extensions")
                .await
                .headers
                .contains_key("extension-registry-degraded")
        {
            tokio::task::yield_now().await;
        }
        started
    }

    /// Starts it and waits until it listens.
    fn start_unready(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
        let client = registry_testing::http::client_builder().build().unwrap();
        Self { running, client, _dir: dir }
    }

    async fn send(&self, method: Method, path: &str) -> Got {
        let url = format!("http://{}{path}", self.running.address);
        Got::read(self.client.request(method, url).send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path).await
    }

    async fn head(&self, path: &str) -> Got {
        self.send(Method::HEAD, path).await
    }

    /// The texts of a list.
    async fn list(&self, path: &str, field: &str) -> Vec<String> {
        let got = self.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        serde_json::from_value(got.json()[field].clone()).unwrap()
    }

    async fn repositories(&self) -> Vec<String> {
        self.list("/v2/_catalog", "repositories").await
    }

    async fn tags(&self, repository: &str) -> Vec<String> {
        self.list(&format!("/v2/{repository}/tags/list"), "tags").await
    }

    /// The digest that `HEAD` tells of a manifest; `GET` tells the same, and its bytes have it.
    async fn digest(&self, repository: &str, tag: &str) -> String {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let (head, got) = (self.head(&path).await, self.get(&path).await);
        assert_eq!(
            (head.status.as_u16(), got.status.as_u16()),
            (200, 200),
            "{path}: {}",
            got.text()
        );
        let digest = head.header("docker-content-digest").to_owned();
        assert_eq!(got.header("docker-content-digest"), digest);
        assert_eq!(digest_of(&got.body), digest);
        digest
    }

    /// The archive of a tag, as a client pulls it: the manifest, then its first layer.
    async fn pull(&self, repository: &str, tag: &str) -> Vec<u8> {
        let manifest = self.get(&format!("/v2/{repository}/manifests/{tag}")).await.json();
        let digest = manifest["layers"][0]["digest"].as_str();
        let digest = digest.unwrap_or_else(|| panic!("{tag}: {manifest}"));
        let blob = self.get(&format!("/v2/{repository}/blobs/{digest}")).await;
        assert_eq!(blob.status, 200, "{}", String::from_utf8_lossy(&blob.body));
        assert_eq!(digest_of(&blob.body), digest);
        blob.body
    }
}

/// A registry with the behavior of zot over this store.
async fn registry(store: Store) -> ScriptedRegistry {
    let played = PlayedRegistry::new(Dialect::Zot, store);
    ScriptedRegistry::start(move |seen| played.answer(seen)).await
}

fn digest_of(bytes: &[u8]) -> String {
    registry_core::models::digest::Digest::sha256(bytes).to_string()
}

/// The code of an error; its form is that of the specification.
fn code(got: &Got) -> String {
    let body = got.json();
    let errors = body["errors"].as_array().map(Vec::as_slice);
    let Some([error]) = errors else { panic!("{} {body}", got.status) };
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    error["code"].as_str().unwrap().to_owned()
}

/// The lines of the log at the start that warn and hold this text.
fn warnings(running: &Running, holding: &str) -> Vec<String> {
    let warns = |line: &&String| {
        let value: Value = serde_json::from_str(line).unwrap();
        value["level"] == "WARN" && line.contains(holding)
    };
    running.before.iter().filter(warns).cloned().collect()
}

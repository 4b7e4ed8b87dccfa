//! Inputs from public bug reports of registries, forges and clients. Each test is named after its
//! entry in the list: `o` for OCI registries, `g` for Gitea and Forgejo.

mod digests;
mod evidence;
mod health;
mod manifests;
mod removal;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::scripted::Scripted;
use serde_json::Value;
use tokio::time::sleep;

use crate::support::served::{Got, Served, Setup};

const TTL: Duration = Duration::from_mins(5);

fn gitea(fake: &FakeGitea) -> Arc<GiteaBackend> {
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    let settings = GiteaSettings { token: Some(fake.token("<read>")), ..settings };
    Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap())
}

fn oci(url: &str) -> Arc<OciBackend> {
    let settings = OciSettings::new(url.parse().unwrap(), "provisioning".parse().unwrap());
    Arc::new(OciBackend::new(settings, Arc::new(())).unwrap())
}

/// A service over this backend, on a virtual clock.
async fn served(backend: Arc<dyn Backend>) -> Served {
    Served::with(vec![backend], Setup { ttl: TTL, ..Setup::default() }).await
}

/// Names of the list as it is answered, and the backends that are marked.
async fn list(served: &Served) -> (Vec<String>, String) {
    let got = served.call("/extensions", &[]).await;
    assert_eq!(got.status, 200, "{}", got.text());
    (got.column("name"), got.header("extension-registry-degraded").to_owned())
}

async fn versions(served: &Served, id: &str) -> Vec<String> {
    served.call(&format!("/extensions/{id}/versions"), &[]).await.column("version")
}

async fn health(served: &Served, source: &str) -> Value {
    served.call("/health", &[]).await.json()["backends"][source].clone()
}

/// The faults of one backend, each as `repository: reason`.
async fn faults(served: &Served, source: &str) -> Vec<String> {
    let health = health(served, source).await;
    let faults = health["faults"].as_array().unwrap().iter();
    faults
        .map(|fault| {
            format!(
                "{}: {}",
                fault["repository"].as_str().unwrap(),
                fault["reason"].as_str().unwrap()
            )
        })
        .collect()
}

async fn pass(duration: Duration) {
    sleep(duration + Duration::from_millis(10)).await;
}

fn set(flag: &std::sync::atomic::AtomicBool, value: bool) {
    flag.store(value, Ordering::SeqCst);
}

fn scripted(source: BackendId, releases: &[&str]) -> Arc<Scripted> {
    Arc::new(Scripted::new(source, releases))
}

fn error_of(got: &Got) -> String {
    format!("{} {}", got.status.as_u16(), got.json()["message"].as_str().unwrap())
}

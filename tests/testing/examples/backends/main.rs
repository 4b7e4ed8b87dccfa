//! Starts backends for scripts/browser: a Gitea with hostile contents, a registry, and a directory of image
//! layouts. Prints where they are as one line of JSON, and ends with its standard input, or by SIGTERM.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it serves a test, which reads its output"
)]

mod contents;
mod hostile_archives;

use std::path::Path;

use flate2::read::GzDecoder;
use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::Store;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Namespace of the images, and the directory of the layouts.
const NAMESPACE: &str = "provisioning";

#[tokio::main]
async fn main() {
    let gitea = FakeGitea::start(contents::hostile()).await;
    let registry = DockerRegistry::start(Access::Open).await.unwrap();
    Pusher::new(&registry.url(), None).store(&Store::of_recorded_zot()).await;
    let directory = tempfile::tempdir().unwrap();
    unpack_layouts(directory.path());
    let places = json!({
        "gitea": gitea.url().as_str(),
        "organization": ORGANIZATION,
        "registry": registry.url(),
        "namespace": NAMESPACE,
        "layouts": directory.path().join(NAMESPACE),
    });
    println!("{places}");
    end().await;
    registry.stop().await;
}

/// Waits for the end of the standard input, or for SIGTERM.
async fn end() {
    let (ended, input) = oneshot::channel();
    std::thread::spawn(move || {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
        ended.send(())
    });
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    tokio::select! {
        _ = input => {}
        _ = terminated.recv() => {}
    }
}

/// The storage of a real zot is a directory of image layouts.
fn unpack_layouts(directory: &Path) {
    let archive = include_bytes!("../../../fixtures/zot-storage.tar.gz");
    tar::Archive::new(GzDecoder::new(archive.as_slice())).unpack(directory).unwrap();
}

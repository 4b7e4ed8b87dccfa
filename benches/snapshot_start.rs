//! From the start of the program to its first answer, with a catalog of 10,000 extensions
//! and no backend that can be reached. And what it takes to write one change.
//!
//! Fails where the promise is broken: under 200 ms, the median of the runs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use registry_catalog::state::persister::Persister;
use registry_catalog::{Catalog, Merge, Rules};
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::About;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_testing::memory::MemoryBackend;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::Instant;

const EXTENSIONS: usize = 10_000;
const RELEASES: usize = 3;
const RUNS: usize = 11;
const PROMISED: Duration = Duration::from_millis(200);
const ORGANIZATION: &str = "provisioning-extensions";

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens there once it is dropped.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    write_state(dir.path(), &format!("{url}/{ORGANIZATION}")).await;
    let config = dir.path().join("config.toml");
    let text = format!(
        "[server]\nhost = \"127.0.0.1\"\nport = 0\n\
         [gitea]\nurl = {url:?}\norganization = {ORGANIZATION:?}\n\
         [cache]\nstate_dir = \"{}\"\n",
        dir.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(one_start(&config).await);
    }
    times.sort();
    let (median, least, most) = (times[RUNS / 2], times[0], times[RUNS - 1]);
    println!(
        "start with {EXTENSIONS} extensions from disk to the first answer, {RUNS} runs: \
         median {median:.0?}, min {least:.0?}, max {most:.0?} (promised: under {PROMISED:?})"
    );
    assert!(median < PROMISED, "the start takes {median:.0?}");
}

/// What a run that knew that many extensions of this upstream leaves behind.
async fn write_state(dir: &Path, fingerprint: &str) {
    let backend = Arc::new(MemoryBackend::new(BackendId::GITEA));
    for number in 0..EXTENSIONS {
        let name = format!("extension-{number:05}-taskserv");
        let id = ExtensionId::from_oci_repository(&name).unwrap();
        for release in 0..RELEASES {
            let about = About {
                description: Some(format!("Installs number {number} on a server").into()),
                keywords: ["server".into(), format!("group-{}", number % 100).into()].into(),
                ..About::default()
            };
            let tag = format!("1.{release}.0").parse().unwrap();
            backend.publish(&id, tag, about, format!("{name} {release}"));
        }
    }
    let rules = Rules {
        merge: Merge::Owner,
        allow_takeover: false,
        ttl: Duration::from_mins(5),
        stale_while_revalidate: Duration::from_mins(5),
        stale_if_error: Duration::from_hours(24),
        full_sweep: Duration::from_hours(1),
        negative_ttl: Duration::from_secs(10),
        accept_changes: false,
        max_bytes: usize::MAX,
    };
    let catalog = Catalog::new(vec![Arc::clone(&backend) as _], rules);
    catalog.syncer.sync(Scope::All).await.unwrap();
    let fingerprints = vec![(BackendId::GITEA, fingerprint.to_owned())];
    let persister = Persister::new(Arc::clone(&catalog), dir, fingerprints);
    let length = || std::fs::metadata(dir.join("state.log")).unwrap().len();
    let begun = Instant::now();
    persister.save(Timestamp::now()).await.unwrap();
    println!("write of {EXTENSIONS} extensions: {:.0?}, {} bytes", begun.elapsed(), length());
    let id = ExtensionId::from_oci_repository("extension-00007-taskserv").unwrap();
    backend.publish(&id, "2.0.0".parse().unwrap(), About::default(), "changed".to_owned());
    catalog.reader.refresh(&id, Scope::All).await.unwrap();
    let (begun, before) = (Instant::now(), length());
    persister.save(Timestamp::now()).await.unwrap();
    println!("write of one change: {:.1?}, {} bytes", begun.elapsed(), length() - before);
}

/// Starts the program and asks it for a list as soon as it says where it listens.
async fn one_start(config: &Path) -> Duration {
    let begun = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_extension-registry"))
        .arg("--config")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(program.stderr.take().unwrap()).lines();
    let address = loop {
        let line = log.next_line().await.unwrap().unwrap();
        if let Some((_, rest)) = line.split_once("address=") {
            break rest.split_whitespace().next().unwrap().to_owned();
        }
    };
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let request = "GET /api/v1/extensions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let taken = begun.elapsed();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let total = format!("x-total-count: {EXTENSIONS}");
    assert!(answer.to_lowercase().contains(&total), "{answer}");
    program.kill().await.unwrap();
    taken
}

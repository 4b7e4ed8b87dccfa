//! Starts of the program with a state of many extensions, for benches.

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
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::Instant;

/// Releases of each extension.
const RELEASES: usize = 3;
pub(crate) const ORGANIZATION: &str = "provisioning-extensions";

/// Writes what a run that knew that many extensions of this upstream leaves behind.
pub(crate) async fn write_state(dir: &Path, fingerprint: &str, extensions: usize) {
    let backend = Arc::new(MemoryBackend::new(BackendId::GITEA));
    for number in 0..extensions {
        let name = format!("extension-{number:06}-taskserv");
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
    println!("write of {extensions} extensions: {:.0?}, {} bytes", begun.elapsed(), length());
    let id = ExtensionId::from_oci_repository("extension-000007-taskserv").unwrap();
    backend.publish(&id, "2.0.0".parse().unwrap(), About::default(), "changed".to_owned());
    catalog.reader.refresh(&id, Scope::All).await.unwrap();
    let (begun, before) = (Instant::now(), length());
    persister.save(Timestamp::now()).await.unwrap();
    println!("write of one change: {:.1?}, {} bytes", begun.elapsed(), length() - before);
}

/// Starts the program and asks it for a list as soon as it says where it listens.
pub(crate) async fn one_start(program: &Path, config: &Path, extensions: usize) -> Duration {
    let begun = Instant::now();
    let mut program = Command::new(program)
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
    let total = format!("x-total-count: {extensions}");
    assert!(answer.to_lowercase().contains(&total), "{answer}");
    program.kill().await.unwrap();
    taken
}

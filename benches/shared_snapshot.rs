//! From the start of a replica without any state to its first answer, with the snapshot of a replica
//! that has 100,000 extensions, in a real Redis, and no backend that can be reached. Once with the
//! segments of the snapshot in Redis, and once in a real S3 server, where it is installed.
//!
//!     cargo bench --bench shared_snapshot -- PROGRAM
//!
//! Fails where the promise is broken: two seconds, the median of the runs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

mod program;
mod start;

use std::path::{Path, PathBuf};
use std::time::Duration;

use program::Program;
use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::versity::{ACCESS, BUCKET, Versity};
use start::{ORGANIZATION, one_start, write_state};
use tokio::net::TcpListener;
use tokio::time::sleep;

const EXTENSIONS: usize = 100_000;
const RUNS: usize = 5;
const PROMISED: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() {
    let program = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let program =
        program.map_or_else(|| env!("CARGO_BIN_EXE_extension-registry").into(), PathBuf::from);
    let in_engine = measure(&program, None).await;
    let in_bucket = match Versity::start().await {
        Some(bucket) => Some(measure(&program, Some(&bucket)).await),
        None => None,
    };
    for median in [Some(in_engine), in_bucket].into_iter().flatten() {
        assert!(median < PROMISED, "the start takes {median:.2?}");
    }
}

/// Starts replicas with the segments in a bucket or in the engine. Returns the median of the times.
async fn measure(program: &Path, bucket: Option<&Versity>) -> Duration {
    let server = EngineServer::start(Product::Redis, "").await.expect("redis-server is missing");
    // No server listens there once it is dropped.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let first = tempfile::tempdir().unwrap();
    write_state(first.path(), &format!("{url}/{ORGANIZATION}"), EXTENSIONS).await;
    configure(first.path(), &url, &server, bucket);
    let _writer = Program::start(program, first.path(), 0);
    // The manifest comes after its segments.
    while !server.command(&["KEYS", "*snapshot*"]).await.contains("snapshot") {
        sleep(Duration::from_millis(100)).await;
    }
    let memory = server.command(&["INFO", "memory"]).await;
    println!("memory of Redis with the snapshot: {}", memory.lines().nth(2).unwrap());
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let empty = tempfile::tempdir().unwrap();
        configure(empty.path(), &url, &server, bucket);
        let config = empty.path().join("config.toml");
        times.push(one_start(program, &config, EXTENSIONS).await);
    }
    times.sort();
    let (median, least, most) = (times[RUNS / 2], times[0], times[RUNS - 1]);
    let place = if bucket.is_some() { "the bucket" } else { "the engine" };
    println!(
        "start with {EXTENSIONS} extensions from the shared snapshot in {place} to the first answer, \
         {RUNS} runs: median {median:.2?}, min {least:.2?}, max {most:.2?} (promised: under {PROMISED:?})"
    );
    median
}

fn configure(dir: &Path, url: &str, server: &EngineServer, bucket: Option<&Versity>) {
    let (secret, keys) = (dir.join("secret"), dir.join("keys"));
    std::fs::write(&secret, "s".repeat(32)).unwrap();
    let [id, access] = ACCESS;
    std::fs::write(&keys, format!("{id}\n{access}\n")).unwrap();
    let artifacts = bucket.map_or_else(String::new, |bucket| {
        format!(
            "[artifacts]\nstore = \"s3://{BUCKET}\"\nendpoint = \"{}\"\npath_style = true\n\
             credentials_path = \"{}\"\n",
            bucket.url(),
            keys.display(),
        )
    });
    let text = format!(
        "[server]\nhost = \"127.0.0.1\"\nport = 0\n\
         [gitea]\nurl = \"{url}\"\norganization = \"{ORGANIZATION}\"\n\
         [cache]\nstate_dir = \"{}\"\n{artifacts}\
         [shared]\nredis_url = \"{}\"\nsecret_path = \"{}\"\n",
        dir.display(),
        server.url(),
        secret.display(),
    );
    std::fs::write(dir.join("config.toml"), text).unwrap();
}

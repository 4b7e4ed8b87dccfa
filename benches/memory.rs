//! What is resident: the program alone, each thousand of extensions, each download while it is open.
//! The program itself runs over a fake Gitea, whose memory is this process's and does not count.
//!
//! Prints the figures of docs/operations.md ("Sizing"): they are measured anew, and typed there, when
//! what is kept of an extension changes. Fails if the sample catalog takes more than [`DEMO_MAX`].

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

#[path = "program/mod.rs"]
mod program;

use std::path::Path;
use std::time::Duration;

use program::Program;
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::fake_gitea::{FakeGitea, Fault, State};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

const PROGRAM: &str = env!("CARGO_BIN_EXE_extension-registry");
/// Bytes that `--demo` may take after its first request.
const DEMO_MAX: u64 = 20 << 20;
const RELEASES: usize = 10;
const DOWNLOADS: usize = 100;
const ARCHIVE: usize = 4 << 20;
/// Where each download stands still.
const MIDDLE: usize = ARCHIVE / 2;

#[tokio::main]
async fn main() {
    let demo = demo().await;
    println!(
        "--demo after one request: {:.1} MB (promised: {:.1})\n",
        megabytes(demo),
        megabytes(DEMO_MAX)
    );
    println!("| extensions | releases each | resident, MB |\n| --- | --- | --- |");
    let mut kilobytes = Vec::new();
    for (extensions, releases) in [(1, 1), (1_000, 1), (1_000, RELEASES), (5_000, RELEASES)] {
        let resident = resident_with(extensions, releases).await;
        println!("| {extensions} | {releases} | {:.1} |", megabytes(resident));
        kilobytes.push(resident / 1000);
    }
    let thousand = (kilobytes[3] - kilobytes[0]) / 5;
    println!("\n1,000 extensions of {RELEASES} releases: {:.1} MB", thousand as f64 / 1000.0);
    let one = (kilobytes[1] - kilobytes[0]) as f64 / 1000.0;
    println!("1,000 extensions of one release: {one:.1} MB");
    println!("a download while it is open: {:.0} kB", download().await as f64 / 1000.0);
    assert!(demo <= DEMO_MAX, "--demo takes {demo} bytes");
}

/// What is resident of the sample catalog after one request.
async fn demo() -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let service = Program::start_demo(Path::new(PROGRAM), dir.path());
    get(&service, "/extensions").await;
    service.resident()
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}

/// What is resident once so many extensions are known and a page of them was asked for.
async fn resident_with(extensions: usize, releases: usize) -> u64 {
    let mut state = State::empty();
    for number in 0..extensions {
        let name = format!("e{number:05}_taskserv");
        state.create(&name, "An extension that was made up to see what one weighs");
        for release in 0..releases {
            let tag = format!("1.{release}.0");
            state.publish(&name, &tag, &[(&format!("{name}.tar.gz"), b"bytes")]);
        }
    }
    let fake = FakeGitea::start(state).await;
    let (service, _dir) = served(&fake);
    known(&service, extensions).await;
    get(&service, "/extensions").await;
    service.resident()
}

/// What each of many downloads costs that stand still in the middle.
async fn download() -> u64 {
    let mut state = State::empty();
    state.create_released("big_taskserv", "1.0.0", &vec![7; ARCHIVE]);
    let fake = FakeGitea::start(state).await;
    let (service, _dir) = served(&fake);
    known(&service, 1).await;
    fake.fault("/attachments/", Fault::Stall(MIDDLE));
    let before = service.resident();
    let mut open = Vec::new();
    for _ in 0..DOWNLOADS {
        let mut answer = get(&service, "/extensions/taskserv/big/1.0.0").await;
        let mut read = 0;
        while read < MIDDLE {
            read += answer.chunk().await.unwrap().expect("it goes on").len();
        }
        open.push(answer);
    }
    (service.resident() - before) / DOWNLOADS as u64
}

/// The program over this Gitea, without a directory of state.
fn served(fake: &FakeGitea) -> (Program, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let url = fake.url();
    let config = format!("[gitea]\nurl = \"{url}\"\norganization = \"{ORGANIZATION}\"\n");
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    (Program::start(Path::new(PROGRAM), dir.path(), 0), dir)
}

/// Waits until so many extensions are known.
async fn known(service: &Program, extensions: usize) {
    loop {
        let health = get(service, "/health").await.bytes().await.unwrap();
        let health: Value = serde_json::from_slice(&health).unwrap();
        if health["backends"]["gitea"]["extensions"] == extensions {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn get(service: &Program, path: &str) -> reqwest::Response {
    let client = registry_testing::http::client_builder().build().unwrap();
    client.get(service.url(path)).send().await.unwrap().error_for_status().unwrap()
}

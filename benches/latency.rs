//! How long callers wait: at 1,000 requests a second for a kept answer, each timed from when it was
//! meant to be sent, so that a stall counts for everyone behind it; and for an extension that is
//! read from a backend which takes 20 ms for each of its answers.
//!
//! Fails where the promise is broken: p99 below 5 ms, and below 200 ms for the slowest read.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

#[path = "../tests/support"]
mod support {
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod canary;
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod fake_gitea;
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod ids;
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod served;
}

use std::sync::Arc;
use std::time::Duration;

use extension_registry::gitea::backend::GiteaBackend;
use extension_registry::gitea::settings::GiteaSettings;
use extension_registry::models::source::Source;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use support::fake_gitea::state::ORGANIZATION;
use support::fake_gitea::{FakeGitea, State};
use support::served::{Served, Setup, memory};

const PER_SECOND: u32 = 1000;
const SECONDS: u32 = 10;
const CONNECTIONS: u32 = 64;
const CACHED_P99: Duration = Duration::from_millis(5);
const UNCACHED: Duration = Duration::from_millis(200);
const BACKEND_LATENCY: Duration = Duration::from_millis(20);
const NAMES: usize = 20;

#[tokio::main]
async fn main() {
    let cached = cached().await;
    let at = |share: f64| cached[((cached.len() - 1) as f64 * share) as usize];
    let (p50, p99, p100) = (at(0.5), at(0.99), at(1.0));
    println!(
        "cached, {PER_SECOND} a second for {SECONDS} s: p50 {p50:.2?}, p99 {p99:.2?}, max {p100:.2?} \
         (promised: p99 under {CACHED_P99:?})"
    );
    let uncached = uncached().await;
    let (median, slowest) = (uncached[NAMES / 2], uncached[NAMES - 1]);
    println!(
        "uncached, backend latency {BACKEND_LATENCY:?}: median {median:.2?}, slowest {slowest:.2?} \
         (promised: under {UNCACHED:?})"
    );
    assert!(p99 < CACHED_P99 && slowest < UNCACHED, "a promise is broken");
}

/// Latencies in order.
async fn cached() -> Vec<Duration> {
    let served = Served::over(vec![memory(Source::Local, &["provider/aws:1.0.0"])]).await;
    let address = served.base.strip_prefix("http://").unwrap().to_owned();
    served.get("/extensions/provider/aws").await;
    let begun = Instant::now() + Duration::from_millis(100);
    let mut senders = JoinSet::new();
    for first in 0..CONNECTIONS {
        senders.spawn(sender(address.clone(), begun, first));
    }
    let mut all: Vec<Duration> = senders.join_all().await.into_iter().flatten().collect();
    assert_eq!(all.len(), (PER_SECOND * SECONDS) as usize);
    all.sort();
    all
}

/// Sends every request whose turn is on this connection, whenever its predecessor was answered.
async fn sender(address: String, begun: Instant, first: u32) -> Vec<Duration> {
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut latencies = Vec::new();
    for number in (first..PER_SECOND * SECONDS).step_by(CONNECTIONS as usize) {
        let meant = begun + Duration::from_secs(1) * number / PER_SECOND;
        sleep_until(meant).await;
        let request = "GET /api/v1/extensions/provider/aws HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await;
        latencies.push(meant.elapsed());
    }
    latencies
}

async fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::with_capacity(2048);
    loop {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "cut");
        let text = std::str::from_utf8(&answer).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return;
        }
    }
}

/// With the memo off each request reads the extension from its backend first.
async fn uncached() -> Vec<Duration> {
    let mut state = State::empty();
    state.latency = BACKEND_LATENCY;
    for number in 0..NAMES {
        let name = format!("e{number}_taskserv");
        state.create(&name, "one of twenty");
        for release in 0..10 {
            let archive = format!("{name}.tar.gz");
            state.publish(&name, &format!("1.{release}.0"), &[(&archive, b"bytes")]);
        }
    }
    let fake = FakeGitea::start(state).await;
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    let backend = Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap());
    let served = Served::with(vec![backend], Setup { metadata: false, ..Setup::default() }).await;
    served.get("/extensions").await;
    let mut latencies = Vec::new();
    for number in 0..NAMES {
        let begun = Instant::now();
        let got = served.get(&format!("/extensions/taskserv/e{number}")).await;
        assert_eq!(got.header("cache-status"), "extension-registry; fwd=miss");
        latencies.push(begun.elapsed());
    }
    latencies.sort();
    latencies
}

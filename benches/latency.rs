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

mod load;
#[path = "../tests/support"]
mod support {
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod served;
}

use std::sync::Arc;
use std::time::Duration;

use load::{Load, percentile};
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_core::models::backend_id::BackendId;
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::fake_gitea::{FakeGitea, State};
use registry_testing::memory::memory;
use support::served::{Served, Setup};
use tokio::time::Instant;

const LOAD: Load =
    Load { paths: &["/extensions/provider/aws"], per_second: 1000, seconds: 10, connections: 64 };
const CACHED_P99: Duration = Duration::from_millis(5);
const UNCACHED: Duration = Duration::from_millis(200);
const BACKEND_LATENCY: Duration = Duration::from_millis(20);
const NAMES: usize = 20;

#[tokio::main]
async fn main() {
    let cached = cached().await;
    let [p50, p99, p100] = [0.5, 0.99, 1.0].map(|share| percentile(&cached, share));
    println!(
        "cached, {} a second for {} s: p50 {p50:.2?}, p99 {p99:.2?}, max {p100:.2?} \
         (promised: p99 under {CACHED_P99:?})",
        LOAD.per_second, LOAD.seconds
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
    let served = Served::over(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])]).await;
    served.get("/extensions/provider/aws").await;
    LOAD.play(&served.base).await
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

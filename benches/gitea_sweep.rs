//! A cold sweep of 1,000 repositories with 10 releases each, and a quiet round after it, against a
//! fake Gitea with 5 ms latency; beside them the same requests by a client that reads nothing.
//!
//! Fails where the promise is broken: at most 1,050 requests, at most 1.3 times the bare client's
//! time, at most 22 requests for a quiet round. A round reads the list of repositories, fifty a page,
//! because a feed does not show what an author hides.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::http::settings::UpstreamSettings;
use registry_core::backend::Backend as _;
use registry_core::backend::changes::Changes;
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::fake_gitea::{FakeGitea, State};
use tokio::time::Instant;

const REPOSITORIES: usize = 1_000;
const RELEASES: usize = 10;
const CONCURRENCY: usize = 8;
/// The best of this many runs counts, for either side: the machine is shared.
const RUNS: usize = 3;

#[tokio::main]
async fn main() {
    let fake = FakeGitea::start(organization()).await;
    let mut best = [Duration::MAX; 2];
    let mut requests = (0, 0);
    for _ in 0..RUNS {
        let backend = GiteaBackend::new(settings(&fake), Arc::new(())).unwrap();
        let begun = Instant::now();
        let cursor = sweep(&backend).await;
        best[0] = best[0].min(begun.elapsed());
        let targets: Vec<String> = fake.take_seen().into_iter().map(|seen| seen.target).collect();

        backend.changes(Some(&cursor)).await.unwrap();
        requests = (targets.len(), fake.take_seen().len());

        let begun = Instant::now();
        bare(&fake, &targets).await;
        best[1] = best[1].min(begun.elapsed());
        fake.take_seen();
    }
    let [ours, bare] = best;
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("sweep: {} requests in {ours:.2?}", requests.0);
    println!("bare client: {bare:.2?}, ratio {ratio:.2}");
    println!("quiet round: {} requests", requests.1);
    assert!(requests.0 <= 1_050, "a sweep of {} requests", requests.0);
    assert!(
        requests.1 <= 2 + REPOSITORIES.div_ceil(50),
        "a quiet round of {} requests",
        requests.1
    );
    assert!(ratio <= 1.3, "a sweep takes {ratio:.2} times the bare client's time");
}

fn organization() -> State {
    let mut state = State::empty();
    state.latency = Duration::from_millis(5);
    for number in 0..REPOSITORIES {
        let name = format!("e{number:04}_taskserv");
        state.create(&name, "one of a thousand");
        for release in 0..RELEASES {
            let tag = format!("1.{release}.0");
            state.publish(&name, &tag, &[(&format!("{name}.tar.gz"), b"bytes")]);
        }
    }
    state
}

fn settings(fake: &FakeGitea) -> GiteaSettings {
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    let upstream = UpstreamSettings { max_concurrency: CONCURRENCY, ..settings.upstream };
    GiteaSettings { upstream, ..settings }
}

async fn sweep(backend: &GiteaBackend) -> registry_core::backend::changes::ChangeCursor {
    let Changes::These { cursor, .. } = backend.changes(None).await.unwrap() else {
        panic!("the fake has a feed")
    };
    let listing = backend.listing().await.unwrap();
    assert_eq!(listing.ids.len(), REPOSITORIES);
    let read = stream::iter(&listing.ids).map(|id| backend.extension(id));
    let releases: usize = read
        .buffer_unordered(CONCURRENCY)
        .map(|extension| extension.unwrap().releases().len())
        .fold(0, |all, count| async move { all + count })
        .await;
    assert_eq!(releases, REPOSITORIES * RELEASES);
    cursor
}

/// The same requests, as fast as the same concurrency allows, the answers thrown away.
async fn bare(fake: &FakeGitea, targets: &[String]) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let base = fake.url();
    let ask = |target: &String| {
        let answer = client.get(base.join(target).unwrap().as_str().parse().unwrap());
        async move {
            let body = answer.await.unwrap().into_body();
            body.collect().await.unwrap().to_bytes().len()
        }
    };
    stream::iter(targets).map(ask).buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await;
}

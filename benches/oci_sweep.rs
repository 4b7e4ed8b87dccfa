//! A cold sweep of 300 repositories with 2 tags each, and a quiet round after it, against a real
//! `docker-registry`; beside them the same requests by a client that reads nothing.
//!
//! Fails where the promise is broken: one page of the catalog for each hundred repositories, and two
//! more requests where the last page is full, since a full page proves no end; one list of tags and
//! one manifest for each; at most 1.3 times the bare client's time; a quiet round of catalog pages
//! and lists of tags only.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hyper::Method;
use parking_lot::Mutex;
use registry_backends::http::metrics::{UpstreamCall, UpstreamMetrics};
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend as _;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::{OCI_MANIFEST, Store};
use tokio::time::Instant;

const REPOSITORIES: usize = 300;
/// Three full pages, the empty one behind them, and the third again, to see that it has not changed.
const CATALOG_REQUESTS: usize = 5;
const CONCURRENCY: usize = 8;
/// The best of this many runs counts, for either side: the machine is shared.
const RUNS: usize = 3;

/// Counts calls by what they ask.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl UpstreamMetrics for Counts {
    fn record(&self, call: &UpstreamCall) {
        *self.0.lock().entry(call.operation).or_default() += 1;
    }
}

impl Counts {
    fn take(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut *self.0.lock())
    }
}

#[tokio::main]
async fn main() {
    let Some(registry) = DockerRegistry::start(Access::Open).await else { return };
    let store = filled();
    let pusher = Pusher::new(&registry.url(), None);
    pusher.store(&store).await;
    let mut best = [Duration::MAX; 2];
    for _ in 0..RUNS {
        let counts = Arc::new(Counts::default());
        let address = registry.url().parse().unwrap();
        let mut settings = OciSettings::new(address, "provisioning".parse().unwrap());
        settings.upstream.max_concurrency = CONCURRENCY;
        let backend = OciBackend::new(settings, Arc::clone(&counts) as _).unwrap();
        let begun = Instant::now();
        let cursor = sweep(&backend).await;
        best[0] = best[0].min(begun.elapsed());
        let swept = counts.take();
        let expected =
            [("catalogue", CATALOG_REQUESTS), ("manifest", REPOSITORIES), ("tags", REPOSITORIES)];
        assert_eq!(swept, BTreeMap::from(expected), "a sweep's requests");
        let quiet = backend.changes(Some(&cursor)).await.unwrap();
        assert!(matches!(quiet, Changes::These { dirty, .. } if dirty.is_empty()));
        let expected = [("catalogue", CATALOG_REQUESTS), ("tags", REPOSITORIES)];
        assert_eq!(counts.take(), BTreeMap::from(expected), "a quiet round's requests");
        let begun = Instant::now();
        bare(&pusher, &store).await;
        best[1] = best[1].min(begun.elapsed());
    }
    let [ours, bare] = best;
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("sweep: {} requests in {ours:.2?}", CATALOG_REQUESTS + 2 * REPOSITORIES);
    println!("bare client: {bare:.2?}, ratio {ratio:.2}");
    println!("quiet round: {} requests", CATALOG_REQUESTS + REPOSITORIES);
    registry.stop().await;
    assert!(ratio <= 1.3, "a sweep takes {ratio:.2} times the bare client's time");
}

fn filled() -> Store {
    let mut store = Store::default();
    for number in 0..REPOSITORIES {
        let name = format!("provisioning/e{number:04}-taskserv");
        store.blob(&name, b"{}");
        for tag in ["1.0.0", "1.1.0"] {
            store.push(&name, tag, format!("{name} {tag}").as_bytes());
        }
    }
    store
}

async fn sweep(backend: &OciBackend) -> ChangeCursor {
    let Changes::These { cursor, .. } = backend.changes(None).await.unwrap() else {
        panic!("it gives out a cursor")
    };
    let listing = backend.listing().await.unwrap();
    assert_eq!(listing.ids.len(), REPOSITORIES);
    let read = stream::iter(&listing.ids).map(|id| backend.extension(id));
    let read: Vec<_> = read.buffer_unordered(CONCURRENCY).collect().await;
    assert!(read.iter().all(|one| one.as_ref().is_ok_and(|one| one.releases().len() == 2)));
    cursor
}

/// The same requests, as fast as the same concurrency allows, the answers thrown away.
async fn bare(client: &Pusher, store: &Store) {
    let names: Vec<&String> = store.repositories.keys().collect();
    let get = async |target: String| {
        let accept = [("accept", OCI_MANIFEST)];
        let (status, ..) = client.send(Method::GET, &target, &accept, Bytes::new()).await;
        assert!(status.is_success(), "{target}");
    };
    for last in ["", names[99], names[199]] {
        get(format!("/v2/_catalog?n=100&last={}", last.replace('/', "%2F"))).await;
    }
    let read = async |name: &String| {
        get(format!("/v2/{name}/tags/list?n=100")).await;
        get(format!("/v2/{name}/manifests/1.1.0")).await;
    };
    stream::iter(names).map(read).buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
}

//! Archives that are fetched first: shared, stored, within their time, and never for a page.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::{join, join_all};
use registry_core::error::ErrorKind;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::answers::downloads::{DownloadQuery, Downloads};
use registry_server::archives::places::ArchivePlaces;
use registry_server::archives::{Archives, Fetch};
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::Scripted;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{FILES, fails, file};
use crate::support::served::{Served, Setup};
use registry_testing::archives::{File, packed};

/// A registry with three versions, which counts what it sends.
fn registry() -> Scripted {
    let backend = Scripted::new(BackendId::OCI, &[]);
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        let archive = packed(&[File::new("version", version), File::new("other", "x")]);
        backend.inner.publish(&id("provider/aws"), tag(version), about("d", &[]), archive);
    }
    backend
}

/// One that sends the rest of each archive when it is told to.
fn holding(hold: &Arc<Notify>) -> Scripted {
    let mut backend = registry();
    backend.hold = Some(Arc::clone(hold));
    backend
}

async fn storing(backend: &Arc<Scripted>, dir: &std::path::Path) -> Served {
    let setup = Setup { store: Some((dir.to_owned(), 1 << 30)), ..Setup::default() };
    Served::with(vec![Arc::clone(backend) as _], setup).await
}

fn opens(backend: &Scripted) -> usize {
    backend.opens.load(Ordering::SeqCst)
}

async fn metric(served: &Served, name: &str) -> String {
    let text = served.get("/metrics").await.text();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or("none").to_owned()
}

#[tokio::test]
async fn readers_at_the_same_time_share_one_download_and_one_index() {
    let backend = Arc::new(registry());
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.get("/extensions").await;
    let both = join(served.call(FILES, &[]), served.call(&file("version"), &[])).await;
    assert_eq!((both.0.status.as_u16(), both.1.text().as_str()), (200, "1.0.0"));
    assert_eq!(opens(&backend), 1);
    let coalesced = "extension_registry_cache_coalesced_total{cache=\"indexes\"}";
    assert_eq!(metric(&served, coalesced).await, "1");
    // The entries are known from now on, and the bytes of the file, but of no other one.
    assert_eq!(served.get(FILES).await.status, 200);
    assert_eq!(opens(&backend), 1);
    let hits = "extension_registry_cache_hits_total{cache=\"indexes\"}";
    assert_eq!(metric(&served, hits).await, "1");
    assert_eq!(served.get(&file("version")).await.text(), "1.0.0");
    assert_eq!(opens(&backend), 1);
    assert_eq!(served.get(&file("other")).await.text(), "x");
    assert_eq!(opens(&backend), 2);
}

#[tokio::test]
async fn a_stored_archive_is_read_while_its_backend_is_down_and_another_one_is_not() {
    let (backend, dir) = (Arc::new(registry()), tempfile::tempdir().unwrap());
    let served = storing(&backend, dir.path()).await;
    assert_eq!(served.get(FILES).await.status, 200);
    served.artifacts.settle().await;
    assert_eq!(opens(&backend), 1, "the archive that was read is stored");
    backend.down.store(true, Ordering::SeqCst);
    let got = served.get(&file("version")).await;
    assert_eq!(
        (got.text().as_str(), got.header("cache-status")),
        ("1.0.0", "extension-registry; hit")
    );
    let other = served.get("/extensions/provider/aws/2.0.0/files").await;
    fails(&other, 503, "backend_unavailable", &[]);
    assert_eq!(other.header("retry-after"), "1");
    let compared = served.get(&format!("{FILES}?against=2.0.0")).await;
    fails(&compared, 503, "backend_unavailable", &[]);
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_does_not_arrive_in_30_seconds_is_a_504_and_its_fetch_goes_on() {
    let hold = Arc::new(Notify::new());
    let backend = Arc::new(holding(&hold));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    let start = tokio::time::Instant::now();
    let late = served.call(FILES, &[]).await;
    fails(&late, 504, "backend_timeout", &["30 seconds", "provider/aws 1.0.0"]);
    assert_eq!(start.elapsed().as_secs(), 30);
    let again = served.call(FILES, &[]);
    let release = async { hold.notify_one() };
    assert_eq!(join(again, release).await.0.status, 200);
    assert_eq!(opens(&backend), 1);
}

#[tokio::test]
async fn a_third_archive_in_memory_waits_for_nothing() {
    let hold = Arc::new(Notify::new());
    let backend = Arc::new(holding(&hold));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.get("/extensions").await;
    let under_way = ["1.0.0", "2.0.0"].map(|version| {
        let router = served.router.clone();
        let path = format!("/extensions/provider/aws/{version}/files");
        tokio::spawn(async move { Served::through(router, &path, &[]).await })
    });
    while opens(&backend) < 2 {
        tokio::task::yield_now().await;
    }
    let third = served.call("/extensions/provider/aws/3.0.0/files", &[]).await;
    fails(&third, 503, "overloaded", &["Other archives are being read"]);
    assert_eq!(third.header("retry-after"), "1");
    while !under_way.iter().all(JoinHandle::is_finished) {
        hold.notify_one();
        tokio::task::yield_now().await;
    }
    for got in join_all(under_way).await {
        assert_eq!(got.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_page_never_downloads() {
    let (backend, dir) = (Arc::new(registry()), tempfile::tempdir().unwrap());
    let served = storing(&backend, dir.path()).await;
    served.get("/extensions").await;
    let (catalog, artifacts) = (Arc::clone(&served.catalog), Arc::clone(&served.artifacts));
    let downloads = Arc::new(Downloads::new(catalog, artifacts, served.metrics.clone()));
    let archives = Archives::new(
        Arc::clone(&downloads),
        served.metrics.our_cache("indexes"),
        ArchivePlaces::default(),
    );
    let query = DownloadQuery {
        id: id("provider/aws"),
        version: tag("1.0.0"),
        asset: None,
        scope: Scope::All,
    };
    let found = downloads.find(&query).await.unwrap();
    assert!(!archives.is_at_hand(&found));
    let refused = archives.index(&found, Fetch::Never).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotStored);
    let refused = archives.open(&found, Fetch::Never).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::NotStored);
    assert_eq!(opens(&backend), 0);
    served.get("/extensions/provider/aws/1.0.0").await;
    served.artifacts.settle().await;
    assert!(archives.is_at_hand(&found));
    let archive = archives.open(&found, Fetch::Never).await.unwrap();
    assert_eq!(archive.entry("version").unwrap().size, 5);
    assert_eq!(&*archive.bytes("version").await.unwrap(), b"1.0.0");
    let indexed = archives.index(&found, Fetch::Never).await.unwrap();
    assert_eq!(indexed.index.entries.len(), 2);
    assert_eq!(opens(&backend), 1);
}

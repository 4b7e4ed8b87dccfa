//! What a publisher deletes is gone soon.

use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::Scripted;
use tokio::time::Instant;

use super::{list, pass, scripted, served};

/// Seconds after a notice until the list lacks an extension, where the first answer is slow.
async fn seconds_until_gone(backend: std::sync::Arc<Scripted>, slow: Duration) -> u64 {
    let served = served(backend.clone()).await;
    assert_eq!(list(&served).await.0, ["a", "b"]);
    backend.inner.remove(&id("provider/a"));
    *backend.slow_once.lock() = Some(slow);
    served.catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    let begun = Instant::now();
    while list(&served).await.0.len() > 1 {
        assert!(begun.elapsed() < Duration::from_mins(2), "still there");
        pass(Duration::from_millis(240)).await;
    }
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn g21_a_deleted_repository_is_gone_within_fifteen_seconds_of_its_notice() {
    for slow in [0, 20, 900, 2400] {
        let backend = scripted(BackendId::GITEA, &["provider/a:1.0.0", "provider/b:1.0.0"]);
        let seconds = seconds_until_gone(backend, Duration::from_millis(slow)).await;
        assert!((10..15).contains(&seconds), "{seconds} s with a first answer after {slow} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn g21b_a_deleted_release_is_gone_at_once_and_the_last_one_soon() {
    let backend =
        scripted(BackendId::GITEA, &["provider/a:1.0.0", "provider/a:2.0.0", "provider/b:1.0.0"]);
    let served = served(backend.clone()).await;
    list(&served).await;
    backend.inner.remove(&id("provider/a"));
    backend.inner.publish(&id("provider/a"), tag("1.0.0"), about("d", &[]), "1");
    served.catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    pass(Duration::from_secs(1)).await;
    assert_eq!(super::versions(&served, "provider/a").await, ["1.0.0"]);
    backend.inner.remove(&id("provider/a"));
    backend.inner.create(&id("provider/a"));
    served.catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    pass(Duration::from_secs(15)).await;
    assert_eq!(list(&served).await.0, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn g21c_a_reader_who_meets_a_deletion_sets_off_its_confirmation() {
    let backend = scripted(BackendId::GITEA, &["provider/a:1.0.0", "provider/b:1.0.0"]);
    let served = served(backend.clone()).await;
    list(&served).await;
    backend.inner.remove(&id("provider/a"));
    served.catalog.reader.refresh(&id("provider/a"), Scope::All).await.unwrap();
    pass(Duration::from_secs(15)).await;
    assert_eq!(list(&served).await.0, ["b"]);
}

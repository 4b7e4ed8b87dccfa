//! Thousands of notices at once: nothing is lost, and a backend hardly notices.

use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};

use super::{backend, kept, pass};

const EXTENSIONS: usize = 100;

fn name(number: usize) -> ExtensionId {
    id(&format!("provider/p{number}"))
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_notices_loses_nothing_and_asks_once_a_second() {
    let names: Vec<String> = (0..EXTENSIONS).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let backend = backend(&names);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let before = backend.asked().extensions;
    // 10,000 in ten seconds: each is about a release of its own.
    for minor in 1..=100 {
        for number in 0..EXTENSIONS {
            let release = tag(&format!("1.{minor}.0"));
            backend.inner.publish(&name(number), release, about("d", &[]), "bytes");
            catalog.syncer.notice(BackendId::GITEA, vec![name(number)]);
        }
        pass(Duration::from_millis(90)).await;
    }
    let reads = backend.asked().extensions - before;
    assert!((10 * EXTENSIONS..=11 * EXTENSIONS).contains(&reads), "{reads} reads");
    pass(Duration::from_secs(1)).await;
    let view = catalog.store.view();
    for number in 0..EXTENSIONS {
        let entry = view.get(&name(number), Scope::All).unwrap();
        assert_eq!(entry.extension.releases().len(), 101, "nothing is lost of {number}");
    }
    pass(Duration::from_secs(250)).await;
    let reads = backend.asked().extensions - before;
    assert!(
        reads <= 14 * EXTENSIONS,
        "{reads} reads: the schedule is followed once, not per notice"
    );
}

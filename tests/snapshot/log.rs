//! The log: appended batches, full writes, and what other releases left.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use registry_catalog::state::catalog_state::CatalogState;
use registry_catalog::state::persister::Persister;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::log::Lines;
use registry_testing::scripted::Scripted;
use tokio::time::sleep;

use super::{FILE, after, catalog, noon, others, persister};

const DAY: i64 = 86_400;

fn text(dir: &Path) -> String {
    fs::read_to_string(dir.join(FILE)).unwrap()
}

/// A state directory as version 0.2 wrote it.
fn of_version_0_2() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state-0.2");
    for name in ["catalogue.json", "digests.json"] {
        fs::copy(from.join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn internal() -> BackendId {
    "gitea/internal".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_change_is_one_record_and_its_backend() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..100).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &names));
    let known = catalog(vec![backend.clone()]);
    known.syncer.sync(Scope::All).await.unwrap();
    let persister = persister(&known, dir.path());
    persister.save(noon()).await.unwrap();
    let before = text(dir.path());
    backend.inner.publish(&id("provider/p7"), tag("2.0.0"), about("d", &[]), "b");
    known.reader.refresh(&id("provider/p7"), Scope::All).await.unwrap();
    persister.save(after(1)).await.unwrap();
    let now = text(dir.path());
    let added: Vec<&str> = now.strip_prefix(&before).unwrap().lines().collect();
    assert!(added[0].starts_with(r#"{"extension":["gitea","provider/p7",{"#), "{added:?}");
    assert!(added[1].starts_with(r#"{"sum":"#) && added.len() == 2, "{added:?}");

    backend.inner.remove(&id("provider/p7"));
    for _ in 0..2 {
        known.reader.refresh(&id("provider/p7"), Scope::All).await.unwrap();
        sleep(Duration::from_secs(11)).await;
    }
    persister.save(after(30)).await.unwrap();
    assert!(text(dir.path()).contains(r#"{"extension":["gitea","provider/p7",null]}"#));
    let next = catalog(vec![Scripted::down(BackendId::GITEA)]);
    super::persister(&next, dir.path()).read(after(60)).await.unwrap();
    assert_eq!(next.store.view().entries(Scope::All).len(), 99);
}

#[tokio::test(start_paused = true)]
async fn row_28_a_batch_that_a_crash_cut_short_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]));
    let known = catalog(vec![backend.clone()]);
    known.syncer.sync(Scope::All).await.unwrap();
    let persister = persister(&known, dir.path());
    persister.save(noon()).await.unwrap();
    let whole = fs::read(dir.path().join(FILE)).unwrap();
    backend.inner.publish(&id("provider/b"), tag("1.0.0"), about("d", &[]), "b");
    known.reader.refresh(&id("provider/b"), Scope::All).await.unwrap();
    persister.save(after(1)).await.unwrap();
    let longer = fs::read(dir.path().join(FILE)).unwrap();
    for length in (whole.len()..longer.len()).step_by(5) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), &longer[..length]).unwrap();
        let next = catalog(vec![backend.clone()]);
        let persister = super::persister(&next, dir.path());
        assert_eq!(persister.read(after(60)).await.unwrap(), [BackendId::GITEA]);
        assert_eq!(next.store.view().entries(Scope::All).len(), 1, "cut at {length}");
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), whole);
        assert_eq!(others(dir.path()), Vec::<String>::new());
        // What is written next can be read.
        next.reader.refresh(&id("provider/b"), Scope::All).await.unwrap();
        persister.save(after(61)).await.unwrap();
        let last = catalog(vec![Scripted::down(BackendId::GITEA)]);
        super::persister(&last, dir.path()).read(after(62)).await.unwrap();
        assert_eq!(last.store.view().entries(Scope::All).len(), 2, "cut at {length}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_log_with_a_damaged_batch_the_part_before_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]));
    let known = catalog(vec![backend.clone()]);
    known.syncer.sync(Scope::All).await.unwrap();
    let persister = persister(&known, dir.path());
    for (second, name) in [(0, "provider/b"), (1, "provider/c"), (2, "provider/d")] {
        persister.save(after(second)).await.unwrap();
        backend.inner.publish(&id(name), tag("1.0.0"), about("d", &[]), "b");
        known.reader.refresh(&id(name), Scope::All).await.unwrap();
    }
    persister.save(after(3)).await.unwrap();
    let damaged = text(dir.path()).replacen("provider/c", "provider/x", 1);
    fs::write(dir.path().join(FILE), &damaged).unwrap();
    let next = catalog(vec![Scripted::down(BackendId::GITEA)]);
    super::persister(&next, dir.path()).read(after(60)).await.unwrap();
    assert_eq!(next.store.view().entries(Scope::All).len(), 2);
    let aside = format!("{FILE}.damaged-{}", after(60).as_second());
    assert_eq!(others(dir.path()), [aside.as_str()]);
    assert_eq!(fs::read_to_string(dir.path().join(aside)).unwrap(), damaged);
    let again = catalog(vec![Scripted::down(BackendId::GITEA)]);
    super::persister(&again, dir.path()).read(after(60)).await.unwrap();
    assert_eq!(again.store.view().entries(Scope::All).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_log_of_many_changes_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]));
    let known = catalog(vec![backend.clone()]);
    let mut tasks = known.syncer.start();
    let persister = persister(&known, dir.path());
    tasks.spawn(Arc::clone(&persister).run());
    let text = "d".repeat(100_000);
    let mut longest = 0;
    for number in 0..30 {
        backend.inner.publish(
            &id("provider/a"),
            tag("1.0.0"),
            about(&format!("{number}{text}"), &[]),
            "a",
        );
        known.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
        sleep(Duration::from_secs(10)).await;
        longest = longest.max(fs::metadata(dir.path().join(FILE)).unwrap().len());
    }
    assert!((1_000_000..1_500_000).contains(&longest), "{longest}");
}

#[tokio::test(start_paused = true)]
async fn a_directory_of_version_0_2_is_taken_over_once() {
    let dir = of_version_0_2();
    let now = "2026-11-30T08:00:00Z".parse().unwrap();
    let prints = vec![(BackendId::LOCAL, "/srv/extensions".to_owned())];
    for start in 0..2 {
        let known = catalog(vec![Scripted::down(BackendId::LOCAL)]);
        let persister = Persister::new(Arc::clone(&known), dir.path(), prints.clone());
        assert_eq!(persister.read(now).await.unwrap(), [BackendId::LOCAL], "start {start}");
        let view = known.store.view();
        assert_eq!(view.entries(Scope::All).len(), 3);
        for name in ["provider/aws", "taskserv/cilium", "taskserv/containerd"] {
            assert!(text(dir.path()).contains(&format!(r#"{{"owner":["{name}","local"]}}"#)));
        }
        let pin = r#"{"pin":["local","provider/aws","1.2.0",[{"file":"aws-1.2.0.tar.gz""#;
        assert!(text(dir.path()).contains(pin));
        let snapshot = CatalogState::new(Arc::clone(&known), prints.clone()).snapshot(now);
        assert_eq!((snapshot.owners.len(), snapshot.extensions[&BackendId::LOCAL].len()), (3, 3));
        // Both files stay for a return to version 0.2, and are not read again.
        assert_eq!(others(dir.path()), ["catalogue.json", "digests.json"]);
        fs::write(dir.path().join("catalogue.json"), "nonsense").unwrap();
    }
}

#[tokio::test]
async fn a_directory_of_a_newer_release_is_an_error_and_stays_as_it_is() {
    for (name, head) in [
        (FILE, "{\"version\":4}\nof another form\n"),
        ("catalogue.json", "{\"version\":3,\"digest\":\"x\"}\n"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), head).unwrap();
        fs::write(dir.path().join(".state.log.unfinished-x"), "half").unwrap();
        let known = catalog(vec![Scripted::down(BackendId::GITEA)]);
        let error = persister(&known, dir.path()).read(noon()).await.unwrap_err().report();
        for part in [name, "version", "cache.state_dir", "nothing in it was changed"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), head);
        assert!(dir.path().join(".state.log.unfinished-x").exists());
    }
}

/// Two backends of Gitea, of which one gets another name for a while.
#[tokio::test(start_paused = true)]
async fn the_state_of_a_backend_that_is_not_configured_is_kept_for_thirty_days() {
    let prints = |named: BackendId| vec![(BackendId::OCI, "o".to_owned()), (named, "g".to_owned())];
    let renamed = "gitea/renamed".parse().unwrap();
    for (days, kept) in [(29, true), (31, false)] {
        let dir = tempfile::tempdir().unwrap();
        let oci = Arc::new(Scripted::new(BackendId::OCI, &["provider/o:1.0.0"]));
        let gitea = Arc::new(Scripted::new(internal(), &["provider/a:1.0.0"]));
        let backends: Vec<Arc<dyn Backend>> = vec![oci.clone(), gitea];
        let first = catalog(backends);
        first.syncer.sync(Scope::All).await.unwrap();
        Persister::new(first, dir.path(), prints(internal())).save(noon()).await.unwrap();

        for day in [1, days] {
            let (lines, _guard) = Lines::capture(tracing::Level::WARN);
            let backends: Vec<Arc<dyn Backend>> = vec![oci.clone(), Scripted::down(renamed)];
            let known = catalog(backends);
            let persister = Persister::new(known, dir.path(), prints(renamed));
            let now = after(day * DAY);
            assert_eq!(persister.load(now).unwrap().0, [BackendId::OCI]);
            let told = lines.take();
            // The days count from the first start without the name.
            let named = told.contains("gitea/internal") && told.contains("2025-07-02");
            assert_eq!(named, day == 1 || kept, "{told}");
            persister.save(now).await.unwrap();
        }
        let now = after((days + 1) * DAY);
        let known = catalog(vec![oci.clone(), Scripted::down(renamed)]);
        let persister = Persister::new(known, dir.path(), prints(renamed));
        persister.read(now).await.unwrap();
        persister.save(now).await.unwrap();
        assert_eq!(text(dir.path()).contains("gitea/internal"), kept, "{days} days");

        let known = catalog(vec![oci, Scripted::down(internal())]);
        let persister = Persister::new(known, dir.path(), prints(internal()));
        let restored = persister.read(now).await.unwrap();
        assert_eq!(restored.contains(&internal()), kept, "{days} days");
        persister.save(now).await.unwrap();
        assert!(!text(dir.path()).contains("retired"));
    }
}

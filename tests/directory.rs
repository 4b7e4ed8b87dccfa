//! The directory of local extensions itself: it is not there yet, comes, goes, or is none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use registry_backends::local::backend::LocalBackend;
use registry_catalog::state::Fingerprints;
use registry_catalog::state::persister::Persister;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::edge::middleware::HttpRules;
use registry_testing::canary::CLIENT;
use registry_testing::ids::id;
use registry_testing::log::Lines;
use registry_testing::memory::memory;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;
use tracing::Level;

use crate::api::admission::tokens;
use crate::support::layouts::publish;
use crate::support::program::{Running, unprivileged};
use crate::support::served::{Got, Served, Setup};

/// A place for a directory of extensions that is not there.
fn nowhere() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("extensions");
    (dir, path)
}

fn fill(path: &Path) {
    for name in ["provider/aws", "taskserv/etcd"] {
        publish(path, &id(name), "1.0.0", "described", b"bytes");
    }
}

/// Asks on the virtual clock until the answer is like this.
async fn until(served: &Served, path: &str, wanted: impl Fn(&Got) -> bool) -> Got {
    for _ in 0..2000 {
        let got = served.call(path, &[]).await;
        if wanted(&got) {
            return got;
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("{path} is never answered so");
}

async fn names(served: &Served) -> Vec<String> {
    served.call("/extensions", &[]).await.column("name")
}

async fn health(served: &Served) -> Value {
    served.call("/health", &[]).await.json()
}

fn is_failing(got: &Got) -> bool {
    got.json()["backends"]["local"]["last_error"].is_string()
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_not_there_yet_is_an_empty_catalog_with_a_warning() {
    let (_dir, path) = nowhere();
    let served = Served::local(&path).await;
    let list = served.call("/extensions", &[]).await;
    assert_eq!((list.status.as_u16(), list.text().as_str()), (200, "[]"));
    assert_eq!(list.header("extension-registry-degraded"), "");
    assert_eq!(served.call("/health/ready", &[]).await.status, 200);
    let missing = served.call("/extensions/provider/aws", &[]).await;
    assert_eq!(missing.status, 404, "{}", missing.text());
    // Whatever is asked of it from time to time.
    sleep(Duration::from_secs(100)).await;
    let health = health(&served).await;
    assert_eq!(health["status"], "healthy");
    let local = &health["backends"]["local"];
    assert_eq!((&local["healthy"], &local["extensions"]), (&json!(true), &json!(0)));
    assert_eq!((&local["last_error"], &local["faults_total"]), (&json!(null), &json!(1)));
    let reason = format!(
        "The directory of local extensions does not exist: create [local] path {}, or set \
         local.path to another directory",
        path.display()
    );
    let fault = json!({"repository": "*", "subject": "listing", "reason": reason});
    assert_eq!(local["faults"], json!([fault]));
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_comes_goes_and_comes_back_is_followed_and_said_once_each() {
    let (dir, path) = nowhere();
    let (lines, _guard) = Lines::capture(Level::INFO);
    let served = Served::local(&path).await;
    until(&served, "/extensions", |got| got.text() == "[]").await;
    let told = lines.take();
    assert_eq!(told.matches("backend serves nothing").count(), 1, "{told}");
    assert!(told.contains("WARN") && told.contains(path.to_str().unwrap()), "{told}");
    fill(&path);
    until(&served, "/extensions", |got| got.column("name") == ["aws", "etcd"]).await;
    let told = lines.take();
    assert_eq!(told.matches("the directory exists now").count(), 1, "{told}");
    assert_eq!(health(&served).await["backends"]["local"]["faults"], json!([]));

    fs::rename(&path, dir.path().join("away")).unwrap();
    let begun = tokio::time::Instant::now();
    let failing = until(&served, "/health", is_failing).await.json();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(failing["status"], "degraded");
    let local = &failing["backends"]["local"];
    assert_eq!((&local["healthy"], &local["extensions"]), (&json!(false), &json!(2)));
    let last_error = local["last_error"].as_str().unwrap();
    assert!(last_error.contains("does not exist") && last_error.contains(path.to_str().unwrap()));
    // Long enough for any number of answers that everything is gone.
    for _ in 0..10 {
        sleep(Duration::from_secs(90)).await;
        assert_eq!(names(&served).await, ["aws", "etcd"]);
    }
    let one = served.call("/extensions/provider/aws", &[]).await;
    assert_eq!((one.status.as_u16(), one.header("extension-registry-degraded")), (200, "local"));
    let unknown = served.call("/extensions/provider/new", &[]).await;
    assert_eq!(unknown.status, 503, "nobody can tell: {}", unknown.text());
    assert!(!unknown.text().contains(path.to_str().unwrap()), "{}", unknown.text());
    let told = lines.take();
    assert_eq!(told.matches("backend unavailable: The directory of local").count(), 1, "{told}");

    fs::rename(dir.path().join("away"), &path).unwrap();
    until(&served, "/health", |got| !is_failing(got)).await;
    let list =
        until(&served, "/extensions", |got| got.header("extension-registry-degraded").is_empty());
    assert_eq!(list.await.column("name"), ["aws", "etcd"]);
    assert_eq!(lines.take().matches("backend reachable").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_only_extension_of_a_directory_outlives_it_too() {
    let (dir, path) = nowhere();
    publish(&path, &id("provider/aws"), "1.0.0", "described", b"bytes");
    let served = Served::local(&path).await;
    until(&served, "/extensions", |got| got.column("name") == ["aws"]).await;
    fs::rename(&path, dir.path().join("away")).unwrap();
    until(&served, "/health", is_failing).await;
    for _ in 0..10 {
        sleep(Duration::from_secs(90)).await;
        assert_eq!(names(&served).await, ["aws"]);
    }
}

/// With a time to live that no test outlasts.
#[tokio::test]
async fn what_comes_to_the_directory_and_goes_is_seen_without_waiting_for_a_round() {
    let (dir, path) = nowhere();
    let day = Duration::from_hours(24);
    let backend: Arc<dyn Backend> = Arc::new(LocalBackend::new(BackendId::LOCAL, &path));
    let served = Served::with(vec![backend], Setup { ttl: day, ..Setup::default() }).await;
    assert_eq!(served.get("/extensions").await.text(), "[]");
    for (name, expected) in [("aws", &["aws"][..]), ("hetzner", &["aws", "hetzner"])] {
        publish(&path, &id(&format!("provider/{name}")), "1.0.0", "described", b"bytes");
        while served.get("/extensions").await.column("name") != expected {
            tokio::task::yield_now().await;
        }
    }
    fs::rename(&path, dir.path().join("away")).unwrap();
    while !is_failing(&served.get("/health").await) {
        tokio::task::yield_now().await;
    }
    fs::rename(dir.path().join("away"), &path).unwrap();
    while is_failing(&served.get("/health").await) {
        tokio::task::yield_now().await;
    }
}

/// A place whose file system was unmounted is there, and holds nothing.
#[tokio::test(start_paused = true)]
async fn the_empty_place_of_a_file_system_that_is_not_mounted_removes_nothing() {
    for extensions in [&["provider/aws"][..], &["provider/aws", "taskserv/etcd"]] {
        let dir = tempfile::tempdir().unwrap();
        let (mounted, path) = (dir.path().join("mounted"), dir.path().join("extensions"));
        for name in extensions {
            publish(&mounted, &id(name), "1.0.0", "d", b"bytes");
        }
        symlink(&mounted, &path).unwrap();
        let served = Served::local(&path).await;
        until(&served, "/extensions", |got| got.column("name").len() == extensions.len()).await;
        fs::remove_file(&path).unwrap();
        // Always of another file system, and without extensions.
        symlink("/proc/self", &path).unwrap();
        let failing = until(&served, "/health", is_failing).await.json();
        let last_error = failing["backends"]["local"]["last_error"].as_str().unwrap();
        assert!(last_error.contains("is on another file system than before"), "{last_error}");
        for _ in 0..10 {
            sleep(Duration::from_secs(90)).await;
            assert_eq!(names(&served).await.len(), extensions.len());
        }
        fs::remove_file(&path).unwrap();
        symlink(&mounted, &path).unwrap();
        until(&served, "/health", |got| !is_failing(got)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_known_of_a_directory_outlives_a_restart_without_it() {
    let (dir, path) = nowhere();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    fill(&path);
    let prints: Fingerprints = vec![(BackendId::LOCAL, path.display().to_string())];
    let first = Served::local(&path).await;
    until(&first, "/extensions", |got| got.column("name").len() == 2).await;
    let now = Timestamp::now();
    let persister = Persister::new(Arc::clone(&first.catalog), &state, prints.clone());
    persister.save(now).await.unwrap();
    drop(first);
    fs::rename(&path, dir.path().join("away")).unwrap();
    let kept = Some((state.clone(), prints.clone(), now));
    let setup = Setup { state: kept, ..Setup::default() };
    let backend: Arc<dyn Backend> = Arc::new(LocalBackend::new(BackendId::LOCAL, &path));
    let second = Served::with(vec![backend], setup).await;
    assert_eq!(names(&second).await, ["aws", "etcd"]);
    let failing = until(&second, "/health", is_failing).await.json();
    assert_eq!(failing["status"], "degraded");
    for _ in 0..10 {
        sleep(Duration::from_secs(90)).await;
        assert_eq!(names(&second).await, ["aws", "etcd"]);
    }
    fs::rename(dir.path().join("away"), &path).unwrap();
    until(&second, "/health", |got| !is_failing(got)).await;
    drop(second);
    // What the state file knows tells a mount that is missing, too.
    fs::rename(&path, dir.path().join("away")).unwrap();
    symlink("/proc/self", &path).unwrap();
    let backend: Arc<dyn Backend> = Arc::new(LocalBackend::new(BackendId::LOCAL, &path));
    let setup = Setup { state: Some((state, prints, now)), ..Setup::default() };
    let third = Served::with(vec![backend], setup).await;
    until(&third, "/health", is_failing).await;
    sleep(Duration::from_mins(15)).await;
    assert_eq!(names(&third).await, ["aws", "etcd"]);
}

/// Who comes before others in the order owns what it has: without it nobody knows what that is.
#[tokio::test(start_paused = true)]
async fn a_missing_directory_gives_no_name_of_its_own_to_a_backend_behind_it() {
    let (_dir, path) = nowhere();
    let oci = memory(BackendId::OCI, &["provider/aws:9.0.0"]);
    let backends: Vec<Arc<dyn Backend>> =
        vec![Arc::new(LocalBackend::new(BackendId::LOCAL, &path)), oci];
    let served = Served::with(backends, Setup::default()).await;
    until(&served, "/health", is_failing).await;
    let list = served.call("/extensions", &[]).await;
    assert_eq!(list.column("name"), ["aws"]);
    assert_eq!(list.header("extension-registry-degraded"), "local");
    let one = served.call("/extensions/provider/aws", &[]).await;
    assert_eq!(one.status, 503, "{}", one.text());
    assert_eq!(served.call("/extensions/provider/aws?source=oci", &[]).await.status, 200);
    assert_eq!(served.call("/health/ready", &[]).await.status, 200);
    fs::create_dir(&path).unwrap();
    until(&served, "/extensions/provider/aws", |got| got.status == 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_path_that_is_no_directory_is_a_failure_that_says_what_it_is() {
    let (dir, path) = nowhere();
    let made = |make: &dyn Fn(&Path)| {
        let place = tempfile::tempdir_in(dir.path()).unwrap().keep().join("extensions");
        make(&place);
        place
    };
    let mkfifo = |place: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(place).status().unwrap().success());
    };
    fs::write(&path, "").unwrap();
    for (place, what) in [
        (made(&|place| fs::write(place, "").unwrap()), "is a file, not a directory"),
        (made(&mkfifo), "is a pipe, not a directory"),
        (path.join("below"), "leads through something that is not a directory"),
    ] {
        let served = Served::local(&place).await;
        let failing = until(&served, "/health", is_failing).await.json();
        assert_eq!(failing["status"], "unhealthy", "{what}");
        let last_error = failing["backends"]["local"]["last_error"].as_str().unwrap();
        assert!(last_error.contains(what), "{last_error}");
        assert!(last_error.contains(place.to_str().unwrap()), "{last_error}");
        let list = served.call("/extensions", &[]).await;
        assert_eq!(list.status, 503);
        assert!(!list.text().contains("/extensions"), "{}", list.text());
        assert_eq!(served.call("/health/ready", &[]).await.status, 503);
    }
    // A file that gives way to a directory.
    let served = Served::local(&path).await;
    until(&served, "/health", is_failing).await;
    fs::remove_file(&path).unwrap();
    fill(&path);
    until(&served, "/extensions", |got| got.status == 200 && got.column("name").len() == 2).await;
}

#[tokio::test]
async fn a_directory_that_we_may_not_read_says_who_may_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    fill(&dir.path().join("extensions"));
    let closed = fs::Permissions::from_mode(0o000);
    fs::set_permissions(dir.path().join("extensions"), closed).unwrap();
    fs::write(dir.path().join("config.toml"), "[local]\npath = \"extensions\"\n").unwrap();
    let mut command = unprivileged(dir.path());
    command.args(["--host", "127.0.0.1"]);
    let running = Running::of(command);
    let list = running.get("/extensions").await;
    assert_eq!(list.status, 503, "{}", list.text());
    assert!(!list.text().contains(dir.path().to_str().unwrap()), "{}", list.text());
    let health = running.get("/health").await.json();
    let last_error = health["backends"]["local"]["last_error"].as_str().unwrap();
    let absolute = dir.path().canonicalize().unwrap().join("extensions");
    let place = format!("[local] path extensions ({}) may not be opened", absolute.display());
    assert!(last_error.contains(&place) && last_error.contains("by user "), "{last_error}");
    fs::set_permissions(dir.path().join("extensions"), fs::Permissions::from_mode(0o755)).unwrap();
    while running.get("/extensions").await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn s08b_the_path_of_a_directory_is_told_to_nobody_without_a_token() {
    let (dir, path) = nowhere();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [&path, &file] {
        let admission = Arc::new(tokens(&[("ci", CLIENT)]));
        let http = HttpRules { admission, ..Setup::default().http };
        let setup = Setup { http, ..Setup::default() };
        let backend: Arc<dyn Backend> = Arc::new(LocalBackend::new(BackendId::LOCAL, place));
        let served = Served::with(vec![backend], setup).await;
        let _ = served.catalog.syncer.sync(Scope::All).await;
        let shown = place.to_str().unwrap();
        let bearer = format!("Bearer {CLIENT}");
        let known = [("authorization", bearer.as_str())];
        let told = served.call("/health", &known).await.text();
        assert!(told.contains(shown), "{told}");
        for (headers, is_known) in [(&[][..], false), (&known[..], true)] {
            for path in [
                "/health",
                "/health/ready",
                "/extensions",
                "/extensions/provider/aws",
                "/extensions/provider/aws/1.0.0",
                "/extensions/provider/aws/readme",
                "/extensions/search?q=a",
                "/metrics",
            ] {
                let told = served.call(path, headers).await.text();
                let may = is_known && path == "/health";
                assert!(may || !told.contains(dir.path().to_str().unwrap()), "{path}: {told}");
            }
        }
    }
}

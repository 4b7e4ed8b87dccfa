//! Backends that are slow or never end, clients that leave, names that change: over the whole API.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend;
use registry_core::error::ErrorKind;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::server::Limits;
use registry_testing::canary::secret_for;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::{FakeGitea, Fault};
use registry_testing::ids::{id, tag};
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Sending};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet, yield_now};
use tokio::time::Instant;

use crate::support::served::{Served, Setup};

fn gitea(url: &str) -> Arc<dyn Backend> {
    let settings = GiteaSettings::new(url.parse().unwrap(), ORGANIZATION.parse().unwrap());
    let settings =
        GiteaSettings { token: Some(secret_for(url, "<read>").parse().unwrap()), ..settings };
    Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap())
}

fn oci(url: &str) -> Arc<dyn Backend> {
    let settings = OciSettings::new(url.parse().unwrap(), "provisioning".parse().unwrap());
    Arc::new(OciBackend::new(settings, Arc::new(())).unwrap())
}

/// What each question about metadata fails with.
async fn failures(backend: &dyn Backend) -> [ErrorKind; 4] {
    let aws = id("provider/aws");
    [
        backend.listing().await.unwrap_err().kind(),
        backend.extension(&aws).await.unwrap_err().kind(),
        backend.version(&aws, &tag("1.0.0")).await.unwrap_err().kind(),
        backend.probe().await.unwrap_err().kind(),
    ]
}

#[tokio::test(start_paused = true)]
async fn row_02_a_backend_that_hangs_keeps_nobody_from_another() {
    let mut state = State::empty();
    state.create_released("slow_prov", "1.0.0", b"slow");
    let fake = FakeGitea::start(state).await;
    let fast = memory(BackendId::LOCAL, &["provider/fast:1.0.0"]);
    let limits = Limits { max_connections: 1000, ..Setup::default().limits };
    let setup = Setup { limits, ..Setup::default() };
    let served = Arc::new(Served::with(vec![gitea(fake.url().as_str()), fast], setup).await);
    served.catalog.reader.ready(Scope::All).await.unwrap();
    fake.fault("", Fault::Hang);
    let mut waiting = JoinSet::new();
    for number in 0..200 {
        let served = Arc::clone(&served);
        waiting.spawn(async move {
            match number % 2 {
                0 => served.get("/extensions/provider/slow/1.0.0").await,
                _ => served.get(&format!("/extensions/provider/made-up-{number}")).await,
            }
        });
    }
    while !fake.has_seen("/attachments/") {
        yield_now().await;
    }
    let begun = Instant::now();
    for _ in 0..200 {
        let bytes = served.get("/extensions/provider/fast/1.0.0").await;
        assert_eq!(bytes.text(), "provider/fast:1.0.0@local");
        assert_eq!(served.get("/extensions").await.column("name"), ["fast", "slow"]);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn row_04_an_answer_that_comes_byte_by_byte_ends_with_the_deadline() {
    let server = ScriptedRegistry::start(|_| Reply::json("").sending(Sending::Dripping)).await;
    for backend in [gitea(&server.url()), oci(&server.url())] {
        let begun = Instant::now();
        assert_eq!(backend.listing().await.unwrap_err().kind(), ErrorKind::BackendTimeout);
        assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
    }
}

/// A server whose every answer is JSON without end. Keeps the most that it got rid of in one.
async fn endless() -> (String, Arc<AtomicUsize>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let most = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&most);
    let serving = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[";
            let mut sent = 0;
            while let Ok(bytes) = match sent {
                0 => socket.write(head.as_bytes()).await,
                _ => socket.write(&vec![b' '; 64 * 1024]).await,
            } {
                sent += bytes;
            }
            counted.fetch_max(sent, Ordering::SeqCst);
        }
    });
    (url, most, serving)
}

#[tokio::test]
async fn row_19_an_answer_without_end_is_left_at_its_bound() {
    // What sockets hold on their way comes on top of the bound of 16 MiB.
    const TAKEN_MAX: usize = 32 * 1024 * 1024;
    for backend in [gitea, oci] {
        let (url, most, serving) = endless().await;
        assert_eq!(failures(&*backend(&url)).await, [ErrorKind::BackendFaulty; 4]);
        while most.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        assert!(most.load(Ordering::SeqCst) <= TAKEN_MAX, "{most:?} bytes");
        serving.abort();
    }
}

#[tokio::test]
async fn row_33_what_a_client_leaves_half_read_is_let_go_upstream() {
    let hold = Arc::new(Notify::new());
    let mut backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.hold = Some(Arc::clone(&hold));
    let served = Served::over(vec![Arc::new(backend)]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let url = format!("{}/api/v1/extensions/provider/aws/1.0.0", served.base);
    let before = Arc::strong_count(&hold);
    let mut begun = Vec::new();
    for _ in 0..50 {
        begun.push(reqwest::get(&url).await.unwrap());
    }
    assert_eq!(Arc::strong_count(&hold), before + 50, "each holds its download open");
    drop(begun);
    while Arc::strong_count(&hold) > before {
        yield_now().await;
    }
}

#[tokio::test]
async fn row_45_a_renamed_repository_is_told_by_its_new_name_in_any_case() {
    let fake = FakeGitea::start(State::recorded()).await;
    let served = Served::over(vec![gitea(fake.url().as_str())]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let old = served.get("/extensions/provider/old").await;
    assert_eq!(old.status, StatusCode::NOT_FOUND);
    assert_eq!(old.json()["error"], "not_found");
    assert!(old.text().contains("Extension provider/old"), "{}", old.text());
    for name in ["gcp", "GCP", "Gcp"] {
        let found = served.get(&format!("/extensions/provider/{name}")).await.json();
        assert_eq!((&found["name"], &found["version"]), (&"gcp".into(), &"3.1.0".into()));
    }
}

//! Wrong bytes through sockets: whatever a backend sends, no client has all of something else than
//! the artifact, and nothing else is ever stored. The client checks that it got everything.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend;
use registry_core::models::digest::Digest;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::{FakeGitea, Fault};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Sending};
use reqwest::StatusCode;

use super::{ROOM, files};
use crate::support::served::{Served, Setup};

const PATH: &str = "/api/v1/extensions/provider/x/1.0.0";
const CORRUPTIONS: usize = 500;

/// Sizes of bodies that come as one piece, and as several.
const SIZES: [usize; 2] = [3_000, 70_000];

fn body(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at * at % 251).unwrap()).collect()
}

async fn served(backend: impl Backend + 'static, dir: &Path) -> Served {
    let setup = Setup { store: Some((dir.to_owned(), ROOM)), ..Setup::default() };
    let served = Served::with(vec![Arc::new(backend)], setup).await;
    served.get("/extensions").await;
    served
}

/// What a client has in the end: everything that was announced, or nothing that it could use.
async fn complete(served: &Served) -> Option<Vec<u8>> {
    let response = reqwest::get(format!("{}{PATH}", served.base)).await.unwrap();
    if response.status() != StatusCode::OK {
        assert!(response.status().is_server_error(), "{}", response.status());
        return None;
    }
    let announced = response.content_length().unwrap();
    let body = response.bytes().await.ok()?;
    (body.len() as u64 == announced).then(|| body.to_vec())
}

/// One bit of these bytes is another, a different one each time.
fn corrupted(good: &[u8], number: usize) -> Vec<u8> {
    let mut bad = good.to_vec();
    // Strides that share no factor with the lengths visit every part of them.
    let at = number * 7919 % good.len();
    bad[at] ^= 1 << (number % 8);
    bad
}

fn assert_nothing_stored(dir: &Path) {
    assert_eq!(files(dir), [""; 0]);
}

async fn gitea(fake: &FakeGitea, dir: &Path) -> Served {
    let settings = GiteaSettings {
        token: Some(fake.token("<read>")),
        ..GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap())
    };
    served(GiteaBackend::new(settings, Arc::new(())).unwrap(), dir).await
}

/// A release with a checksum beside its archive; answers the archive's uuid.
async fn released(good: &[u8]) -> (FakeGitea, String) {
    let mut state = State::empty();
    state.create("x_prov", "made for a test");
    let sum = format!("{}  x_prov.tar.gz\n", Digest::sha256(good).hex());
    let assets = [("x_prov.tar.gz", good), ("x_prov.tar.gz.sha256", sum.as_bytes())];
    let uuid = state.publish("x_prov", "1.0.0", &assets).remove(0);
    (FakeGitea::start(state).await, uuid)
}

#[tokio::test]
async fn row_09_five_hundred_corruptions_by_gitea_are_never_served_whole_nor_stored() {
    let dir = tempfile::tempdir().unwrap();
    for size in SIZES {
        let good = body(size);
        let (fake, uuid) = released(&good).await;
        let store = dir.path().join(size.to_string());
        let served = gitea(&fake, &store).await;
        for number in 0..CORRUPTIONS / SIZES.len() {
            let bad = corrupted(&good, number);
            fake.edit(|state| state.files.insert(uuid.clone(), bad));
            assert_eq!(complete(&served).await, None, "corruption {number}");
        }
        served.artifacts.settle().await;
        assert_nothing_stored(&store);
        let faults = &served.get("/health").await.json()["backends"]["gitea"]["faults"];
        assert!(faults[0]["reason"].as_str().unwrap().contains("digest"), "{faults}");
        fake.edit(|state| state.files.insert(uuid.clone(), good.clone()));
        assert!(complete(&served).await.unwrap() == good, "and the good ones are");
        let metrics = served.get("/metrics").await.text();
        let count = CORRUPTIONS / SIZES.len();
        let line = format!("digest_mismatches_total{{backend=\"gitea\"}} {count}\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

/// A registry with one release, whose blob is sent as told.
async fn registry(good: &[u8], sent: &Arc<Mutex<Reply>>) -> ScriptedRegistry {
    let mut store = Store::default();
    store.push("provisioning/x-provider", "1.0.0", good);
    let played = PlayedRegistry::new(Dialect::Zot, store);
    let sent = Arc::clone(sent);
    ScriptedRegistry::start(move |seen| {
        if seen.path().contains("/blobs/") {
            std::mem::replace(&mut *sent.lock(), Reply::new(500))
        } else {
            played.answer(seen)
        }
    })
    .await
}

async fn oci(registry: &ScriptedRegistry, dir: &Path) -> Served {
    let settings =
        OciSettings::new(registry.url().parse().unwrap(), "provisioning".parse().unwrap());
    served(OciBackend::new(settings, Arc::new(())).unwrap(), dir).await
}

#[tokio::test]
async fn row_09_five_hundred_corruptions_by_a_registry_are_never_served_whole_nor_stored() {
    let dir = tempfile::tempdir().unwrap();
    for size in SIZES {
        let good = body(size);
        let sent = Arc::new(Mutex::new(Reply::new(500)));
        let registry = registry(&good, &sent).await;
        let store = dir.path().join(size.to_string());
        let served = oci(&registry, &store).await;
        for number in 0..CORRUPTIONS / SIZES.len() {
            *sent.lock() = Reply::new(200).bytes(corrupted(&good, number));
            assert_eq!(complete(&served).await, None, "corruption {number}");
        }
        served.artifacts.settle().await;
        assert_nothing_stored(&store);
        *sent.lock() = Reply::new(200).bytes(good.clone());
        assert!(complete(&served).await.unwrap() == good);
    }
}

#[tokio::test]
async fn row_07_ninety_nine_cuts_are_right_or_not_whole() {
    let dir = tempfile::tempdir().unwrap();
    let good = body(SIZES[1]);
    let (fake, _) = released(&good).await;
    let sent = Arc::new(Mutex::new(Reply::new(500)));
    let registry = registry(&good, &sent).await;
    let mut whole = 0;
    for percent in 1..=99 {
        let at = good.len() * percent / 100;
        let store = dir.path().join(percent.to_string());
        let served = if percent % 2 == 0 {
            fake.fault("/attachments/", Fault::Cut(at));
            let served = gitea(&fake, &store).await;
            fake.heal();
            fake.fault(&uuid_part(&fake), Fault::Cut(at));
            served
        } else {
            let bytes = Bytes::copy_from_slice(&good[..at]);
            let announced = good.len();
            *sent.lock() = Reply::new(200).sending(Sending::Cut { announced, bytes });
            oci(&registry, &store).await
        };
        if let Some(got) = complete(&served).await {
            // What broke off may go on; then it is all there.
            assert!(got == good, "cut at {percent} %");
            whole += 1;
        } else {
            served.artifacts.settle().await;
            assert_nothing_stored(&store);
        }
        fake.heal();
    }
    assert!(whole < 99, "most cuts stay cuts");
}

/// The address of the archive alone, so that the checksum beside it is sent whole.
fn uuid_part(fake: &FakeGitea) -> String {
    fake.edit(|state| {
        let assets = state.repository_mut("x_prov").releases[0]["assets"].clone();
        assets[0]["uuid"].as_str().unwrap().to_owned()
    })
}

#[tokio::test]
async fn row_08_lying_lengths_are_never_whole() {
    let good = body(SIZES[1]);
    for (announced, bytes) in [
        (Some(good.len() - 1), good[..good.len() - 1].to_vec()),
        (Some(good.len() + 1), [good.clone(), vec![0]].concat()),
        (None, good[..good.len() - 1].to_vec()),
        (None, [good.clone(), vec![0]].concat()),
        (None, Vec::new()),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let sent = Arc::new(Mutex::new(Reply::new(500)));
        let registry = registry(&good, &sent).await;
        let sending = match announced {
            Some(_) => Sending::Whole(bytes.into()),
            None => Sending::Chunked(bytes.into()),
        };
        *sent.lock() = Reply::new(200).sending(sending);
        let served = oci(&registry, dir.path()).await;
        assert_eq!(complete(&served).await, None);
        served.artifacts.settle().await;
        assert_nothing_stored(dir.path());
        // Without a length at all, the right bytes are the right bytes.
        *sent.lock() = Reply::new(200).sending(Sending::Chunked(good.clone().into()));
        assert!(complete(&served).await.unwrap() == good);
    }
}

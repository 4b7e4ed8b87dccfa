//! What a sweep, a quiet round and a full read cost in requests.

use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::Mutex;
use registry_core::backend::Backend as _;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::extension::Extension;
use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::{Store, manifest_of};
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Sending};

use super::{backend, id, versions};

async fn play(store: Store) -> (ScriptedRegistry, Arc<Mutex<Store>>) {
    let store = Arc::new(Mutex::new(store));
    let played = Arc::clone(&store);
    let server = ScriptedRegistry::start(move |seen| {
        PlayedRegistry::new(Dialect::Distribution, played.lock().clone()).answer(seen)
    });
    (server.await, store)
}

fn many(repositories: usize) -> Store {
    let mut store = Store::default();
    for number in 0..repositories {
        let name = format!("provisioning/ext{number:04}-provider");
        store.push(&name, "1.0.0", b"first");
        store.push(&name, "1.1.0", name.as_bytes());
    }
    store
}

fn unread(extension: &Extension) -> usize {
    let unread = |artifact: &ArtifactChoice| *artifact == ArtifactChoice::Unread;
    extension.releases().iter().filter(|release| unread(&release.artifact)).count()
}

#[tokio::test]
async fn a_cold_sweep_asks_twice_for_each_repository() {
    let (server, _) = play(many(250)).await;
    let backend = backend(&server.url());
    let listing = backend.listing().await.unwrap();
    assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (250, true));
    assert_eq!(server.take().len(), 3, "one page for each hundred");
    for extension in join_all(listing.ids.iter().map(|id| backend.extension(id))).await {
        let extension = extension.unwrap();
        assert_eq!(versions(&extension), ["1.1.0", "1.0.0"]);
        assert!(extension.latest().unwrap().artifact.chosen().is_some());
        assert_eq!(unread(&extension), 1);
    }
    assert_eq!(server.count("/tags/list"), 250);
    assert_eq!(server.count("/manifests/1.1.0"), 250);
    assert_eq!(server.take().len(), 500);
    // Again: the same tags stand for the same digests, which are known.
    join_all(listing.ids.iter().map(|id| backend.extension(id))).await;
    assert_eq!(server.count("HEAD "), 250);
    assert_eq!(server.take().len(), 500);
}

#[tokio::test]
async fn a_quiet_round_asks_for_catalog_and_tags_only() {
    let (server, store) = play(many(20)).await;
    let backend = backend(&server.url());
    let Changes::These { dirty, cursor, .. } = backend.changes(None).await.unwrap() else {
        panic!()
    };
    assert_eq!(dirty, []);
    for id in backend.listing().await.unwrap().ids {
        backend.extension(&id).await.unwrap();
    }
    server.take();
    let again = backend.changes(Some(&cursor)).await.unwrap();
    let Changes::These { dirty, cursor, .. } = again else { panic!("it can tell") };
    assert_eq!(dirty, []);
    assert_eq!((server.count("_catalog"), server.count("/tags/list")), (1, 20));
    assert_eq!(server.take().len(), 21);
    store.lock().push("provisioning/ext0003-provider", "1.2.0", b"new");
    store.lock().push("provisioning/new-cluster", "0.1.0", b"new");
    store.lock().repositories.remove("provisioning/ext0005-provider");
    let Changes::These { mut dirty, .. } = backend.changes(Some(&cursor)).await.unwrap() else {
        panic!("it can tell")
    };
    dirty.sort();
    let expected = ["ext0003-provider", "ext0005-provider", "new-cluster"].map(id);
    assert_eq!(dirty, expected);
    let foreign = backend.changes(Some(&ChangeCursor::new("x"))).await.unwrap();
    assert_eq!(foreign, Changes::CannotTell);
}

#[tokio::test]
async fn another_process_goes_on_with_a_quiet_round() {
    let (server, store) = play(many(20)).await;
    let first = backend(&server.url());
    for id in first.listing().await.unwrap().ids {
        first.extension(&id).await.unwrap();
    }
    let Changes::These { cursor, .. } = first.changes(None).await.unwrap() else { panic!() };
    store.lock().push("provisioning/ext0003-provider", "1.2.0", b"new");
    server.take();
    let second = backend(&server.url());
    let Changes::These { dirty, cursor, .. } = second.changes(Some(&cursor)).await.unwrap() else {
        panic!("it can tell")
    };
    assert_eq!(dirty, [id("ext0003-provider")]);
    assert_eq!((server.count("_catalog"), server.count("/tags/list")), (1, 20));
    assert_eq!(server.take().len(), 21, "no manifest is read");
    let again = second.changes(Some(&cursor)).await.unwrap();
    assert!(matches!(again, Changes::These { dirty, .. } if dirty.len() == 1), "nobody read it");
}

#[tokio::test]
async fn a_slow_list_of_versions_keeps_nobody_else_waiting() {
    let mut store = many(3);
    for number in 0..40 {
        let archive = format!("archive {number}");
        store.push("provisioning/slow-taskserv", &format!("1.{number}.0"), archive.as_bytes());
    }
    let server = ScriptedRegistry::start(move |seen| {
        if seen.target.contains("/slow-taskserv/manifests/") {
            return Reply::new(200).sending(Sending::Silence);
        }
        PlayedRegistry::new(Dialect::Distribution, store.clone()).answer(seen)
    });
    let server = server.await;
    let backend = Arc::new(backend(&server.url()));
    let slow = tokio::spawn({
        let backend = Arc::clone(&backend);
        async move { backend.releases(&id("slow-taskserv")).await }
    });
    while server.count("/slow-taskserv/manifests/") < 4 {
        tokio::task::yield_now().await;
    }
    for id in backend.listing().await.unwrap().ids.iter().take(3) {
        assert!(backend.extension(id).await.is_ok(), "{id}");
    }
    assert_eq!(server.count("/slow-taskserv/manifests/"), 4, "half of the connections are left");
    assert!(!slow.is_finished());
    slow.abort();
}

#[tokio::test]
async fn all_releases_are_read_once_for_all_callers() {
    let mut store = Store::default();
    for number in 0..40 {
        let archive = format!("archive {number}");
        store.push("provisioning/many-taskserv", &format!("1.{number}.0"), archive.as_bytes());
    }
    let (server, store) = play(store).await;
    let backend = backend(&server.url());
    let many = id("many-taskserv");
    let swept = backend.extension(&many).await.unwrap();
    assert_eq!((swept.releases().len(), unread(&swept)), (40, 39));
    server.take();
    for extension in join_all((0..10).map(|_| backend.releases(&many))).await {
        let extension = extension.unwrap();
        assert_eq!((extension.releases().len(), unread(&extension)), (40, 0));
    }
    assert_eq!(server.count("/tags/list"), 1, "ten callers, one question");
    assert_eq!(server.count("GET /v2/provisioning/many-taskserv/manifests/"), 39);
    server.take();
    let swept = backend.extension(&many).await.unwrap();
    assert_eq!(unread(&swept), 0, "what was read is not forgotten by the next sweep");
    assert_eq!(server.take().len(), 1 + 40, "the tags, and a HEAD for each release that was read");
    // A moved tag is seen when all are asked for again, by a HEAD; nothing else is read again.
    store.lock().push("provisioning/many-taskserv", "1.5.0", b"moved");
    let moved = backend.releases(&many).await.unwrap();
    assert_eq!(moved.find(&"1.5.0".parse().unwrap()).unwrap().artifact.chosen().unwrap().size, 5);
    assert_eq!(server.count("GET /v2/provisioning/many-taskserv/manifests/"), 1);
}

#[tokio::test]
async fn floating_tags_are_resolved_and_hidden() {
    let mut store = Store::default();
    let name = "provisioning/aws-provider";
    store.push(name, "1.2.9", b"old");
    for tag in ["1.3.0", "1.3", "v1", "latest"] {
        store.push(name, tag, b"newest");
    }
    store.push(name, "1.1", b"its own");
    let (server, _) = play(store).await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(versions(&extension), ["1.3.0", "1.2.9", "1.1"]);
    assert_eq!((server.count("HEAD "), server.count("GET ")), (3, 2));
    // One that floats to an older version, which was not read, is hidden as well.
    let mut store = Store::default();
    store.push(name, "2.0.0", b"newest");
    for tag in ["1.9.1", "1.9", "v1"] {
        store.push(name, tag, b"older");
    }
    store.push(name, "1.9.0", b"oldest");
    let (server, _) = play(store).await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(versions(&extension), ["2.0.0", "1.9.1", "1.9.0"]);
    assert_eq!((server.count("HEAD "), server.count("GET ")), (3, 2), "two floats and one target");
    // A float that is the latest by its number is not taken for a version of its own.
    let mut store = Store::default();
    store.push(name, "2.0", b"same");
    store.push(name, "1.9.0", b"same");
    let (server, _) = play(store).await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(versions(&extension), ["1.9.0"]);
    // Nor is one that has the numbers of the version it floats to.
    let mut store = Store::default();
    for tag in ["2.1", "v2", "2.1.0"] {
        store.push(name, tag, b"same");
    }
    store.push(name, "2.0.9", b"older");
    let (server, _) = play(store).await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(versions(&extension), ["2.1.0", "2.0.9"]);
}

#[tokio::test]
async fn where_the_newest_holds_nothing_the_next_are_read() {
    let mut store = Store::default();
    let name = "provisioning/aws-provider";
    let readme = store.blob(name, b"# read me");
    for number in 0..10 {
        let tag = format!("2.{number}.0");
        let mut manifest = manifest_of(&[(readme.clone(), 9, "README.md")]);
        manifest["annotations"]["number"] = number.to_string().into();
        store.push_manifest(name, &tag, &manifest);
    }
    store.push(name, "2.6.5", b"usable");
    let (server, _) = play(store.clone()).await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert_eq!(extension.latest().unwrap().version.as_str(), "2.6.5");
    assert_eq!(server.count("/manifests/"), 4);
    store.repositories.get_mut(name).unwrap().tags.retain(|(tag, _)| tag != "2.6.5");
    let (server, store) = play(store).await;
    let backend = backend(&server.url());
    backend.extension(&id("aws-provider")).await.unwrap();
    assert_eq!(server.count("/manifests/"), 6, "the newest and five more");
    assert_eq!(versions(&backend.releases(&id("aws-provider")).await.unwrap()), [""; 0]);
    // What holds nothing stays unlisted, and is looked at again: an archive may follow.
    let extension = backend.extension(&id("aws-provider")).await.unwrap();
    assert_eq!(versions(&extension), [""; 0]);
    store.lock().push(name, "2.9.0", b"followed");
    let extension = backend.extension(&id("aws-provider")).await.unwrap();
    assert_eq!(versions(&extension), ["2.9.0"]);
}

#[tokio::test]
async fn unversioned_tags_are_read_only_where_there_is_no_version() {
    let mut store = Store::default();
    for number in 0..25 {
        let archive = format!("archive {number}");
        store.push(
            "provisioning/nightly-cluster",
            &format!("build-{number:02}"),
            archive.as_bytes(),
        );
    }
    store.push("provisioning/cilium-taskserv", "1.16.0", b"archive");
    store.push("provisioning/cilium-taskserv", "tmp-amd64", b"archive for amd64");
    let (server, _) = play(store).await;
    let backend = backend(&server.url());
    let nightly = backend.extension(&id("nightly-cluster")).await.unwrap();
    assert_eq!(server.count("/manifests/"), 20);
    assert_eq!((nightly.releases().len(), unread(&nightly)), (25, 5));
    server.take();
    let cilium = backend.extension(&id("cilium-taskserv")).await.unwrap();
    assert_eq!(versions(&cilium), ["1.16.0", "tmp-amd64"]);
    assert_eq!(server.count("/manifests/"), 1);
}

#[tokio::test]
async fn the_sweep_of_a_real_registry_finds_everything() {
    let Some(real) = DockerRegistry::start(Access::Open).await else { return };
    let mut store = many(12);
    for name in store.repositories.clone().into_keys() {
        store.blob(&name, b"{}");
    }
    Pusher::new(&real.url(), None).store(&store).await;
    let backend = backend(&real.url());
    let listing = backend.listing().await.unwrap();
    assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (12, true));
    let Changes::These { cursor, .. } = backend.changes(None).await.unwrap() else { panic!() };
    for id in &listing.ids {
        assert_eq!(versions(&backend.extension(id).await.unwrap()), ["1.1.0", "1.0.0"]);
    }
    let quiet = backend.changes(Some(&cursor)).await.unwrap();
    assert!(matches!(quiet, Changes::These { dirty, .. } if dirty.is_empty()));
}

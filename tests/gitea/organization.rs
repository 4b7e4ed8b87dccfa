//! The organization of the recorded exchanges, listed exactly as the contract says.

use std::collections::BTreeMap;

use registry_core::backend::Backend as _;
use registry_core::models::naming::ExtensionId;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;

use super::{archive, backend, backend_of, id, settings, versions};

/// Written by hand: every extension with its versions as they are listed.
const EXPECTED: [(&str, &[&str]); 17] = [
    ("provider/aws", &["1.2.0", "1.1.0", "1.0.0"]),
    ("cluster/buildkit", &["0.14.1", "0.13.0"]),
    ("cluster/ci", &["2.0.0"]),
    // The hostile files beside the archive are set aside.
    ("taskserv/evil", &["1.0.0"]),
    // Its archive still bears the old name; it is the only one.
    ("provider/gcp", &["3.1.0"]),
    // 1.1.0 is a draft since its git tag was deleted.
    ("taskserv/gone", &["1.0.0"]),
    // 2.0.0 is a draft.
    ("provider/hetzner", &["2.0.0-rc.1", "1.9.3"]),
    ("taskserv/kubernetes", &["1.30.1", "1.29.0"]),
    ("taskserv/MinIO", &["2024.10.2", "2024.1.15"]),
    // Two suffixes: the last one counts.
    ("taskserv/my_prov", &["0.1.0"]),
    // What is no version comes last; these two are of one second, so by tag.
    ("taskserv/notsemver", &["1.10", "1.9", "1.0", "nightly", "2024-11-05"]),
    ("taskserv/postgres", &["16.4.0+build.7", "15.8.0"]),
    // Private: here because the token may see it.
    ("taskserv/redis", &["7.2.0"]),
    ("taskserv/slash", &["3.1.0", "release/3.0.0"]),
    // Two files of the right name: listed, though nothing can choose between them.
    ("taskserv/twins", &["1.0.0"]),
    ("provider/upcloud", &["0.10.0", "0.9.0", "0.8.5"]),
    // Archived is not gone.
    ("cluster/web", &["1.0.0"]),
];

/// Repositories that are no extensions, and those that have nothing to list, with the reason.
const LEFT_OUT: [(&str, &str); 7] = [
    ("docs", "its name has none of the suffixes"),
    ("_prov", "nothing stands before the suffix"),
    ("prov", "the suffix lacks its underscore"),
    ("taskserv/cilium", "it has no release"),
    ("taskserv/containerd", "its one release has no asset"),
    ("provider/empty", "it has no commit, hence no release"),
    ("taskserv/norel", "its releases are switched off"),
];

#[tokio::test]
async fn the_organization_of_the_recorded_exchanges_is_listed_exactly() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    let listing = backend.listing().await.unwrap();
    assert!(listing.coverage.is_complete());
    // The only near miss of the names left out below.
    let named: Vec<&str> = listing.faults.iter().map(|one| one.repository.as_str()).collect();
    assert_eq!(named, ["_prov"]);

    let mut found = BTreeMap::new();
    for id in &listing.ids {
        let extension = backend.extension(id).await.unwrap();
        assert_eq!(extension.id().to_string(), id.to_string(), "spelled as its repository");
        found.insert(id.to_string(), versions(&extension));
    }
    for (name, expected) in EXPECTED {
        assert_eq!(found.remove(name).unwrap(), expected, "{name}");
    }
    // One with 120 versions over three pages is counted and not written out.
    let many = found.remove("provider/many").unwrap();
    assert_eq!((many.len(), many[0].as_str(), many[119].as_str()), (120, "1.119.0", "1.0.0"));

    for (name, reason) in LEFT_OUT {
        if name.contains('/') {
            assert_eq!(found.remove(name).unwrap(), [""; 0], "{name}: {reason}");
        } else {
            assert!(ExtensionId::from_gitea_repository(name).is_none(), "{name}: {reason}");
        }
    }
    assert_eq!(found.len(), 0, "nothing else: {found:?}");
}

#[tokio::test]
async fn without_a_token_the_private_repository_is_not_there() {
    let fake = FakeGitea::start(State::recorded()).await;
    let mut nobody = settings(&fake);
    nobody.token = None;
    let listing = backend_of(nobody).listing().await.unwrap();
    assert!(listing.coverage.is_complete());
    assert!(!listing.ids.contains(&id("taskserv/redis")));
    assert!(listing.ids.contains(&id("provider/aws")));
}

#[tokio::test]
async fn a_sweep_asks_once_a_page_and_once_a_repository() {
    let mut state = State::empty();
    for number in 0..120 {
        let name = format!("e{number:03}_taskserv");
        state.create_released(&name, "1.0.0", b"bytes");
        state.publish(&name, "1.1.0", &[(&format!("{name}.tar.gz"), b"more")]);
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    backend.changes(None).await.unwrap();
    for id in backend.listing().await.unwrap().ids {
        assert_eq!(versions(&backend.extension(&id).await.unwrap()), ["1.1.0", "1.0.0"]);
    }
    // The limits, the feed with three pages of repositories, one repository to see whether the
    // token may read it, three pages again, and the releases of each.
    assert_eq!(fake.take_seen().len(), 1 + 1 + 3 + 1 + 3 + 120);
}

#[tokio::test]
async fn fields_are_those_of_the_contract() {
    let fake = FakeGitea::start(State::recorded()).await;
    let extension = backend(&fake).extension(&id("provider/aws")).await.unwrap();
    let latest = extension.latest().unwrap();
    let base = fake.url();
    assert_eq!(latest.about.description.as_deref(), Some("AWS provider for provisioning"));
    assert_eq!(latest.about.author.as_deref(), Some("labadmin"));
    let page = format!("{base}provisioning-extensions/aws_prov");
    assert_eq!(latest.about.repository.as_deref(), Some(page.as_str()));
    assert_eq!(*latest.about.keywords, ["aws".into(), "cloud".into(), "provider".into()]);
    assert_eq!(latest.published_at.unwrap().to_string(), "2026-11-23T18:04:10Z");
    assert_eq!(archive(latest).size, 1_024_666);
    let url = format!("{page}/releases/download/1.2.0/aws_prov.tar.gz");
    assert_eq!(archive(latest).url.as_deref(), Some(url.as_str()));
    assert_eq!(archive(latest).digest, None, "never read during a sweep");
    let release = backend(&fake).version(extension.id(), &latest.tag).await.unwrap();
    let digest = archive(&release).digest.as_ref().unwrap().to_string();
    assert_eq!(digest, "sha256:814e5b539d786a579961067c737d3b29bc7f0f46c50358be103378968755f322");
}

#[tokio::test]
async fn every_archive_is_downloaded_byte_for_byte() {
    for sub_path in ["", "/git"] {
        let mut state = State::recorded();
        sub_path.clone_into(&mut state.sub_path);
        let fake = FakeGitea::start(state).await;
        let backend = backend(&fake);
        for id in backend.listing().await.unwrap().ids {
            let extension = backend.extension(&id).await.unwrap();
            for artifact in extension.releases().iter().flat_map(|release| &release.assets) {
                let expected =
                    fake.edit(|state| state.bytes_of(artifact.key.as_str(), artifact.size));
                let whole = backend.open(&id, artifact, None).await.unwrap();
                assert_eq!(whole.length, artifact.size);
                assert_eq!(whole.collect().await.unwrap(), expected, "{id} {}", artifact.file_name);
            }
        }
    }
}

#[tokio::test]
async fn parts_are_downloaded_and_parts_outside_refused() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    let extension = backend.extension(&id("provider/upcloud")).await.unwrap();
    let artifact = archive(extension.latest().unwrap());
    let all = fake.edit(|state| state.bytes_of(artifact.key.as_str(), artifact.size));
    for range in [0..1, 0..100, 100..artifact.size, artifact.size - 1..artifact.size] {
        let part = backend.open(extension.id(), artifact, Some(range.clone())).await.unwrap();
        assert_eq!(part.length, range.end - range.start);
        let bounds = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert_eq!(part.collect().await.unwrap(), all[bounds], "{range:?}");
    }
    fake.take_seen();
    for range in [0..artifact.size + 1, 5..5, artifact.size..artifact.size + 1] {
        let refused = backend.open(extension.id(), artifact, Some(range)).await.unwrap_err();
        let size = artifact.size;
        assert_eq!(refused.kind(), registry_core::error::ErrorKind::RangeNotSatisfiable { size });
    }
    assert_eq!(fake.take_seen().len(), 0, "no question is needed for that");
}

#[tokio::test]
async fn a_repository_of_another_owner_is_not_taken_though_it_is_listed() {
    let mut state = State::empty();
    for name in ["theirs_prov", "ours_prov", "theirs_too_prov"] {
        state.create_released(name, "1.0.0", b"bytes");
    }
    for name in ["theirs_prov", "theirs_too_prov"] {
        let owner = serde_json::json!({"id": 4711, "login": "strangers"});
        state.repository_mut(name).json["owner"] = owner;
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let listing = backend.listing().await.unwrap();
    assert_eq!((listing.ids, listing.coverage.is_complete()), (vec![id("provider/ours")], true));
    assert_eq!(listing.faults[0].reason, "2 repositories are of another owner");
    let error = backend.extension(&id("provider/theirs")).await.unwrap_err();
    assert_eq!(error.message(), "Extension provider/theirs has left its organization");
}

//! Cases of releases: tags, drafts, dates, assets that change.

use registry_core::backend::Backend as _;
use registry_core::models::extension::Release;
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};
use serde_json::json;

use super::{archive, backend, backend_of, id, listed, settings, versions, versions_of};

async fn by_tag(
    fake: &FakeGitea,
    extension: &str,
    tag: &str,
) -> Result<Release, registry_core::error::Error> {
    backend(fake).version(&id(extension), &tag.parse().unwrap()).await
}

#[tokio::test]
async fn case_10_a_tag_with_slashes_is_encoded_and_a_plain_404_survived() {
    let mut state = State::empty();
    state.create_released("x_prov", "rel/2025/v3", b"bytes");
    let fake = FakeGitea::start(state).await;
    assert_eq!(
        by_tag(&fake, "provider/x", "rel/2025/v3").await.unwrap().tag.as_str(),
        "rel/2025/v3"
    );
    assert!(fake.take_seen().iter().any(|seen| seen.target.ends_with("/tags/rel%2F2025%2Fv3")));

    // A proxy that decodes the slash makes another address of it.
    let plain = vec![("Content-Type", "text/plain".to_owned())];
    fake.fault("/tags/", Fault::Answer(404, plain, b"404 page not found".to_vec()));
    assert!(by_tag(&fake, "provider/x", "rel/2025/v3").await.is_ok());
    assert!(by_tag(&fake, "provider/x", "rel/2025/v4").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn case_11_the_case_of_a_tag_is_compared_and_bytes_come_by_uuid() {
    let mut state = State::empty();
    state.create_released("x_prov", "v1.0.0", b"bytes");
    let fake = FakeGitea::start(state).await;
    assert!(by_tag(&fake, "provider/x", "V1.0.0").await.unwrap_err().is_not_found());
    let release = by_tag(&fake, "provider/x", "v1.0.0").await.unwrap();
    let bytes = backend(&fake).open(&id("provider/x"), archive(&release), None).await.unwrap();
    assert_eq!(bytes.collect().await.unwrap(), "bytes");
    assert!(fake.take_seen().iter().any(|seen| seen.target.starts_with("/attachments/")));
}

#[tokio::test]
async fn case_12_drafts_do_not_exist_on_any_path() {
    let fake = FakeGitea::start(State::recorded()).await;
    assert!(by_tag(&fake, "taskserv/gone", "1.1.0").await.unwrap_err().is_not_found());
    let mut writer = settings(&fake);
    writer.token = Some(fake.token("<admin>"));
    let backend = backend_of(writer);
    assert_eq!(versions_of(&backend, "provider/hetzner").await, ["2.0.0-rc.1", "1.9.3"]);
}

#[tokio::test]
async fn case_13_a_release_whose_git_tag_was_deleted_is_gone() {
    let mut state = State::recorded();
    state
        .repository_mut("gone_taskserv")
        .releases
        .iter_mut()
        .for_each(|r| r["draft"] = json!(false));
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    assert_eq!(versions_of(&backend, "taskserv/gone").await, ["1.1.0", "1.0.0"]);
    fake.edit(|state| {
        let releases = &mut state.repository_mut("gone_taskserv").releases;
        releases.iter_mut().find(|r| r["tag_name"] == "1.1.0").unwrap()["draft"] = json!(true);
    });
    assert_eq!(versions_of(&backend, "taskserv/gone").await, ["1.0.0"]);
}

#[tokio::test]
async fn case_14_a_tag_pushed_again_keeps_its_place_and_its_assets() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    let before = backend.extension(&id("provider/aws")).await.unwrap();
    fake.edit(|state| {
        let release = &mut state.repository_mut("aws_prov").releases;
        let release = release.iter_mut().find(|r| r["tag_name"] == "1.2.0").unwrap();
        release["created_at"] = json!("2019-01-01T00:00:00Z");
        release["published_at"] = json!("2019-01-01T00:00:00Z");
    });
    let after = backend.extension(&id("provider/aws")).await.unwrap();
    assert_eq!(versions(&after), versions(&before));
    let latest = after.latest().unwrap();
    assert_eq!(latest.published_at.unwrap().to_string(), "2019-01-01T00:00:00Z");
    assert_eq!(archive(latest), archive(before.latest().unwrap()));
}

/// That changed bytes are refused is the artifact store's half, in its issue.
#[tokio::test]
async fn case_15_a_replaced_asset_is_another_artifact() {
    let mut state = State::empty();
    let old = state.create_released("x_prov", "1.0.0", b"first");
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let before = backend.extension(&id("provider/x")).await.unwrap();
    let new = fake.edit(|state| {
        state.repository_mut("x_prov").releases.clear();
        state.publish("x_prov", "1.0.0", &[("x_prov.tar.gz", b"second")]).remove(0)
    });
    let after = backend.extension(&id("provider/x")).await.unwrap();
    let keys = [&before, &after].map(|one| archive(one.latest().unwrap()).key.as_str());
    assert_eq!(keys, [&old, &new]);
    let stale = archive(before.latest().unwrap());
    let error = backend.open(before.id(), stale, None).await.unwrap_err();
    assert!(error.is_not_found(), "the old bytes are not passed off as the new ones");
}

/// When it is read again is the catalog's half, in the issue of its coalescing.
#[tokio::test]
async fn case_16_a_release_is_listed_once_its_asset_is_there() {
    let mut state = State::empty();
    state.create("x_prov", "made for a test");
    state.publish("x_prov", "1.0.0", &[]);
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    assert!(versions_of(&backend, "provider/x").await.is_empty());
    fake.edit(|state| {
        state.repository_mut("x_prov").releases.clear();
        state.publish("x_prov", "1.0.0", &[("x_prov.tar.gz", b"")]);
    });
    assert!(versions_of(&backend, "provider/x").await.is_empty(), "an upload that has only begun");
    fake.edit(|state| {
        state.repository_mut("x_prov").releases.clear();
        state.publish("x_prov", "1.0.0", &[("x_prov.tar.gz", b"bytes")]);
    });
    assert_eq!(versions_of(&backend, "provider/x").await, ["1.0.0"]);
}

#[tokio::test]
async fn case_30_odd_times_names_and_fields_are_read() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"bytes");
    state.publish("x_prov", "0.9.0", &[("x_prov.tar.gz", b"older")]);
    let repository = state.repository_mut("x_prov");
    repository.json["mirror_updated"] = json!("0001-01-01T00:00:00Z");
    repository.json["brand_new_field"] = json!({"a": [1, null]});
    repository.json["topics"] = json!(null);
    let [older, newer] = repository.releases.as_mut_slice() else { panic!("two releases") };
    newer["published_at"] = json!("2026-11-24T03:04:10+09:00");
    newer["author"] = json!({"id": -1, "login": "Ghost"});
    newer["name"] = json!("");
    newer["surprise"] = json!(true);
    older["published_at"] = json!("1970-01-01T09:00:00+09:00");
    older.as_object_mut().unwrap().remove("author");
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    assert_eq!(listed(&backend).await, ["provider/x"]);
    let extension = backend.extension(&id("provider/x")).await.unwrap();
    let [newer, older] = extension.releases() else { panic!("two releases") };
    assert_eq!(newer.published_at.unwrap().to_string(), "2026-11-23T18:04:10Z");
    assert_eq!(newer.about.author.as_deref(), Some("Ghost"));
    assert_eq!((older.published_at, older.about.author.as_deref()), (None, None));
}

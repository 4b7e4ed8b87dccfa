//! Answers and configurations that are wrong: each says so, names the backend, and leaves every
//! other extension served.

use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_core::models::artifact::ArtifactChoice;
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};
use registry_testing::ids::reasons;
use serde_json::{Value, json};

use super::{asked, backend, backend_of, download, failure_of, id, listed, settings, versions_of};

/// `bad_prov`, which each test spoils, and `good_prov`, which must not mind.
async fn two() -> FakeGitea {
    let mut state = State::empty();
    state.create_released("bad_prov", "1.0.0", b"bad");
    state.create_released("good_prov", "1.0.0", b"good");
    FakeGitea::start(state).await
}

#[tokio::test]
async fn refused_credentials_are_told_apart() {
    let fake = two().await;
    for (token, message) in [
        ("wrong", "The gitea backend refused the credentials"),
        ("<weak>", "The Gitea token lacks the scope read:organization"),
    ] {
        let mut settings = settings(&fake);
        settings.token = Some(fake.token(token));
        let backend = backend_of(settings);
        for error in [backend.listing().await.unwrap_err(), backend.probe().await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::BackendRefused);
            assert_eq!(error.message(), message);
        }
    }
}

#[tokio::test]
async fn an_unknown_organization_is_an_error_and_not_an_empty_one() {
    let fake = two().await;
    let mut settings = settings(&fake);
    settings.organization = "no-such-org".parse().unwrap();
    let backend = backend_of(settings);
    for error in [backend.listing().await.unwrap_err(), backend.probe().await.unwrap_err()] {
        assert!(error.message().contains("organization is not visible"), "{error}");
        assert!(!error.is_not_found());
    }
}

#[tokio::test]
async fn a_wrong_sub_path_is_told_from_absence() {
    let fake = two().await;
    fake.edit(|state| "/git".clone_into(&mut state.sub_path));
    let mut settings = settings(&fake);
    settings.url.set_path("/");
    let error = backend_of(settings).listing().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
    assert!(error.message().contains("check the URL and its sub-path"), "{error}");
}

#[tokio::test]
async fn row_20_one_spoiled_extension_leaves_the_others() {
    let fake = two().await;
    let backend = backend(&fake);
    let cut = r#"[{"id":1,"tag_name":"1.0.0","#;
    for (what, fault) in [
        ("a page", Fault::html(200)),
        ("JSON cut short", Fault::json(cut)),
        ("deep JSON", Fault::json(&"[".repeat(100_000))),
        ("an object for a list", Fault::json("{}")),
        ("a gibibyte", Fault::HugeJson),
        ("not HTTP's length", Fault::Cut(10)),
    ] {
        assert_eq!(listed(&backend).await, ["provider/bad", "provider/good"]);
        fake.fault("/bad_prov/releases", fault);
        let error = failure_of(&backend, "provider/bad").await;
        assert!(!error.is_not_found(), "{what}: {error}");
        assert_eq!(download(&backend, "provider/good").await.unwrap(), b"good", "{what}");
        fake.heal();
        assert_eq!(versions_of(&backend, "provider/bad").await, ["1.0.0"], "{what}: healed");
    }
}

#[tokio::test]
async fn rows_that_cannot_be_read_hide_no_others() {
    let fake = two().await;
    let backend = backend(&fake);
    fake.edit(|state| {
        state.repository_mut("bad_prov").json["id"] = json!("seven");
        state.publish("good_prov", "2.0.0", &[]);
        state.repository_mut("good_prov").releases[0]["tag_name"] = json!(7);
    });
    let listing = backend.listing().await.unwrap();
    assert_eq!((listing.ids, listing.coverage.is_complete()), (vec![id("provider/good")], false));
    let extension = backend.extension(&id("provider/good")).await.unwrap();
    assert_eq!(extension.releases().len(), 1);
    assert_eq!(reasons(&extension), ["1 of its releases cannot be read"]);
}

#[tokio::test]
async fn row_22_a_list_without_end_is_left_and_called_incomplete() {
    let fake = two().await;
    let backend = backend(&fake);
    fake.fault("/repos?", Fault::AlwaysNext);
    let listing = backend.listing().await.unwrap();
    assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (2, false));
    assert_eq!(listing.faults[0].reason, "a Gitea list has no end");
    assert!(fake.take_seen().len() <= 5);
    fake.heal();

    // The same page again and again.
    let page = fake.edit(|state| state.repositories[0].json.clone());
    let headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("Link", r#"<http://x/?page=2>; rel="next""#.to_owned()),
        ("X-Total-Count", "1000000000000".to_owned()),
    ];
    fake.fault("/repos?", Fault::Answer(200, headers, json!([page]).to_string().into_bytes()));
    let listing = backend.listing().await.unwrap();
    assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (1, false));
    assert!(listing.faults[0].reason.contains("repeats itself"), "{:?}", listing.faults);
    assert!(fake.take_seen().len() <= 10, "a few pages ahead, not all that were promised");
}

#[tokio::test]
async fn a_list_of_too_many_rows_is_cut_within_its_first_pages() {
    let fake = two().await;
    for page in [1, 2, 3] {
        let row = |row| json!({"id": 60_000 * page + row, "name": format!("docs{row}")});
        let rows: Vec<Value> = (0..60_000).map(row).collect();
        let headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Link", r#"<http://x/?page=2>; rel="next""#.to_owned()),
        ];
        let answer = Fault::Answer(200, headers, json!(rows).to_string().into());
        fake.fault(&format!("/repos?page={page}&"), answer);
    }
    let listing = backend(&fake).listing().await.unwrap();
    assert!(!listing.coverage.is_complete());
    let reasons: Vec<&str> = listing.faults.iter().map(|fault| fault.reason.as_str()).collect();
    assert!(reasons.contains(&"a Gitea list is too long"), "{reasons:?}");
    assert_eq!(asked(&fake, "/repos?page="), 2, "of two thousand pages");
}

#[tokio::test]
async fn odd_releases_are_listed_as_the_contract_says() {
    let long = "1".repeat(10_000);
    let mut state = State::empty();
    state.create_released("good_prov", "1.0.0", b"good");
    state.create("bad_prov", "odd tags and assets");
    let one: &[(&str, &[u8])] = &[("bad_prov.tar.gz", b"bad")];
    for tag in ["rel/1", "1.0.0+build", "with space", &long, "..", "a/../b", "-x", "\u{202e}1"] {
        state.publish("bad_prov", tag, one);
    }
    state.publish("bad_prov", "2.0.0", &[]);
    state.publish("bad_prov", "2.1.0", &[("bad_prov.tar.gz", b"a"), ("bad_prov.tar.gz", b"b")]);
    state.publish(
        "bad_prov",
        "2.2.0",
        &[("../x.tar.gz", b"a"), ("a\r\nb.tar.gz", b"b"), ("\".zip", b"c")],
    );
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let extension = backend.extension(&id("provider/bad")).await.unwrap();
    assert_eq!(super::versions(&extension), ["2.1.0", "1.0.0+build", "rel/1"]);
    let twins = extension.find(&"2.1.0".parse().unwrap()).unwrap();
    assert!(matches!(&twins.artifact, ArtifactChoice::Ambiguous(names) if names.len() == 2));
    for tag in ["rel/1", "1.0.0+build"] {
        let release = backend.version(extension.id(), &tag.parse().unwrap()).await.unwrap();
        assert_eq!(release.tag.as_str(), tag);
    }
    assert_eq!(download(&backend, "provider/good").await.unwrap(), b"good");
}

//! Cases of listing an organization: pages, permissions, names that move.

use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{Rights, State};
use registry_testing::ids::reasons;

use super::{asked, backend, backend_of, failure_of, id, listed, settings, versions_of};

fn sixty() -> State {
    let mut state = State::empty();
    for number in 0..60 {
        state.create(&format!("e{number:02}_prov"), "one of sixty");
    }
    state
}

#[tokio::test]
async fn case_01_sixty_repositories_are_read_over_two_pages() {
    let fake = FakeGitea::start(sixty()).await;
    let listing = backend(&fake).listing().await.unwrap();
    assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (60, true));
    assert_eq!(listing.faults, []);
    assert_eq!(fake.take_seen().len(), 4, "the limits once, two pages, one repository by itself");
}

#[tokio::test]
async fn case_02_short_pages_end_by_link_and_not_by_count() {
    let mut state = sixty();
    state.max_items = 20;
    state.repositories.iter_mut().step_by(2).for_each(|one| one.hidden = true);
    let fake = FakeGitea::start(state).await;
    let listing = backend(&fake).listing().await.unwrap();
    assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (30, true));
    assert_eq!(listing.faults[0].reason, "30 repositories are not visible with these credentials");
    assert_eq!(asked(&fake, "/repos?"), 3);
}

#[tokio::test]
async fn case_03_an_empty_page_in_the_middle_is_not_the_end() {
    let mut state = sixty();
    state.max_items = 20;
    state.repositories[20..40].iter_mut().for_each(|one| one.hidden = true);
    let fake = FakeGitea::start(state).await;
    let listing = backend(&fake).listing().await.unwrap();
    assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (40, true));
    assert!(listing.ids.contains(&id("provider/e59")));
}

#[tokio::test]
async fn case_04_nothing_visible_of_something_is_incomplete_and_not_empty() {
    let mut state = sixty();
    state.repositories.iter_mut().for_each(|one| one.hidden = true);
    let fake = FakeGitea::start(state).await;
    let listing = backend(&fake).listing().await.unwrap();
    assert_eq!((listing.ids.len(), listing.coverage.is_complete()), (0, false));
    let reason = &listing.faults[0].reason;
    assert!(reason.contains("no repository of the organization is visible"), "{reason}");
}

/// That what was known is served on is the catalog's half, in the issue of its persistence.
#[tokio::test]
async fn case_05_a_token_revoked_midway_is_refused_and_not_tried_again() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    listed(&backend).await;
    fake.edit(|state| state.tokens.clear());
    fake.take_seen();
    let error = failure_of(&backend, "provider/aws").await;
    assert_eq!(error.kind(), ErrorKind::BackendRefused);
    assert_eq!(error.message(), "The gitea backend refused the credentials");
    assert_eq!(fake.take_seen().len(), 1);
    assert_eq!(backend.probe().await.unwrap_err().kind(), ErrorKind::BackendRefused);

    let rights =
        Rights { scopes: vec!["read:organization", "read:repository"], ..Rights::default() };
    fake.edit(|state| state.tokens.insert("next".to_owned(), rights));
    backend.replace_token(Some(&fake.token("next"))).unwrap();
    assert_eq!(versions_of(&backend, "provider/aws").await.len(), 3, "with the next token");
}

#[test]
fn case_06_an_empty_token_and_one_of_two_words_are_refused() {
    use registry_backends::gitea::settings::GiteaToken;
    for text in ["", "  \n", "abc def", "token abc"] {
        assert!(text.parse::<GiteaToken>().is_err(), "{text:?}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let error = GiteaToken::read(file.path()).unwrap_err();
        assert!(error.message().contains(file.path().to_str().unwrap()), "{error}");
    }
    assert!(GiteaToken::read("/nonexistent/token".as_ref()).is_err());
}

#[tokio::test]
async fn case_07_the_missing_scope_is_named() {
    let fake = FakeGitea::start(State::recorded()).await;
    let organization = Rights { scopes: vec!["read:organization"], member: true, writer: false };
    fake.edit(|state| state.tokens.insert("half".to_owned(), organization));
    let weak = settings(&fake);
    let weak = |token: &str| {
        let mut weak = weak.clone();
        weak.token = Some(fake.token(token));
        backend_of(weak)
    };
    let error = weak("<weak>").listing().await.unwrap_err();
    assert_eq!(error.message(), "The Gitea token lacks the scope read:organization");
    let half = weak("half");
    for error in [half.listing().await.unwrap_err(), failure_of(&half, "provider/aws").await] {
        assert_eq!(error.message(), "The Gitea token lacks the scope read:repository");
        assert_eq!(error.kind(), ErrorKind::BackendRefused);
    }
}

#[tokio::test]
async fn case_08_releases_switched_off_are_no_versions_and_no_error() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    assert!(versions_of(&backend, "taskserv/norel").await.is_empty(), "asked for by itself");
    listed(&backend).await;
    fake.take_seen();
    let extension = backend.extension(&id("taskserv/norel")).await.unwrap();
    assert!(extension.releases().is_empty());
    assert_eq!(reasons(&extension), ["its releases are switched off"]);
    assert_eq!(fake.take_seen().len(), 0, "the listing said so already");
    assert_eq!(versions_of(&backend, "cluster/ci").await, ["2.0.0"]);
}

/// How many such answers it takes is the catalog's half, in the issue of its deletions.
#[tokio::test]
async fn case_09_a_repository_made_private_or_deleted_is_not_found() {
    let fake = FakeGitea::start(State::recorded()).await;
    let mut stranger = settings(&fake);
    stranger.token = Some(fake.token("<stranger>"));
    let backend = backend_of(stranger);
    let before = listed(&backend).await;
    fake.edit(|state| {
        state.repository_mut("aws_prov").json["private"] = true.into();
        state.repositories.retain(|one| one.name() != "ci_cluster");
    });
    for gone in ["provider/aws", "cluster/ci"] {
        assert!(before.contains(&gone.to_owned()));
        assert!(failure_of(&backend, gone).await.is_not_found(), "{gone}");
    }
    assert_eq!(listed(&backend).await.len(), before.len() - 2);
}

#[tokio::test]
async fn case_20_a_renamed_repository_is_followed_to_its_new_name() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    let error = failure_of(&backend, "provider/old").await;
    assert!(error.is_not_found());
    assert_eq!(error.message(), "Extension provider/old is now provider/gcp");
    assert_eq!(versions_of(&backend, "provider/gcp").await, ["3.1.0"]);

    // The same between a listing and the read that trusts it.
    listed(&backend).await;
    fake.edit(|state| {
        state.repository_mut("aws_prov").json["name"] = "aws2_prov".into();
        state.renamed.insert("aws_prov".to_owned(), "aws2_prov".to_owned());
    });
    let error = failure_of(&backend, "provider/aws").await;
    assert_eq!(error.message(), "Extension provider/aws is now provider/aws2");
    let tag = "1.2.0".parse().unwrap();
    let error = backend.version(&id("provider/aws"), &tag).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(versions_of(&backend, "provider/aws2").await.len(), 3);
}

#[tokio::test]
async fn case_21_an_old_name_used_again_is_a_new_repository() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    listed(&backend).await;
    versions_of(&backend, "provider/gcp").await;
    fake.edit(|state| state.create_released("old_prov", "0.0.1", b"another"));
    let fresh = backend.extension(&id("provider/old")).await.unwrap();
    assert_eq!(fresh.latest().unwrap().version.as_str(), "0.0.1");
    assert_eq!(fresh.latest().unwrap().about.description.as_deref(), Some("made for a test"));
    assert_eq!(versions_of(&backend, "provider/gcp").await, ["3.1.0"]);
}

#[tokio::test]
async fn case_22_a_renamed_organization_is_followed_and_told() {
    let mut state = State::recorded();
    state.former_organization = Some("provisioning-extensions".to_owned());
    "new-home".clone_into(&mut state.organization);
    for one in &mut state.repositories {
        one.json["owner"]["login"] = "new-home".into();
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let listing = backend.listing().await.unwrap();
    assert!(listing.coverage.is_complete());
    assert_eq!(
        listing.faults[0].reason,
        "the organization was renamed to new-home: update the configuration"
    );
    assert_eq!(versions_of(&backend, "provider/aws").await, ["1.2.0", "1.1.0", "1.0.0"]);
    assert_eq!(versions_of(&backend, "provider/aws").await.len(), 3, "read by itself");
}

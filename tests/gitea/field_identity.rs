//! An organization is its number: whoever takes its name is somebody else.

use registry_core::backend::Backend as _;
use registry_core::backend::changes::Changes;
use registry_core::error::{Error, ErrorKind};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;
use serde_json::json;

use super::{backend, failure_of, id, listed, versions_of};

/// The organization goes by another name now, and a stranger has taken the old one.
fn taken_over(state: &mut State) {
    state.moved_away = std::mem::take(&mut state.repositories);
    for one in &mut state.moved_away {
        one.json["owner"]["login"] = json!("new-home");
    }
    state.organization_number = 4711;
    state.create_released("x_prov", "9.9.9", b"a stranger's");
}

fn assert_refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::BackendRefused, "{error}");
    for part in ["the id 2", "4711", "organization_id"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn g07_whoever_takes_the_name_of_the_organization_is_refused() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"ours");
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let Changes::These { cursor, .. } = backend.changes(None).await.unwrap() else { panic!() };
    assert_eq!(listed(&backend).await, ["provider/x"]);
    assert_eq!(versions_of(&backend, "provider/x").await, ["1.0.0"]);
    let known = backend.extension(&id("provider/x")).await.unwrap();

    fake.edit(taken_over);
    let error = backend.listing().await.unwrap_err();
    assert_refused(&error);
    assert!(error.message().contains("new-home"), "{error}");
    assert_refused(&backend.changes(Some(&cursor)).await.unwrap_err());
    assert_refused(&failure_of(&backend, "provider/x").await);
    let stranger = "9.9.9".parse().unwrap();
    assert_refused(&backend.version(&id("provider/x"), &stranger).await.unwrap_err());
    let readme = backend.readme(known.id(), known.latest().unwrap()).await.unwrap_err();
    assert_refused(&readme);
    let archive = super::archive(known.latest().unwrap());
    let bytes = backend.open(known.id(), archive, None).await;
    assert!(bytes.is_err() || bytes.unwrap().collect().await.unwrap() == "ours");
}

#[tokio::test]
async fn g07b_a_taken_name_without_repositories_is_refused_too() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"ours");
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    listed(&backend).await;
    fake.edit(|state| {
        taken_over(state);
        state.repositories.clear();
        state.moved_away.clear();
    });
    let error = backend.listing().await.unwrap_err();
    assert_refused(&error);
}

#[tokio::test(start_paused = true)]
async fn g07c_a_sweep_that_lasts_does_not_read_a_stranger() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"ours");
    state.create_released("y_prov", "1.0.0", b"ours");
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    listed(&backend).await;
    assert_eq!(versions_of(&backend, "provider/y").await, ["1.0.0"]);
    fake.edit(taken_over);
    tokio::time::advance(std::time::Duration::from_mins(1)).await;
    assert_refused(&failure_of(&backend, "provider/x").await);
}

#[tokio::test]
async fn g07d_the_operator_can_accept_the_other_one_and_a_restart_forgets_nothing() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"ours");
    let fake = FakeGitea::start(state).await;
    let before = backend(&fake);
    assert_eq!(before.identity(), None);
    listed(&before).await;
    let identity = before.identity().unwrap();
    assert_eq!(identity, "2");
    fake.edit(taken_over);

    let restarted = backend(&fake);
    restarted.resume(&identity);
    assert_refused(&restarted.listing().await.unwrap_err());
    assert_refused(&restarted.changes(None).await.unwrap_err());
    assert_refused(&failure_of(&restarted, "provider/x").await);

    let mut settings = super::settings(&fake);
    settings.organization_id = Some(4711);
    let accepting = super::backend_of(settings);
    accepting.resume(&identity);
    assert_eq!(versions_of(&accepting, "provider/x").await, ["9.9.9"]);
    assert_eq!(accepting.identity().as_deref(), Some("4711"));
}

#[tokio::test]
async fn g07e_a_first_start_with_another_number_than_configured_is_refused() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"ours");
    let fake = FakeGitea::start(state).await;
    let mut settings = super::settings(&fake);
    settings.organization_id = Some(7);
    let backend = super::backend_of(settings);
    for error in [
        backend.listing().await.unwrap_err(),
        failure_of(&backend, "provider/x").await,
        backend.probe().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::BackendRefused);
        assert!(error.message().contains("the id 7"), "{error}");
    }
}

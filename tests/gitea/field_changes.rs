//! A feed that does not show everything: changes are seen all the same.

use registry_backends::gitea::backend::GiteaBackend;
use registry_core::backend::Backend as _;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::models::coverage::Coverage;
use registry_core::models::naming::ExtensionId;
use registry_testing::fake_gitea::recorded::{FORGEJO_9, GITEA, GITEA_1_22};
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};
use serde_json::json;

use super::{asked, backend, id, listed};

async fn told(
    backend: &GiteaBackend,
    since: Option<&ChangeCursor>,
) -> (Vec<ExtensionId>, ChangeCursor) {
    match backend.changes(since).await.unwrap() {
        Changes::These { dirty, cursor, .. } => (dirty, cursor),
        Changes::CannotTell => panic!("it can tell"),
    }
}

fn three() -> State {
    let mut state = State::empty();
    for name in ["a_prov", "b_taskserv", "c_cluster"] {
        state.create_released(name, "1.0.0", b"bytes");
    }
    state
}

#[tokio::test]
async fn g03_what_a_hidden_actor_does_is_seen_in_the_next_round() {
    for recording in [&GITEA, &GITEA_1_22, &FORGEJO_9] {
        let mut state = State::empty_as(recording);
        for name in ["a_prov", "b_taskserv", "c_cluster"] {
            state.create_released(name, "1.0.0", b"bytes");
        }
        let fake = FakeGitea::start(state).await;
        let backend = backend(&fake);
        let (_, cursor) = told(&backend, None).await;
        listed(&backend).await;
        let (dirty, cursor) = told(&backend, Some(&cursor)).await;
        assert_eq!(dirty, [], "nothing happened");

        fake.edit(|state| {
            state.publish("a_prov", "2.0.0", &[("a_prov.tar.gz", b"new")]);
        });
        let (dirty, cursor) = told(&backend, Some(&cursor)).await;
        assert_eq!(dirty, [id("provider/a")], "a release");

        fake.edit(|state| {
            state.create_released("d_prov", "1.0.0", b"bytes");
        });
        let (dirty, cursor) = told(&backend, Some(&cursor)).await;
        assert_eq!(dirty, [id("provider/d")], "a repository");
        assert_eq!(told(&backend, Some(&cursor)).await.0, [], "once");
    }
}

#[tokio::test]
async fn g03b_every_change_of_a_row_is_news() {
    let fake = FakeGitea::start(three()).await;
    let backend = backend(&fake);
    let (_, mut cursor) = told(&backend, None).await;
    listed(&backend).await;
    for (field, value) in [
        ("description", json!("another")),
        ("updated_at", json!("2027-01-01T00:00:00Z")),
        ("has_releases", json!(false)),
        ("release_counter", json!(0)),
        ("topics", json!(["new"])),
    ] {
        fake.edit(|state| state.repository_mut("b_taskserv").json[field] = value);
        let (dirty, next) = told(&backend, Some(&cursor)).await;
        assert_eq!(dirty, [id("taskserv/b")], "{field}");
        cursor = next;
    }
    fake.edit(|state| {
        state.repositories.retain(|one| one.name() != "c_cluster");
        state.repository_mut("a_prov").json["name"] = json!("z_prov");
    });
    let (dirty, cursor) = told(&backend, Some(&cursor)).await;
    assert_eq!(dirty, [id("provider/a"), id("cluster/c"), id("provider/z")]);
    assert_eq!(told(&backend, Some(&cursor)).await.0, []);
}

#[tokio::test]
async fn g03c_a_quiet_round_costs_a_question_for_fifty_repositories_and_the_feed() {
    let mut state = State::empty();
    for number in 0..120 {
        state.create_released(&format!("e{number:03}_prov"), "1.0.0", b"bytes");
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let (_, cursor) = told(&backend, None).await;
    listed(&backend).await;
    fake.take_seen();
    assert_eq!(told(&backend, Some(&cursor)).await.0, []);
    let seen = fake.take_seen();
    assert_eq!(seen.len(), 1 + 3, "the feed, and three pages: {seen:?}");
}

#[tokio::test]
async fn g03d_after_a_restart_changes_are_told_or_it_says_that_it_cannot() {
    let fake = FakeGitea::start(three()).await;
    let before = backend(&fake);
    let (_, cursor) = told(&before, None).await;
    listed(&before).await;
    let (_, cursor) = told(&before, Some(&cursor)).await;
    let quiet = backend(&fake);
    assert_eq!(told(&quiet, Some(&cursor)).await.0, [], "nothing changed meanwhile");
    fake.edit(|state| {
        state.publish("a_prov", "2.0.0", &[("a_prov.tar.gz", b"new")]);
    });
    assert_eq!(told(&quiet, Some(&cursor)).await.0, [id("provider/a")]);
    let late = backend(&fake);
    assert_eq!(late.changes(Some(&cursor)).await.unwrap(), Changes::CannotTell);
}

#[tokio::test]
async fn g03e_a_feed_that_is_empty_refused_or_broken_hides_nothing() {
    let empty = Fault::json("[]");
    let no = Fault::Answer(
        403,
        vec![("Content-Type", "application/json".to_owned())],
        br#"{"message":"no"}"#.to_vec(),
    );
    for fault in [empty, no] {
        let fake = FakeGitea::start(three()).await;
        fake.fault("/feeds", fault);
        let backend = backend(&fake);
        let (_, cursor) = told(&backend, None).await;
        listed(&backend).await;
        fake.edit(|state| {
            state.publish("a_prov", "2.0.0", &[("a_prov.tar.gz", b"new")]);
        });
        assert_eq!(told(&backend, Some(&cursor)).await.0, [id("provider/a")]);
    }
}

#[tokio::test]
async fn g03f_a_list_that_cannot_be_read_whole_is_no_quiet_round() {
    let mut state = State::empty();
    for number in 0..60 {
        state.create_released(&format!("e{number:02}_prov"), "1.0.0", b"bytes");
    }
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let (_, cursor) = told(&backend, None).await;
    listed(&backend).await;
    fake.fault("/repos?page=2", Fault::html(200));
    let Changes::These { dirty, cursor, listed } = backend.changes(Some(&cursor)).await.unwrap()
    else {
        panic!("it can tell")
    };
    assert_eq!(dirty, [], "what was not shown is not gone");
    assert!(matches!(listed.unwrap().coverage, Coverage::Partial(_)));
    fake.heal();
    assert_eq!(told(&backend, Some(&cursor)).await.0, []);
    assert!(asked(&fake, "/repos?page=2") > 0);
}

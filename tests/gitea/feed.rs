//! What the organization's feed tells, and what a quiet round costs.

use registry_backends::gitea::backend::GiteaBackend;
use registry_core::backend::Backend as _;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::error::ErrorKind;
use registry_core::models::naming::ExtensionId;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;

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

#[tokio::test]
async fn a_quiet_round_is_the_feed_and_a_page_and_names_nothing() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    let (dirty, cursor) = told(&backend, None).await;
    assert_eq!(dirty, []);
    fake.take_seen();
    let (dirty, next) = told(&backend, Some(&cursor)).await;
    assert_eq!((dirty, next), (Vec::new(), cursor));
    assert_eq!(fake.take_seen().len(), 2);
}

#[tokio::test]
async fn what_happened_is_named_once_however_the_feed_orders_it() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    fake.edit(|state| state.happened("push_tag", "aws_prov", 0));
    let (_, cursor) = told(&backend, None).await;
    // In the same second, hence behind what was seen; a second before; and later, twice.
    fake.edit(|state| {
        state.happened("publish_release", "ci_cluster", 0);
        state.happened("delete_tag", "web_cluster", -1);
        state.happened("push_tag", "redis_taskserv", 9);
        state.happened("publish_release", "redis_taskserv", 9);
        state.happened("create_issue", "aws_prov", 9);
        state.happened("publish_release", "docs", 9);
    });
    let (dirty, cursor) = told(&backend, Some(&cursor)).await;
    assert_eq!(dirty, [id("cluster/ci"), id("taskserv/redis"), id("cluster/web")]);
    assert_eq!(told(&backend, Some(&cursor)).await.0, []);
}

#[tokio::test]
async fn row_45_a_rename_names_both_names() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    listed(&backend).await;
    let (_, cursor) = told(&backend, None).await;
    fake.edit(|state| {
        state.repository_mut("aws_prov").json["name"] = "aws2_prov".into();
        state.happened("rename_repo", "aws2_prov", 5);
    });
    let (dirty, _) = told(&backend, Some(&cursor)).await;
    assert_eq!(dirty, [id("provider/aws"), id("provider/aws2")]);
}

#[tokio::test]
async fn an_empty_feed_is_a_beginning_too() {
    let mut state = State::recorded();
    state.feed.clear();
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let (_, cursor) = told(&backend, None).await;
    fake.edit(|state| state.happened("publish_release", "aws_prov", 0));
    assert_eq!(told(&backend, Some(&cursor)).await.0, [id("provider/aws")]);
}

#[tokio::test]
async fn too_much_news_and_no_feed_cannot_be_told() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    fake.edit(|state| state.happened("push_tag", "aws_prov", 0));
    let (_, cursor) = told(&backend, None).await;
    fake.edit(|state| {
        for second in 1..=501 {
            state.happened("push_tag", "aws_prov", second);
        }
    });
    fake.take_seen();
    assert_eq!(backend.changes(Some(&cursor)).await.unwrap(), Changes::CannotTell);
    assert_eq!(asked(&fake, "/feeds"), 10);

    let foreign = ChangeCursor::new("not ours");
    assert_eq!(backend.changes(Some(&foreign)).await.unwrap(), Changes::CannotTell);
    fake.edit(|state| state.tokens.clear());
    assert_eq!(backend.changes(None).await.unwrap_err().kind(), ErrorKind::BackendRefused);
}

//! The case of a server that limits, fails, hangs or floods.

use std::time::Duration;

use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};

use super::{archive, backend, failure_of, id, kind_of, versions_of};

#[tokio::test]
async fn case_29_failures_are_bounded_in_time_and_size() {
    let fake = FakeGitea::start(State::recorded()).await;
    for (status, retry, seconds) in
        [(429, Some("7"), 7), (503, Some("999999999"), 300), (503, None, 5), (500, None, 5)]
    {
        let headers = retry.map(|text| ("Retry-After", text.to_owned())).into_iter().collect();
        fake.fault("/aws_prov", Fault::Answer(status, headers, Vec::new()));
        let retry_after = Duration::from_secs(seconds);
        let expected = ErrorKind::BackendUnavailable { retry_after };
        let backend = backend(&fake);
        assert_eq!(kind_of(&backend, "provider/aws").await, expected, "{status} {retry:?}");
        fake.heal();
    }
    let backend = std::sync::Arc::new(backend(&fake));

    fake.fault("/releases", Fault::HugeJson);
    let error = failure_of(&backend, "provider/aws").await;
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
    assert!(error.message().contains("longer than 8388608 bytes"), "{error}");
    fake.heal();
    assert_eq!(versions_of(&backend, "provider/aws").await.len(), 3);

    fake.fault("/releases", Fault::Hang);
    fake.take_seen();
    let asking = {
        let backend = std::sync::Arc::clone(&backend);
        tokio::spawn(async move { kind_of(&backend, "provider/aws").await })
    };
    while !fake.has_seen("/releases") {
        tokio::task::yield_now().await;
    }
    // The question is with the server: from here on only time can end it.
    tokio::time::pause();
    assert_eq!(asking.await.unwrap(), ErrorKind::BackendTimeout);
}

#[tokio::test]
async fn a_download_that_falls_silent_ends_in_an_error() {
    let mut state = State::empty();
    state.create_released("x_prov", "1.0.0", b"0123456789");
    let fake = FakeGitea::start(state).await;
    let backend = backend(&fake);
    let extension = backend.extension(&id("provider/x")).await.unwrap();
    fake.fault("/attachments/", Fault::Stall(4));
    let artifact = archive(extension.latest().unwrap());
    let opened = backend.open(extension.id(), artifact, None).await.unwrap();
    let download = opened.begun().await.unwrap();
    tokio::time::pause();
    assert_eq!(download.collect().await.unwrap_err().kind(), ErrorKind::BackendTimeout);
}

//! What rows of older servers leave out.

use registry_core::backend::Backend as _;
use registry_testing::fake_gitea::recorded::{FORGEJO_9, GITEA, GITEA_1_22};
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};

use super::{asked, backend, backend_of, id, listed, settings};

async fn keywords(backend: &registry_backends::gitea::backend::GiteaBackend) -> Vec<String> {
    let extension = backend.extension(&id("provider/aws")).await.unwrap();
    let about = &extension.latest().unwrap().about;
    about.keywords.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn g19_topics_that_a_row_lacks_are_asked_for_once_a_sweep() {
    let fake = FakeGitea::start(State::recorded_as(&GITEA_1_22)).await;
    fake.edit(|state| {
        state.repository_mut("aws_prov").topics = Some(vec!["aws".to_owned(), "cloud".to_owned()]);
    });
    let backend = backend(&fake);
    listed(&backend).await;
    fake.take_seen();
    assert_eq!(keywords(&backend).await, ["aws", "cloud"]);
    assert_eq!(keywords(&backend).await, ["aws", "cloud"], "read by itself");
    assert_eq!(asked(&fake, "/topics"), 1);
    let tag = "1.2.0".parse().unwrap();
    let version = backend.version(&id("provider/aws"), &tag).await.unwrap();
    assert_eq!(version.about.keywords.len(), 2, "the version says the same");
    assert_eq!(asked(&fake, "/topics"), 0);
    listed(&backend).await;
    keywords(&backend).await;
    assert_eq!(asked(&fake, "/topics"), 1, "once for the next sweep");
}

#[tokio::test]
async fn g19b_rows_that_have_topics_are_believed() {
    for recording in [&GITEA, &FORGEJO_9] {
        let fake = FakeGitea::start(State::recorded_as(recording)).await;
        let backend = backend(&fake);
        listed(&backend).await;
        assert_eq!(keywords(&backend).await, ["aws", "cloud", "provider"]);
        // Forgejo writes `null` where there are none.
        backend.extension(&id("provider/upcloud")).await.unwrap();
        assert_eq!(asked(&fake, "/topics"), 0);
    }
}

#[tokio::test]
async fn g19c_topics_that_cannot_be_read_cost_the_keywords_and_are_told() {
    let fake = FakeGitea::start(State::recorded_as(&GITEA_1_22)).await;
    let kind = vec![("Content-Type", "application/json".to_owned())];
    fake.fault("/topics", Fault::Answer(403, kind.clone(), br#"{"message":"no"}"#.to_vec()));
    let backend = backend(&fake);
    let extension = backend.extension(&id("provider/aws")).await.unwrap();
    assert_eq!(extension.releases().len(), 3);
    assert!(extension.faults()[0].reason.contains("topics"), "{:?}", extension.faults());
    fake.heal();
    fake.fault("/topics", Fault::Answer(404, kind, br#"{"message":"no"}"#.to_vec()));
    let extension = backend.extension(&id("provider/aws")).await.unwrap();
    assert_eq!((extension.releases().len(), extension.faults().len()), (3, 0));
}

#[tokio::test]
async fn g22_the_case_of_a_scheme_does_not_matter() {
    let fake = FakeGitea::start(State::recorded()).await;
    let mut shouted = settings(&fake);
    shouted.url = fake.url().as_str().replace("http://", "HTTP://").parse().unwrap();
    assert!(!listed(&backend_of(shouted)).await.is_empty());
}

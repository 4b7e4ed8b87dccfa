//! Many requests at once for manifests that nobody asked for before.

use futures_util::future::join_all;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use reqwest::Method;

use super::{Program, code};

const REPOSITORY: &str = "extensions/many-taskserv";
const VERSIONS: usize = 40;

async fn many_versions() -> FakeGitea {
    let mut state = State::empty();
    state.create("many_taskserv", "has many versions");
    for number in 0..VERSIONS {
        let bytes = format!("archive {number}");
        let tag = format!("1.{number}.0");
        state.publish("many_taskserv", &tag, &[("many_taskserv.tar.gz", bytes.as_bytes())]);
    }
    FakeGitea::start(state).await
}

fn config(gitea: &FakeGitea) -> String {
    format!("[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\n", gitea.url())
}

/// Requests for archives that a Gitea saw.
fn archives(gitea: &FakeGitea) -> usize {
    let seen = gitea.take_seen();
    seen.iter().filter(|seen| seen.target.contains("/attachments/")).count()
}

#[tokio::test]
async fn heads_of_many_versions_share_the_places_and_each_archive_is_fetched_once() {
    let gitea = many_versions().await;
    let program = Program::start(&config(&gitea)).await;
    gitea.take_seen();
    let head = |number: usize| {
        let (program, path) = (&program, format!("/v2/{REPOSITORY}/manifests/1.{number}.0"));
        async move {
            loop {
                let got = program.head(&path).await;
                if got.status == 200 {
                    return got.header("docker-content-digest").to_owned();
                }
                assert_eq!(got.status, 503, "{path}");
                assert!(got.header("retry-after").parse::<u64>().is_ok_and(|wait| wait > 0));
                tokio::task::yield_now().await;
            }
        }
    };
    // Each version three times at once.
    let digests = join_all((0..VERSIONS * 3).map(|number| head(number % VERSIONS))).await;
    assert_eq!(archives(&gitea), VERSIONS);
    let (first, again) = digests.split_at(VERSIONS);
    assert_eq!(first, &again[..VERSIONS]);
    // Afterwards nobody asks the Gitea.
    join_all((0..VERSIONS).map(head)).await;
    assert_eq!(gitea.take_seen().len(), 0);
}

#[tokio::test]
async fn made_up_digests_cost_a_bounded_number_of_archives() {
    const REQUESTS: usize = 500;
    let gitea = many_versions().await;
    let program = Program::start(&config(&gitea)).await;
    gitea.take_seen();
    let ask = |number: usize| {
        let path = format!("/v2/{REPOSITORY}/manifests/sha256:{number:064x}");
        let method = if number.is_multiple_of(2) { Method::HEAD } else { Method::GET };
        let program = &program;
        async move { program.send(method, &path).await }
    };
    for got in join_all((0..REQUESTS).map(ask)).await {
        // Absence is certain only when every digest is known.
        assert!([404, 429, 503].contains(&got.status.as_u16()), "{}", got.status);
        if !got.body.is_empty() && got.status == 404 {
            assert_eq!(code(&got), "MANIFEST_UNKNOWN");
        }
    }
    let fetched = archives(&gitea);
    assert!(fetched <= VERSIONS, "{fetched} archives");
}

//! A Gitea behind a proxy that limits how fast it is asked.

use std::sync::Arc;
use std::time::Duration;

use registry_backends::gitea::settings::GiteaSettings;
use registry_catalog::{Catalog, Merge};
use registry_core::backend::Backend as _;
use registry_core::models::scope::Scope;
use registry_testing::canary;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::nginx::Nginx;
use tokio::time::Instant;

use super::backend_of;
use crate::support::served::rules;

const COUNT: usize = 64;

/// A sweep over many repositories, behind nginx with these lines in its `location`; the statuses of
/// its answers, and how long it took.
async fn sweep(location: &str) -> Option<(Vec<u16>, Duration)> {
    let mut state = State::empty();
    for number in 0..COUNT {
        state.create_released(&format!("e{number:02}_prov"), "1.0.0", b"bytes");
    }
    let fake = FakeGitea::start(state).await;
    let upstream = fake.url().authority().to_owned();
    let zone = "limit_req_zone $scheme zone=all:1m rate=10r/s;";
    let nginx = Nginx::before(&upstream, zone, location).await?;
    let url = nginx.url().parse().unwrap();
    let settings = GiteaSettings::new(url, ORGANIZATION.parse().unwrap());
    let token = canary::secret_for(&format!("http://{upstream}"), "<read>");
    let backend = backend_of(GiteaSettings { token: Some(token.parse().unwrap()), ..settings });
    let source = backend.id();
    let rules = rules(Merge::Owner, Duration::from_mins(5));
    let catalog = Catalog::new(vec![Arc::new(backend)], rules);
    let begun = Instant::now();
    catalog.syncer.sync(source.into()).await.unwrap();
    assert_eq!(catalog.store.view().entries(Scope::All).len(), COUNT);
    Some((nginx.statuses(), begun.elapsed()))
}

async fn limited(location: &str, status: u16) {
    let Some((statuses, took)) = sweep(location).await else { return };
    let refused = statuses.iter().filter(|one| **one == status).count();
    assert_eq!(statuses.len(), refused + statuses.iter().filter(|one| **one == 200).count());
    assert!(refused > 0, "the limit was never met: {took:?}");
    assert!(refused <= 40, "{refused} of {} were refused", statuses.len());
    println!("{} answers, {refused} refused, {took:?}", statuses.len());
}

#[tokio::test]
async fn g01_a_first_sweep_behind_a_rate_limit_comes_to_its_end() {
    limited("limit_req zone=all burst=20 nodelay;\n      limit_req_status 429;", 429).await;
}

#[tokio::test]
async fn g01c_a_limit_that_answers_503_is_no_outage() {
    limited("limit_req zone=all burst=20 nodelay;", 503).await;
}

#[tokio::test]
async fn g01d_a_limit_that_says_when_to_ask_again_is_kept() {
    let location = "limit_req zone=all burst=5 nodelay;\n      limit_req_status 429;\n      \
                    add_header Retry-After 1 always;";
    limited(location, 429).await;
}

//! Thousands of webhooks to every replica at once.

use std::sync::Arc;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use tokio::time::{Instant, sleep, sleep_until};

use crate::contents::stored;
use crate::question_counts::QuestionKind;
use crate::replica_set::ReplicaSet;
use crate::scenario::Scenario;

const NAMES: usize = 100;
const WEBHOOKS: usize = 10_000;
const LASTS: Duration = Duration::from_secs(10);

/// Returns how often backends are asked for an extension meanwhile.
async fn questions(scenario: Scenario) -> usize {
    let backend = Arc::new(MemoryBackend::new(BackendId::GITEA));
    let names: Vec<_> = (0..NAMES).map(|number| id(&format!("provider/e{number}"))).collect();
    let publish = |version: &str| {
        for name in &names {
            backend.publish(name, tag(version), about("one", &[]), "archive");
        }
    };
    publish("1.0.1");
    let replicas = ReplicaSet::start(scenario, std::slice::from_ref(&backend));
    sleep(Duration::from_secs(30)).await;
    let before = replicas.questions.of(QuestionKind::Extension);
    publish("1.0.2");
    let begun = Instant::now();
    for number in 0..WEBHOOKS {
        sleep_until(begun + LASTS.mul_f64(number as f64 / WEBHOOKS as f64)).await;
        replicas.notice(number % scenario.replicas, BackendId::GITEA, &names[number * 7 % NAMES]);
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!(replicas.common_contents(), Some(stored(&[backend]).await));
    replicas.questions.of(QuestionKind::Extension) - before
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_webhooks_to_three_replicas_asks_as_often_as_one_to_one() {
    let three = Scenario { backends: &[BackendId::GITEA], ..Scenario::QUIET_HOUR };
    let one = questions(Scenario { replicas: 1, is_shared: false, ..three }).await;
    let three = questions(three).await;
    assert!(three * 10 <= one * 11, "one asks {one}, three ask {three}");
    assert!(one < WEBHOOKS / 5, "each extension about once a second, not {one} times");
}

//! One replica reads the backend for all.

use std::time::Duration;

use registry_testing::engine_server::Product;
use registry_testing::fake_gitea::FakeGitea;
use tokio::time::sleep;

use crate::shared::fleet::{EXTENSIONS, Fleet, home};
use crate::support::figures::{Stopwatch, figure};
use crate::support::program::Running;

/// Counts what a replica without `[shared]` asks a backend until it knows everything.
async fn questions_of_one(gitea: &FakeGitea) -> usize {
    let dir = home(gitea, "<read>", "");
    let running = Running::start(dir.path(), &[]);
    while !running.get("/health").await.json()["backends"]["gitea"]["last_success"].is_string() {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        running.get("/extensions?limit=1000").await.json().as_array().unwrap().len(),
        EXTENSIONS
    );
    gitea.take_seen().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_ask_the_backend_as_much_as_one_and_a_late_one_asks_nothing() {
    let Some(mut fleet) = Fleet::without_replicas(Product::Redis).await else { return };
    let of_one = questions_of_one(&fleet.gitea).await;
    for _ in 0..3 {
        fleet.add().await;
    }
    assert_eq!(fleet.agree().await.len(), EXTENSIONS);
    let of_three = fleet.gitea.take_seen().len();
    figure(&format!("requests to the backend of a start: one replica {of_one}, three {of_three}"));
    assert!(of_three * 10 <= of_one * 11, "three replicas {of_three}, one {of_one}");

    let late = fleet.add().await;
    assert_eq!(fleet.agree().await.len(), EXTENSIONS);
    let asked = fleet.gitea.take_seen();
    assert!(asked.is_empty(), "{asked:?}");

    let writer = fleet.writer().await;
    fleet.publish(1, "1.1.0");
    let watch = Stopwatch::start();
    fleet.deliver((writer + 1) % 3, 1).await;
    fleet.all_show(1, "1.1.0").await;
    figure(&format!("webhook at a follower to visible on four replicas: {:.0?}", watch.elapsed()));
    fleet.publish(EXTENSIONS, "1.0.0");
    fleet.deliver(late, EXTENSIONS).await;
    fleet.all_show(EXTENSIONS, "1.0.0").await;
}

//! Requests of known things to several replicas while something else fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::shared::fleet::Fleet;

/// Far more than an answer takes on a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Known since the start, and never removed.
const KNOWN: [&str; 5] = [
    "/extensions",
    "/extensions/search?q=many",
    "/extensions/taskserv/e07",
    "/extensions/taskserv/e08/versions",
    "/health/ready",
];

/// Requests that are sent until it is dropped.
pub struct Load {
    /// Number of answers of each replica that is asked.
    answered: Vec<Arc<AtomicUsize>>,
    failed: Arc<Mutex<Vec<String>>>,
    senders: JoinSet<()>,
}

impl Load {
    /// Asks the replicas at these places, each in turn for every known thing.
    pub fn of<E>(fleet: &Fleet<E>, places: impl IntoIterator<Item = usize>) -> Self {
        let mut load =
            Self { answered: Vec::new(), failed: Arc::default(), senders: JoinSet::new() };
        for place in places {
            let address = fleet.replicas[place].running.address;
            let answered = Arc::new(AtomicUsize::new(0));
            load.answered.push(Arc::clone(&answered));
            let failed = Arc::clone(&load.failed);
            load.senders.spawn(async move {
                let client = registry_testing::http::client_builder().build().unwrap();
                for path in KNOWN.iter().cycle() {
                    let asked = client.get(format!("http://{address}/api/v1{path}")).send();
                    match timeout(ANSWER_MAX, asked).await {
                        Ok(Ok(got)) if got.status() == StatusCode::OK => {}
                        other => failed.lock().push(format!("replica {place}, {path}: {other:?}")),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(5)).await;
                }
            });
        }
        load
    }

    /// Waits until each replica has answered everything once more. Fails if anything ever failed.
    pub async fn goes_on(&self) {
        for answered in &self.answered {
            let until = answered.load(Ordering::Relaxed) + KNOWN.len();
            while answered.load(Ordering::Relaxed) < until {
                sleep(Duration::from_millis(10)).await;
            }
        }
        let failed = self.failed.lock();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

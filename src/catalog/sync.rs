//! How the catalogue stays true: two tasks for each backend, the only writers of what it knows.
//! One makes the rounds, the other reads again what notices and old age ask for. A third watches
//! whether the backend is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::catalog::Catalogue;
use crate::catalog::rounds::read_all;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

/// How soon a failed round is tried again, at first and at last.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Keeps the catalogue current until dropped: a round over each backend now and once per time to
/// live, sooner after a failure.
pub fn run(catalogue: &Arc<Catalogue>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for source in catalogue.sources() {
        let this = Arc::clone(catalogue);
        tasks.spawn(async move { this.keep_current(source).await });
        let this = Arc::clone(catalogue);
        tasks.spawn(async move { this.keep_reading(source).await });
        tasks.spawn(Arc::clone(catalogue).keep_watch(source));
    }
    tasks
}

impl Catalogue {
    /// A backend says that these changed: they are read at once, and again by a schedule while
    /// something of them is missing.
    pub fn notice(&self, source: Source, ids: Vec<ExtensionId>) {
        let Some(member) = self.member(source) else { return };
        let now = Instant::now();
        member.mark(|dirty| ids.into_iter().for_each(|id| dirty.noticed(id, now)));
    }

    async fn keep_current(self: Arc<Self>, source: Source) {
        let Some(member) = self.member(source) else { return };
        let mut retry = RETRY;
        loop {
            if self.round(Some(source)).await.is_ok() {
                retry = RETRY;
                sleep(self.rules.ttl).await;
            } else {
                // Whichever comes first: the pause need not outlast the outage.
                timeout(retry.min(self.rules.ttl), member.is_back()).await.unwrap_or_default();
                retry = (retry * 2).min(RETRY_MAX);
            }
        }
    }

    async fn keep_reading(self: Arc<Self>, source: Source) {
        let Some(member) = self.member(source) else { return };
        loop {
            let due = member.due().await;
            let ids = due.iter().map(|(id, _)| id.clone()).collect();
            let read = read_all(member, ids).await;
            for (_, outcome) in &read {
                member.learned(outcome);
            }
            let taken = self.take_over(source, read);
            for fault in taken.faults {
                member.status.found(fault);
            }
            let unsettled =
                due.into_iter().filter(|(id, due)| due.is_fresh() || taken.lacking.contains(id));
            member.mark(|dirty| unsettled.for_each(|(id, due)| dirty.again(id, due)));
        }
    }
}

//! How the catalogue stays true: one task for each backend, the only writer of what it knows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::backend::{Fault, Listing};
use crate::catalog::{Catalogue, Member};
use crate::error::{Error, ErrorKind, Result};
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

/// Extensions of one backend that are read at once.
const READS_AT_ONCE: usize = 8;
/// Extensions that become visible together: a sweep of thousands must not show thousands of views.
const BATCH: usize = 500;
/// After this long without a question a backend is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(15);
/// How long that may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How soon a failed round is tried again, at first and at last.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How soon a repository that was said to be gone is asked for again.
const DOUBT: Duration = Duration::from_secs(10);

/// Lets callers who want a round share one: a round that begins after a caller asked is theirs.
#[derive(Default)]
pub(crate) struct Round {
    begun: AtomicU64,
    running: tokio::sync::Mutex<()>,
}

/// Keeps the catalogue current until dropped: a sweep of each backend now and once per time to
/// live, sooner after a failure, probes in between.
pub fn run(catalogue: &Arc<Catalogue>) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for source in catalogue.sources() {
        let catalogue = Arc::clone(catalogue);
        tasks.spawn(async move { catalogue.keep_current(source).await });
    }
    tasks
}

impl Catalogue {
    /// Makes one round over a backend, or over all, shared with every caller who asked meanwhile.
    /// The round goes on when its callers leave.
    ///
    /// # Errors
    /// The last failure of a backend asked; the others' rounds were made nevertheless.
    pub async fn round(self: &Arc<Self>, source: Option<Source>) -> Result<()> {
        let rounds = self.asked(source).map(|member| {
            let (this, source) = (Arc::clone(self), member.source());
            tokio::spawn(async move { this.round_of(source).await })
        });
        let cut_short = |error: tokio::task::JoinError| {
            Err(Error::new(ErrorKind::Internal, "A round was cut short").because(error))
        };
        let outcomes = join_all(rounds).await.into_iter();
        outcomes.map(|outcome| outcome.unwrap_or_else(cut_short)).fold(Ok(()), Result::and)
    }

    async fn keep_current(self: Arc<Self>, source: Source) {
        let mut retry = RETRY;
        loop {
            let pause = match self.round(Some(source)).await {
                Ok(()) => {
                    retry = RETRY;
                    let doubts = self.index.lock().doubts(source);
                    if doubts { self.rules.ttl.min(DOUBT) } else { self.rules.ttl }
                }
                Err(_) => {
                    let pause = retry.min(self.rules.ttl);
                    retry = (retry * 2).min(RETRY_MAX);
                    pause
                }
            };
            self.watch(source, Instant::now() + pause).await;
        }
    }

    /// Waits for the next round; asks a silent backend whether it is there.
    async fn watch(&self, source: Source, until: Instant) {
        let Some(member) = self.member(source) else { return };
        while Instant::now() < until {
            sleep((until - Instant::now()).min(SILENCE)).await;
            let asked = member.status.get().last_asked;
            let silent = asked.is_none_or(|at| at.elapsed() >= SILENCE);
            if silent && Instant::now() < until {
                member.probe().await;
            }
        }
    }

    async fn round_of(&self, source: Source) -> Result<()> {
        let Some(member) = self.member(source) else { return Ok(()) };
        let seen = member.round.begun.load(Ordering::Acquire);
        let _running = member.round.running.lock().await;
        if member.round.begun.load(Ordering::Acquire) > seen {
            return member.last_outcome();
        }
        member.round.begun.fetch_add(1, Ordering::AcqRel);
        let begun = Instant::now();
        match self.sweep(member).await {
            Ok(faults) => member.succeeded(begun, faults),
            Err(error) => {
                member.failed(&error);
                // Nothing new to see, but who waits for the first round need not wait on.
                self.view.send_modify(|_| ());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reads everything a backend has; answers with what could not be read.
    async fn sweep(&self, member: &Member) -> Result<Vec<Fault>> {
        let source = member.source();
        let Listing { ids, complete, mut faults } = member.backend.listing().await?;
        let listed: BTreeSet<ExtensionId> = ids.iter().cloned().collect();
        let unlisted =
            if complete { self.index.lock().beyond(source, &listed) } else { Vec::new() };
        let known = complete || !ids.is_empty();
        let reads = stream::iter(ids.into_iter().chain(unlisted))
            .map(|id| async {
                let found = member.backend.extension(&id).await;
                (id, found)
            })
            .buffer_unordered(READS_AT_ONCE);
        let mut batches = std::pin::pin!(reads.ready_chunks(BATCH));
        while let Some(batch) = batches.next().await {
            faults.extend(self.apply(source, batch));
        }
        if known {
            self.change(|index| index.listed(source));
        }
        Ok(faults)
    }

    /// Takes over what was read; answers with the faults in it.
    pub(super) fn apply(
        &self,
        source: Source,
        read: Vec<(ExtensionId, Result<Extension>)>,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.change(|index| {
            for (id, found) in read {
                match found {
                    Ok(extension) => {
                        faults.extend(faults_of(&extension));
                        index.put(source, extension);
                    }
                    Err(error) if error.is_not_found() => {
                        index.missed(source, &id, Instant::now());
                    }
                    Err(error) => faults.push(fault(&id, error.report())),
                }
            }
        });
        faults
    }
}

fn faults_of(extension: &Extension) -> Option<Fault> {
    let faults = extension.faults();
    (!faults.is_empty()).then(|| fault(extension.id(), faults.join("; ")))
}

fn fault(id: &ExtensionId, reason: String) -> Fault {
    Fault { repository: id.to_string(), reason }
}

impl Member {
    /// Asks whether the backend is there; its health is the answer.
    async fn probe(&self) {
        match timeout(PROBE_TIMEOUT, self.backend.probe()).await {
            Ok(Ok(())) => self.status.answered(),
            Ok(Err(error)) => self.failed(&error),
            Err(_) => {
                let message = format!("no answer within {} s", PROBE_TIMEOUT.as_secs());
                self.failed(&Error::new(ErrorKind::BackendTimeout, message));
            }
        }
    }

    fn succeeded(&self, begun: Instant, faults: Vec<Fault>) {
        let was_healthy = self.status.get().healthy;
        for fault in self.status.rounded(begun, faults) {
            warn!(backend = %self.source(), repository = fault.repository, "{}", fault.reason);
        }
        if !was_healthy {
            info!(backend = %self.source(), "backend answers");
        }
    }

    /// Notes and logs a failure; the same one again is noted alone.
    fn failed(&self, error: &Error) {
        if self.status.failed(error) {
            warn!(backend = %self.source(), "backend fails: {}", error.report());
        }
    }

    /// A question of a caller failed: nonsense is that of one repository, anything else the backend's.
    pub(super) fn noticed(&self, error: &Error) {
        if error.kind() != ErrorKind::BackendFaulty {
            self.failed(error);
        }
    }

    fn last_outcome(&self) -> Result<()> {
        match self.status.get().last_error {
            None => Ok(()),
            Some(_) => {
                let message = format!("The {} backend did not answer", self.source());
                Err(Error::unavailable(message, RETRY).at(self.source()))
            }
        }
    }
}

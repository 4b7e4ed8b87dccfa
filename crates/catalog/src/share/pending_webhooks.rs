//! Webhooks that the engine does not have: they are in the state directory until they are answered.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::files::lane::Lane;
use tokio::time::{sleep, timeout};

use crate::share::requests::RequestId;
use crate::share::{BackendShare, Shares};
use crate::state::webhook_file::{PendingWebhook, WebhookFile};

/// Maximum number of webhooks in the file.
const PENDING_MAX: usize = 5000;
/// Pause between two looks for webhooks that were answered.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Maximum time for a write, so that a hanging disk does not hold up a webhook.
const WRITE_MAX: Duration = Duration::from_secs(3);
/// `Retry-After` of a webhook that is not taken.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Webhooks that this replica has taken and the engine has not, of all shared backends.
pub(crate) struct PendingWebhooks {
    shares: Shares,
    /// Not set without a state directory.
    file: OnceLock<WebhookFile>,
    lane: Lane,
    turn: tokio::sync::Mutex<()>,
    /// What the file has; `None` after a failed write.
    written: Mutex<Option<Vec<PendingWebhook>>>,
}

impl PendingWebhooks {
    pub(crate) fn new(shares: Shares) -> Self {
        Self {
            shares,
            file: OnceLock::new(),
            // Of one write at a time: a write that hangs must not replace a later one when it ends.
            lane: Lane::new(1, WRITE_MAX),
            turn: tokio::sync::Mutex::default(),
            written: Mutex::new(Some(Vec::new())),
        }
    }

    /// Uses a file with these webhooks, and posts them. Returns those of backends that are not shared.
    pub(crate) fn restore(
        &self,
        file: WebhookFile,
        webhooks: Vec<PendingWebhook>,
    ) -> Vec<PendingWebhook> {
        *self.written.lock() = Some(webhooks.clone());
        // Set once: a catalog has one state directory.
        let _ = self.file.set(file);
        let foreign = webhooks.into_iter().filter(|webhook| {
            let share = self.shares.iter().find(|(of, _)| *of == webhook.backend);
            if let Some((_, share)) = share {
                share.requests.restore(webhook.request, webhook.extension.clone());
            }
            share.is_none()
        });
        foreign.collect()
    }

    /// Waits until the requests of a webhook are in the engine, or else in the file.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` if they are in neither.
    pub(crate) async fn keep(&self, share: &BackendShare, requests: &[RequestId]) -> Result<()> {
        let posted = join_all(requests.iter().map(|id| share.requests.is_posted(*id))).await;
        let unposted = requests.iter().zip(posted).filter(|(_, is_posted)| !is_posted);
        let unposted: Vec<RequestId> = unposted.map(|(id, _)| *id).collect();
        if unposted.is_empty() {
            return Ok(());
        }
        if self.file.get().is_none() {
            return Err(not_taken("cache.state_dir is not set"));
        }
        let room = PENDING_MAX.saturating_sub(self.webhooks().len());
        if !share.requests.keep(&unposted, room) {
            return Err(not_taken("too many others wait"));
        }
        let saved = timeout(WRITE_MAX, self.save()).await;
        let saved = saved.unwrap_or_else(|_| Err(not_taken("the disk does not answer")));
        saved.map_err(|error| not_taken("it cannot be saved in cache.state_dir").because(error))
    }

    /// Removes webhooks from the file that were answered, until dropped.
    pub(crate) async fn keep_tidy(self: Arc<Self>) {
        loop {
            sleep(LOOK_EVERY).await;
            // A failed write is tried again; until it succeeds, a restart reads a name once more.
            let _ = self.save().await;
        }
    }

    /// Writes the file unless it has the present webhooks.
    async fn save(&self) -> Result<()> {
        let Some(file) = self.file.get() else { return Ok(()) };
        let _turn = self.turn.lock().await;
        // Those of all callers that waited for their turn.
        let webhooks = self.webhooks();
        if self.written.lock().as_ref() == Some(&webhooks) {
            return Ok(());
        }
        *self.written.lock() = None;
        let (file, content) = (file.clone(), webhooks.clone());
        let written = self.lane.run(move || file.write(&content)).await;
        written.map_err(|error| {
            Error::new(ErrorKind::Internal, "It was not written").because(error)
        })??;
        *self.written.lock() = Some(webhooks);
        Ok(())
    }

    fn webhooks(&self) -> Vec<PendingWebhook> {
        let of_all = self.shares.iter().flat_map(|(backend, share)| {
            let kept = share.requests.kept().into_iter();
            kept.map(|(request, extension)| PendingWebhook {
                backend: *backend,
                extension,
                request,
            })
        });
        let mut webhooks: Vec<_> = of_all.collect();
        webhooks.sort_unstable();
        webhooks
    }
}

/// Returns the error of a webhook that only this replica has read.
fn not_taken(why: &str) -> Error {
    let message = format!(
        "The webhook may be lost: the shared Redis or Valkey is away, and {why}; deliver it again later"
    );
    Error::unavailable(message, RETRY_AFTER).not_asked()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use registry_core::models::backend_id::BackendId;
    use registry_core::models::naming::ExtensionId;
    use registry_fleet::state::EngineState;
    use registry_fleet::topic::Topic;
    use tempfile::TempDir;

    use super::*;
    use crate::share::requests::RequestAnswer;

    const OF: BackendId = BackendId::GITEA;

    /// The webhooks of one process, and the engine as its poster finds it.
    struct Process {
        share: Arc<BackendShare>,
        pending: Arc<PendingWebhooks>,
        _tasks: tokio::task::JoinSet<()>,
    }

    impl Process {
        fn start(dir: Option<&Path>, has_engine: bool) -> Self {
            let topic = Topic::of(OF, "configuration");
            let share = Arc::new(BackendShare::new(topic, EngineState::default()));
            let pending = Arc::new(PendingWebhooks::new(vec![(OF, Arc::clone(&share))]));
            if let Some(dir) = dir {
                let file = WebhookFile::new(dir);
                let webhooks = file.read(Timestamp::UNIX_EPOCH).unwrap();
                assert_eq!(pending.restore(file, webhooks), []);
            }
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(Arc::clone(&pending).keep_tidy());
            let poster = Arc::clone(&share);
            tasks.spawn(async move {
                loop {
                    poster.requests.changed().await;
                    for (id, _) in poster.requests.due() {
                        if has_engine {
                            poster.requests.posted(id);
                        } else {
                            poster.requests.not_posted(id);
                        }
                    }
                }
            });
            Self { share, pending, _tasks: tasks }
        }

        async fn takes(&self, name: &str) -> Result<()> {
            let id: ExtensionId = name.parse().unwrap();
            let request = self.share.requests.notice(id);
            self.pending.keep(&self.share, &[request]).await
        }

        fn answer_all(&self) {
            for (id, _) in self.share.requests.kept() {
                self.share.requests.answered(id, RequestAnswer::Read);
            }
        }
    }

    fn has_file(dir: &TempDir) -> bool {
        dir.path().join("webhooks.json").exists()
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_that_the_engine_has_touches_no_disk() {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(Some(dir.path()), true);
        process.takes("provider/one").await.unwrap();
        assert!(!has_file(&dir));
        Process::start(None, true).takes("provider/one").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_is_not_taken_while_it_would_be_in_memory_only() {
        let missing = tempfile::tempdir().unwrap().path().join("missing");
        for dir in [None, Some(&*missing)] {
            let process = Process::start(dir, false);
            let error = process.takes("provider/one").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BackendUnavailable { retry_after: RETRY_AFTER });
            assert_eq!(process.share.requests.due().len(), 1, "it is posted nevertheless");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn webhooks_are_posted_after_a_restart_and_leave_the_file_when_they_are_answered() {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(Some(dir.path()), false);
        process.takes("provider/one").await.unwrap();
        process.takes("provider/other").await.unwrap();
        process.takes("provider/one").await.unwrap();
        let kept = process.share.requests.kept();
        assert_eq!(kept.len(), 2, "{kept:?}");
        drop(process);
        let restarted = Process::start(Some(dir.path()), true);
        let requests = &restarted.share.requests;
        assert_eq!(requests.due().len(), 2);
        assert_eq!(requests.kept(), kept, "the writer knows them by the same names");
        sleep(LOOK_EVERY * 2).await;
        assert!(has_file(&dir), "they are not answered");
        restarted.answer_all();
        sleep(LOOK_EVERY * 2).await;
        assert!(!has_file(&dir));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_webhooks_are_kept_than_the_file_may_have() {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(Some(dir.path()), false);
        let webhooks = (0..PENDING_MAX as u64).map(|number| PendingWebhook {
            backend: OF,
            extension: format!("provider/e{number}").parse().unwrap(),
            request: RequestId(number),
        });
        let _ = process.pending.restore(WebhookFile::new(dir.path()), webhooks.collect());
        let error = process.takes("provider/one").await.unwrap_err();
        assert!(error.message().contains("too many"), "{error}");
        process.takes("provider/e1").await.unwrap();
    }
}

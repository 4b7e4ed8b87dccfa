//! The path from one replica to a backend.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use parking_lot::Mutex;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::backend::download::Download;
use registry_core::backend::{Backend, Listing};
use registry_core::error::{Error, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;
use registry_testing::memory::MemoryBackend;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::question_counts::{QuestionCounts, QuestionKind};

/// Time until a question on a cut path fails.
const FAILS_AFTER: Duration = Duration::from_millis(50);
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// One in this number of questions takes seconds where answers have long tails.
const TAIL: u64 = 20;

/// What happens to questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathState {
    /// They reach the backend.
    #[default]
    Open,
    /// They fail.
    Cut,
    /// The replica is stopped: they are asked, and their answers arrive, once it continues.
    Paused,
}

/// Duration of answers.
pub struct Pace {
    rng: Rng,
    has_tails: bool,
}

/// The backend as one replica reaches it: questions are counted, take time, and may fail.
pub struct BackendPath {
    backend: Arc<MemoryBackend>,
    /// False for a backend that has to be listed each time.
    tells_changes: bool,
    questions: Arc<QuestionCounts>,
    pace: Mutex<Pace>,
    state: watch::Sender<PathState>,
}

impl Pace {
    pub fn new(seed: u64, has_tails: bool) -> Self {
        Self { rng: Rng::with_seed(seed), has_tails }
    }

    /// Returns the time until the backend looks, and from then until the answer arrives.
    fn next(&mut self) -> (Duration, Duration) {
        let is_tail = self.has_tails && self.rng.u64(0..TAIL) == 0;
        let millis = self.rng.u64(if is_tail { 100..=16_000 } else { 20..=100 });
        let before = self.rng.u64(0..=millis);
        (Duration::from_millis(before), Duration::from_millis(millis - before))
    }
}

impl BackendPath {
    pub fn new(
        backend: Arc<MemoryBackend>,
        tells_changes: bool,
        questions: Arc<QuestionCounts>,
        pace: Pace,
    ) -> Arc<Self> {
        let (pace, state) = (Mutex::new(pace), watch::Sender::default());
        Arc::new(Self { backend, tells_changes, questions, pace, state })
    }

    pub fn set_state(&self, state: PathState) {
        self.state.send_replace(state);
    }

    async fn ask<T>(
        &self,
        question: QuestionKind,
        answer: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let (before, after) = self.pace.lock().next();
        self.passes().await?;
        self.questions.count(question);
        sleep(before).await;
        let answer = answer.await;
        sleep(after).await;
        self.passes().await?;
        answer
    }

    /// Waits while the replica is stopped. Fails while the path is cut.
    async fn passes(&self) -> Result<()> {
        let mut state = self.state.subscribe();
        // Never an error: the sender lives as long as `self`.
        let _ = state.wait_for(|state| *state != PathState::Paused).await;
        if *self.state.borrow() == PathState::Open {
            return Ok(());
        }
        sleep(FAILS_AFTER).await;
        Err(Error::unavailable("connection refused", RETRY_AFTER))
    }
}

#[async_trait]
impl Backend for BackendPath {
    fn id(&self) -> BackendId {
        self.backend.id()
    }

    async fn listing(&self) -> Result<Listing> {
        self.ask(QuestionKind::Listing, self.backend.listing()).await
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.questions.reads((self.id(), id.clone()));
        self.ask(QuestionKind::Extension, self.backend.extension(id)).await
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        self.ask(QuestionKind::Version, self.backend.version(id, tag)).await
    }

    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        self.ask(QuestionKind::Content, self.backend.open(id, artifact, range)).await
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        self.ask(QuestionKind::Content, self.backend.readme(id, release)).await
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        if !self.tells_changes {
            return Ok(Changes::CannotTell);
        }
        self.ask(QuestionKind::Changes, self.backend.changes(since)).await
    }

    async fn probe(&self) -> Result<()> {
        self.ask(QuestionKind::Probe, self.backend.probe()).await
    }
}

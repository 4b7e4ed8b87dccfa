//! Rounds over a backend: a sweep of everything, or only what changed since the last round.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, TryReadyChunksError};
use futures_util::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backend::changes::{ChangeCursor, Changes};
use crate::backend::{Fault, Listing};
use crate::catalog::Catalogue;
use crate::catalog::faults::Faults;
use crate::catalog::index::Absence;
use crate::catalog::member::Member;
use crate::catalog::moment::Moment;
use crate::catalog::removal::not_believed;
use crate::error::{Error, ErrorKind, Result};
use crate::models::brief::brief;
use crate::models::extension::Extension;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

/// Extensions of one backend that are read at once.
pub(super) const READS_AT_ONCE: usize = 8;
/// Extensions that become visible together: a sweep of thousands must not show thousands of views.
const BATCH: usize = 500;
/// A sweep ends after this many failures without an answer.
const FAILURES_MAX: usize = 8;
/// When a round that others waited for, and that failed, is worth asking for again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How far the rounds over one backend are. Callers who want a round share one: a round that
/// begins after a caller asked is theirs too.
#[derive(Default)]
pub(crate) struct RoundState {
    begun: AtomicU64,
    running: tokio::sync::Mutex<()>,
    /// Beside the lock of the running round, so that it can be looked at during one.
    place: Mutex<Place>,
}

/// Where the next round goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// What the backend is asked for changes since.
    pub(super) cursor: Option<ChangeCursor>,
    /// When everything was last read.
    pub(super) swept: Option<Moment>,
}

impl RoundState {
    /// Where the next round goes on.
    pub(super) fn place(&self) -> Place {
        self.place.lock().clone()
    }

    /// From now on rounds go on from here.
    pub(super) fn go_on_from(&self, place: Place) {
        *self.place.lock() = place;
    }
}

/// What was read of one extension.
pub(super) type Read = (ExtensionId, Result<Extension>);

/// What came of extensions that were read.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// What could not be read.
    pub(super) faults: Vec<Fault>,
    /// Those that were said to be gone, and those whose newest release lacks its archive.
    pub(super) lacking: Vec<ExtensionId>,
    /// Those that are certain to be gone if the backend is to be believed.
    pub(super) gone: Vec<ExtensionId>,
    /// How many there was no room for.
    pub(super) refused: usize,
}

impl Catalogue {
    /// Makes one round over a backend, or over all, shared with every caller who asked meanwhile.
    /// The round goes on when its callers leave.
    ///
    /// # Errors
    /// The first failure of a backend asked; the others' rounds were made nevertheless.
    pub async fn round(self: &Arc<Self>, source: Option<Source>) -> Result<()> {
        let rounds = self.asked(source).map(|member| {
            let (this, source) = (Arc::clone(self), member.source());
            let seen = member.round.begun.load(Ordering::Acquire);
            tokio::spawn(async move { this.round_of(source, seen).await })
        });
        let cut_short = |error: tokio::task::JoinError| {
            Err(Error::new(ErrorKind::Internal, "A round was cut short").because(error))
        };
        let outcomes = join_all(rounds).await.into_iter();
        outcomes.map(|outcome| outcome.unwrap_or_else(cut_short)).fold(Ok(()), Result::and)
    }

    /// `seen` is how many rounds had begun when the caller asked.
    async fn round_of(self: &Arc<Self>, source: Source, seen: u64) -> Result<()> {
        let Some(member) = self.member(source) else { return Ok(()) };
        let _running = member.round.running.lock().await;
        if member.round.begun.load(Ordering::Acquire) > seen {
            return shared_outcome(member);
        }
        member.round.begun.fetch_add(1, Ordering::AcqRel);
        let made = self.changes_or_sweep(member).await;
        self.shown().await;
        if let Err(error) = &made {
            member.failed(error);
        }
        // Perhaps nothing new to see, but who waits for a round need not wait on.
        self.view.send_modify(|_| ());
        made
    }

    async fn changes_or_sweep(self: &Arc<Self>, member: &Member) -> Result<()> {
        let begun = Instant::now();
        let place = member.round.place();
        let recent = place.swept.is_some_and(|at| at.elapsed() < self.rules.full_sweep);
        if let Some(cursor) = place.cursor.filter(|_| recent)
            && let Changes::These { dirty, cursor, .. } =
                member.backend.changes(Some(&cursor)).await?
        {
            self.read_changes(member, dirty, begun).await?;
            member.round.go_on_from(Place { cursor: Some(cursor), ..place });
            return Ok(());
        }
        // The cursor is taken first, so that what changes during the sweep is seen afterwards. A
        // backend that cannot give one is swept each time.
        let cursor = match member.backend.changes(None).await {
            Ok(Changes::These { cursor, .. }) => Some(cursor),
            Err(error) if is_absent(&error) => return Err(error),
            Ok(Changes::CannotTell) | Err(_) => None,
        };
        let (complete, faults) = self.sweep(member).await?;
        member.answered();
        member.tell(&member.status.rounded(begun, complete, faults));
        member.round.go_on_from(Place { cursor, swept: Some(begun.into()) });
        Ok(())
    }

    /// A backend that tells what changed, and then nothing of all that, is not current for it.
    async fn read_changes(
        self: &Arc<Self>,
        member: &Member,
        dirty: Vec<ExtensionId>,
        begun: Instant,
    ) -> Result<()> {
        let mut read = read_all(member, dirty.clone()).await;
        let in_vain: Vec<ExtensionId> = read.iter().filter_map(in_vain).cloned().collect();
        if in_vain.len() == read.len()
            && let Some((_, Err(error))) = read.pop()
        {
            return Err(error);
        }
        let Taken { faults, mut lacking, .. } = self.take_in(member, read).await;
        lacking.extend(in_vain);
        member.mark(|dirty| lacking.into_iter().for_each(|id| dirty.lacking(id, begun)));
        member.answered();
        let repositories: Vec<String> = dirty.iter().map(ToString::to_string).collect();
        member.tell(&member.status.read_again(begun, &repositories, faults));
        Ok(())
    }

    /// Reads everything a backend lists; answers with whether that is all it has, and with what
    /// could not be read.
    async fn sweep(self: &Arc<Self>, member: &Member) -> Result<(bool, Faults)> {
        let source = member.source();
        let Listing { ids, coverage, faults } = member.backend.listing().await?;
        let complete = coverage.is_complete();
        let mut faults: Faults = faults.into_iter().collect();
        member.answered();
        let listed: BTreeSet<ExtensionId> = ids.iter().cloned().collect();
        let mut unlisted =
            if complete { self.index.lock().beyond(source, &listed) } else { Vec::new() };
        if listed.is_empty() && unlisted.len() > 1 {
            // Asking for each of them would not tell a backend that lost its repositories from one
            // that hides them from us.
            faults.add(not_believed());
            unlisted.clear();
        }
        let known = complete || !ids.is_empty();
        self.change(|index| index.sweep_begins(source));
        let mut patience = Patience::default();
        let reads = stream::iter(ids)
            .map(|id| read_one(member, id))
            .buffer_unordered(READS_AT_ONCE)
            .map(|read| patience.judge(&read).map(|()| read));
        let mut batches = std::pin::pin!(reads.try_ready_chunks(BATCH));
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|TryReadyChunksError(_, error)| error)?;
            faults.extend(self.take_in(member, batch).await.faults);
        }
        // What a complete listing lacks is asked for by its name before it is believed to be gone.
        let doubted = self.take_in(member, read_all(member, unlisted).await).await;
        faults.extend(doubted.faults);
        member.mark(|dirty| {
            doubted.lacking.into_iter().for_each(|id| dirty.lacking(id, Instant::now()));
        });
        self.change(|index| {
            index.sweep_ended(source, complete);
            if known {
                index.listed(source);
            }
        });
        Ok((complete, faults))
    }

    /// Takes over what was read.
    pub(super) fn take_over(self: &Arc<Self>, source: Source, read: Vec<Read>) -> Taken {
        let mut taken = Taken::default();
        self.change(|index| {
            for (id, found) in read {
                match found {
                    Ok(extension) => {
                        if extension.awaits_archive() {
                            taken.lacking.push(id);
                        }
                        taken.faults.extend(faults_of(&extension));
                        let fits = index.put(source, extension, Instant::now());
                        taken.refused += usize::from(!fits);
                    }
                    Err(error) if error.is_not_found() => {
                        match index.missed(source, &id, Instant::now()) {
                            Absence::Unknown => {}
                            Absence::Doubted => taken.lacking.push(id),
                            Absence::Certain => taken.gone.push(id),
                        }
                    }
                    Err(error) => taken.faults.push(fault(&id, error.report())),
                }
            }
        });
        taken
    }
}

/// Ends a sweep in which nothing is answered, or nothing any more: a backend that went away, or
/// refuses us, after it was listed would cost a question for each of its extensions, or a fault.
#[derive(Default)]
struct Patience {
    answered: bool,
    failed: usize,
}

impl Patience {
    fn judge(&mut self, (_, found): &Read) -> Result<()> {
        match found {
            Err(error) if is_the_backends(error) => {
                self.failed += 1;
                let gone = !self.answered || !error.was_asked();
                if gone && self.failed >= FAILURES_MAX {
                    return Err(Error::new(error.kind(), error.message()).because(error.report()));
                }
            }
            _ => *self = Self { answered: true, failed: 0 },
        }
        Ok(())
    }
}

/// What was read in vain, for the backend's sake.
fn in_vain((id, found): &Read) -> Option<&ExtensionId> {
    found.as_ref().is_err_and(is_the_backends).then_some(id)
}

/// Whether a failure says something of the backend rather than of one repository.
pub(super) fn is_the_backends(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BackendFaulty)
}

/// Whether the backend cannot be reached at all, so that there is no use in a second question.
fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::BackendUnavailable { .. } | ErrorKind::BackendTimeout)
}

/// Reads these extensions, some at once.
pub(super) async fn read_all(member: &Member, ids: Vec<ExtensionId>) -> Vec<Read> {
    let reads = stream::iter(ids).map(|id| read_one(member, id));
    reads.buffer_unordered(READS_AT_ONCE).collect().await
}

pub(super) async fn read_one(member: &Member, id: ExtensionId) -> Read {
    let found = member.backend.extension(&id).await;
    (id, found)
}

/// How the round ended that another caller had begun.
fn shared_outcome(member: &Member) -> Result<()> {
    if !member.status.is_failing() {
        return Ok(());
    }
    let message = format!("The {} backend did not answer", member.source());
    Err(Error::unavailable(message, RETRY_AFTER).at(member.source()))
}

fn faults_of(extension: &Extension) -> Option<Fault> {
    let faults = extension.faults();
    let reasons: Vec<&str> = faults.iter().map(|fault| fault.reason.as_str()).collect();
    (!faults.is_empty()).then(|| fault(extension.id(), reasons.join("; ")))
}

fn fault(id: &ExtensionId, reason: String) -> Fault {
    Fault { repository: id.to_string(), subject: FaultSubject::Repository, reason: brief(reason) }
}

//! Intake of reads: the one place that decides what is kept, marked and removed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::Instant;

use crate::backend::Fault;
use crate::catalog::Catalog;
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::index::{Absence, Gone, Index, Put};
use crate::error::{Error, ErrorKind, Result};
use crate::models::extension::Extension;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;

/// Maximum number of concurrent reads of extensions at one backend.
pub(super) const READS_AT_ONCE: usize = 8;
/// Maximum number of other extensions that are read before a removal is carried out.
const WITNESSES_MAX: usize = 3;
const DOUBT_AGAIN: Duration = Duration::from_secs(60);

pub(super) type Read = (ExtensionId, Result<Extension>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOrigin {
    Backend,
    /// A caller named it, and may have made the name up.
    Caller,
}

#[derive(Debug, Default)]
pub(super) struct ApplyReport {
    pub(super) lacking: Vec<ExtensionId>,
    /// Extensions that were reported as gone, with the time from which a second report confirms it.
    pub(super) doubted: Vec<(ExtensionId, Instant)>,
    /// Reads that failed otherwise than by "no such repository".
    pub(super) failures: Vec<(ExtensionId, Error)>,
    pub(super) over_capacity: usize,
    gone: Vec<Gone>,
    news: Vec<Fault>,
}

impl Catalog {
    pub(super) async fn apply(
        self: &Arc<Self>,
        handle: &BackendHandle,
        read: Vec<Read>,
        origin: ReadOrigin,
    ) -> ApplyReport {
        let mut taken = self.apply_reads(handle, read, origin);
        handle.tell(&std::mem::take(&mut taken.news));
        // Outside the change of the index: to check a removal, other extensions are read.
        let gone = std::mem::take(&mut taken.gone);
        if !gone.is_empty() {
            let disbelieved = self.settle(handle, gone).await;
            let later = Instant::now() + DOUBT_AGAIN;
            taken.doubted.extend(disbelieved.into_iter().map(|id| (id, later)));
        }
        taken
    }

    fn apply_reads(
        self: &Arc<Self>,
        handle: &BackendHandle,
        read: Vec<Read>,
        origin: ReadOrigin,
    ) -> ApplyReport {
        let mut taken = ApplyReport::default();
        // If every read failed, the failures concern the backend, not single repositories.
        let answers = read.iter().any(|(_, found)| !found.as_ref().is_err_and(is_the_backends));
        self.change(|index| {
            for (id, found) in read {
                // A failed read of an unknown name must not mark an extension as incomplete.
                let known = origin == ReadOrigin::Backend || index.has(handle.id(), &id);
                match found {
                    Ok(extension) => taken.take(index, handle, id, extension),
                    Err(error) if error.is_not_found() => taken.miss(index, handle, id),
                    Err(error) if known => taken.fail(handle, id, error, answers),
                    Err(error) => taken.failures.push((id, error)),
                }
            }
        });
        taken
    }

    /// Removes extensions that two responses reported as gone. Returns the ids that stay.
    async fn settle(self: &Arc<Self>, handle: &BackendHandle, gone: Vec<Gone>) -> Vec<ExtensionId> {
        if !self.is_believed(handle).await {
            handle.tell(handle.evidence.found(removal_not_believed()).as_slice());
            let disbelieved: Vec<_> = gone.iter().map(|gone| gone.id().clone()).collect();
            // Kept and marked as incomplete, so responses about it name the backend as degraded.
            for id in &disbelieved {
                handle.evidence.unread(id, None);
            }
            return disbelieved;
        }
        handle.evidence.mended(EVERYTHING, &FaultSubject::Removal);
        self.change(|index| {
            for gone in gone {
                match &gone {
                    Gone::Repository(id) => handle.evidence.absent(id),
                    Gone::Releases(extension) => drop(handle.evidence.read(extension)),
                }
                index.remove(handle.id(), gone, Instant::now());
            }
        });
        Vec::new()
    }

    /// Returns true if "not found" can be trusted. Without rights or its disk, a backend returns
    /// 404 for everything, so it must serve another extension, or accept the credentials.
    async fn is_believed(self: &Arc<Self>, handle: &BackendHandle) -> bool {
        let (all, witnesses) = self.index.lock().undoubted(handle.id(), WITNESSES_MAX);
        // With a single extension there is no other one to read, so accepted credentials suffice.
        if all <= 1 {
            handle.probe().await;
            return !handle.status.is_failing();
        }
        for witness in witnesses {
            let read = read_one(handle, witness).await;
            let has_release = read.1.as_ref().is_ok_and(|found| !found.releases().is_empty());
            // Applied without its removals: this check must not start another one.
            let taken = self.apply_reads(handle, vec![read], ReadOrigin::Backend);
            handle.tell(&taken.news);
            if has_release {
                return true;
            }
        }
        false
    }
}

impl ApplyReport {
    fn take(
        &mut self,
        index: &mut Index,
        handle: &BackendHandle,
        id: ExtensionId,
        found: Extension,
    ) {
        let news = handle.evidence.read(&found);
        if found.awaits_archive() {
            self.lacking.push(id.clone());
        }
        match index.put(handle.id(), found, Instant::now()) {
            Put::Taken => self.news.extend(news),
            Put::OverCapacity => {
                self.over_capacity += 1;
                self.news.extend(news);
            }
            Put::Emptied(Absence::Certain, found) => self.gone.push(Gone::Releases(found)),
            Put::Emptied(Absence::Doubted(from), _) => {
                let error = suddenly_empty();
                self.news.extend(handle.evidence.unread(&id, Some(&error)));
                self.doubted.push((id, from));
            }
            // Not reached: only a known extension can become empty.
            Put::Emptied(Absence::Unknown, _) => {}
        }
    }

    fn miss(&mut self, index: &mut Index, handle: &BackendHandle, id: ExtensionId) {
        match index.missed(handle.id(), &id, Instant::now()) {
            Absence::Unknown => handle.evidence.absent(&id),
            Absence::Doubted(from) => self.doubted.push((id, from)),
            Absence::Certain => self.gone.push(Gone::Repository(id)),
        }
    }

    fn fail(
        &mut self,
        handle: &BackendHandle,
        id: ExtensionId,
        error: Error,
        backend_answers: bool,
    ) {
        let is_of_repository =
            matches!(error.kind(), ErrorKind::BackendFaulty | ErrorKind::BackendRefused);
        // A timeout of one repository among readable ones is its own fault; one that the circuit
        // breaker held back was never sent and proves nothing.
        let fault = (is_of_repository || backend_answers && error.was_asked()).then_some(&error);
        self.news.extend(handle.evidence.unread(&id, fault));
        self.failures.push((id, error));
    }

    pub(super) fn confirm(self, handle: &BackendHandle) {
        let now = Instant::now();
        handle.mark(|dirty| {
            self.doubted.into_iter().for_each(|(id, from)| dirty.doubted(id, from, now));
        });
    }
}

/// Stands for the whole backend in place of a repository.
pub(super) const EVERYTHING: &str = "*";

pub(super) fn removal_not_believed() -> Fault {
    Fault {
        repository: EVERYTHING.to_owned(),
        subject: FaultSubject::Removal,
        reason: "the backend reports that all of its extensions are gone; they are kept: check that the credentials still allow reading"
            .to_owned(),
    }
}

fn suddenly_empty() -> Error {
    Error::faulty("The list of releases is suddenly empty; a second response must confirm that")
}

pub(super) fn is_the_backends(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BackendFaulty)
}

pub(super) async fn read_all(handle: &BackendHandle, ids: Vec<ExtensionId>) -> Vec<Read> {
    let reads = stream::iter(ids).map(|id| read_one(handle, id));
    reads.buffer_unordered(READS_AT_ONCE).collect().await
}

pub(super) async fn read_one(handle: &BackendHandle, id: ExtensionId) -> Read {
    let found = handle.extension(&id).await;
    (id, found)
}

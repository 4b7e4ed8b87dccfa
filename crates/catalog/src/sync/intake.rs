//! Intake of reads: the one place that decides what is stored, marked and reported as gone.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use registry_core::backend::Fault;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

use crate::index::backend_extensions::{Absence, Assessment};
use crate::index::delta::BackendDelta;
use crate::share::inbox::Received;
use crate::store::IndexChange;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::read_order::ReadNumber;

/// Maximum number of concurrent reads of extensions at one backend.
pub(super) const READS_AT_ONCE: usize = 8;

/// A read of one extension.
pub(super) struct ReadResult {
    pub(super) id: ExtensionId,
    pub(super) outcome: Result<Extension>,
    pub(super) number: ReadNumber,
    /// Requests of replicas that came before the read began.
    pub(super) requests: Vec<Received>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOrigin {
    Backend,
    /// A caller named it, and may have made the name up.
    Caller,
}

/// Something that two responses of a backend reported as gone.
#[derive(Debug)]
pub(super) enum Gone {
    Repository(ExtensionId),
    /// Every release; this is the extension without them.
    Releases(Extension),
}

impl Gone {
    pub(super) const fn id(&self) -> &ExtensionId {
        match self {
            Self::Repository(id) => id,
            Self::Releases(extension) => extension.id(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct IntakeReport {
    /// Extensions that await an archive.
    pub(super) incomplete: Vec<ExtensionId>,
    /// Extensions that were reported as gone, with the time from which a second report confirms it.
    pub(super) doubted: Vec<(ExtensionId, Instant)>,
    /// Reads that failed otherwise than by "no such repository".
    pub(super) failures: Vec<(ExtensionId, Error)>,
    pub(super) over_capacity: usize,
    pub(super) gone: Vec<Gone>,
    /// Requests about extensions whose absence is not certain yet.
    pub(super) unanswered: Vec<(ExtensionId, Vec<Received>)>,
    pub(super) new_faults: Vec<Fault>,
}

/// Applies reads to the index and to the evidence, but for removals, which need a check.
pub(super) fn take_in(
    handle: &BackendHandle,
    reads: Vec<ReadResult>,
    origin: ReadOrigin,
) -> IntakeReport {
    let mut report = IntakeReport::default();
    // If every read failed, the failures concern the backend, not single repositories.
    let responds = reads.iter().any(|read| !read.outcome.as_ref().is_err_and(is_of_backend));
    handle.store.change(|change| {
        for ReadResult { id, outcome, number, requests } in reads {
            let has_answer = outcome.as_ref().err().is_none_or(Error::is_not_found);
            let is_outdated = number.is_outdated(&id);
            if has_answer && !is_outdated {
                number.applied(&id);
            }
            let known = change.backend(handle.id());
            // A failed read of an unknown name must not mark an extension as incomplete.
            let known = origin == ReadOrigin::Backend
                || known.is_some_and(|known| known.get(&id).is_some());
            let name = id.clone();
            match outcome {
                _ if is_outdated => {}
                Ok(extension) => report.put(change, handle, id, extension),
                Err(error) if error.is_not_found() => report.miss(change, handle, id),
                Err(error) if known => report.fail(handle, id, error, responds),
                Err(error) => report.failures.push((id, error)),
            }
            let known = change.backend(handle.id());
            // Requests about a removal are answered once it is certain: their replicas may show it, and
            // would show the extension again.
            if has_answer && known.is_some_and(|known| known.is_doubted(&name)) {
                report.unanswered.push((name, requests));
            } else if has_answer {
                answer(handle, &name, &requests);
            }
        }
    });
    report
}

impl IntakeReport {
    fn put(
        &mut self,
        change: &mut IndexChange<'_>,
        handle: &BackendHandle,
        id: ExtensionId,
        found: Extension,
    ) {
        let (of, now) = (handle.id(), Instant::now());
        let new_faults = handle.health.evidence.read(&found);
        if found.awaits_archive() {
            self.incomplete.push(id.clone());
        }
        let Some(known) = change.backend(of) else { return };
        let refusals = known.refusals();
        match known.assess(found, now) {
            Assessment::Same => {
                change.apply_to(of, BackendDelta::Read(id, now.into()));
                self.new_faults.extend(new_faults);
            }
            Assessment::Changed(extension) => {
                let read = (Arc::new(extension), now.into());
                change.apply_to(of, BackendDelta::Put(vec![read]));
                self.new_faults.extend(new_faults);
            }
            Assessment::OverCapacity => {
                // Read, even if it does not fit: reading it again at once would not help.
                change.apply_to(of, BackendDelta::Read(id, now.into()));
                change.apply_to(of, BackendDelta::Refused(refusals.with_another()));
                self.over_capacity += 1;
                self.new_faults.extend(new_faults);
            }
            Assessment::Emptied(Absence::Certain, found) => self.gone.push(Gone::Releases(found)),
            Assessment::Emptied(Absence::Doubted(from), _) => {
                let error = suddenly_empty();
                self.new_faults.extend(handle.health.evidence.unread(&id, Some(&error)));
                self.doubt(change, handle, id, from);
            }
            // Not reached: only a known extension can become empty.
            Assessment::Emptied(Absence::Unknown, _) => {}
        }
    }

    fn miss(&mut self, change: &mut IndexChange<'_>, handle: &BackendHandle, id: ExtensionId) {
        let known = change.backend(handle.id());
        match known.map_or(Absence::Unknown, |known| known.absence(&id, Instant::now())) {
            Absence::Unknown => handle.health.evidence.absent(&id),
            Absence::Doubted(from) => self.doubt(change, handle, id, from),
            Absence::Certain => self.gone.push(Gone::Repository(id)),
        }
    }

    fn doubt(
        &mut self,
        change: &mut IndexChange<'_>,
        handle: &BackendHandle,
        id: ExtensionId,
        confirmed_from: Instant,
    ) {
        let of = handle.id();
        if !change.backend(of).is_some_and(|known| known.is_doubted(&id)) {
            change.apply_to(of, BackendDelta::Missing(id.clone(), Instant::now()));
        }
        self.doubted.push((id, confirmed_from));
    }

    fn fail(&mut self, handle: &BackendHandle, id: ExtensionId, error: Error, responds: bool) {
        let is_of_repository =
            matches!(error.kind(), ErrorKind::BackendFaulty | ErrorKind::BackendRefused);
        // A timeout of one repository among readable ones is its own fault; one that the circuit
        // breaker held back was never sent and proves nothing.
        let fault = (is_of_repository || responds && error.was_asked()).then_some(&error);
        self.new_faults.extend(handle.health.evidence.unread(&id, fault));
        self.failures.push((id, error));
    }

    /// Schedules the reads that can confirm reports of absence.
    pub(super) fn schedule_confirmation(self, handle: &BackendHandle) {
        let now = Instant::now();
        handle.refreshes.change(|queue| {
            self.doubted.into_iter().for_each(|(id, from)| queue.doubted(id, from, now));
        });
    }
}

fn suddenly_empty() -> Error {
    Error::faulty("The list of releases is suddenly empty; a second response must confirm that")
}

/// Returns true if a failure concerns the backend, not one repository.
pub(super) fn is_of_backend(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BackendFaulty)
}

pub(super) async fn read_all(handle: &BackendHandle, ids: Vec<ExtensionId>) -> Vec<ReadResult> {
    let reads = stream::iter(ids).map(|id| read_one(handle, id));
    reads.buffer_unordered(READS_AT_ONCE).collect().await
}

/// Answers requests for a read. What the read found goes to the outbox in the same change.
pub(super) fn answer(handle: &BackendHandle, id: &ExtensionId, requests: &[Received]) {
    if let Some(share) = &handle.share {
        share.outbox.answer(Some(id), share.inbox.answer(id, requests));
    }
}

pub(super) async fn read_one(handle: &BackendHandle, id: ExtensionId) -> ReadResult {
    let number = handle.reads.begin();
    let requests = handle.share.as_ref().map(|share| share.inbox.begin_read(&id));
    let outcome = handle.extension(&id).await;
    ReadResult { id, outcome, number, requests: requests.unwrap_or_default() }
}

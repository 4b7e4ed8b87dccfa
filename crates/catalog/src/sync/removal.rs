//! Removals: "not found" is believed only if the backend shows that it would return something.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use registry_core::backend::Fault;
use registry_core::models::fault::FaultSubject;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

use crate::index::delta::BackendDelta;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::intake::{Gone, IntakeReport, ReadOrigin, ReadResult, answer, read_one, take_in};

/// Maximum number of other extensions that are read before a removal is carried out.
const WITNESSES_MAX: usize = 3;
const DOUBT_AGAIN: Duration = Duration::from_mins(1);

/// Stands for the whole backend in place of a repository.
pub(super) const EVERYTHING: &str = "*";

/// Applies reads, logs new faults, and carries out removals that two responses have reported.
pub(super) async fn apply(
    handle: &BackendHandle,
    reads: Vec<ReadResult>,
    origin: ReadOrigin,
) -> IntakeReport {
    let mut report = take_in(handle, reads, origin);
    handle.health.log_faults(&std::mem::take(&mut report.new_faults));
    // Outside the change of the index: to check a removal, other extensions are read.
    let gone = std::mem::take(&mut report.gone);
    if !gone.is_empty() {
        let settled: BTreeSet<ExtensionId> = gone.iter().map(|gone| gone.id().clone()).collect();
        let kept = settle(handle, gone).await;
        let later = Instant::now() + DOUBT_AGAIN;
        report.doubted.extend(kept.into_iter().map(|id| (id, later)));
        // Also where the removal is not believed: another read would find the same.
        let requests = std::mem::take(&mut report.unanswered).into_iter();
        for (id, requests) in requests.filter(|(id, _)| settled.contains(id)) {
            answer(handle, &id, &requests);
        }
    }
    report
}

/// Removes extensions that two responses reported as gone. Returns the ids that stay.
async fn settle(handle: &BackendHandle, gone: Vec<Gone>) -> Vec<ExtensionId> {
    let evidence = &handle.health.evidence;
    if !is_believed(handle).await {
        handle.health.log_faults(evidence.found(removal_not_believed()).as_slice());
        let kept: Vec<_> = gone.iter().map(|gone| gone.id().clone()).collect();
        // Marked as incomplete, so responses about it name the backend as degraded.
        for id in &kept {
            evidence.unread(id, None);
        }
        return kept;
    }
    evidence.mended(EVERYTHING, &FaultSubject::Removal);
    let of = handle.id();
    handle.store.change(|change| {
        for gone in gone {
            match &gone {
                Gone::Repository(id) => evidence.absent(id),
                Gone::Releases(extension) => drop(evidence.read(extension)),
            }
            // A read in between has cleared the doubt, so the removal no longer applies.
            if !change.backend(of).is_some_and(|known| known.is_doubted(gone.id())) {
                continue;
            }
            let delta = match gone {
                Gone::Repository(id) => BackendDelta::Removed(id),
                Gone::Releases(extension) => {
                    BackendDelta::Put(vec![(Arc::new(extension), Instant::now().into())])
                }
            };
            change.apply_to(of, delta);
        }
    });
    Vec::new()
}

/// Returns true if "not found" can be trusted. Without rights or its disk, a backend returns 404 for
/// everything, so it must serve another extension, or accept the credentials.
async fn is_believed(handle: &BackendHandle) -> bool {
    let known = handle.store.read_backend(handle.id(), |known| {
        let undoubted = known.with_releases().filter(|id| !known.is_doubted(id));
        let witnesses: Vec<ExtensionId> = undoubted.take(WITNESSES_MAX).cloned().collect();
        (known.with_releases().count(), witnesses)
    });
    let (all, witnesses) = known.unwrap_or_default();
    // With a single extension there is no other one to read, so accepted credentials suffice.
    if all <= 1 {
        handle.probe().await;
        return !handle.health.status.is_failing();
    }
    for witness in witnesses {
        let read = read_one(handle, witness).await;
        let has_release = read.outcome.as_ref().is_ok_and(|found| !found.releases().is_empty());
        // Applied without its removals: this check must not start another one.
        let report = take_in(handle, vec![read], ReadOrigin::Backend);
        handle.health.log_faults(&report.new_faults);
        if has_release {
            return true;
        }
    }
    false
}

pub(super) fn removal_not_believed() -> Fault {
    Fault {
        repository: EVERYTHING.to_owned(),
        subject: FaultSubject::Removal,
        reason: "the backend reports that all of its extensions are gone; they are kept: check that the credentials still allow reading"
            .to_owned(),
    }
}

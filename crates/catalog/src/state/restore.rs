//! Restore of the catalog's state at startup.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

use crate::index::backend_extensions::ReadCopy;
use crate::index::delta::{BackendDelta, Delta, OwnerChange};
use crate::persistent_instant::PersistentInstant;
use crate::state::catalog_state::CatalogState;
use crate::state::webhook_file::{PendingWebhook, WebhookFile};
use crate::state::{BackendState, Snapshot, Unsettled};
use crate::store::IndexChange;
use crate::stored::extension::ReadExtension;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::cycle_state::CyclePosition;
use crate::unsaved::RecordKey;

impl CatalogState {
    /// Restores the state from before a restart, given the wall clock `now`. Returns the backends
    /// that were restored. State acquired since the start takes precedence.
    ///
    /// A backend that is not configured, or has a different fingerprint, is left out. Its owners and
    /// pins are restored nevertheless: a change of address must not hand a removed name to another
    /// backend, or let an archive change.
    #[must_use]
    pub fn restore(&self, mut snapshot: Snapshot, now: Timestamp) -> Vec<BackendId> {
        let (mut restored, mut positions) = (Vec::new(), Vec::new());
        for handle in self.catalog.syncer.handles() {
            let of = handle.id();
            if let Some(pins) = snapshot.pins.remove(&of) {
                self.catalog.pins.restore(of, pins);
            }
            if let Some(state) = snapshot.backends.remove(&of)
                && self.fingerprint_of(of) == Some(&state.fingerprint)
            {
                let extensions = snapshot.extensions.remove(&of).unwrap_or_default();
                positions.extend(handle.share.as_ref().zip(state.log_position));
                restored.push((of, restore_backend(handle, state, extensions, now)));
            }
        }
        let names = restored.iter().map(|(of, _)| *of).collect();
        self.catalog.store.restore(|change| {
            let owners = snapshot.owners.into_iter();
            let unknown = owners.filter(|(id, _)| change.owner_of(id).is_none());
            let owned = unknown.map(|(id, owner)| OwnerChange::Owned(id, owner));
            let owned = owned.collect();
            change.apply(Delta::Owners(owned));
            for (of, (extensions, unsettled)) in restored {
                // Extensions that do not fit now are not restored by the next start either.
                for id in restore_extensions(change, of, extensions, &unsettled) {
                    self.unsaved().note(RecordKey::Extension(of, id));
                }
            }
        });
        for (share, position) in positions {
            share.log.resume(position);
        }
        names
    }

    /// Restores webhooks from before a restart, and keeps those to come in the same file.
    pub(super) fn restore_webhooks(&self, file: WebhookFile, webhooks: Vec<PendingWebhook>) {
        self.catalog.syncer.restore_webhooks(file, webhooks);
    }
}

/// Restores the extensions of a backend and marks it as listed. Doubts begin anew, because the
/// clocks of two processes cannot be compared. Returns the names of extensions that do not fit.
fn restore_extensions(
    change: &mut IndexChange<'_>,
    of: BackendId,
    extensions: Vec<ReadCopy>,
    unsettled: &Unsettled,
) -> Vec<ExtensionId> {
    let Some(known) = change.backend(of) else { return Vec::new() };
    let (extensions, refused) = known.fitting(extensions);
    let refusals = known.refusals().plus(unsettled.refused.max(refused.len()));
    change.apply_to(of, BackendDelta::Put(extensions));
    for id in &unsettled.doubted {
        change.apply_to(of, BackendDelta::Missing(id.clone(), Instant::now()));
    }
    change.apply_to(of, BackendDelta::Refused(refusals));
    change.apply_to(of, BackendDelta::Listed);
    refused
}

/// Restores a backend's status, position and refresh queue. Returns the extensions for the index.
fn restore_backend(
    handle: &BackendHandle,
    state: BackendState,
    extensions: BTreeMap<ExtensionId, ReadExtension>,
    now: Timestamp,
) -> (Vec<ReadCopy>, Unsettled) {
    let extensions = with_sweep(&state, extensions, now);
    // Before the first request, or an upstream under a reused name would be accepted.
    if let Some(identity) = &state.identity {
        handle.backend.resume(identity);
    }
    if handle.cycle.position() == CyclePosition::default() {
        let swept = state.swept.map(|at| PersistentInstant::of_wall_clock(at, now));
        handle.cycle.set_position(CyclePosition { cursor: state.cursor.clone(), swept });
    }
    // Uploads are not announced, so extensions that lacked an archive are read again.
    let bare = extensions.iter().filter(|(extension, _)| extension.awaits_archive());
    let begun = Instant::now();
    handle.refreshes.change(|queue| {
        let scheduled = state.unsettled.scheduled.iter().cloned();
        scheduled.for_each(|id| queue.enqueue_notice(id, begun));
        bare.for_each(|(all, _)| queue.enqueue_incomplete(all.id().clone(), begun));
    });
    let unsettled = state.unsettled.clone();
    restore_health(handle, state, now);
    (extensions, unsettled)
}

fn restore_health(handle: &BackendHandle, state: BackendState, now: Timestamp) {
    let (current_as_of, complete_as_of) = state.as_of(now);
    // A cycle since the start has newer evidence, which must not be replaced.
    if handle.health.status.restore(current_as_of, complete_as_of, state.last_success) {
        let incomplete = state.unsettled.incomplete;
        handle.health.evidence.restore(state.listing, incomplete, state.faults);
    }
}

/// An extension that did not change is not written again when it is read. A sweep over a complete
/// list has read each but those that failed.
fn with_sweep(
    state: &BackendState,
    extensions: BTreeMap<ExtensionId, ReadExtension>,
    now: Timestamp,
) -> Vec<ReadCopy> {
    let swept = state.swept.filter(|_| state.listing.is_complete());
    let failed: BTreeSet<&ExtensionId> = state.unsettled.incomplete.iter().collect();
    let extensions = extensions.into_iter().map(|(id, (all, read))| {
        let swept = swept.filter(|swept| *swept > read && !failed.contains(&id));
        (all, PersistentInstant::of_wall_clock(swept.unwrap_or(read), now))
    });
    extensions.collect()
}

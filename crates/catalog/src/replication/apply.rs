//! Applies what other replicas published.

use std::collections::BTreeSet;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

use crate::health::status::SharedStatus;
use crate::index::backend_extensions::BackendExtensions;
use crate::index::capacity::Refusals;
use crate::index::delta::{BackendDelta, Delta, OwnerChange};
use crate::index::stored_delta::REFERENCE;
use crate::persistent_instant::PersistentInstant;
use crate::pins::learned_digest::LearnedDigest;
use crate::replication::payload::{Payload, SharedState};
use crate::replication::segments::SnapshotContent;
use crate::replication::shared_backend::SharedBackend;
use crate::state::BackendState;
use crate::store::IndexChange;
use crate::sync::cycle_state::CyclePosition;

/// Applies an entry of the log.
pub(super) fn apply(backend: &SharedBackend, payload: Payload) {
    let Payload { deltas, learned, state, .. } = payload;
    backend.share.recent.add(deltas.iter().flat_map(names));
    show(backend, &learned);
    backend.handle.store().follow(|change| {
        for delta in deltas {
            apply_delta(backend, change, delta);
        }
        if let Some(state) = state.as_ref().and_then(|state| state.backend.as_ref()) {
            apply_sweep(backend, change, state);
            apply_listing(backend, change, state);
        }
    });
    if let Some(state) = state {
        // Not from a snapshot, whose age is not known.
        backend.handle.backend.hold((!state.hold.is_zero()).then(|| Instant::now() + state.hold));
        follow_state(backend, state);
    }
}

/// Replaces the content by that of a snapshot, but for names that this replica has read by itself, and
/// for `recent` names: the writer may have begun without the entries about them.
pub(super) fn replace(
    backend: &SharedBackend,
    content: SnapshotContent,
    recent: &BTreeSet<ExtensionId>,
) {
    let SnapshotContent { state, extensions, owners, learned, .. } = content;
    show(backend, &learned);
    let of = backend.handle.id();
    let read = state.backend.as_ref().map_or_else(PersistentInstant::now, read_at_least);
    backend.handle.store().follow(|change| {
        let owners = owners.into_iter().map(|(id, owner)| OwnerChange::Owned(id, owner));
        apply_delta(backend, change, Delta::Owners(owners.collect()));
        keep_recent(backend, change, &extensions, recent);
        let known = change.backend(of).into_iter().flat_map(BackendExtensions::names);
        let gone: Vec<ExtensionId> =
            known.filter(|id| found(&extensions, id).is_none()).cloned().collect();
        for id in gone {
            apply_delta(backend, change, Delta::Backend(of, BackendDelta::Removed(id)));
        }
        // In one delta, which an empty index takes in one pass.
        let put = extensions.into_iter().map(|extension| (extension, read)).collect();
        apply_delta(backend, change, Delta::Backend(of, BackendDelta::Put(put)));
        if let Some(state) = &state.backend {
            apply_listing(backend, change, state);
        }
    });
    follow_state(backend, state);
}

/// Keeps the own content of recent names where that of a snapshot differs.
fn keep_recent(
    backend: &SharedBackend,
    change: &IndexChange<'_>,
    snapshot: &[Arc<Extension>],
    recent: &BTreeSet<ExtensionId>,
) {
    let Some(known) = change.backend(backend.handle.id()) else { return };
    for id in recent {
        let own = known.get(id).map(|copy| &copy.reported);
        if own != found(snapshot, id) {
            backend.share.outbox.keep(id);
        }
    }
}

/// Returns an extension of a snapshot.
fn found<'a>(snapshot: &'a [Arc<Extension>], id: &ExtensionId) -> Option<&'a Arc<Extension>> {
    let place = snapshot.binary_search_by(|extension| extension.id().cmp(id)).ok()?;
    snapshot.get(place)
}

/// Returns the names that a change is about.
fn names(delta: &Delta) -> Vec<&ExtensionId> {
    match delta {
        Delta::Backend(_, BackendDelta::Put(extensions)) => {
            extensions.iter().map(|(one, _)| one.id()).collect()
        }
        Delta::Backend(_, BackendDelta::Removed(id)) => vec![id],
        Delta::Backend(..) | Delta::Owners(_) => Vec::new(),
    }
}

/// Takes over learned digests, before the extensions that show them.
fn show(backend: &SharedBackend, learned: &[LearnedDigest]) {
    if !learned.is_empty() {
        let store = backend.handle.store();
        store.pins().follow_learned(backend.handle.id(), learned, &store.view());
    }
}

/// Returns the time since which every extension was read: a snapshot lacks the time of each.
fn read_at_least(state: &BackendState) -> PersistentInstant {
    let swept = state.swept.unwrap_or(state.current_as_of);
    PersistentInstant::of_wall_clock(swept, REFERENCE)
}

/// Ignores deltas of other backends, which no writer of this one publishes. Names that this replica has
/// read by itself stay as they are until the writer has read them, too.
fn apply_delta(backend: &SharedBackend, change: &mut IndexChange<'_>, mut delta: Delta) {
    match &mut delta {
        Delta::Owners(_) if backend.decides_owners => {}
        Delta::Backend(of, BackendDelta::Put(extensions)) if *of == backend.handle.id() => {
            backend.handle.outdate_reads(extensions.iter().map(|(extension, _)| extension.id()));
            let known = change.backend(*of);
            extensions.retain(|(extension, _)| {
                let own = || known?.get(extension.id()).map(|own| &own.reported);
                backend.share.outbox.takes(extension.id(), || own() == Some(extension))
            });
        }
        Delta::Backend(of, BackendDelta::Removed(id)) if *of == backend.handle.id() => {
            backend.handle.outdate_reads([&*id]);
            let known = change.backend(*of);
            let is_gone = || known.is_none_or(|known| known.get(id).is_none());
            if !backend.share.outbox.takes(id, is_gone) {
                return;
            }
        }
        _ => return,
    }
    change.apply(delta);
}

/// Notes the read of each extension that a sweep found unchanged.
fn apply_sweep(backend: &SharedBackend, change: &mut IndexChange<'_>, state: &BackendState) {
    let of = backend.handle.id();
    if let Some(swept) = newer_sweep(backend, state) {
        for id in unread_since(change, of, state, swept) {
            change.apply_to(of, BackendDelta::Read(id, swept));
        }
    }
}

fn apply_listing(backend: &SharedBackend, change: &mut IndexChange<'_>, state: &BackendState) {
    let of = backend.handle.id();
    let refusals = Refusals::default().plus(state.unsettled.refused);
    change.apply_to(of, BackendDelta::Refused(refusals));
    change.apply_to(of, BackendDelta::Listed);
}

/// Returns the time of a complete sweep that this replica has not applied.
fn newer_sweep(backend: &SharedBackend, state: &BackendState) -> Option<PersistentInstant> {
    let swept = PersistentInstant::of_wall_clock(state.swept?, REFERENCE);
    let known = backend.handle.cycle.position().swept;
    let is_newer = known.is_none_or(|known| swept.elapsed() < known.elapsed());
    (is_newer && state.listing.is_complete()).then_some(swept)
}

fn follow_state(backend: &SharedBackend, state: SharedState) {
    let health = &backend.handle.health;
    let mut status = SharedStatus { failure: state.failure, ..SharedStatus::default() };
    if let Some(known) = state.backend {
        let (current, complete) = known.as_of(REFERENCE);
        (status.current_as_of, status.complete_as_of) = (Some(current), complete);
        status.last_success = known.last_success;
        if let Some(identity) = &known.identity {
            backend.handle.backend.resume(identity);
        }
        let swept = known.swept.map(|at| PersistentInstant::of_wall_clock(at, REFERENCE));
        backend.handle.cycle.set_position(CyclePosition { cursor: known.cursor, swept });
        backend.share.set_doubted(known.unsettled.doubted);
        let incomplete = known.unsettled.incomplete;
        health.evidence.follow(known.listing, incomplete, known.faults);
    }
    health.status.follow(status);
    // Readers that wait for the first cycle look again.
    backend.handle.store().wake();
}

/// Returns extensions that a sweep has read and found unchanged.
fn unread_since(
    change: &IndexChange<'_>,
    of: BackendId,
    state: &BackendState,
    swept: PersistentInstant,
) -> Vec<ExtensionId> {
    let failed: BTreeSet<&ExtensionId> = state.unsettled.incomplete.iter().collect();
    let Some(known) = change.backend(of) else { return Vec::new() };
    let old = known.all().filter(|copy| copy.read_at().elapsed() > swept.elapsed());
    let old = old.map(|copy| copy.extension.id()).filter(|id| !failed.contains(id));
    old.cloned().collect()
}

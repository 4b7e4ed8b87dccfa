//! Applies what other replicas published.

use std::collections::{BTreeSet, HashSet};

use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;

use tokio::time::Instant;

use crate::health::status::SharedStatus;
use crate::index::capacity::Refusals;
use crate::index::delta::{BackendDelta, Delta};
use crate::index::stored_delta::REFERENCE;
use crate::persistent_instant::PersistentInstant;
use crate::pins::learned_digest::LearnedDigest;
use crate::replication::payload::{Payload, SharedState};
use crate::replication::shared_backend::SharedBackend;
use crate::state::BackendState;
use crate::store::IndexChange;
use crate::sync::cycle_state::CyclePosition;

/// Applies an entry of the log.
pub(super) fn apply(backend: &SharedBackend, payload: Payload) {
    let Payload { deltas, learned, state, .. } = payload;
    show(backend, &learned);
    backend.handle.store().follow(|change| {
        for delta in deltas {
            apply_delta(backend, change, delta);
        }
        if let Some(state) = state.as_ref().and_then(|state| state.backend.as_ref()) {
            apply_listing(backend, change, state);
        }
    });
    if let Some(state) = state {
        // Not from a snapshot, whose age is not known.
        backend.handle.backend.hold((!state.hold.is_zero()).then(|| Instant::now() + state.hold));
        follow_state(backend, state);
    }
}

/// Replaces the content by that of a snapshot, but for names that only this replica has read.
pub(super) fn replace(backend: &SharedBackend, segments: Vec<Payload>) {
    let of = backend.handle.id();
    for segment in &segments {
        show(backend, &segment.learned);
    }
    let (states, deltas): (Vec<_>, Vec<_>) =
        segments.into_iter().map(|segment| (segment.state, segment.deltas)).unzip();
    let state = states.into_iter().flatten().next_back().unwrap_or_default();
    let read = state.backend.as_ref().map_or_else(PersistentInstant::now, read_at_least);
    backend.handle.store().follow(|change| {
        let mut all = Vec::new();
        for delta in deltas.into_iter().flatten() {
            match delta {
                Delta::Backend(_, BackendDelta::Put(extensions)) => {
                    all.extend(extensions.into_iter().map(|(one, _)| (one, read)));
                }
                other => apply_delta(backend, change, other),
            }
        }
        let kept: HashSet<&ExtensionId> = all.iter().map(|(one, _)| one.id()).collect();
        let gone = change.backend(of).map(|known| {
            let gone = known.names().filter(|id| !kept.contains(*id));
            gone.filter(|id| !backend.share.outbox.has(id)).cloned().collect::<Vec<_>>()
        });
        for id in gone.unwrap_or_default() {
            apply_delta(backend, change, Delta::Backend(of, BackendDelta::Removed(id)));
        }
        all.retain(|(one, _)| !backend.share.outbox.has(one.id()));
        // In one delta and in order, which an empty index takes in one pass.
        all.sort_by(|(one, _), (other, _)| one.id().cmp(other.id()));
        apply_delta(backend, change, Delta::Backend(of, BackendDelta::Put(all)));
        if let Some(state) = &state.backend {
            apply_listing(backend, change, state);
        }
    });
    follow_state(backend, state);
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

/// Ignores deltas of other backends, which no writer of this one publishes.
fn apply_delta(backend: &SharedBackend, change: &mut IndexChange<'_>, delta: Delta) {
    match &delta {
        Delta::Owners(_) if backend.decides_owners => {}
        Delta::Backend(of, BackendDelta::Put(extensions)) if *of == backend.handle.id() => {
            for (extension, _) in extensions {
                backend.handle.outdate_reads(extension.id());
            }
        }
        Delta::Backend(of, BackendDelta::Removed(id)) if *of == backend.handle.id() => {
            backend.handle.outdate_reads(id);
        }
        _ => return,
    }
    change.apply(delta);
}

fn apply_listing(backend: &SharedBackend, change: &mut IndexChange<'_>, state: &BackendState) {
    let of = backend.handle.id();
    if let Some(swept) = newer_sweep(backend, state) {
        for id in unread_since(change, of, state, swept) {
            change.apply_to(of, BackendDelta::Read(id, swept));
        }
    }
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

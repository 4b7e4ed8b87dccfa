//! The adapter with real servers: Redis 7 and Valkey 9.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod engine {
    mod bucket_segments;
    mod checks;
    mod conformance;
    mod cursors;
    mod failovers;
    mod followers;
    mod forged;
    mod forged_fetch_locks;
    mod forged_leases;
    mod forged_log;
    mod forged_pins;
    mod forged_snapshots;
    mod members;
    mod outages;
    mod refused;
    pub mod rig;
    mod rotation;
}

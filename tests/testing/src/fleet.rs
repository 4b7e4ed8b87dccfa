//! Engines of a fleet in memory, and what every engine has to do.

pub mod buckets;
pub mod conformance;
pub mod connected;
pub mod engine;
pub mod fault;
pub mod fetch_locks;
pub mod pins;

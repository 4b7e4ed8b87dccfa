//! What several replicas share through an engine, as words and small traits. An adapter of an engine
//! implements the traits.
//!
//! Rules of every implementation:
//!
//! - A call ends within [`DEADLINE`], unless its documentation says otherwise. While the engine is
//!   away a call fails at once.
//! - A failed call may have been carried out, or may be carried out later.

pub mod buckets;
pub mod config_digest;
pub mod epoch;
pub mod failure;
pub mod fetch_locks;
mod key_part;
pub mod leases;
pub mod log;
pub mod members;
pub mod metrics;
pub mod pins;
pub mod replica;
pub mod snapshots;
pub mod state;
pub mod topic;

use std::time::Duration;

/// Maximum duration of a call that is not asked to wait.
pub const DEADLINE: Duration = Duration::from_millis(40);

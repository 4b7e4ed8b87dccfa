//! Limit of lookups at one backend, so that made-up names cost it little.

use std::num::NonZeroU32;

use parking_lot::Mutex;
use registry_core::token_bucket::{Rate, TokenBucket};
use tokio::time::Instant;

/// Limit of lookups at one backend for names and versions that are not cached.
const LOOKUPS: Rate =
    Rate { per_second: NonZeroU32::new(5).unwrap(), burst: NonZeroU32::new(5).unwrap() };

#[derive(Debug, Default)]
pub(super) struct LookupBudget(Mutex<TokenBucket>);

impl LookupBudget {
    /// Takes one lookup. Returns false if the budget is used up.
    pub(super) fn take(&self) -> bool {
        self.0.lock().take(LOOKUPS, Instant::now()).is_ok()
    }
}

//! Shared buckets in memory.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use registry_fleet::buckets::{BucketUse, Buckets, SharedLimit};
use registry_fleet::failure::{Away, AwayReason};
use tokio::time::Instant;

/// Buckets in memory, with a count of calls.
#[derive(Default)]
pub struct MemoryBuckets {
    is_away: bool,
    full_at: Mutex<HashMap<(SharedLimit, String), Instant>>,
    calls: Mutex<Vec<usize>>,
}

impl MemoryBuckets {
    /// Buckets of an engine that is away.
    pub fn away() -> Self {
        Self { is_away: true, ..Self::default() }
    }

    /// Number of calls.
    pub fn calls(&self) -> usize {
        self.calls.lock().len()
    }

    /// Number of buckets in the largest call.
    pub fn largest_call(&self) -> usize {
        self.calls.lock().iter().max().copied().unwrap_or_default()
    }
}

#[async_trait]
impl Buckets for MemoryBuckets {
    async fn take(
        &self,
        limit: SharedLimit,
        uses: &[BucketUse],
        capacity: Duration,
    ) -> Result<Vec<Duration>, Away> {
        self.calls.lock().push(uses.len());
        if self.is_away {
            return Err(Away::new(AwayReason::Unreachable, "away"));
        }
        let (mut full_at, now) = (self.full_at.lock(), Instant::now());
        let until_full = uses.iter().map(|BucketUse { client, used }| {
            let full_at = full_at.entry((limit, client.clone())).or_insert(now);
            *full_at = ((*full_at).max(now) + *used).min(now + capacity * 2);
            *full_at - now
        });
        Ok(until_full.collect())
    }
}

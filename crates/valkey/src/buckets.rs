//! Token buckets in an engine.

use std::time::Duration;

use async_trait::async_trait;
use registry_fleet::buckets::{BucketUse, Buckets, SharedLimit};
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::metrics::EngineOperation;

use crate::failure::UNKNOWN_FORM;
use crate::link::EngineLink;
use crate::script::TAKE;

/// The buckets of a fleet. Their values are not signed: a forged one holds a client up for twice the
/// time in which its bucket fills.
pub struct EngineBuckets(EngineLink);

impl EngineBuckets {
    /// Uses a link.
    #[must_use]
    pub const fn new(link: EngineLink) -> Self {
        Self(link)
    }

    /// Returns the key of a client's bucket, which tells neither names nor addresses.
    fn key(&self, limit: SharedLimit, client: &str) -> String {
        let base = self.0.key(&format!("rate:{}", limit.as_str()));
        format!("{base}:{}", self.0.sign(&base, client.as_bytes()))
    }
}

#[async_trait]
impl Buckets for EngineBuckets {
    async fn take(
        &self,
        limit: SharedLimit,
        uses: &[BucketUse],
        capacity: Duration,
    ) -> Result<Vec<Duration>, Away> {
        if uses.is_empty() {
            return Ok(Vec::new());
        }
        let mut script = TAKE.prepare_invoke();
        script.arg(micros(capacity));
        for BucketUse { client, used } in uses {
            script.key(self.key(limit, client)).arg(micros(*used));
        }
        let left: Vec<u64> = self.0.call(EngineOperation::Bucket, &script).await?;
        if left.len() != uses.len() {
            return Err(Away::new(AwayReason::Refused, UNKNOWN_FORM));
        }
        Ok(left.into_iter().map(|left| Duration::from_micros(left).min(capacity * 2)).collect())
    }
}

fn micros(time: Duration) -> u64 {
    // Exact in the numbers of scripts, which are doubles.
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(1 << 48)
}

//! Token buckets that all replicas fill together.

use std::time::Duration;

use async_trait::async_trait;

use crate::failure::Away;

/// Maximum number of buckets in one call.
pub const BUCKETS_MAX: usize = 500;

/// The limit that a bucket belongs to. A client has one bucket for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SharedLimit {
    /// Requests of a client.
    Requests,
    /// Wrong tokens of an address.
    WrongTokens,
}

impl SharedLimit {
    /// Returns the word used in keys of the engine.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::WrongTokens => "wrong-tokens",
        }
    }
}

/// Tokens that a replica gave out since its last call, as the time in which they return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketUse {
    /// Name or network of the client.
    pub client: String,
    /// Time in which the tokens return.
    pub used: Duration,
}

/// The buckets of one fleet.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Takes tokens from buckets, at most [`BUCKETS_MAX`]. Returns the time until each is full again,
    /// at most twice `capacity`, the time in which an empty bucket fills.
    async fn take(
        &self,
        limit: SharedLimit,
        uses: &[BucketUse],
        capacity: Duration,
    ) -> Result<Vec<Duration>, Away>;
}

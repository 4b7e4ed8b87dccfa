//! Rules for names that several backends share, and lifetimes of cached data.

use std::time::Duration;

/// Rules for names that several backends share, and lifetimes of cached data.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Resolution of a name that several backends have.
    pub merge: Merge,
    /// If true, a name passes to the next backend when its owner loses it.
    pub allow_takeover: bool,
    /// Time to live of a backend's data.
    pub ttl: Duration,
    /// Time beyond `ttl` in which data is served without a staleness mark while it is refreshed.
    pub stale_while_revalidate: Duration,
    /// Maximum age at which the data of an unreachable backend is still served.
    pub stale_if_error: Duration,
    /// Maximum time between two full sweeps; only changes are read in between.
    pub full_sweep: Duration,
    /// Time to live of a negative cache entry for an unknown name or version.
    pub negative_ttl: Duration,
    /// If true, the archive of a version may differ from the one that was downloaded first.
    pub accept_changes: bool,
    /// Approximate memory limit for the extensions of one backend, in bytes.
    pub max_bytes: usize,
}

impl Rules {
    /// Returns true if a response with data of this age carries a staleness mark.
    #[must_use]
    pub fn is_stale(&self, age: Duration) -> bool {
        age > self.fresh_for()
    }

    /// Returns the age up to which a response carries no staleness mark.
    #[must_use]
    pub fn fresh_for(&self) -> Duration {
        // `stale_if_error` caps the sum: data that may not be served cannot be "not stale yet".
        (self.ttl + self.stale_while_revalidate).min(self.stale_if_error)
    }

    /// Returns true if data of this age may not be served.
    #[must_use]
    pub fn is_too_old(&self, age: Duration) -> bool {
        age > self.stale_if_error
    }
}

/// Resolution of a name that several backends have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// The first backend in the configured order owns the name, and only its releases are served.
    #[default]
    Owner,
    /// The releases of all backends are pooled. Of equal versions, the first backend's is served.
    Union,
}

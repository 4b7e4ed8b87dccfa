//! Settings of the response caches, and their keys for one extension.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::caching::bounded_lru::Bounds;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// Maximum total size of the responses in one cache, in bytes, whatever their number.
pub(in crate::answers) const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Settings of the response caches.
#[derive(Clone, Copy, Debug)]
pub struct ResponseCacheRules {
    /// Maximum number of entries per cache.
    pub capacity: NonZeroUsize,
    /// Time to live of an entry.
    pub ttl: Duration,
    /// Time for which a stale README may be served while its backend fails.
    pub stale_if_error: Duration,
    /// Time for which the absence of a README is cached.
    pub negative_ttl: Duration,
    /// Enables the cache of lists.
    pub lists: bool,
    /// Enables the caches of metadata and versions.
    pub metadata: bool,
}

impl ResponseCacheRules {
    /// Returns the limits of each cache.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        Bounds::new(self.capacity.get(), BYTES_MAX)
    }
}

/// `{type}/{name}{what}` in lower case; `@` and the scope follow unless all backends were asked.
pub(in crate::answers) fn entry_key(id: &ExtensionId, what: &str, scope: Scope) -> String {
    let mut key = String::with_capacity(64);
    key.push_str(id.extension_type.as_str());
    key.push('/');
    key.extend(id.name.as_str().chars().map(|c| c.to_ascii_lowercase()));
    key.push_str(what);
    if scope != Scope::All {
        key.push('@');
        key.push_str(&scope_key(scope));
    }
    key
}

pub(in crate::answers) fn scope_key(scope: Scope) -> String {
    match scope {
        Scope::All => "all".to_owned(),
        Scope::Kind(kind) => kind.to_string(),
        // Backends may be named like their kind, of which there may be others.
        Scope::Backend(one) => format!("{}/{one}", one.kind()),
        Scope::Nothing => "nothing".to_owned(),
    }
}

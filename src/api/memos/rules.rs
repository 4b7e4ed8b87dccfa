//! How memos are kept, and the keys of what is about one extension.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::backend::weighted::Bounds;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// What the answers of one memo may take up together, whatever their number.
pub(in crate::api) const BYTES_MAX: usize = 16 * 1024 * 1024;

/// How the memos are kept.
#[derive(Clone, Copy, Debug)]
pub struct MemoRules {
    /// Entries of each memo.
    pub capacity: NonZeroUsize,
    /// How long an entry lives.
    pub ttl: Duration,
    /// How long a README may be answered while its backend does not answer.
    pub stale_if_error: Duration,
    /// How long it is remembered that a version has no README.
    pub negative_ttl: Duration,
    /// Whether lists are kept.
    pub lists: bool,
    /// Whether responses with metadata and versions are cached.
    pub metadata: bool,
}

impl MemoRules {
    /// The bounds of each memo.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        Bounds { entries: self.capacity, bytes: BYTES_MAX }
    }
}

/// `{type}/{name}{what}`, the name without case, `@` and the scope appended where not all backends were asked.
pub(in crate::api) fn entry_key(id: &ExtensionId, what: &str, scope: Scope) -> String {
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

/// The part of a key that tells scopes apart.
pub(in crate::api) fn scope_key(scope: Scope) -> String {
    match scope {
        Scope::All => "all".to_owned(),
        Scope::Kind(kind) => kind.to_string(),
        // Backends may be named like their kind, of which there may be others.
        Scope::Backend(one) => format!("{}/{one}", one.kind()),
        Scope::Nothing => "nothing".to_owned(),
    }
}

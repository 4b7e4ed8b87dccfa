//! Operation labels of requests to an OCI registry, for metrics and logs.

pub(super) const BLOB: &str = "blob";
pub(super) const CATALOG: &str = "catalogue";
pub(super) const MANIFEST: &str = "manifest";
pub(super) const PING: &str = "ping";
pub(super) const REFERRERS: &str = "referrers";
pub(super) const TAGS: &str = "tags";
pub(super) const TOKEN: &str = "token";

/// All labels, so that every series exists from the start.
pub const ALL: [&str; 7] = [BLOB, CATALOG, MANIFEST, PING, REFERRERS, TAGS, TOKEN];

//! What an OCI registry is asked, in the words of metrics and log.

pub(super) const BLOB: &str = "blob";
pub(super) const CATALOG: &str = "catalogue";
pub(super) const MANIFEST: &str = "manifest";
pub(super) const PING: &str = "ping";
pub(super) const REFERRERS: &str = "referrers";
pub(super) const TAGS: &str = "tags";
pub(super) const TOKEN: &str = "token";

/// Every word, so that each series can exist from the start.
pub const ALL: [&str; 7] = [BLOB, CATALOG, MANIFEST, PING, REFERRERS, TAGS, TOKEN];

//! The OCI pull API: every extension as a repository of artifacts, also those that no registry stores.
//!
//! Read only. Manifests that a backend stores are passed through byte for byte; for other releases
//! they are made.

pub mod blobs;
pub mod code;
pub mod handlers;
pub mod headers;
pub mod kept_answers;
pub mod learning;
pub mod lists;
pub mod made;
pub mod manifest;
pub mod manifests;
pub mod paging;
pub mod published;
pub mod pull;
pub mod referrers;
pub mod repository;
pub mod response;
pub mod settings;
pub mod stored_manifests;
pub mod tagged;
pub mod tags;
pub mod target;

/// Maximum memory use of manifests and lists that are kept, in bytes, besides rendered responses.
pub const BYTES_MAX: usize =
    stored_manifests::BYTES_MAX + published::BYTES_MAX + referrers::BYTES_MAX;

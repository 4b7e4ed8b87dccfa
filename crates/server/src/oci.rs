//! The OCI pull API: every extension as a repository of artifacts, also those that no registry stores.
//!
//! Read only. Manifests that a backend stores are passed through byte for byte; for other releases
//! they are made.

pub mod archive_places;
pub mod blobs;
pub mod code;
pub mod handlers;
pub mod headers;
pub mod kept_answers;
pub mod lists;
pub mod made;
pub mod manifest;
pub mod manifests;
pub mod paging;
pub mod pull;
pub mod repository;
pub mod response;
pub mod settings;
pub mod tags;
pub mod target;

//! Errors that reads and lookups share.

use std::time::Duration;

use registry_core::error::Error;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::Tag;

/// `Retry-After` for an extension over the capacity, which removals or an operator free.
const CAPACITY_RETRY_AFTER: Duration = Duration::from_mins(1);

pub(super) fn not_found(id: &ExtensionId) -> Error {
    Error::not_found(format!("Extension {id} not found"))
}

pub(super) fn no_version(id: &ExtensionId, version: &Tag) -> Error {
    Error::not_found(format!("Extension {id} has no version {version}"))
}

/// Error for a request that may concern an extension over the capacity: it exists but is not served.
pub(super) fn over_capacity(backend: BackendId) -> Error {
    let message = format!(
        "The {backend} backend exceeds catalog.max_bytes; extensions beyond it cannot be served"
    );
    Error::unavailable(message, CAPACITY_RETRY_AFTER)
}

pub(super) fn too_many_lookups(backend: BackendId) -> Error {
    let message = format!("The {backend} backend gets too many lookups; retry in 1 s");
    Error::unavailable(message, Duration::from_secs(1))
}

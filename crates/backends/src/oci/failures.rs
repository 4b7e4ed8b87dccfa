//! Failures that lie in the content of a registry.

use registry_core::error::{Error, ErrorKind};

/// Returns true if the error lies in the content, so that a retry would have the same result.
#[must_use]
pub(super) fn is_lasting(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BackendFaulty)
}

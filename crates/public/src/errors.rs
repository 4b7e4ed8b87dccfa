//! Public JSON of errors.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of an error response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// Machine-readable error code.
    #[schema(example = "not_found")]
    pub error: String,
    /// Human-readable message.
    #[schema(example = "Extension provider/nonexistent not found")]
    pub message: String,
}

/// Body of an error response in the format of RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDetails {
    /// `about:blank`: the status says it all.
    pub r#type: String,
    /// Reason phrase of the status.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Human-readable message.
    pub detail: String,
    /// Machine-readable error code.
    pub error: String,
}

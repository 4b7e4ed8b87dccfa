//! Base path of the API.

/// Common prefix of all routes of the API.
pub const BASE: &str = "/api/v1";

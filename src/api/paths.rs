//! Where the API is served.

/// The path that every route of the API begins with.
pub const BASE: &str = "/api/v1";

//! Everything around any HTTP face of the service: admission, limits, ids, log, codings, errors.
//! Knows neither the catalog nor the JSON of the API.

pub mod accept;
pub mod admission;
pub mod auth;
pub mod cache_policy;
pub mod client_address;
pub mod client_concurrency;
pub mod coding;
pub mod compressor;
pub mod conditional;
pub mod face;
pub mod framing;
pub mod headers;
pub mod middleware;
pub mod own_address;
pub mod panics;
pub mod peer;
pub mod problem;
pub mod ranges;
pub mod rate_limit;
pub mod rendered;
pub mod representation;
pub mod request_id;
pub mod request_limit;
pub mod request_log;
pub mod response_headers;
mod shared_limit;
pub mod surface;
pub mod target;
pub mod templates;
mod unshared_uses;

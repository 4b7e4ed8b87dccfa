//! The outbound HTTP client. This module alone builds clients and sends requests, and enforces the
//! limits on time, size, retries, redirects, addresses and credentials.

pub mod answer;
mod body;
mod body_buffer;
mod breaker;
mod call;
mod call_limits;
pub mod client;
mod concurrency_limit;
mod connect;
pub(crate) mod egress;
mod failure;
mod failure_window;
pub mod inspect;
pub mod json;
pub(crate) mod link;
pub(crate) mod load;
pub mod memory_permit;
pub mod metrics;
pub mod outcome;
pub mod peer;
mod redirect;
pub mod request;
pub mod request_body;
mod request_rate;
mod retry;
pub mod settings;
mod stall;
mod throttle;
pub mod tls;
pub mod upstream;

use std::path::Path;

use registry_core::error::Result;
use rustls::RootCertStore;

/// Target of the log lines of calls to backends: filters name it (`docs/operations.md`).
pub(crate) const LOG_TARGET: &str = "extension_registry::http";

/// Maximum memory of one request or download, in bytes, while its response arrives.
pub const QUESTION_BYTES: usize = 1536 * 1024;
/// Upper bound, in bytes, of the memory that the one large response of a backend takes.
pub const LARGE_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Fails if a PEM file cannot be read or holds no certificate.
pub fn check_ca_file(path: &Path) -> Result<()> {
    tls::add_file(&mut RootCertStore::empty(), path)
}

//! HTTP: the listener, the layers around requests, cached answers and the API.

pub mod answers;
pub mod api;
pub mod archives;
pub mod artifacts;
pub mod edge;
pub mod metrics;
pub mod oci;
pub mod pages;
pub mod server;
pub mod urls;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

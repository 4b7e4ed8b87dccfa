//! Types, errors and small tools that every other crate uses.

// The service runs on Unix; clients of every system share the rest.
#[cfg(unix)]
pub mod backend;
#[cfg(unix)]
pub mod bucket;
pub mod caching;
pub mod config_reader;
pub mod error;
#[cfg(unix)]
pub mod files;
pub mod models;
pub mod token_bucket;
pub mod trace;
pub mod via;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

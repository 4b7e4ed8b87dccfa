//! Types, errors and small tools that every other crate uses.

pub mod backend;
pub mod caching;
pub mod config_reader;
pub mod error;
pub mod files;
pub mod models;
pub mod token_bucket;
pub mod trace;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

//! The Extension Registry Service: one REST API for all backends in which a team keeps extensions.
//!
//! The modules are in reading order; each imports only from those before it, which
//! `tests/architecture.rs` checks. `docs/architecture.md` follows a request through them.

// Unit tests share the in-memory backend of the integration tests, which names the library so.
#[cfg(test)]
extern crate self as extension_registry;

pub mod models;

pub mod error;

pub mod trace;

pub mod config_reader;
pub mod token_bucket;

pub mod files;

pub mod caching;

pub mod backend;

pub mod http;

pub mod gitea;
pub mod local;
pub mod oci;

pub mod artifacts;
pub mod catalog;

pub mod urls;

pub mod edge;

pub mod public;

pub mod answers;

pub mod api;

pub mod app;
pub mod server;

pub mod build_info;
pub mod cli;
pub mod config;
pub mod logging;
pub mod metrics;

pub mod commands;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

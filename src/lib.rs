//! The Extension Registry Service: one REST API over every place where a team keeps extensions.
//!
//! The modules in reading order; each imports only from those before it, which
//! `tests/architecture.rs` checks. `docs/architecture.md` tells how a request walks through them.

pub mod models;

pub mod error;

pub mod trace;

pub mod config_reader;
pub mod files;

pub mod backend;

pub mod http;

pub mod gitea;
pub mod local;
pub mod oci;

pub mod cache;
pub mod catalog;

pub mod api;

pub mod server;
pub mod service;

pub mod args;
pub mod build_info;
pub mod config;
pub mod metrics;
pub mod telemetry;

pub mod operations;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

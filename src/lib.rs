//! The Extension Registry Service: one REST API for all backends in which a team keeps extensions.
//!
//! The modules are in reading order; each imports only from those before it, which
//! `tests/architecture.rs` checks. `docs/architecture.md` follows a request through them.

pub mod app;

pub mod build_info;
pub mod cli;
pub mod config;
pub mod logging;

pub mod commands;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

//! Redis and Valkey as the engine of a fleet. The only crate that uses the crate `redis`.
//!
//! A [`link`] keeps one connection: it connects, checks the server, and reconnects in a task of its
//! own. A call never waits for that: it fails at once while there is no usable connection, and after
//! [`DEADLINE`](registry_fleet::DEADLINE) in any case. Reading the log and the calls about snapshots take
//! longer, and have connections of their own. Where [`sentinels`] are named, they say which server it is.

pub mod address;
mod bucket_segments;
pub mod buckets;
pub mod check;
pub mod commands;
mod dial;
mod dialer;
mod failure;
pub mod fetch_locks;
pub mod fleet_name;
pub mod host_port;
pub mod leases;
pub mod link;
pub mod log;
mod log_items;
mod log_keys;
mod log_reader;
pub mod members;
mod named_segments;
mod own_connection;
pub mod passwords;
pub mod pins;
mod rights;
mod script;
pub mod secrets;
mod sentinel;
pub mod sentinels;
mod server_facts;
pub mod settings;
mod snapshot_manifest;
pub mod snapshots;
mod stream;
mod supervisor;
mod unsigned;

/// Log filters name this target (docs/operations.md).
pub(crate) const LOG_TARGET: &str = "extension_registry::shared";

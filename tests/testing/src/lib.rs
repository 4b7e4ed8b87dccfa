//! What tests of several crates share: names, backends in memory, fakes of Gitea and of registries, and
//! real servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::new_without_default,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    clippy::cast_possible_truncation,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::needless_pass_by_value,
    missing_docs,
    reason = "a test fails by a panic, and its helpers are read in the test"
)]

pub mod archives;
pub mod canary;
pub mod certificates;
pub mod chaos;
pub mod docker_registry;
pub mod engine_proxy;
pub mod engine_server;
pub mod fake_gitea;
pub mod fleet;
pub mod fuzzing;
pub mod gitea_webhook;
pub mod http;
pub mod http2;
pub mod ids;
pub mod log;
pub mod memory;
pub mod memory_bucket;
pub mod nginx;
pub mod plain_search;
pub mod played_registry;
pub mod pusher;
pub mod registry_store;
pub mod scripted;
pub mod scripted_registry;
pub mod scripted_s3;
pub mod sentinels;
pub mod token_server;
pub mod tools;
pub mod versity;

//! Sums up the memory that the limits of a configuration allow at most.

use std::thread::available_parallelism;

use registry_backends::http;
use registry_core::models::backend_kind::BackendKind;
use registry_s3::bucket as s3;
use registry_server::answers;
use registry_server::api::targets;
use registry_server::api::webhook_limit;
use registry_server::archives;
use registry_server::artifacts::{buffers, uploads};
use registry_server::edge::request_limit::LARGE_KIB;
use registry_server::oci;
use registry_server::pages::known_pages;
use registry_server::server;

use crate::config::{BackendConfig, Config};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
// The program, its threads, and what the allocator keeps of freed memory.
const PROGRAM: usize = 64 * MIB;
// Used stack, and memory that the allocator keeps for the thread.
const THREAD: usize = 128 * KIB;
// Kept by the reader of one registry's manifests.
const MANIFESTS: usize = 72 * MIB;

/// Memory of each part, in bytes; together they are the maximum of the process.
#[must_use]
pub fn most_memory(config: &Config) -> Vec<(&'static str, usize)> {
    let server = &config.server;
    let remote = config.backends.iter().filter_map(BackendConfig::upstream);
    let concurrency: Vec<usize> = remote.map(|(_, upstream)| upstream.max_concurrency).collect();
    let requests = concurrency.iter().sum::<usize>() * http::QUESTION_BYTES
        + concurrency.len() * http::LARGE_ANSWER_BYTES;
    let backends = config.backends.len();
    let workers = server.workers.or_else(|| available_parallelism().ok()).map_or(1, usize::from);
    let registries = config.backends.iter().filter(|backend| backend.kind() == BackendKind::Oci);
    let uploads = uploads::AT_ONCE * s3::PART;
    let bucket =
        config.artifacts.as_ref().map_or(0, |_| s3::REQUESTS_MAX * http::QUESTION_BYTES + uploads);
    let manifests = registries.count() * MANIFESTS;
    let tls = config.tls.as_ref().map_or(0, |_| server::tls::TLS_BYTES);
    let connection = server::CONNECTION_BYTES + tls;
    let kept = answers::BYTES_MAX
        + targets::BYTES_MAX
        + known_pages::BYTES_MAX
        + manifests
        + oci::BYTES_MAX;
    vec![
        ("the program", PROGRAM + threads(workers) * THREAD),
        ("extensions", backends.saturating_mul(config.catalog.max_bytes)),
        ("cached responses", kept),
        ("connections", server.max_connections * connection),
        ("responses being sent", server.max_requests * server::ANSWER_BYTES),
        ("streams", server::streams(server.max_connections) * server::STREAM_BYTES),
        ("large responses being sent", LARGE_KIB * KIB),
        ("downloads", buffers::BYTES_MAX),
        ("archives being read", archives::BYTES_MAX),
        ("requests to backends", requests),
        ("the bucket", bucket),
        ("webhook deliveries", backends * webhook_limit::READ_AT_ONCE * MIB),
    ]
}

fn threads(workers: usize) -> usize {
    2 * workers + (workers + 1) * server::threads::WAITING_MAX
}

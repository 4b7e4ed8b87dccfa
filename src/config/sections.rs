//! Shared names and caches: `[catalog]`, `[cache]`, `[downloads]`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use registry_core::config_reader::form::{BYTES, Form};
use registry_core::config_reader::{ConfigReader, Section};
use registry_core::models::byte_size::bytes_of;

use crate::config::BackendConfig;
use crate::config::backends::put_in_order;

// A day in seconds; longer deadlines are mistakes of the unit.
const DAY: i64 = 86_400;

/// Ownership of names across backends.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct CatalogConfig {
    pub union: bool,
    pub allow_takeover: bool,
    pub full_sweep: Duration,
    pub max_bytes: usize,
}

/// Response caches, and the state that survives a restart.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct CacheConfig {
    pub capacity: NonZeroUsize,
    pub ttl: Duration,
    pub stale_while_revalidate: Duration,
    pub stale_if_error: Duration,
    pub negative_ttl: Duration,
    pub enable_metadata_cache: bool,
    pub enable_list_cache: bool,
    pub state_dir: Option<PathBuf>,
    pub artifact_bytes: u64,
}

/// Downloads of archives.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct DownloadsConfig {
    pub accept_changes: bool,
    pub certain_pins: bool,
}

impl CatalogConfig {
    pub(super) fn read(keys: &mut Section<'_>, backends: &mut [BackendConfig]) -> Option<Self> {
        put_in_order(backends, keys)?;
        Some(Self {
            union: keys
                .key("merge", Form::OneOf(&["owner", "union"]), |word| Ok(word == "union"))
                .or("owner", "owner: its versions alone; union: the versions of all, pooled.")?,
            allow_takeover: keys
                .flag("allow_takeover")
                .or(false, "Whether a name passes to the next backend when its owner loses it.")?,
            full_sweep: keys.seconds("full_sweep_seconds", 1..=30 * DAY).or(
                3600,
                "Seconds between full sweeps; refreshes between them ask for changes only.",
            )?,
            // More than can be addressed is as good as no bound.
            max_bytes: keys
                .key("max_bytes", Form::Pattern(BYTES), bytes_of)
                .or(
                    "1GiB",
                    "Memory for the extensions of one backend; more extensions are refused.",
                )
                .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))?,
        })
    }
}

impl CacheConfig {
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        let capacity = keys.whole("capacity", 1..=10_000_000);
        let capacity = capacity.or(1000, "Entries of each response cache.")?;
        let ttl = keys
            .seconds("ttl_seconds", 1..=30 * DAY)
            .or(300, "Seconds until data is refreshed from its backend.")?;
        Some(Self {
            capacity,
            ttl,
            stale_while_revalidate: keys.seconds("stale_while_revalidate_seconds", 0..=30 * DAY)
                .optional(300, "Seconds past ttl_seconds in which data is served unmarked while it is refreshed. Default: ttl_seconds.")
                .unwrap_or(ttl),
            stale_if_error: keys.seconds("stale_if_error_seconds", 1..=30 * DAY)
                .or(86_400, "Maximum age in seconds of data that is served while its backend fails.")?,
            negative_ttl: keys.seconds("negative_ttl_seconds", 0..=DAY)
                .or(10, "Seconds that a missing name or version is cached.")?,
            enable_metadata_cache: keys.flag("enable_metadata_cache")
                .or(true, "Whether responses with metadata and versions are cached.")?,
            enable_list_cache: keys.flag("enable_list_cache")
                .or(true, "Whether list responses are cached.")?,
            state_dir: keys.text("state_dir")
                .optional("/var/lib/extension-registry", "Directory for state that survives a restart. Default: $STATE_DIRECTORY."),
            artifact_bytes: keys.key("artifact_cache_bytes", Form::Pattern(BYTES), bytes_of)
                .or("10GiB", "Bytes of archives cached in state_dir; 0 caches none.")?,
        })
    }
}

impl DownloadsConfig {
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        let accept_changes = keys
            .key("on_change", Form::OneOf(&["refuse", "accept"]), |word| Ok(word == "accept"))
            .or("refuse", "What to serve when an archive differs from its pinned digest.")?;
        let certain_pins = keys
            .key("pin", Form::OneOf(&["soon", "certain"]), |word| Ok(word == "certain"))
            .or("soon", "What to do with a first archive while the server of [shared] is away: soon serves it, certain refuses it.")?;
        Some(Self { accept_changes, certain_pins })
    }

    /// Reports a value that needs another section.
    pub(super) fn check(&self, reader: &mut ConfigReader) {
        if self.certain_pins && !reader.has("shared") {
            let what =
                "\"certain\" needs the server that replicas share: add [shared], or set \"soon\"";
            reader.report("downloads.pin", what);
        }
    }
}

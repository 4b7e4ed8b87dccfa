//! Settings that all backends over HTTP share.

use std::path::PathBuf;
use std::time::Duration;

use registry_core::config_reader::Section;
use registry_core::via::Via;

/// Settings of the HTTP client of one backend.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct UpstreamSettings {
    pub timeout: Duration,
    pub verify_ssl: bool,
    pub ca_file: Option<PathBuf>,
    pub max_concurrency: usize,
    pub retries: u32,
    pub allow_private_redirects: bool,
    /// Names this service in requests; no key of the configuration.
    pub via: Via,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            verify_ssl: true,
            ca_file: None,
            max_concurrency: 8,
            retries: 2,
            allow_private_redirects: false,
            via: Via::default(),
        }
    }
}

impl UpstreamSettings {
    /// Reads the keys that every backend over HTTP has.
    pub fn read(keys: &mut Section<'_>) -> Option<Self> {
        let usual = Self::default();
        Some(Self {
            timeout: keys.seconds("timeout_seconds", 1..=86_400)
                .or(usual.timeout.as_secs(), "Request timeout in seconds; for downloads, the time to the first byte and the longest pause.")?,
            verify_ssl: keys.flag("verify_ssl")
                .or(usual.verify_ssl, "Whether TLS certificates are checked. Leave it on.")?,
            ca_file: keys.text("ca_file")
                .optional("/path/to/ca.pem", "PEM file with certificates to trust in addition to the system's."),
            max_concurrency: keys.whole("max_concurrency", 1..=1000)
                .or(usual.max_concurrency, "Concurrent requests to the backend.")?,
            retries: keys.whole("retries", 0..=10)
                .or(usual.retries, "Retries after a temporary failure.")?,
            allow_private_redirects: keys.flag("allow_private_redirects")
                .or(usual.allow_private_redirects, "Whether redirects and token servers may be at private addresses.")?,
            via: usual.via,
        })
    }
}

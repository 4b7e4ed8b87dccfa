//! Listeners, limits and clients: `[server]`, `[server.tls]`, `[rate_limit]`, `[auth]`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use registry_core::config_reader::form::{Form, WEB};
use registry_core::config_reader::{Bounds, Section, parsed};
use registry_core::models::addresses::{allowed_origin, listening_host, network_of};
use registry_core::models::public_url::PublicUrl;

const COUNT: Bounds = 1..=1_000_000;
/// Maximum length of `base_path`, in bytes.
const BASE_PATH_MAX: usize = 128;

/// Listener, limits and answers.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct ServerConfig {
    pub host: String,
    pub port: u16,
    pub health_port: Option<u16>,
    pub public_url: Option<PublicUrl>,
    pub base_path: String,
    pub workers: Option<NonZeroUsize>,
    pub enable_cors: bool,
    pub cors_allowed_origins: Vec<String>,
    pub enable_compression: bool,
    pub shutdown_grace: Duration,
    pub max_connections: usize,
    pub max_connections_per_client: Option<usize>,
    pub max_requests: usize,
    pub max_requests_per_client: Option<NonZeroU32>,
    pub trusted_proxies: Vec<IpNet>,
}

/// `[server.tls]`: the certificate of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct TlsConfig {
    pub cert_path: PathBuf,
    pub key_path: PathBuf,
}

/// `[rate_limit]`: the request rate of each client.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct RateLimitConfig {
    pub requests_per_second: NonZeroU32,
    pub burst: NonZeroU32,
    pub concurrent: NonZeroU32,
}

/// `[web]`: pages for browsers.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct WebConfig {
    pub enabled: bool,
    pub remote_images: bool,
}

impl WebConfig {
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        Some(Self {
            enabled: keys.flag("enabled").or(true, "Whether pages for browsers are served.")?,
            remote_images: keys
                .flag("remote_images")
                .or(false, "Whether pages load pictures of READMEs from other hosts.")?,
        })
    }
}

/// `[auth]`: client authentication.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct AuthConfig {
    pub tokens_path: PathBuf,
}

impl ServerConfig {
    /// Concurrent connections of one client.
    #[must_use]
    pub fn connections_per_client(&self) -> usize {
        self.max_connections_per_client.unwrap_or_else(|| (self.max_connections / 4).max(100))
    }

    /// Concurrent requests of one client.
    #[must_use]
    pub fn requests_per_client(&self) -> NonZeroU32 {
        let half = u32::try_from(self.max_requests.div_ceil(2)).unwrap_or(u32::MAX);
        self.max_requests_per_client.or(NonZeroU32::new(half)).unwrap_or(NonZeroU32::MIN)
    }

    /// The host without the brackets that an address of IPv6 may have.
    #[must_use]
    pub fn address(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        let server = Self {
            host: keys.key("host", Form::Text, listening_host)
                .or("0.0.0.0", "Address to listen on.")?,
            port: keys.whole("port", 0..=65_535)
                .or(8082, "Port to listen on; 0 takes a free one.")?,
            health_port: keys.whole("health_port", 0..=65_535)
                .optional(8083, "Another port of the same host, for health and metrics alone, always in plain HTTP."),
            public_url: keys.key("public_url", Form::Pattern(WEB), parsed)
                .optional("https://extensions.example.com", "Where clients reach it, with the path before /api/v1 if a proxy adds one; makes download_url of local extensions absolute."),
            base_path: keys.key("base_path", Form::Path, base_path)
                .or("", "Path below which everything but /v2/ lies, pages and API; a proxy passes it on.")?,
            workers: keys.whole("workers", 1..=1024)
                .optional(4, "Threads for connections, and as many for everything else. Default: one for each core."),
            enable_cors: keys.flag("enable_cors")
                .or(true, "Whether web pages of other origins may read responses (CORS).")?,
            cors_allowed_origins: keys.key("cors_allowed_origins", Form::List, allowed_origin)
                .items(["*"], "Origins that CORS allows; * is any.")?,
            enable_compression: keys.flag("enable_compression")
                .or(true, "Whether JSON is compressed for clients that accept it.")?,
            shutdown_grace: keys.seconds("shutdown_grace_seconds", 0..=86_400)
                .or(30, "Seconds that running requests have to finish on shutdown.")?,
            max_connections: keys.whole("max_connections", COUNT)
                .or(10_000, "Concurrent connections; beyond them only health and metrics are answered.")?,
            max_connections_per_client: keys.whole("max_connections_per_client", COUNT)
                .optional(2500, "Concurrent connections of one address. Default: a quarter of max_connections, at least 100."),
            max_requests: keys.whole("max_requests", COUNT)
                .or(5000, "Concurrent requests, downloads included; more are refused with 503.")?,
            max_requests_per_client: keys.whole("max_requests_per_client", COUNT)
                .optional(2500, "Concurrent requests of one IPv4 address or IPv6 /64; more are refused with 429. Default: half of max_requests. Trusted proxies are not limited."),
            trusted_proxies: keys.key("trusted_proxies", Form::List, network_of)
                .items([], "Addresses and networks of proxies whose X-Forwarded-For is trusted.")?,
        };
        if server.port != 0 && server.health_port == Some(server.port) {
            keys.report(
                "health_port",
                "must not be server.port, which serves health and metrics too",
            );
        }
        let lies_elsewhere =
            server.public_url.as_ref().is_some_and(|url| !url.path().ends_with(&server.base_path));
        if lies_elsewhere {
            keys.report("public_url", "must end with server.base_path");
        }
        Some(server)
    }
}

/// Parses a path without a slash at its end; empty for the root.
fn base_path(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let is_plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let is_path = path.starts_with('/') && path.split('/').skip(1).all(is_plain);
    if path.is_empty() || is_path && path.len() <= BASE_PATH_MAX {
        return Ok(path.to_owned());
    }
    Err(format!(
        "{text:?} is no path: write a slash and segments of A-Z a-z 0-9 - . _ ~, at most \
         {BASE_PATH_MAX} bytes, such as /registry"
    ))
}

impl TlsConfig {
    /// `None` if one of the files is not named.
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        let cert_path = keys.text("cert_path").required(
            "/path/to/tls.crt",
            "PEM file with the certificate of the service, then each certificate that signed the one before.",
        )?;
        let key_path = keys.text("key_path").required(
            "/path/to/tls.key",
            "PEM file with the private key: PKCS#8, PKCS#1 or SEC1.",
        )?;
        keys.is_sound().then_some(Self { cert_path, key_path })
    }
}

impl RateLimitConfig {
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        let requests_per_second = keys
            .whole("requests_per_second", COUNT)
            .required(50, "Requests per second of a client (token or address).")?;
        Some(Self {
            requests_per_second,
            burst: keys
                .whole("burst", COUNT)
                .optional(
                    100,
                    "Requests that a client may make in one burst. Default: requests_per_second.",
                )
                .unwrap_or(requests_per_second),
            concurrent: keys.whole("concurrent", COUNT).or(
                100,
                "Concurrent requests of a client, downloads included; more are refused with 429.",
            )?,
        })
    }
}

impl AuthConfig {
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        let tokens_path = keys.text("tokens_path").required(
            "/path/to/client-tokens.txt",
            "File with the names and SHA-256 digests of client tokens.",
        )?;
        Some(Self { tokens_path })
    }
}

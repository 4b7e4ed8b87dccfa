//! How the service listens, and whom it lets in: `[server]`, `[rate_limit]`, `[auth]`.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::addresses::{check_listening, origin_of};
use crate::config::check::Problem;
use crate::config::settings::Settings;
use crate::models::public_url::{InvalidPublicUrl, PublicUrl};

/// How the service listens and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address or name to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Where clients reach it.
    pub public_url: Option<PublicUrl>,
    /// Threads of the runtime; `None`: one for each core.
    pub workers: Option<NonZeroUsize>,
    /// Whether pages of other origins may read answers.
    pub enable_cors: bool,
    /// Which origins; `*` is any.
    pub cors_allowed_origins: Vec<String>,
    /// Whether JSON is compressed.
    pub enable_compression: bool,
    /// How long downloads may go on after a stop is asked for.
    pub shutdown_grace: Duration,
    /// Connections served at once; more wait.
    pub max_connections: usize,
    /// Connections of one client served at once; `None`: a quarter of all, 100 at least.
    pub max_connections_per_client: Option<NonZeroUsize>,
    /// Requests answered at once; more are refused.
    pub max_requests: usize,
    /// Requests of one address answered at once; `None`: half of all.
    pub max_requests_per_client: Option<NonZeroU32>,
    /// Networks of proxies that say where requests come from.
    pub trusted_proxies: Vec<IpNet>,
}

/// `[rate_limit]`: the request rate of each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Requests of a client in a second.
    pub requests_per_second: NonZeroU32,
    /// Requests that it may make at once.
    pub burst: NonZeroU32,
    /// Requests of a client answered at once.
    pub concurrent: NonZeroU32,
}

/// Which clients may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// File that holds names and digests of their tokens.
    pub tokens_path: PathBuf,
}

impl ServerConfig {
    /// Connections of one client served at once.
    #[must_use]
    pub fn connections_per_client(&self) -> usize {
        let usual = (self.max_connections / 4).max(100);
        self.max_connections_per_client.map_or(usual, NonZeroUsize::get)
    }

    /// Requests of one address answered at once.
    #[must_use]
    pub fn requests_per_client(&self) -> NonZeroU32 {
        let half = u32::try_from(self.max_requests.div_ceil(2)).unwrap_or(u32::MAX);
        self.max_requests_per_client.or(NonZeroU32::new(half)).unwrap_or(NonZeroU32::MIN)
    }

    /// The host without the brackets that people write around an address of IPv6.
    #[must_use]
    pub fn address(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }
}

/// `[server]`; `None` only beside a problem that says why.
pub(super) fn server(settings: &Settings, problems: &mut Vec<Problem>) -> Option<ServerConfig> {
    let whole = |key| settings.whole("server", key);
    let host = settings.text("server", "host")?;
    if let Err(what) = check_listening(&host) {
        problems.push(settings.problem("server", "host", what));
    }
    let public_url = settings.text("server", "public_url").and_then(|text| {
        let wrong =
            |error: InvalidPublicUrl| settings.problem("server", "public_url", error.to_string());
        text.parse::<PublicUrl>().map_err(|error| problems.push(wrong(error))).ok()
    });
    Some(ServerConfig {
        host,
        public_url,
        port: u16::try_from(whole("port")?).ok()?,
        workers: whole("workers").and_then(|n| NonZeroUsize::new(usize::try_from(n).ok()?)),
        enable_cors: settings.flag("server", "enable_cors")?,
        cors_allowed_origins: settings.each(
            ("server", "cors_allowed_origins"),
            allowed_origin,
            problems,
        )?,
        enable_compression: settings.flag("server", "enable_compression")?,
        shutdown_grace: Duration::from_secs(whole("shutdown_grace_seconds")?),
        max_connections: usize::try_from(whole("max_connections")?).ok()?,
        max_connections_per_client: whole("max_connections_per_client")
            .and_then(|n| NonZeroUsize::new(usize::try_from(n).ok()?)),
        max_requests: usize::try_from(whole("max_requests")?).ok()?,
        max_requests_per_client: whole("max_requests_per_client")
            .and_then(|n| NonZeroU32::new(u32::try_from(n).ok()?)),
        trusted_proxies: settings.each(("server", "trusted_proxies"), network_of, problems)?,
    })
}

/// A network, or the one of a single address.
fn network_of(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        format!("{text:?} is not an address such as 10.0.0.1 and no network such as 10.0.0.0/8")
    })
}

/// An origin, or all of them.
fn allowed_origin(text: &str) -> Result<String, String> {
    if text == "*" { Ok(text.to_owned()) } else { origin_of(text) }
}

/// `[rate_limit]`
pub(super) fn rate_limit(settings: &Settings) -> Option<RateLimitConfig> {
    let whole = |key| {
        let number = u32::try_from(settings.whole("rate_limit", key)?).ok()?;
        NonZeroU32::new(number)
    };
    let requests_per_second = whole("requests_per_second")?;
    let burst = whole("burst").unwrap_or(requests_per_second);
    let concurrent = whole("concurrent")?;
    Some(RateLimitConfig { requests_per_second, burst, concurrent })
}

//! Every section and key once: what it takes, what it is unless set, what it means.

/// Gitea's numbers are signed.
const ORGANIZATION_ID_MAX: u64 = i64::MAX.unsigned_abs();

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text but the empty one.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An address that begins with `http://` or `https://`.
    Url,
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds.
    Whole(u64, u64),
    /// An amount of bytes, with a unit or without.
    Bytes,
    /// Texts in brackets.
    List,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its section, without brackets.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value unless set, as TOML; `None`: it has none.
    pub default: Option<&'static str>,
    /// A value to show where there is no default, as TOML.
    pub example: &'static str,
    /// What it means, for people.
    pub doc: &'static str,
    /// Whether its section says nothing without it.
    pub required: bool,
}

/// A section and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name, without brackets.
    pub name: &'static str,
    /// What it means, for people.
    pub doc: &'static str,
    /// Whether leaving it out means something: a backend that is not there.
    pub optional: bool,
}

/// A day; longer deadlines are mistakes of the unit.
const DAY: u64 = 86_400;

/// All sections, in the order of the documentation.
pub const SECTIONS: [Section; 9] = [
    Section { name: "server", doc: "How the service listens and answers.", optional: false },
    Section { name: "gitea", doc: "Releases of a Gitea or Forgejo organization.", optional: true },
    Section { name: "oci", doc: "Artifacts in a namespace of an OCI registry.", optional: true },
    Section {
        name: "local",
        doc: "A directory whose sub-directories are OCI image layouts, one for each repository.",
        optional: true,
    },
    Section { name: "catalog", doc: "How backends share names.", optional: false },
    Section {
        name: "cache",
        doc: "Response caches, refresh intervals and state on disk.",
        optional: false,
    },
    Section { name: "downloads", doc: "Downloads of archives.", optional: false },
    Section {
        name: "rate_limit",
        doc: "Request rate of each client; without this section there is no limit.",
        optional: true,
    },
    Section {
        name: "auth",
        doc: "Client authentication; without this section every client may read.",
        optional: true,
    },
];

const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { section, name, kind, default: Some(default), example: default, doc, required: false }
}

const fn unset(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key { section, name, kind, default: None, example, doc, required: false }
}

const fn required(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key { section, name, kind, default: None, example, doc, required: true }
}

/// All keys, in the order of the documentation.
pub const KEYS: &[Key] = &[
    key("server", "host", Kind::Text, r#""0.0.0.0""#, "Address to listen on."),
    key("server", "port", Kind::Whole(0, 65_535), "8082", "Port to listen on; 0 takes a free one."),
    unset(
        "server",
        "public_url",
        Kind::Url,
        r#""https://extensions.example.com""#,
        "Where clients reach it, with the path before /api/v1 if a proxy adds one; makes download_url of local extensions absolute.",
    ),
    unset(
        "server",
        "workers",
        Kind::Whole(1, 1024),
        "4",
        "Threads for connections, and as many for everything else. Default: one for each core.",
    ),
    key(
        "server",
        "enable_cors",
        Kind::Flag,
        "true",
        "Whether web pages of other origins may read responses (CORS).",
    ),
    key(
        "server",
        "cors_allowed_origins",
        Kind::List,
        r#"["*"]"#,
        "Origins that CORS allows; * is any.",
    ),
    key(
        "server",
        "enable_compression",
        Kind::Flag,
        "true",
        "Whether JSON is compressed for clients that accept it.",
    ),
    key(
        "server",
        "shutdown_grace_seconds",
        Kind::Whole(0, DAY),
        "30",
        "Seconds that running requests have to finish on shutdown.",
    ),
    key(
        "server",
        "max_connections",
        Kind::Whole(1, 1_000_000),
        "10000",
        "Concurrent connections; beyond them only health and metrics are answered.",
    ),
    unset(
        "server",
        "max_connections_per_client",
        Kind::Whole(1, 1_000_000),
        "2500",
        "Concurrent connections of one address. Default: a quarter of max_connections, at least 100.",
    ),
    key(
        "server",
        "max_requests",
        Kind::Whole(1, 1_000_000),
        "5000",
        "Concurrent requests, downloads included; more are refused with 503.",
    ),
    unset(
        "server",
        "max_requests_per_client",
        Kind::Whole(1, 1_000_000),
        "2500",
        "Concurrent requests of one IPv4 address or IPv6 /64; more are refused with 429. Default: half of max_requests. Trusted proxies are not limited.",
    ),
    key(
        "server",
        "trusted_proxies",
        Kind::List,
        "[]",
        "Addresses and networks of proxies whose X-Forwarded-For is trusted.",
    ),
    required(
        "gitea",
        "url",
        Kind::Url,
        r#""https://gitea.example.com""#,
        "Base URL; may have a sub-path. Required.",
    ),
    required(
        "gitea",
        "organization",
        Kind::Text,
        r#""provisioning-extensions""#,
        "Organization to index. Required.",
    ),
    unset(
        "gitea",
        "organization_id",
        Kind::Whole(1, ORGANIZATION_ID_MAX),
        "2",
        "Id that the organization must have. Default: the id seen first is pinned.",
    ),
    unset(
        "gitea",
        "token_path",
        Kind::Text,
        r#""/path/to/gitea-token.txt""#,
        "File with an access token; not needed for public organizations.",
    ),
    key(
        "gitea",
        "timeout_seconds",
        Kind::Whole(1, DAY),
        "30",
        "Request timeout in seconds; for downloads, the time to the first byte and the longest pause.",
    ),
    key(
        "gitea",
        "verify_ssl",
        Kind::Flag,
        "true",
        "Whether TLS certificates are checked. Leave it on.",
    ),
    unset(
        "gitea",
        "ca_file",
        Kind::Text,
        r#""/path/to/ca.pem""#,
        "PEM file with certificates to trust in addition to the system's.",
    ),
    key(
        "gitea",
        "max_concurrency",
        Kind::Whole(1, 1000),
        "8",
        "Concurrent requests to the backend.",
    ),
    key("gitea", "retries", Kind::Whole(0, 10), "2", "Retries after a temporary failure."),
    unset(
        "gitea",
        "webhook_secret_path",
        Kind::Text,
        r#""/path/to/gitea-webhook-secret.txt""#,
        "File with the webhook secret; without it webhooks are refused.",
    ),
    key(
        "gitea",
        "allow_private_redirects",
        Kind::Flag,
        "false",
        "Whether downloads may be redirected to private addresses.",
    ),
    key(
        "gitea",
        "external_asset_hosts",
        Kind::List,
        "[]",
        "Hosts from which external assets of Forgejo may be downloaded.",
    ),
    required(
        "oci",
        "registry",
        Kind::Text,
        r#""registry.example.com""#,
        "Host and port; with http:// in front for plain HTTP. Required.",
    ),
    required(
        "oci",
        "namespace",
        Kind::Text,
        r#""provisioning""#,
        "Namespace, the prefix of repository names. Required.",
    ),
    unset(
        "oci",
        "auth_token_path",
        Kind::Text,
        r#""/path/to/oci-token.txt""#,
        "File with a token, user:password, or a Docker config.json.",
    ),
    key(
        "oci",
        "timeout_seconds",
        Kind::Whole(1, DAY),
        "30",
        "Request timeout in seconds; for downloads, the time to the first byte and the longest pause.",
    ),
    key(
        "oci",
        "token_hosts",
        Kind::List,
        "[]",
        "Additional trusted token servers, on other domains or ports than the registry.",
    ),
    key(
        "oci",
        "verify_ssl",
        Kind::Flag,
        "true",
        "Whether TLS certificates are checked. Leave it on.",
    ),
    key(
        "oci",
        "repositories",
        Kind::List,
        "[]",
        "Repositories to serve in addition to those that the registry lists.",
    ),
    unset(
        "oci",
        "ca_file",
        Kind::Text,
        r#""/path/to/ca.pem""#,
        "PEM file with certificates to trust in addition to the system's.",
    ),
    key("oci", "max_concurrency", Kind::Whole(1, 1000), "8", "Concurrent requests to the backend."),
    key("oci", "retries", Kind::Whole(0, 10), "2", "Retries after a temporary failure."),
    unset(
        "oci",
        "webhook_secret_path",
        Kind::Text,
        r#""/path/to/oci-webhook-secret.txt""#,
        "File with the webhook secret; without it webhooks are refused.",
    ),
    key(
        "oci",
        "allow_private_redirects",
        Kind::Flag,
        "false",
        "Whether redirects and token servers may be at private addresses.",
    ),
    required(
        "local",
        "path",
        Kind::Text,
        r#""extensions""#,
        "Directory, relative to the working directory of the service. Required.",
    ),
    key(
        "catalog",
        "order",
        Kind::List,
        r#"["gitea", "oci", "local"]"#,
        "Backends in order; the first that has a name owns it.",
    ),
    key(
        "catalog",
        "merge",
        Kind::Word(&["owner", "union"]),
        r#""owner""#,
        "owner: its versions alone; union: the versions of all, pooled.",
    ),
    key(
        "catalog",
        "allow_takeover",
        Kind::Flag,
        "false",
        "Whether a name passes to the next backend when its owner loses it.",
    ),
    key(
        "catalog",
        "full_sweep_seconds",
        Kind::Whole(1, 30 * DAY),
        "3600",
        "Seconds between full sweeps; refreshes between them ask for changes only.",
    ),
    key(
        "catalog",
        "max_bytes",
        Kind::Bytes,
        r#""1GiB""#,
        "Memory for the extensions of one backend; more extensions are refused.",
    ),
    key("cache", "capacity", Kind::Whole(1, 10_000_000), "1000", "Entries of each response cache."),
    key(
        "cache",
        "ttl_seconds",
        Kind::Whole(1, 30 * DAY),
        "300",
        "Seconds until data is refreshed from its backend.",
    ),
    unset(
        "cache",
        "stale_while_revalidate_seconds",
        Kind::Whole(0, 30 * DAY),
        "300",
        "Seconds past ttl_seconds in which data is served unmarked while it is refreshed. Default: ttl_seconds.",
    ),
    key(
        "cache",
        "stale_if_error_seconds",
        Kind::Whole(1, 30 * DAY),
        "86400",
        "Maximum age in seconds of data that is served while its backend fails.",
    ),
    key(
        "cache",
        "negative_ttl_seconds",
        Kind::Whole(0, DAY),
        "10",
        "Seconds that a missing name or version is cached.",
    ),
    key(
        "cache",
        "enable_metadata_cache",
        Kind::Flag,
        "true",
        "Whether responses with metadata and versions are cached.",
    ),
    key("cache", "enable_list_cache", Kind::Flag, "true", "Whether list responses are cached."),
    unset(
        "cache",
        "state_dir",
        Kind::Text,
        r#""/var/lib/extension-registry""#,
        "Directory for state that survives a restart. Default: $STATE_DIRECTORY.",
    ),
    key(
        "cache",
        "artifact_cache_bytes",
        Kind::Bytes,
        r#""10GiB""#,
        "Bytes of archives cached in state_dir; 0 caches none.",
    ),
    key(
        "downloads",
        "on_change",
        Kind::Word(&["refuse", "accept"]),
        r#""refuse""#,
        "What to serve when an archive differs from its pinned digest.",
    ),
    required(
        "rate_limit",
        "requests_per_second",
        Kind::Whole(1, 1_000_000),
        "50",
        "Requests per second of a client (token or address). Required.",
    ),
    unset(
        "rate_limit",
        "burst",
        Kind::Whole(1, 1_000_000),
        "100",
        "Requests that a client may make in one burst. Default: requests_per_second.",
    ),
    key(
        "rate_limit",
        "concurrent",
        Kind::Whole(1, 1_000_000),
        "100",
        "Concurrent requests of a client, downloads included; more are refused with 429.",
    ),
    required(
        "auth",
        "tokens_path",
        Kind::Text,
        r#""/path/to/client-tokens.txt""#,
        "File with the names and SHA-256 digests of client tokens. Required.",
    ),
];

/// The key of this section and name.
#[must_use]
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// The valid name closest to a wrong one, if any is close enough to be meant.
#[must_use]
pub fn nearest<'a>(wrong: &str, valid: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let begins = |name: &str| wrong.len() >= 3 && name.starts_with(&wrong);
    valid
        .map(|name| (strsim::osa_distance(&wrong, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1) || begins(name))
        .min()
        .map(|(_, name)| name)
}

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
    Section { name: "gitea", doc: "Releases of a Gitea or Forgejo organisation.", optional: true },
    Section { name: "oci", doc: "Artifacts in a namespace of an OCI registry.", optional: true },
    Section {
        name: "local",
        doc: "A directory whose sub-directories are OCI image layouts, one for each repository.",
        optional: true,
    },
    Section { name: "catalog", doc: "How backends share names.", optional: false },
    Section { name: "cache", doc: "The memos of answers.", optional: false },
    Section { name: "downloads", doc: "How archives are given out.", optional: false },
    Section { name: "rate_limit", doc: "How often a client may ask.", optional: true },
    Section { name: "auth", doc: "Which clients may ask; without it all.", optional: true },
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
        "Threads for connections, and as many for all else; one for each core unless set.",
    ),
    key(
        "server",
        "enable_cors",
        Kind::Flag,
        "true",
        "Whether web pages of other origins may read answers.",
    ),
    key(
        "server",
        "cors_allowed_origins",
        Kind::List,
        r#"["*"]"#,
        "Which origins those are; * is any.",
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
        "How long answers may go on once a stop is asked for.",
    ),
    key(
        "server",
        "max_connections",
        Kind::Whole(1, 1_000_000),
        "10000",
        "Connections served at once; beyond them only health and metrics are answered.",
    ),
    unset(
        "server",
        "max_connections_per_client",
        Kind::Whole(1, 1_000_000),
        "2500",
        "Connections of one address served at once; a quarter of all, 100 at least, unless set.",
    ),
    key(
        "server",
        "max_requests",
        Kind::Whole(1, 1_000_000),
        "5000",
        "Requests answered at once, downloads included; more are refused.",
    ),
    unset(
        "server",
        "max_requests_per_client",
        Kind::Whole(1, 1_000_000),
        "2500",
        "Of these, requests of one address of IPv4 or /64 of IPv6; more are refused. Half of them unless set. Trusted proxies are no client.",
    ),
    key(
        "server",
        "trusted_proxies",
        Kind::List,
        "[]",
        "Addresses and networks of proxies that say where requests come from.",
    ),
    required(
        "gitea",
        "url",
        Kind::Url,
        r#""https://gitea.example.com""#,
        "Where it is; may carry a sub path. Required.",
    ),
    required(
        "gitea",
        "organization",
        Kind::Text,
        r#""provisioning-extensions""#,
        "Whose repositories are looked through. Required.",
    ),
    unset(
        "gitea",
        "organization_id",
        Kind::Whole(1, ORGANIZATION_ID_MAX),
        "2",
        "Number that the organization must have; without it the first one seen counts.",
    ),
    unset(
        "gitea",
        "token_path",
        Kind::Text,
        r#""/path/to/gitea-token.txt""#,
        "File that holds an access token; public organisations need none.",
    ),
    key(
        "gitea",
        "timeout_seconds",
        Kind::Whole(1, DAY),
        "30",
        "Deadline of a question; for downloads, time to the first byte and longest silence.",
    ),
    key(
        "gitea",
        "verify_ssl",
        Kind::Flag,
        "true",
        "Whether certificates are checked. Leave it on.",
    ),
    unset(
        "gitea",
        "ca_file",
        Kind::Text,
        r#""/path/to/ca.pem""#,
        "PEM file of certificates to trust beside the system's.",
    ),
    key("gitea", "max_concurrency", Kind::Whole(1, 1000), "8", "Questions under way at once."),
    key(
        "gitea",
        "retries",
        Kind::Whole(0, 10),
        "2",
        "How often a question is asked again after a failure that may pass.",
    ),
    unset(
        "gitea",
        "webhook_secret_path",
        Kind::Text,
        r#""/path/to/gitea-webhook-secret.txt""#,
        "File that holds the secret of change notices; without it they are not taken.",
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
        "Hosts from which Forgejo's external assets may be taken.",
    ),
    required(
        "oci",
        "registry",
        Kind::Text,
        r#""registry.example.com""#,
        "Host and port; http:// before it for plain HTTP. Required.",
    ),
    required(
        "oci",
        "namespace",
        Kind::Text,
        r#""provisioning""#,
        "What its repositories' names begin with. Required.",
    ),
    unset(
        "oci",
        "auth_token_path",
        Kind::Text,
        r#""/path/to/oci-token.txt""#,
        "File that holds a token, user:password, or a Docker config.json.",
    ),
    key(
        "oci",
        "timeout_seconds",
        Kind::Whole(1, DAY),
        "30",
        "Deadline of a question; for downloads, time to the first byte and longest silence.",
    ),
    key(
        "oci",
        "token_hosts",
        Kind::List,
        "[]",
        "Token servers of other domains or ports than the registry's that may be told who we are.",
    ),
    key("oci", "verify_ssl", Kind::Flag, "true", "Whether certificates are checked. Leave it on."),
    key(
        "oci",
        "repositories",
        Kind::List,
        "[]",
        "Repositories to serve beside those of the registry's catalogue.",
    ),
    unset(
        "oci",
        "ca_file",
        Kind::Text,
        r#""/path/to/ca.pem""#,
        "PEM file of certificates to trust beside the system's.",
    ),
    key("oci", "max_concurrency", Kind::Whole(1, 1000), "8", "Questions under way at once."),
    key(
        "oci",
        "retries",
        Kind::Whole(0, 10),
        "2",
        "How often a question is asked again after a failure that may pass.",
    ),
    unset(
        "oci",
        "webhook_secret_path",
        Kind::Text,
        r#""/path/to/oci-webhook-secret.txt""#,
        "File that holds the secret of change notices; without it they are not taken.",
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
        "The directory; relative to where the service is started. Required.",
    ),
    key(
        "catalog",
        "order",
        Kind::List,
        r#"["gitea", "oci", "local"]"#,
        "Who owns a name that several have: the first.",
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
        "Whether a name passes to the next backend that has it when its owner loses it.",
    ),
    key(
        "catalog",
        "full_sweep_seconds",
        Kind::Whole(1, 30 * DAY),
        "3600",
        "How long rounds ask for changes only, before everything is read again.",
    ),
    key(
        "catalog",
        "max_bytes",
        Kind::Bytes,
        r#""1GiB""#,
        "Memory that the extensions of one backend may take; more are not taken in.",
    ),
    key("cache", "capacity", Kind::Whole(1, 10_000_000), "1000", "Entries of each memo."),
    key("cache", "ttl_seconds", Kind::Whole(1, 30 * DAY), "300", "How long an answer is current."),
    unset(
        "cache",
        "stale_while_revalidate_seconds",
        Kind::Whole(0, 30 * DAY),
        "300",
        "How much longer answers go unmarked while they are made current; ttl_seconds unless set.",
    ),
    key(
        "cache",
        "stale_if_error_seconds",
        Kind::Whole(1, 30 * DAY),
        "86400",
        "How old what is known of a backend may be and still answer while it fails.",
    ),
    key(
        "cache",
        "negative_ttl_seconds",
        Kind::Whole(0, DAY),
        "10",
        "How long a name or version that is not there is remembered as such.",
    ),
    key(
        "cache",
        "enable_metadata_cache",
        Kind::Flag,
        "true",
        "Whether metadata and versions are kept.",
    ),
    key("cache", "enable_list_cache", Kind::Flag, "true", "Whether lists are kept."),
    unset(
        "cache",
        "state_dir",
        Kind::Text,
        r#""/var/lib/extension-registry""#,
        "Directory that keeps what is known over a restart; $STATE_DIRECTORY unless set.",
    ),
    key(
        "cache",
        "artifact_cache_bytes",
        Kind::Bytes,
        r#""10GiB""#,
        "Archives kept in state_dir, at most so many bytes of them; 0 keeps none.",
    ),
    key(
        "downloads",
        "on_change",
        Kind::Word(&["refuse", "accept"]),
        r#""refuse""#,
        "What is served where a version's archive is not the first one any more.",
    ),
    required(
        "rate_limit",
        "requests_per_second",
        Kind::Whole(1, 1_000_000),
        "50",
        "Requests of a client, told by its token or address. Required.",
    ),
    unset(
        "rate_limit",
        "burst",
        Kind::Whole(1, 1_000_000),
        "100",
        "Requests that a client may make at once; those of a second unless set.",
    ),
    key(
        "rate_limit",
        "concurrent",
        Kind::Whole(1, 1_000_000),
        "100",
        "Requests of a client answered at once, until the last byte of a download. More are refused with 429.",
    ),
    required(
        "auth",
        "tokens_path",
        Kind::Text,
        r#""/path/to/client-tokens.txt""#,
        "File that holds names and SHA-256 digests of clients' tokens. Required.",
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

//! What replicas share: `[shared]`.

use std::path::PathBuf;

use registry_core::config_reader::form::{Form, REDIS};
use registry_core::config_reader::{Section, parsed};
use registry_valkey::address::EngineAddress;
use registry_valkey::fleet_name::FleetName;
use registry_valkey::host_port::{HostPort, InvalidHostPort};
use registry_valkey::sentinels::Sentinels;

/// Engine that several replicas share.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct SharedConfig {
    pub redis_url: EngineAddress,
    pub sentinels: Option<Sentinels>,
    pub sentinel_password_path: Option<PathBuf>,
    pub username: Option<String>,
    pub password_path: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub secret_path: PathBuf,
    pub name: FleetName,
}

impl SharedConfig {
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        let redis_url: EngineAddress =
            keys.key("redis_url", Form::Pattern(REDIS), parsed).required(
                "rediss://valkey.example.com:6379/0",
                "Address of a Redis (from 6.2) or Valkey server, with the number of a database; rediss:// is TLS.",
            )?;
        let sentinels = sentinels(keys);
        let shared = Self {
            sentinels,
            sentinel_password_path: keys.text("sentinel_password_path").optional(
                "/path/to/sentinel-password.txt",
                "File with the password of the sentinels. Default: they have none.",
            ),
            username: keys
                .text("username")
                .optional("extension-registry", "User of the server. Default: its default user."),
            password_path: keys
                .text("password_path")
                .optional("/path/to/redis-password.txt", "File with the password of the server."),
            ca_file: keys.text("ca_file").optional(
                "/path/to/ca.pem",
                "PEM file of certificates to trust instead of the system's; for rediss:// alone.",
            ),
            secret_path: keys.text("secret_path").required(
                "/path/to/shared-secret.txt",
                "File with the secret of all replicas, 32 bytes or more. A second line is the previous secret while it is replaced.",
            )?,
            name: keys.text("name").or(
                "default",
                "Name under which the replicas of one registry find each other: 1 to 40 of a-z 0-9 -.",
            )?,
            redis_url,
        };
        if shared.ca_file.is_some() && !shared.redis_url.has_tls {
            keys.report("ca_file", "has no use without TLS; write rediss:// in redis_url");
        }
        if shared.username.is_some() && shared.password_path.is_none() {
            keys.report("username", "needs password_path, the file with the password of this user");
        }
        if shared.sentinel_password_path.is_some() && !keys.has("sentinels") {
            keys.report("sentinel_password_path", "has no use without sentinels");
        }
        if keys.has("sentinel_username") && shared.sentinel_password_path.is_none() {
            let what = "needs sentinel_password_path, the file with the password of this user";
            keys.report("sentinel_username", what);
        }
        keys.is_sound().then_some(shared)
    }
}

/// Reads which sentinels know the primary.
fn sentinels(keys: &mut Section<'_>) -> Option<Sentinels> {
    let addresses = keys.key("sentinels", Form::List, sentinel).optional_items(
        ["sentinel-1.example.com:26379", "sentinel-2.example.com:26379"],
        "Sentinels, 1 to 15. They name the server; the host and port of redis_url are not used.",
    );
    let name = keys.text("sentinel_name").optional(
        "mymaster",
        "Name under which the sentinels watch the server. Required with sentinels.",
    );
    let username = keys
        .text("sentinel_username")
        .optional("extension-registry", "User of the sentinels. Default: their default user.");
    // A wrong value is there, and was reported.
    match (addresses, name) {
        (Some(addresses), Some(name)) => {
            let sentinels = Sentinels::new(addresses, name, username);
            sentinels.map_err(|error| keys.report("sentinels", &error.to_string())).ok()
        }
        (Some(_), None) if !keys.has("sentinel_name") => {
            let what = "needs sentinel_name, the name behind `sentinel monitor` in the configuration of \
                        the sentinels";
            keys.report("sentinels", what);
            None
        }
        (None, Some(_)) if !keys.has("sentinels") => {
            keys.report("sentinel_name", "has no use without sentinels");
            None
        }
        _ => None,
    }
}

/// Parses the address of a sentinel. Messages do not show credentials.
fn sentinel(text: &str) -> Result<HostPort, String> {
    text.parse::<HostPort>().map_err(|error| match error {
        InvalidHostPort::Credentials => error.to_string(),
        _ => format!("{text:?}: {error}; write HOST:PORT, such as sentinel-1.example.com:26379"),
    })
}

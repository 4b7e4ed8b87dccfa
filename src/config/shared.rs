//! What replicas share: `[shared]`.

use std::path::PathBuf;

use registry_core::config_reader::form::{Form, REDIS};
use registry_core::config_reader::{Section, parsed};
use registry_valkey::address::EngineAddress;
use registry_valkey::fleet_name::FleetName;

/// Engine that several replicas share.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct SharedConfig {
    pub redis_url: EngineAddress,
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
        let shared = Self {
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
        keys.is_sound().then_some(shared)
    }
}

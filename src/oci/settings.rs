//! Settings of an OCI backend, as validated types.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::http::HttpSettings;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::oci::address::RegistryAddress;
use crate::oci::credentials::Credentials;
use crate::oci::realm::TokenHost;
use crate::oci::repository::Namespace;

/// Maximum size of a credentials file, in bytes; a Docker `config.json` with about a thousand
/// registries.
const CREDENTIALS_MAX: u64 = 1024 * 1024;

/// Settings of one namespace at a registry.
#[derive(Clone, Debug)]
pub struct OciSettings {
    /// Name of the backend, by default that of its kind.
    pub id: BackendId,
    /// Address of the registry.
    pub registry: RegistryAddress,
    /// Namespace whose repositories are the extensions.
    pub namespace: Namespace,
    /// Extensions to serve in addition to the catalog, for registries without one.
    pub repositories: Vec<ExtensionId>,
    /// Credentials for the registry.
    pub credentials: Credentials,
    /// Hosts of token servers that may receive the credentials, in addition to those in the
    /// registry's domain.
    pub token_hosts: Vec<TokenHost>,
    /// Deadline of a metadata request. For downloads, the time until the headers and the longest
    /// silence.
    pub timeout: Duration,
    /// Verification of TLS certificates. `false` accepts any certificate.
    pub verify_ssl: bool,
    /// PEM file of certificates that are trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Maximum number of concurrent requests to the backend.
    pub max_concurrency: usize,
    /// Maximum number of retries after a temporary failure.
    pub retries: u32,
    /// Allows redirects to, and token servers at, private addresses other than the registry's own.
    pub allow_private_redirects: bool,
    /// Time for which credentials count as valid after a success. Within this time, a refusal for
    /// one repository counts as absence, since many registries respond this way. Later it counts as
    /// refused credentials.
    pub ttl: Duration,
}

impl OciSettings {
    /// Creates settings for a namespace, with defaults for everything else.
    #[must_use]
    pub fn new(registry: RegistryAddress, namespace: Namespace) -> Self {
        Self {
            id: BackendId::OCI,
            registry,
            namespace,
            repositories: Vec::new(),
            credentials: Credentials::Anonymous,
            token_hosts: Vec::new(),
            timeout: Duration::from_secs(30),
            verify_ssl: true,
            ca_file: None,
            max_concurrency: 8,
            retries: 2,
            allow_private_redirects: false,
            ttl: Duration::from_secs(300),
        }
    }

    pub(super) fn http(&self) -> HttpSettings {
        HttpSettings {
            backend: self.id,
            base: self.registry.base().clone(),
            timeout: self.timeout,
            max_concurrency: self.max_concurrency,
            retries: self.retries,
            verify_tls: self.verify_ssl,
            ca_file: self.ca_file.clone(),
            allow_private_redirects: self.allow_private_redirects,
        }
    }
}

/// Reads the credentials for a namespace of a registry from a file.
///
/// # Errors
/// Returns an error that names the file, but no part of its content, if it cannot be read or holds
/// no valid credentials.
pub fn read_credentials(
    path: &Path,
    registry: &RegistryAddress,
    namespace: &Namespace,
) -> Result<Credentials> {
    let named = |problem: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Invalid, format!("auth_token_path {}: {problem}", path.display()))
    };
    let text = files::text_named(path, CREDENTIALS_MAX)
        .map_err(|error| named(&"cannot be read").because(error))?;
    Credentials::parse(&text, registry, namespace).map_err(|error| named(&error))
}

//! What an operator says of a registry, in types that cannot hold nonsense.

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

/// Largest file of credentials, in bytes: a Docker `config.json` of some thousand registries.
const CREDENTIALS_MAX: u64 = 1024 * 1024;

/// One namespace of a registry, and how to talk to its server.
#[derive(Clone, Debug)]
pub struct OciSettings {
    /// Name of the backend, by default that of its kind.
    pub id: BackendId,
    /// Where the registry is.
    pub registry: RegistryAddress,
    /// The namespace whose repositories are the extensions.
    pub namespace: Namespace,
    /// Extensions to serve beside those of the registry's catalog, for registries without one.
    pub repositories: Vec<ExtensionId>,
    /// Who we are there.
    pub credentials: Credentials,
    /// Hosts of token servers that may be told so, beside those of the registry's own domain.
    pub token_hosts: Vec<TokenHost>,
    /// A whole question for metadata; for downloads the time to headers and the longest silence.
    pub timeout: Duration,
    /// `false` accepts any certificate.
    pub verify_ssl: bool,
    /// A PEM file with certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Concurrent requests to the backend.
    pub max_concurrency: usize,
    /// Retries after a temporary failure.
    pub retries: u32,
    /// Whether a redirect or a token server may be at a private address beside the registry's own.
    pub allow_private_redirects: bool,
    /// How long credentials count as good after they last served. Within this time a refusal for
    /// one repository means that there is none, since many registries answer so; beyond it, that
    /// the credentials are refused.
    pub ttl: Duration,
}

impl OciSettings {
    /// The given namespace with every other setting at its default.
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

/// The credentials in a file, for a namespace of a registry.
///
/// # Errors
/// A file that cannot be read or holds none; the message names it, and nothing of its content.
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

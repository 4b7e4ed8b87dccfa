//! Settings of an OCI backend, as validated types.

use std::path::Path;
use std::time::Duration;

use registry_core::config_reader::form::Form;
use registry_core::config_reader::{Section, parsed};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::files;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::naming::ExtensionId;

use crate::http::settings::UpstreamSettings;
use crate::http::upstream::HttpSettings;
use crate::oci::address::RegistryAddress;
use crate::oci::credentials::Credentials;
use crate::oci::realm::{TokenHost, host_of};
use crate::oci::repository::Namespace;

/// Maximum size of a credentials file, in bytes; a `config.json` of a thousand registries.
const CREDENTIALS_MAX: u64 = 1024 * 1024;

/// Settings of one namespace at a registry.
#[derive(Clone, Debug)]
pub struct OciSettings {
    /// Name of the backend; by default the name of the kind.
    pub id: BackendId,
    /// Address of the registry.
    pub registry: RegistryAddress,
    /// Namespace whose repositories are the extensions.
    pub namespace: Namespace,
    /// Extensions to serve in addition to the catalog, for registries without one.
    pub repositories: Vec<ExtensionId>,
    /// Credentials for the registry.
    pub credentials: Credentials,
    /// Hosts of token servers outside the registry's domain that may receive the credentials.
    pub token_hosts: Vec<TokenHost>,
    /// Settings of the HTTP client.
    pub upstream: UpstreamSettings,
    /// Time for which credentials count as valid after a success. Meanwhile a refusal for one
    /// repository counts as absence, since many registries respond this way.
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
            upstream: UpstreamSettings::default(),
            ttl: Duration::from_mins(5),
        }
    }

    /// Reads `[oci]`, or an entry of `[[oci]]`.
    pub fn read(keys: &mut Section<'_>) -> Option<Self> {
        let registry = keys.key("registry", Form::Pattern(r"\S"), parsed).required(
            "registry.example.com",
            "Host and port; with http:// in front for plain HTTP.",
        )?;
        let namespace = keys
            .text("namespace")
            .required("provisioning", "Namespace, the prefix of repository names.")?;
        Some(Self {
            token_hosts: keys.key("token_hosts", Form::List, token_host).items(
                [],
                "Additional trusted token servers, on other domains or ports than the registry.",
            )?,
            repositories: keys
                .key("repositories", Form::List, extension)
                .items([], "Repositories to serve in addition to those that the registry lists.")?,
            upstream: UpstreamSettings::read(keys)?,
            id: keys.id(BackendKind::Oci),
            ..Self::new(registry, namespace)
        })
    }

    pub(super) fn http(&self) -> HttpSettings {
        HttpSettings {
            peer: self.id.into(),
            base: self.registry.base().clone(),
            upstream: self.upstream.clone(),
        }
    }
}

fn token_host(text: &str) -> Result<TokenHost, String> {
    host_of(text).map_err(|error| format!("{text:?}: {error}"))
}

fn extension(repository: &str) -> Result<ExtensionId, String> {
    ExtensionId::from_oci_repository(repository)
        .ok_or_else(|| format!("{repository:?} ends in none of -provider, -taskserv, -cluster"))
}

/// Reads the credentials for a namespace of a registry. Errors name the file, never its content.
pub fn read_credentials(
    path: &Path,
    registry: &RegistryAddress,
    namespace: &Namespace,
) -> Result<Credentials> {
    let text = files::text_named(path, CREDENTIALS_MAX)
        .map_err(|error| unusable(path, "cannot be read").because(error))?;
    Credentials::parse(&text, registry, namespace).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("auth_token_path {}: {problem}", path.display()))
}

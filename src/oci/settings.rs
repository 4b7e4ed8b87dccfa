//! What an operator says of a registry, in types that cannot hold nonsense.

use std::path::Path;
use std::time::Duration;

use crate::config_reader::form::Form;
use crate::config_reader::{Section, parsed};
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::http::HttpSettings;
use crate::http::settings::UpstreamSettings;
use crate::models::backend_id::BackendId;
use crate::models::backend_kind::BackendKind;
use crate::models::naming::ExtensionId;
use crate::oci::address::RegistryAddress;
use crate::oci::credentials::Credentials;
use crate::oci::realm::{TokenHost, host_of};
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
    /// How its server is talked to.
    pub upstream: UpstreamSettings,
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
            id: BackendKind::Oci.into(),
            registry,
            namespace,
            repositories: Vec::new(),
            credentials: Credentials::Anonymous,
            token_hosts: Vec::new(),
            upstream: UpstreamSettings::default(),
            ttl: Duration::from_secs(300),
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
            backend: BackendKind::Oci,
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

//! `[facade]`: the OCI pull API, and the repositories' namespace.

use registry_core::config_reader::Section;
use registry_server::oci::repository::RepositoryPath;

use crate::config::{BackendConfig, BackendSettings};

/// The OCI pull API.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each key is documented where it is read")]
pub struct FacadeConfig {
    pub enabled: bool,
    pub namespace: Option<RepositoryPath>,
}

impl FacadeConfig {
    pub(super) fn read(keys: &mut Section<'_>) -> Option<Self> {
        Some(Self {
            enabled: keys
                .flag("enabled")
                .or(true, "Whether OCI clients can pull extensions from /v2/.")?,
            namespace: keys.text("namespace").optional(
                "provisioning",
                "Namespace of the repositories. Default: that of all [oci] backends, else extensions.",
            ),
        })
    }

    /// Returns the namespace: the configured one, else that which all OCI backends share.
    #[must_use]
    pub fn namespace(&self, backends: &[BackendConfig]) -> RepositoryPath {
        let shared = || match namespaces(backends).as_slice() {
            // A client then changes the host and nothing else.
            [shared] => shared.parse().ok(),
            _ => None,
        };
        self.namespace.clone().or_else(shared).unwrap_or_else(RepositoryPath::extensions)
    }

    /// Returns a warning if the default namespace depends on backends that do not agree.
    pub(super) fn unclear_namespace(&self, backends: &[BackendConfig]) -> Option<String> {
        let namespaces = namespaces(backends);
        let is_unclear = self.enabled && self.namespace.is_none() && namespaces.len() > 1;
        is_unclear.then(|| {
            format!(
                "OCI clients pull from {}/: the [oci] backends have different namespaces ({}); set \
                 facade.namespace",
                self.namespace(backends),
                namespaces.join(", ")
            )
        })
    }
}

/// Returns the namespaces of all OCI backends, each once.
fn namespaces(backends: &[BackendConfig]) -> Vec<&str> {
    let of_oci = backends.iter().filter_map(|backend| match &backend.settings {
        BackendSettings::Oci(oci) => Some(oci.namespace.as_str()),
        _ => None,
    });
    let mut namespaces: Vec<&str> = of_oci.collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    namespaces
}

//! What a configuration's own form cannot show: names that only a backend can judge, and files. All
//! of it at once, each with its key.

use std::path::Path;

use crate::config::{Config, GiteaConfig, OciConfig, UpstreamConfig};
use crate::error::Error;
use crate::gitea::settings::{GiteaToken, Organization};
use crate::http::check_ca_file;
use crate::oci::address::RegistryAddress;
use crate::oci::repository::Namespace;
use crate::oci::settings::read_credentials;
use crate::service::admission::client_tokens;
use crate::service::backends::repositories;
use crate::service::secrets;

/// Something that would stop the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The section and key it is about, if it is about one.
    pub key: Option<(&'static str, &'static str)>,
    /// What is wrong, to stand behind the key.
    pub what: String,
}

/// Everything that is wrong with the values of the backends, and with what else is in files.
pub(super) fn of_values(config: &Config) -> Vec<Finding> {
    let mut found = Found::default();
    config.gitea.iter().for_each(|gitea| found.gitea(gitea));
    config.oci.iter().for_each(|oci| found.oci(oci));
    if let Some(auth) = &config.auth {
        found.value("auth", "tokens_path", client_tokens(&auth.tokens_path));
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    /// The value, or its problem as one more finding.
    fn value<T, E: std::error::Error>(
        &mut self,
        section: &'static str,
        key: &'static str,
        read: Result<T, E>,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                let causes = std::iter::successors(error.source(), |cause| cause.source());
                let causes: String = causes.map(|cause| format!(": {cause}")).collect();
                let what = format!("{error}{causes}");
                self.0.push(Finding { key: Some((section, key)), what });
                None
            }
        }
    }

    fn gitea(&mut self, config: &GiteaConfig) {
        self.value("gitea", "url", config.url.parse::<url::Url>());
        self.value("gitea", "organization", config.organization.parse::<Organization>());
        if let Some(path) = &config.token_path {
            self.secret("gitea", "token_path", path, |path| GiteaToken::read(path).map(drop));
        }
        self.upstream("gitea", &config.upstream);
    }

    fn oci(&mut self, config: &OciConfig) {
        let registry = self.value("oci", "registry", config.registry.parse::<RegistryAddress>());
        let namespace = self.value("oci", "namespace", config.namespace.parse::<Namespace>());
        self.value("oci", "repositories", repositories(&config.repositories));
        if let (Some(path), Some(registry), Some(namespace)) =
            (&config.auth_token_path, registry, namespace)
        {
            let read = |path: &Path| read_credentials(path, &registry, &namespace).map(drop);
            self.secret("oci", "auth_token_path", path, read);
        }
        self.upstream("oci", &config.upstream);
    }

    fn upstream(&mut self, section: &'static str, config: &UpstreamConfig) {
        if let Some(path) = &config.ca_file {
            self.value(section, "ca_file", check_ca_file(path));
        }
        if let Some(path) = &config.webhook_secret_path {
            self.value(section, "webhook_secret_path", secrets::word(path));
        }
    }

    fn secret(
        &mut self,
        section: &'static str,
        key: &'static str,
        path: &Path,
        read: impl Fn(&Path) -> Result<(), Error>,
    ) {
        if self.value(section, key, secrets::readable(path)).is_some() {
            self.value(section, key, read(path));
        }
    }
}

//! Builds every configured backend and its webhook receiver.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::{GiteaSettings, GiteaToken};
use registry_backends::gitea::webhook::GiteaWebhooks;
use registry_backends::http::check_ca_file;
use registry_backends::http::metrics::UpstreamMetrics;
use registry_backends::local::backend::LocalBackend;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::credentials::Credentials;
use registry_backends::oci::settings::{OciSettings, read_credentials};
use registry_backends::oci::webhook::OciWebhooks;
use registry_core::backend::Backend;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::error::Error;
use registry_core::models::backend_id::BackendId;
use registry_server::metrics::Metrics;
use secrecy::SecretString;
use tracing::warn;

use crate::app::LOG_TARGET;
use crate::app::receiver;
use crate::app::rotation::Rotated;
use crate::app::secrets;
use crate::app::upstream::CallCounters;
use crate::config::{BackendConfig, BackendSettings, Config};

/// Why a backend or a listener cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct Finding {
    /// The key that it is about, with its section.
    pub key: String,
    /// The problem, as the end of a sentence that begins with the key.
    pub what: String,
}

#[derive(Default)]
pub(super) struct Backends {
    /// In the order in which they own names.
    pub(super) backends: Vec<Arc<dyn Backend>>,
    pub(super) receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)>,
    pub(super) rotated: Vec<Rotated>,
    /// Files that cannot be used. Backends are missing above if there are any.
    pub(super) findings: Vec<Finding>,
}

impl Backends {
    pub(super) fn of(config: &Config, metrics: &Metrics) -> Self {
        let remote = config.backends.iter().filter(|backend| backend.upstream().is_some());
        let remote: Vec<_> = remote.map(|backend| backend.id).collect();
        let calls: Arc<dyn UpstreamMetrics> = Arc::new(CallCounters::new(metrics.clone(), &remote));
        let mut built = Self::default();
        for backend in &config.backends {
            built.check_upstream(backend);
            match &backend.settings {
                BackendSettings::Gitea(settings) => built.add_gitea(backend, settings, &calls),
                BackendSettings::Oci(settings) => {
                    built.add_oci(backend, settings, config.cache.ttl, &calls);
                }
                BackendSettings::Local(settings) => {
                    built.backends.push(Arc::new(LocalBackend::new(backend.id, &settings.path)));
                }
            }
        }
        built
    }

    fn found<T>(&mut self, key: &str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(what) => {
                self.findings.push(Finding { key: key.to_owned(), what });
                None
            }
        }
    }

    fn check_upstream(&mut self, config: &BackendConfig) {
        let (path, Some((_, upstream))) = (&config.path, config.upstream()) else { return };
        if !upstream.verify_ssl {
            warn!(target: LOG_TARGET,
                "{path}.verify_ssl is false: certificates are not checked, so tokens and archives can be intercepted"
            );
        }
        if let Some(file) = &upstream.ca_file {
            let checked = check_ca_file(file).map_err(|error| error.report());
            self.found(&format!("{path}.ca_file"), checked);
        }
    }

    fn credentials<T>(
        &mut self,
        config: &BackendConfig,
        read: impl Fn(&Path) -> Result<T, Error>,
    ) -> Option<T> {
        let (key, path) = (config.token_key(), config.token_path.as_deref()?);
        let checked = secrets::check(&key, path).map_err(|error| error.to_string());
        let read = checked.and_then(|()| read(path).map_err(|error| error.report()));
        self.found(&key, read)
    }

    fn add_gitea(
        &mut self,
        config: &BackendConfig,
        settings: &GiteaSettings,
        calls: &Arc<dyn UpstreamMetrics>,
    ) {
        let token = self.credentials(config, GiteaToken::read);
        let organization = settings.organization.clone();
        self.receive(config, move |secret| GiteaWebhooks::new(secret, organization.clone()));
        if !self.findings.is_empty() {
            return;
        }
        let settings = GiteaSettings { token, ..settings.clone() };
        let built = GiteaBackend::new(settings, Arc::clone(calls)).map_err(|error| error.report());
        let Some(backend) = self.found(&format!("{}.url", config.path), built) else { return };
        let backend = Arc::new(backend);
        self.backends.push(Arc::clone(&backend) as Arc<dyn Backend>);
        if let Some(path) = config.token_path.clone() {
            let file = path.clone();
            let renew = move || {
                let token = GiteaToken::read(&file).map_err(|error| error.report())?;
                backend.replace_token(Some(&token)).map_err(|error| error.report())
            };
            self.rotated.push(Rotated { key: config.token_key(), path, renew: Box::new(renew) });
        }
    }

    fn add_oci(
        &mut self,
        config: &BackendConfig,
        settings: &OciSettings,
        ttl: Duration,
        calls: &Arc<dyn UpstreamMetrics>,
    ) {
        let (registry, namespace) = (settings.registry.clone(), settings.namespace.clone());
        let credentials = self.credentials(config, |path| {
            // A Docker config.json has credentials for some registries only.
            if !config.is_sound {
                return Ok(Credentials::Anonymous);
            }
            read_credentials(path, &registry, &namespace)
        });
        let ours = namespace.clone();
        self.receive(config, move |secret| OciWebhooks::new(secret, ours.clone()));
        if !self.findings.is_empty() {
            return;
        }
        let credentials = credentials.unwrap_or(Credentials::Anonymous);
        let settings = OciSettings { credentials, ttl, ..settings.clone() };
        let built = OciBackend::new(settings, Arc::clone(calls)).map_err(|error| error.report());
        let Some(backend) = self.found(&format!("{}.registry", config.path), built) else { return };
        self.backends.push(Arc::new(backend.clone()));
        if let Some(path) = config.token_path.clone() {
            let file = path.clone();
            let renew = move || {
                let credentials = read_credentials(&file, &registry, &namespace);
                backend.renew_credentials(credentials.map_err(|error| error.report())?);
                Ok(())
            };
            self.rotated.push(Rotated { key: config.token_key(), path, renew: Box::new(renew) });
        }
    }

    fn receive<R: WebhookReceiver + 'static>(
        &mut self,
        config: &BackendConfig,
        receiver: impl Fn(&SecretString) -> Result<R, Error> + Send + Sync + 'static,
    ) {
        let Some(path) = config.webhook_secret_path.clone() else { return };
        let key = format!("{}.webhook_secret_path", config.path);
        let made = receiver::renewable(&key, path.clone(), receiver);
        if let Some((receiver, renew)) = self.found(&key, made) {
            self.receivers.push((config.id, receiver));
            self.rotated.push(Rotated { key, path, renew });
        }
    }
}

//! Every concrete backend, and the receivers of their change notices, from the configuration.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tracing::warn;

use crate::app::receiver;
use crate::app::rotation::Rotated;
use crate::app::secrets;
use crate::app::upstream::CallCounters;
use crate::backend::Backend;
use crate::backend::webhook::WebhookReceiver;
use crate::config::{Config, GiteaConfig, LocalConfig, OciConfig, UpstreamConfig};
use crate::error::Error;
use crate::gitea::backend::GiteaBackend;
use crate::gitea::settings::{GiteaSettings, GiteaToken, Organization};
use crate::gitea::webhook::GiteaWebhooks;
use crate::http::metrics::UpstreamMetrics;
use crate::local::backend::LocalBackend;
use crate::metrics::Metrics;
use crate::models::backend_id::BackendId;
use crate::models::backend_kind::BackendKind;
use crate::models::naming::ExtensionId;
use crate::oci::backend::OciBackend;
use crate::oci::credentials::Credentials;
use crate::oci::realm::{TokenHost, host_of};
use crate::oci::repository::Namespace;
use crate::oci::settings::{OciSettings, read_credentials};
use crate::oci::webhook::OciWebhooks;

/// Everything that is configured to be asked, and to be listened to.
#[derive(Default)]
pub(super) struct Backends {
    /// In the order in which they own names.
    pub(super) backends: Vec<Arc<dyn Backend>>,
    /// Only of backends with a webhook secret.
    pub(super) receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)>,
    /// Files whose secrets may change while the service runs.
    pub(super) rotated: Vec<Rotated>,
}

impl Backends {
    /// Builds what is configured.
    ///
    /// # Errors
    /// A value that is none for its backend, or a file of secrets or certificates that cannot be
    /// used.
    pub(super) fn of(config: &Config, metrics: &Metrics) -> io::Result<Self> {
        let remote = [
            config.gitea.as_ref().map(|_| BackendId::GITEA),
            config.oci.as_ref().map(|_| BackendId::OCI),
        ];
        let remote: Vec<BackendId> = remote.into_iter().flatten().collect();
        let calls: Arc<dyn UpstreamMetrics> = Arc::new(CallCounters::new(metrics.clone(), &remote));
        let mut built = Self::default();
        for source in &config.catalog.order {
            match source {
                BackendKind::Gitea => {
                    config.gitea.iter().try_for_each(|gitea| built.add_gitea(gitea, &calls))?;
                }
                BackendKind::Oci => {
                    let ttl = config.cache.ttl;
                    config.oci.iter().try_for_each(|oci| built.add_oci(oci, ttl, &calls))?;
                }
                BackendKind::Local => built.backends.extend(config.local.as_ref().map(local)),
            }
        }
        Ok(built)
    }

    fn add_gitea(
        &mut self,
        config: &GiteaConfig,
        calls: &Arc<dyn UpstreamMetrics>,
    ) -> io::Result<()> {
        let organization: Organization = config.organization.parse().map_err(invalid("gitea"))?;
        let url = config.url.parse().map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("gitea.url: {error}"))
        })?;
        let token = config.token_path.as_deref().map(|path| {
            secrets::check("gitea.token_path", path)?;
            GiteaToken::read(path).map_err(invalid("gitea"))
        });
        let upstream = &config.upstream;
        warn_if_unverified("gitea", upstream);
        let settings = GiteaSettings {
            organization_id: config.organization_id,
            token: token.transpose()?,
            timeout: upstream.timeout,
            verify_ssl: upstream.verify_ssl,
            ca_file: upstream.ca_file.clone(),
            max_concurrency: upstream.max_concurrency,
            retries: upstream.retries,
            allow_private_redirects: upstream.allow_private_redirects,
            external_asset_hosts: config.external_asset_hosts.clone(),
            ..GiteaSettings::new(url, organization.clone())
        };
        let backend = GiteaBackend::new(settings, Arc::clone(calls)).map_err(invalid("gitea"))?;
        let backend = Arc::new(backend);
        self.backends.push(Arc::clone(&backend) as Arc<dyn Backend>);
        if let Some(path) = config.token_path.clone() {
            let file = path.clone();
            let renew = move || {
                let token = GiteaToken::read(&file).map_err(|error| error.report())?;
                backend.replace_token(Some(&token)).map_err(|error| error.report())
            };
            self.rotated.push(Rotated { key: "gitea.token_path", path, renew: Box::new(renew) });
        }
        let receiver = move |secret: &_| GiteaWebhooks::new(secret, organization.clone());
        self.receive(BackendId::GITEA, "gitea.webhook_secret_path", upstream, receiver)
    }

    fn add_oci(
        &mut self,
        config: &OciConfig,
        ttl: Duration,
        calls: &Arc<dyn UpstreamMetrics>,
    ) -> io::Result<()> {
        let namespace: Namespace = config.namespace.parse().map_err(invalid("oci"))?;
        let registry = config.registry.parse().map_err(invalid("oci"))?;
        let credentials = config.auth_token_path.as_deref().map(|path| {
            secrets::check("oci.auth_token_path", path)?;
            read_credentials(path, &registry, &namespace).map_err(invalid("oci"))
        });
        let upstream = &config.upstream;
        warn_if_unverified("oci", upstream);
        let settings = OciSettings {
            repositories: repositories(&config.repositories)?,
            token_hosts: token_hosts(&config.token_hosts)?,
            credentials: credentials.transpose()?.unwrap_or(Credentials::Anonymous),
            timeout: upstream.timeout,
            verify_ssl: upstream.verify_ssl,
            ca_file: upstream.ca_file.clone(),
            max_concurrency: upstream.max_concurrency,
            retries: upstream.retries,
            allow_private_redirects: upstream.allow_private_redirects,
            ttl,
            ..OciSettings::new(registry, namespace.clone())
        };
        let place = (settings.registry.clone(), namespace.clone());
        let backend = OciBackend::new(settings, Arc::clone(calls)).map_err(invalid("oci"))?;
        self.backends.push(Arc::new(backend.clone()));
        if let Some(path) = config.auth_token_path.clone() {
            let file = path.clone();
            let renew = move || {
                let credentials = read_credentials(&file, &place.0, &place.1);
                backend.renew_credentials(credentials.map_err(|error| error.report())?);
                Ok(())
            };
            self.rotated.push(Rotated { key: "oci.auth_token_path", path, renew: Box::new(renew) });
        }
        let receiver = move |secret: &_| OciWebhooks::new(secret, namespace.clone());
        self.receive(BackendId::OCI, "oci.webhook_secret_path", upstream, receiver)
    }

    /// Takes change notices if there is a secret for them, and a changed secret when it changes.
    fn receive<R: WebhookReceiver + 'static>(
        &mut self,
        backend: BackendId,
        key: &'static str,
        upstream: &UpstreamConfig,
        receiver: impl Fn(&SecretString) -> Result<R, Error> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let Some(path) = upstream.webhook_secret_path.clone() else { return Ok(()) };
        let (receiver, renew) = receiver::renewable(key, path.clone(), receiver)?;
        self.receivers.push((backend, receiver));
        self.rotated.push(Rotated { key, path, renew });
        Ok(())
    }
}

fn local(config: &LocalConfig) -> Arc<dyn Backend> {
    Arc::new(LocalBackend::new(BackendId::LOCAL, &config.path))
}

/// The extensions of the repositories that are listed in the configuration.
pub(super) fn repositories(names: &[String]) -> io::Result<Vec<ExtensionId>> {
    let parse = |name: &String| {
        ExtensionId::from_oci_repository(name).ok_or_else(|| {
            let message = format!("{name:?} ends in none of -provider, -taskserv, -cluster");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })
    };
    names.iter().map(parse).collect()
}

/// The hosts of token servers that are listed in the configuration.
pub(super) fn token_hosts(names: &[String]) -> io::Result<Vec<TokenHost>> {
    let parse = |name: &String| {
        host_of(name).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?}: {error}"))
        })
    };
    names.iter().map(parse).collect()
}

fn warn_if_unverified(section: &str, upstream: &UpstreamConfig) {
    if !upstream.verify_ssl {
        warn!(
            "{section}.verify_ssl is false: certificates are not checked, so tokens and archives can be intercepted"
        );
    }
}

/// Names the section, and every cause.
fn invalid<E: std::error::Error>(section: &str) -> impl Fn(E) -> io::Error {
    move |error| {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let causes: String = causes.map(|cause| format!(": {cause}")).collect();
        io::Error::new(io::ErrorKind::InvalidInput, format!("[{section}] {error}{causes}"))
    }
}

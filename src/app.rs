//! The composition root: from a configuration to a running service.

mod admission;
mod artifacts;
mod backends;
mod bucket;
mod budget;
mod certificate;
mod config_digest;
mod demo;
mod files;
mod greeting;
mod huge_pages;
mod lifecycle;
mod listeners;
mod receiver;
mod rotation;
mod rules;
mod secrets;
mod shared;
mod state;
mod systemd;
mod upstream;

use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use jiff::Timestamp;
use registry_server::answers::{Answers, CACHES};
use registry_server::api::routes::{ApiParts, api, route_labels};
use registry_server::api::state::CertificateState;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::app::admission::{TOKENS, client_tokens};
use crate::app::backends::Backends;
pub use crate::app::backends::Finding;
pub use crate::app::budget::most_memory;
pub use crate::app::shared::examine_shared;
use registry_catalog::Catalog;
use registry_catalog::state::persister::Persister;
use registry_core::backend::Backend;
use registry_core::bucket::Bucket;
use registry_core::models::public_url::PublicUrl;
use registry_s3::bucket::S3Bucket;
use registry_server::artifacts::{Artifacts, SharedStore};
use registry_server::metrics::Metrics;
use registry_server::server::activity::ClientTimeouts;
use registry_server::server::certificate::Certificate;
use registry_server::server::threads::{Threads, WAITING_MAX};
use registry_server::server::{Limits, serve};

use crate::app::certificate::Renewal;
use crate::app::demo::SampleCatalog;
use crate::app::lifecycle::Lifecycle;
use crate::app::listeners::Sockets;
use crate::app::shared::{SharedEngine, SharedFiles};
use crate::build_info;
use crate::config::Config;

// Log filters name this target (docs/operations.md), so it outlives the former module name.
pub(crate) const LOG_TARGET: &str = "extension_registry::service";
// Maximum wait at the end for complete archives to reach the disk.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Runs the service until a signal. Fails if the address is taken or a backend cannot be built.
pub fn run(config: Config, demo: bool, metrics: Metrics) -> io::Result<()> {
    // Before threads start and allocate.
    huge_pages::turn_off();
    let workers = match config.server.workers {
        Some(workers) => workers,
        None => available_parallelism()?,
    };
    let threads = Threads::start(workers)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .worker_threads(workers.get())
        .max_blocking_threads(WAITING_MAX)
        .enable_all()
        .build()?;
    ended(runtime, start(config, demo, metrics, &threads))
}

fn ended<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    // Leaves behind a thread that hangs in a read from a dead network mount.
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

/// Checks files of secrets and certificates, which could stop the start. Sends no request.
pub fn check(config: &Config) -> io::Result<Vec<Finding>> {
    let metrics = metrics()?;
    let mut found = Backends::of(config, &metrics).findings;
    found.extend(bucket::of(config, &metrics).err());
    if let Some(Err(error)) = config.auth.as_ref().map(|auth| client_tokens(&auth.tokens_path)) {
        found.push(Finding { key: TOKENS.to_owned(), what: error.to_string() });
    }
    found.extend(config.shared.as_ref().and_then(|shared| SharedFiles::read(shared).err()));
    found.extend(config.tls.as_ref().and_then(|tls| certificate::load(tls).err()));
    Ok(found)
}

/// Returns the probable mistakes that do not stop the start, those in files included.
#[must_use]
pub fn warnings(config: &Config) -> Vec<String> {
    warnings_with(config, listener_certificate(config).as_ref())
}

fn warnings_with(config: &Config, certificate: Option<&Certificate>) -> Vec<String> {
    let lapse = config.tls.as_ref().zip(certificate);
    let lapse = lapse.and_then(|(tls, certificate)| certificate::lapse(tls, certificate));
    config.warnings.iter().cloned().chain(lapse).collect()
}

/// Returns the certificate of the listener; `None` without TLS, or if [`check`] finds it unusable.
#[must_use]
pub fn listener_certificate(config: &Config) -> Option<Certificate> {
    Some(certificate::load(config.tls.as_ref()?).ok()?.1)
}

/// The backends of a configuration, in the order in which they own names. Fails like [`check`].
pub fn backends(config: &Config) -> io::Result<Vec<Arc<dyn Backend>>> {
    Ok(built(config, &metrics()?)?.backends)
}

/// The bucket that instances share; `None` without one. Fails like [`check`].
pub fn bucket(config: &Config) -> io::Result<Option<Arc<S3Bucket>>> {
    built_bucket(config, &metrics()?)
}

fn built_bucket(config: &Config, metrics: &Metrics) -> io::Result<Option<Arc<S3Bucket>>> {
    bucket::of(config, metrics).map_err(io::Error::other)
}

fn built(config: &Config, metrics: &Metrics) -> io::Result<Backends> {
    let built = Backends::of(config, metrics);
    if built.findings.is_empty() {
        return Ok(built);
    }
    let findings = built.findings.iter().map(Finding::to_string);
    Err(io::Error::other(findings.collect::<Vec<_>>().join("; ")))
}

#[expect(clippy::too_many_lines, reason = "the steps of a start stand in their order")]
async fn start(
    mut config: Config,
    demo: bool,
    metrics: Metrics,
    threads: &Threads,
) -> io::Result<()> {
    let samples = demo.then(|| SampleCatalog::unpack(&mut config)).transpose()?;
    let loaded = config.tls.as_ref().map(certificate::load).transpose();
    let loaded = loaded.map_err(|finding| io::Error::other(finding.to_string()))?;
    for warning in warnings_with(&config, loaded.as_ref().map(|(_, certificate)| certificate)) {
        warn!(target: LOG_TARGET, "{warning}");
    }
    files::allow(&config.server);
    let sockets = Sockets::bind(&config.server).await?;
    let url = PublicUrl::of_listener(sockets.address()?, config.tls.is_some());
    if demo {
        config.server.public_url.get_or_insert_with(|| url.clone());
    }
    tell_memory(&config);
    let certificate = CertificateState::default();
    let renewal = config.tls.as_ref().zip(loaded).map(|(tls, loaded)| {
        Renewal::begin(tls, loaded, certificate.clone(), metrics.certificate.clone())
    });
    let renewal = renewal.transpose().map_err(io::Error::other)?;
    let tls = renewal.as_ref().map(Renewal::server);
    let via = rules::name_requests(&mut config);
    let Backends { backends, receivers, mut rotated, .. } = built(&config, &metrics)?;
    let (http_rules, tokens) = rules::http_rules(&config)?;
    rotated.extend(tokens);
    let mut fleet = SharedEngine::of(&config, &metrics)
        .map_err(|finding| io::Error::other(finding.to_string()))?;
    rotated.extend(fleet.iter_mut().flat_map(|fleet| fleet.rotated.drain(..)));
    let sharing = fleet.as_ref().map(|fleet| fleet.pins(config.downloads.certain_pins));
    let bucket = if demo { None } else { built_bucket(&config, &metrics)? };
    let objects = bucket.clone().map(|bucket| bucket as Arc<dyn Bucket>);
    let shared =
        fleet.as_ref().map(|fleet| (fleet.fleet(objects.clone()), state::fingerprints(&config)));
    let catalog = Catalog::replicated(backends, rules::catalog_rules(&config), sharing, shared);
    let mut lifecycle = Lifecycle::begin()?;
    let shared = bucket.clone().map(|bucket| SharedStore {
        bucket,
        locks: fleet.as_ref().map(SharedEngine::fetch_locks),
        metrics: metrics.bucket.clone(),
    });
    let opening = open_state(&config, &catalog, &metrics, demo, shared);
    let opened = lifecycle.unless_stopped(opening).await;
    let Some(opened) = opened else { return Ok(()) };
    let (artifacts, persister) = opened?;
    let reloads = metrics.process.clone();
    let public_url = config.server.public_url.clone();
    let parts = ApiParts {
        answers: Answers::new(
            Arc::clone(&catalog),
            rules::cache_rules(&config),
            public_url,
            &metrics,
        )
        .below(&config.server.base_path),
        artifacts: Arc::clone(&artifacts),
        receivers,
        metrics,
        draining: lifecycle.draining(),
        certificate,
        shared: fleet.as_ref().map(SharedEngine::state),
        pages: rules::page_settings(&config, demo),
        oci: rules::oci_settings(&config, via),
    };
    let api = api(parts, &http_rules).map_err(io::Error::other)?;
    lifecycle.sync(&catalog);
    lifecycle.run(Arc::clone(&artifacts).watch_bucket());
    if let Some(bucket) = bucket {
        rotated.extend(bucket::rotated(&config, &bucket));
        lifecycle.run(bucket.watch());
    }
    if let Some(fleet) = fleet {
        fleet.run(Arc::clone(&http_rules.admission), &mut lifecycle);
    }
    lifecycle.run(rotation::watch(rotated, reloads));
    lifecycle.run(systemd::keep_alive());
    if let Some(renewal) = renewal {
        lifecycle.run(renewal.watch());
    }
    if let Some(persister) = &persister {
        lifecycle.run(Arc::clone(persister).run());
    }
    greeting::log(&sockets, &url)?;
    if let Some((samples, url)) = samples.as_ref().zip(config.server.public_url.as_ref()) {
        greeting::print(url, sockets.address()?, samples.count)?;
    }
    systemd::ready();
    let listeners = sockets.serving(&api, tls);
    let clients = listeners::clients(&config.server);
    serve(listeners, limits(&config), clients, threads, lifecycle.stop()).await;
    lifecycle.end(settle(&catalog, artifacts, persister)).await;
    Ok(())
}

fn tell_memory(config: &Config) {
    let most: usize = most_memory(config).into_iter().map(|(_, bytes)| bytes).sum();
    info!(target: LOG_TARGET, mebibytes = most >> 20, "memory that the configured limits allow at most");
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_connections: config.server.max_connections,
        grace: config.server.shutdown_grace,
        patience: ClientTimeouts::default(),
    }
}

/// Called before anything is served, because the state of the last run answers at once.
async fn open_state(
    config: &Config,
    catalog: &Arc<Catalog>,
    metrics: &Metrics,
    demo: bool,
    shared: Option<SharedStore>,
) -> io::Result<(Arc<Artifacts>, Option<Arc<Persister>>)> {
    // The state first: in a directory of a newer release nothing is changed.
    let persister = if demo { None } else { state::restored(config, catalog).await? };
    Ok((artifacts::open(config, metrics, demo, shared).await, persister))
}

async fn settle(catalog: &Catalog, artifacts: Arc<Artifacts>, persister: Option<Arc<Persister>>) {
    if let Some(replicator) = &catalog.replicator {
        replicator.release().await;
    }
    // Archives that a hanging disk has not stored by then are fetched again later.
    let _ = timeout(SETTLE_MAX, artifacts.settle()).await;
    if let Some(persister) = persister {
        // A failure is in the log, and no reason to end otherwise.
        let _ = persister.save(Timestamp::now()).await;
    }
}

/// Creates the metrics of the program, with every series at 0.
pub fn metrics() -> io::Result<Metrics> {
    let routes = route_labels();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let metrics = Metrics::new(&CACHES, &routes).map_err(io::Error::other)?;
    metrics.process.built(build_info::VERSION, build_info::COMMIT);
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::Builder;
    use tokio::task::spawn_blocking;

    use super::*;

    #[test]
    fn s07f_the_end_waits_for_no_thread_that_hangs() {
        let (release, hangs) = mpsc::channel::<()>();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Returns although the thread never does as long as the sender lives.
        ended(runtime, async move {
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            spawn_blocking(move || {
                begun.send(()).unwrap();
                let _ = hangs.recv();
            });
            has_begun.await.unwrap();
        });
        drop(release);
    }
}

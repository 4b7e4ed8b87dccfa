//! The composition root: from a configuration to a running service.

mod admission;
mod artifacts;
mod backends;
mod budget;
mod files;
mod greeting;
mod huge_pages;
mod receiver;
mod rotation;
mod secrets;
mod state;
mod systemd;
mod upstream;

use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use axum::http::HeaderValue;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;
use tower_http::cors::AllowOrigin;
use tracing::{info, warn};

use crate::answers::response_caches::rules::ResponseCacheRules;
use crate::answers::response_caches::{CACHES, ResponseCaches};
use crate::api::routes::{ApiParts, api, templates};
use crate::api::state::Draining;
use crate::app::admission::{TOKENS, client_tokens};
use crate::app::backends::Backends;
pub use crate::app::backends::Finding;
pub use crate::app::budget::most_memory;
use crate::app::rotation::Rotated;
use crate::artifacts::Artifacts;
use crate::backend::Backend;
use crate::build_info;
use crate::catalog::state::persister::Persister;
use crate::catalog::{Catalog, Merge, Rules, sync};
use crate::config::{BackendSettings, Config, ServerConfig};
use crate::edge::client_address::TrustedProxies;
use crate::edge::middleware::HttpRules;
use crate::local::samples::unpack_samples;
use crate::metrics::Metrics;
use crate::models::public_url::PublicUrl;
use crate::server::activity::ClientTimeouts;
use crate::server::clients::Clients;
use crate::server::threads::{Threads, WAITING_MAX};
use crate::server::{Limits, Listener, Routers, Stop, serve};

// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;
// Log filters name this target (docs/operations.md), so it outlives the former module name.
pub(crate) const LOG_TARGET: &str = "extension_registry::service";
// Maximum wait at the end for complete archives to reach the disk.
const SETTLE_MAX: Duration = Duration::from_secs(5);
// Maximum time after the drain: supervisors wait 15 s longer than the drain lasts.
const CLOSE_MAX: Duration = Duration::from_secs(10);

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
    let mut found = Backends::of(config, &metrics()?).findings;
    if let Some(Err(error)) = config.auth.as_ref().map(|auth| client_tokens(&auth.tokens_path)) {
        found.push(Finding { key: TOKENS.to_owned(), what: error.to_string() });
    }
    Ok(found)
}

/// The backends of a configuration, in the order in which they own names. Fails like [`check`].
pub fn backends(config: &Config) -> io::Result<Vec<Arc<dyn Backend>>> {
    Ok(built(config, &metrics()?)?.backends)
}

fn built(config: &Config, metrics: &Metrics) -> io::Result<Backends> {
    let built = Backends::of(config, metrics);
    if built.findings.is_empty() {
        return Ok(built);
    }
    let findings = built.findings.iter().map(|Finding { key, what }| format!("{key}: {what}"));
    Err(io::Error::other(findings.collect::<Vec<_>>().join("; ")))
}

async fn start(
    mut config: Config,
    demo: bool,
    metrics: Metrics,
    threads: &Threads,
) -> io::Result<()> {
    // Kept until the end: dropping it removes the sample catalog.
    let samples = demo.then(|| tempfile::Builder::new().prefix("extension-registry-").tempdir());
    let samples = samples.transpose().map_err(|error| {
        let message = format!("--demo needs a directory to write to, which TMPDIR names: {error}");
        io::Error::new(error.kind(), message)
    })?;
    let mut sample_count = 0;
    if let Some(dir) = &samples {
        sample_count = unpack_samples(dir.path())?;
        for backend in &mut config.backends {
            if let BackendSettings::Local(local) = &mut backend.settings {
                local.path = dir.path().to_owned();
            }
        }
    }
    config.warnings.iter().for_each(|warning| warn!(target: LOG_TARGET, "{warning}"));
    files::allow(&config.server);
    let listener = bind(&config.server).await?;
    let address = listener.local_addr()?;
    if demo {
        config.server.public_url.get_or_insert_with(|| PublicUrl::of_listener(address));
    }
    let most: usize = most_memory(&config).into_iter().map(|(_, bytes)| bytes).sum();
    info!(target: LOG_TARGET, mebibytes = most >> 20, "memory that the configured limits allow at most");
    let limits = Limits {
        max_connections: config.server.max_connections,
        grace: config.server.shutdown_grace,
        patience: ClientTimeouts::default(),
    };
    let clients = clients(&config.server);
    let draining = Draining::default();
    let counted = metrics.process.clone();
    let Backends { backends, receivers, mut rotated, .. } = built(&config, &metrics)?;
    let (rules, tokens) = http_rules(&config)?;
    rotated.extend(tokens);
    let catalog = Catalog::new(backends, catalog_rules(&config));
    let mut stop = listen_for_signals(draining.clone())?;
    // From here on signals end nothing by themselves, and the disk may hang.
    let opened = tokio::select! {
        opened = open_state(&config, &catalog, &metrics, demo) => opened?,
        () = asked_to_stop(&mut stop) => return Ok(()),
    };
    let (artifacts, persister) = opened;
    let parts = ApiParts {
        catalog: Arc::clone(&catalog),
        artifacts: Arc::clone(&artifacts),
        caches: ResponseCaches::new(
            cache_rules(&config),
            config.server.public_url.clone(),
            &metrics,
        ),
        receivers,
        metrics,
        draining: draining.clone(),
    };
    let api = api(parts, &rules).map_err(io::Error::other)?;
    let mut sync = sync::run(&catalog);
    sync.spawn(rotation::watch(rotated, counted));
    sync.spawn(systemd::keep_alive());
    if let Some(persister) = &persister {
        sync.spawn(Arc::clone(persister).run());
    }
    info!(target: LOG_TARGET, %address, version = build_info::LINE.as_str(), "serving");
    if let Some(url) = config.server.public_url.as_ref().filter(|_| demo) {
        greeting::print(url, address, sample_count)?;
    }
    systemd::ready();
    let routers = Routers { overflow: api.clone().overflow(), served: api };
    serve(vec![Listener::plain(listener, routers)], limits, clients, threads, stop).await;
    let closing = async {
        sync.shutdown().await;
        // Archives that a hanging disk has not stored by then are fetched again later.
        let _ = timeout(SETTLE_MAX, artifacts.settle()).await;
        if let Some(persister) = persister {
            // A failure is in the log, and no reason to end otherwise.
            let _ = persister.save(Timestamp::now()).await;
        }
    };
    close(closing).await;
    info!(target: LOG_TARGET, "stopped");
    Ok(())
}

/// Called before anything is served, because the state of the last run answers at once.
async fn open_state(
    config: &Config,
    catalog: &Arc<Catalog>,
    metrics: &Metrics,
    demo: bool,
) -> io::Result<(Arc<Artifacts>, Option<Arc<Persister>>)> {
    // The state first: in a directory of a newer release nothing is changed.
    let persister = if demo { None } else { state::restored(config, catalog).await? };
    Ok((artifacts::open(config, metrics, demo).await, persister))
}

async fn asked_to_stop(stop: &mut watch::Receiver<Stop>) {
    // An error is the end of who listens for signals.
    let _ = stop.wait_for(|now| *now >= Stop::Drain).await;
}

async fn close(closing: impl Future<Output = ()>) {
    if timeout(CLOSE_MAX, closing).await.is_err() {
        let seconds = CLOSE_MAX.as_secs();
        warn!(target: LOG_TARGET,
            "stopping: state was not saved within {seconds} s; the next start uses the state saved before; check whether the disk or network mount of cache.state_dir hangs"
        );
    }
}

async fn bind(server: &ServerConfig) -> io::Result<TcpListener> {
    let ServerConfig { host, port, .. } = server;
    listen((server.address(), *port)).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {host} port {port}: {error}"))
    })
}

async fn listen(name: (&str, u16)) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(name).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn clients(server: &ServerConfig) -> Clients {
    let proxies = TrustedProxies::new(server.trusted_proxies.clone());
    Clients::new(server.connections_per_client(), Arc::new(move |peer| proxies.client_at(peer)))
}

/// Creates the metrics of the program, with every series at 0.
pub fn metrics() -> io::Result<Metrics> {
    let routes = templates();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let metrics = Metrics::new(&CACHES, &routes).map_err(io::Error::other)?;
    metrics.process.built(build_info::VERSION, build_info::COMMIT);
    Ok(metrics)
}

fn catalog_rules(config: &Config) -> Rules {
    let merge = if config.catalog.union { Merge::Union } else { Merge::Owner };
    Rules {
        merge,
        allow_takeover: config.catalog.allow_takeover,
        ttl: config.cache.ttl,
        stale_while_revalidate: config.cache.stale_while_revalidate,
        stale_if_error: config.cache.stale_if_error,
        full_sweep: config.catalog.full_sweep,
        negative_ttl: config.cache.negative_ttl,
        accept_changes: config.downloads.accept_changes,
        max_bytes: config.catalog.max_bytes,
    }
}

fn cache_rules(config: &Config) -> ResponseCacheRules {
    ResponseCacheRules {
        capacity: config.cache.capacity,
        ttl: config.cache.ttl,
        stale_if_error: config.cache.stale_if_error,
        negative_ttl: config.cache.negative_ttl,
        lists: config.cache.enable_list_cache,
        metadata: config.cache.enable_metadata_cache,
    }
}

fn http_rules(config: &Config) -> io::Result<(HttpRules, Option<Rotated>)> {
    let (admission, tokens) = admission::of(config)?;
    let (compression, cors) = (config.server.enable_compression, origins(&config.server)?);
    Ok((HttpRules { compression, cors, admission: Arc::new(admission) }, tokens))
}

fn origins(server: &ServerConfig) -> io::Result<Option<AllowOrigin>> {
    if !server.enable_cors {
        return Ok(None);
    }
    if server.cors_allowed_origins.iter().any(|origin| origin == "*") {
        return Ok(Some(AllowOrigin::any()));
    }
    let origins = server.cors_allowed_origins.iter().map(|origin| HeaderValue::from_str(origin));
    let origins: Result<Vec<HeaderValue>, _> = origins.collect();
    origins.map(|origins| Some(AllowOrigin::list(origins))).map_err(io::Error::other)
}

/// The first signal drains, the second ends at once.
fn listen_for_signals(draining: Draining) -> io::Result<watch::Receiver<Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            info!(target: LOG_TARGET,
                "SIGHUP is ignored: changed secret files are reloaded automatically; a changed configuration needs a restart"
            );
        }
    });
    let (stop, stopped) = watch::channel(Stop::Not);
    tokio::spawn(async move {
        for step in [Stop::Drain, Stop::Now] {
            next_of(&mut terminate, &mut interrupt).await;
            if !draining.is_begun() {
                systemd::stopping();
            }
            draining.begin();
            stop.send_replace(step);
        }
        // The sender lives on: the server takes its end for a stop.
        std::future::pending::<()>().await;
    });
    Ok(stopped)
}

async fn next_of(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
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

    #[tokio::test(start_paused = true)]
    async fn s07g_what_is_written_at_the_end_is_waited_for_and_not_for_ever() {
        close(std::future::ready(())).await;
        let begun = tokio::time::Instant::now();
        close(std::future::pending()).await;
        assert_eq!(begun.elapsed(), CLOSE_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn s07h_a_start_whose_disk_hangs_can_be_stopped() {
        for (now, stops) in [(Stop::Not, false), (Stop::Drain, true), (Stop::Now, true)] {
            let (_sender, mut stop) = watch::channel(now);
            let stopped = timeout(CLOSE_MAX, asked_to_stop(&mut stop)).await;
            assert_eq!(stopped.is_ok(), stops, "{now:?}");
        }
    }
}

//! The composition root: from a configuration to a running service. Names every concrete backend.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tower_http::cors::AllowOrigin;
use tracing::{info, warn};

use crate::api::layers::HttpRules;
use crate::api::memos::{CACHES, MemoRules, Memos};
use crate::api::routes::{router, templates};
use crate::api::state::Draining;
use crate::backend::Backend;
use crate::catalog::{Catalogue, Merge, Rules, sync};
use crate::config::{Config, LocalConfig, ServerConfig};
use crate::local::backend::LocalBackend;
use crate::local::samples::unpack_samples;
use crate::metrics::Metrics;
use crate::models::source::Source;
use crate::server::{Limits, Stop, serve};

/// Runs the service until a signal stops it.
///
/// # Errors
/// It cannot start: the address is taken, or a backend is configured that cannot be built.
pub fn run(config: Config, demo: bool) -> io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = config.server.workers {
        runtime.worker_threads(workers.get());
    }
    runtime.enable_all().build()?.block_on(start(config, demo))
}

async fn start(mut config: Config, demo: bool) -> io::Result<()> {
    // Kept until the end: dropping it removes the sample catalogue.
    let samples = demo.then(|| tempfile::Builder::new().prefix("extension-registry-").tempdir());
    let samples = samples.transpose()?;
    let mut sample_count = 0;
    if let Some(dir) = &samples {
        sample_count = unpack_samples(dir.path())?;
        config.local = Some(LocalConfig { path: dir.path().to_owned() });
    }
    let listener = bind(&config.server).await?;
    let address = listener.local_addr()?;
    let limits = Limits {
        max_connections: config.server.max_connections,
        grace: config.server.shutdown_grace,
    };
    let draining = Draining::default();
    let catalogue = catalogue(&config)?;
    let router = api(&config, Arc::clone(&catalogue), draining.clone())?;
    let stop = listen_for_signals(draining)?;
    let mut sync = sync::run(&catalogue);
    info!(%address, version = env!("CARGO_PKG_VERSION"), "serving");
    if demo {
        greet(address, sample_count)?;
    }
    serve(listener, router, limits, stop).await;
    sync.shutdown().await;
    info!("stopped");
    Ok(())
}

async fn bind(server: &ServerConfig) -> io::Result<TcpListener> {
    let ServerConfig { host, port, .. } = server;
    TcpListener::bind((host.as_str(), *port)).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {host} port {port}: {error}"))
    })
}

/// The catalogue over every configured backend, in the order in which they own names.
fn catalogue(config: &Config) -> io::Result<Arc<Catalogue>> {
    let mut backends: Vec<Arc<dyn Backend>> = Vec::new();
    for source in &config.catalog.order {
        match source {
            Source::Local => backends.extend(config.local.as_ref().map(local)),
            Source::Gitea if config.gitea.is_some() => return Err(unbuilt(Source::Gitea)),
            Source::Oci if config.oci.is_some() => return Err(unbuilt(Source::Oci)),
            Source::Gitea | Source::Oci => {}
        }
    }
    let merge = if config.catalog.union { Merge::Union } else { Merge::Owner };
    Ok(Catalogue::new(backends, Rules { merge, ttl: config.cache.ttl }))
}

fn local(config: &LocalConfig) -> Arc<dyn Backend> {
    if !config.path.is_dir() {
        warn!(path = %config.path.display(), "local.path is no directory yet");
    }
    Arc::new(LocalBackend::new(&config.path))
}

fn unbuilt(source: Source) -> io::Error {
    let message = format!(
        "[{source}] is configured, but this version has no {source} backend yet; \
         remove the section to serve the others"
    );
    io::Error::new(io::ErrorKind::Unsupported, message)
}

fn api(config: &Config, catalogue: Arc<Catalogue>, draining: Draining) -> io::Result<Router> {
    let routes = templates();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let metrics = Metrics::new(&CACHES, &routes).map_err(io::Error::other)?;
    let rules = MemoRules {
        capacity: config.cache.capacity,
        ttl: config.cache.ttl,
        lists: config.cache.enable_list_cache,
        metadata: config.cache.enable_metadata_cache,
    };
    let memos = Memos::new(rules, &metrics);
    let http =
        HttpRules { compression: config.server.enable_compression, cors: origins(&config.server)? };
    router(catalogue, memos, metrics, draining, &http).map_err(io::Error::other)
}

/// Which origins' pages may read answers.
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
    let (stop, stopped) = watch::channel(Stop::Not);
    tokio::spawn(async move {
        for step in [Stop::Drain, Stop::Now] {
            next_of(&mut terminate, &mut interrupt).await;
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

/// Says where to look next.
fn greet(address: SocketAddr, extensions: usize) -> io::Result<()> {
    let base = format!("http://{address}/api/v1");
    writeln!(
        io::stdout(),
        "\nServing {extensions} sample extensions on http://{address}\n\n\
         \x20 all of them       curl {base}/extensions\n\
         \x20 search            curl '{base}/extensions/search?q=kubernetes'\n\
         \x20 versions of one   curl {base}/extensions/provider/aws/versions\n\
         \x20 download one      curl -OJ {base}/extensions/provider/aws/1.2.0\n\
         \x20 health            curl {base}/health\n\n\
         Stop with Ctrl-C. To serve your own, see config.example.toml and the README.\n"
    )
}

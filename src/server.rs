//! The listener: connections with timeouts and limits, and graceful shutdown.

pub mod activity;
pub mod clients;
pub mod threads;
mod tracked;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::Service;
use tracing::{debug, info, warn};

use crate::server::activity::{Activity, ClientTimeouts, HeldConnection};
use crate::server::clients::{Clients, CountedConnection};
use crate::server::threads::Threads;
use crate::server::tracked::{Tracked, TrackedResponse};

/// Maximum size of a request head, in bytes; hyper buffers as many bytes of a response.
const HEAD_MAX: usize = 28 * 1024;
const STREAMS_MAX: u32 = 100;
/// Maximum number of streams that an HTTP/2 client may open and reset before they are processed;
/// beyond it the connection is closed. Each reset costs the server work and the client nothing.
const RESETS_MAX: usize = 20;
/// Maximum number of response bytes buffered per HTTP/2 stream, besides the piece waiting for room.
const SEND_MAX: usize = 32 * 1024;
/// Idle time after which an HTTP/2 client is pinged.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Number of connections accepted beyond the limit, each for one request that needs no permit:
/// monitoring must not wait behind a flood. Further connections wait in the accept queue.
pub const SPARE: usize = 64;
/// Time limit for request heads on connections beyond the limit.
const SPARE_PATIENCE: Duration = Duration::from_secs(2);
/// Pause after a failed accept, most likely for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Memory use of a connection, in bytes: both buffers and its state.
pub const CONNECTION_BYTES: usize = 2 * HEAD_MAX + 8 * 1024;
/// Memory use of a response in transit, in bytes: one that is not large, and its state.
pub const ANSWER_BYTES: usize = 32 * 1024;
/// Memory use of an HTTP/2 stream, in bytes: its headers and its state.
pub const STREAM_BYTES: usize = 8 * 1024;

/// Returns the maximum number of streams on all connections. One client may have half of that.
#[must_use]
pub const fn streams(max_connections: usize) -> usize {
    max_connections.saturating_mul(2)
}

/// Stage of the shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Running.
    Not,
    /// No new connections; responses in flight are completed.
    Drain,
    /// Immediate end.
    Now,
}

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of full connections; beyond it only endpoints that need no permit are served.
    pub max_connections: usize,
    /// Maximum time for responses in flight after [`Stop::Drain`].
    pub grace: Duration,
    /// Timeouts for slow clients.
    pub patience: ClientTimeouts,
}

/// Services that respond to requests.
#[derive(Clone, Debug)]
pub struct Routers<S> {
    /// Service for connections within the limit.
    pub served: S,
    /// Service for connections beyond the limit.
    pub overflow: S,
}

/// A service for the requests of a connection. It must always be ready.
pub trait Answers:
    Service<axum::extract::Request, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Answers for S where
    S: Service<axum::extract::Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Serves until told to stop, then drains. Returns once the last connection is closed or aborted.
pub async fn serve<S: Answers>(
    listener: TcpListener,
    routers: Routers<S>,
    limits: Limits,
    clients: Clients,
    threads: &Threads,
    mut stop: watch::Receiver<Stop>,
) {
    let places = Places::of(limits.max_connections, clients);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop, Stop::Drain) => break,
            accepted = places.accept(&listener) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok(None) => debug!("connection closed: too many connections from this address"),
            Ok(Some((stream, connection))) => {
                let Routers { served, overflow } = &routers;
                let router = if connection.overflow { overflow.clone() } else { served.clone() };
                let serving = connection.serve(stream, router, limits.patience, stop.clone());
                // Assigned to the least busy thread for its lifetime, since tasks do not move
                // between threads.
                let (thread, held) = threads.idlest();
                let serving = async move {
                    serving.await;
                    drop(held);
                };
                connections.spawn_on(serving, &thread);
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                // The failed connection stays in the queue: without a pause this loop would use a
                // whole core.
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drain(connections, limits.grace, stop).await;
}

#[derive(Clone)]
struct Streams {
    all: Arc<Semaphore>,
    clients: Clients,
}

impl Streams {
    fn of(connections: usize, clients: &Clients) -> Self {
        let most = streams(connections).min(Semaphore::MAX_PERMITS);
        Self { all: Arc::new(Semaphore::new(most)), clients: clients.with(most / 2) }
    }

    /// Acquires a permit for a stream; `None` if the client or the service is at its limit.
    fn enter(&self, peer: SocketAddr) -> Option<HeldConnection> {
        let counted = self.clients.enter(peer.ip()).ok()?;
        Some(Box::new((Arc::clone(&self.all).try_acquire_owned().ok()?, counted)))
    }
}

struct Places {
    served: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    clients: Clients,
    /// For clients beyond their own limit, which must not use up the spare ones.
    beyond: Arc<Semaphore>,
    streams: Streams,
}

impl Places {
    fn of(connections: usize, clients: Clients) -> Self {
        let [served, spare, beyond] =
            [connections, SPARE, SPARE].map(|places| Arc::new(Semaphore::new(places)));
        let streams = Streams::of(connections, &clients);
        Self { served, spare, clients, beyond, streams }
    }

    /// Accepts the next connection; `None` if its client has too many.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<Option<(std::net::TcpStream, Connection)>> {
        // Acquired before the accept: without a free permit, connections wait in the system's
        // queue.
        let spare = Arc::clone(&self.spare).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let Some((place, counted, overflow)) = self.place(peer, spare) else { return Ok(None) };
        // Deregistered here, because the runtime of another thread will poll it.
        let stream = stream.into_std()?;
        let streams = self.streams.clone();
        let connection = Connection { peer, overflow, streams, _place: place, _counted: counted };
        Ok(Some((stream, connection)))
    }

    /// Acquires the permits of a connection; the flag is true for a connection beyond the limit.
    fn place(
        &self,
        peer: SocketAddr,
        spare: OwnedSemaphorePermit,
    ) -> Option<(OwnedSemaphorePermit, Option<CountedConnection>, bool)> {
        let Ok(counted) = self.clients.enter(peer.ip()) else {
            let beyond = Arc::clone(&self.beyond).try_acquire_owned().ok()?;
            return Some((beyond, None, true));
        };
        match Arc::clone(&self.served).try_acquire_owned() {
            Ok(served) => Some((served, counted, false)),
            Err(_) => Some((spare, None, true)),
        }
    }
}

/// Waits until the shutdown has reached this stage. Also returns if the sender was dropped.
async fn stopped(stop: &mut watch::Receiver<Stop>, at_least: Stop) {
    // An error means that the sender is gone, so an orderly shutdown can no longer be requested.
    let _ = stop.wait_for(|now| *now >= at_least).await;
}

async fn drain(mut connections: JoinSet<()>, grace: Duration, mut stop: watch::Receiver<Stop>) {
    info!(connections = connections.len(), "shutting down: waiting for responses to finish");
    let finished = async { while connections.join_next().await.is_some() {} };
    let in_time = tokio::select! {
        finished = timeout(grace, finished) => finished.is_ok(),
        () = stopped(&mut stop, Stop::Now) => false,
    };
    if !in_time {
        warn!(connections = connections.len(), "shutting down: aborting unfinished responses");
        connections.shutdown().await;
    }
}

struct Connection {
    peer: SocketAddr,
    overflow: bool,
    streams: Streams,
    _place: OwnedSemaphorePermit,
    _counted: Option<CountedConnection>,
}

impl Connection {
    /// Serves until the client closes, exceeds a timeout, or is idle during shutdown.
    async fn serve<S: Answers>(
        self,
        stream: std::net::TcpStream,
        router: S,
        mut patience: ClientTimeouts,
        mut stop: watch::Receiver<Stop>,
    ) {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => return warn!("cannot watch a connection: {error}"),
        };
        if self.overflow {
            patience.head = patience.head.min(SPARE_PATIENCE);
        }
        let activity = Activity::new(patience);
        let stream = Tracked::new(stream, Arc::clone(&activity), patience.stall);
        let service = service_fn(|request| self.answer(request, router.clone(), &activity));
        let builder = if self.overflow { once(builder()) } else { builder() };
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut overdue = std::pin::pin!(activity.overdue());
        let mut draining = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = overdue.as_mut() => return debug!("connection closed: the client is too slow"),
                () = stopped(&mut stop, Stop::Drain), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        if let Err(error) = ended {
            debug!("connection ended: {error}");
        }
    }

    fn answer<S: Answers>(
        &self,
        request: Request<Incoming>,
        mut router: S,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response<TrackedResponse>, Infallible>> + use<S> {
        let version = request.version();
        let stream = (version == Version::HTTP_2).then(|| self.streams.enter(self.peer));
        if matches!(stream, Some(None)) {
            // Even an error response would need a stream, so the connection is closed.
            activity.give_up();
        }
        let ticket = activity.begin(version, stream.flatten());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answered = router.call(request);
        async move { Ok(answered.await?.map(|body| TrackedResponse::new(body, ticket, version))) }
    }
}

/// Limits a connection to one HTTP/1 response, after which it is closed.
fn once(mut builder: auto::Builder<TokioExecutor>) -> auto::Builder<TokioExecutor> {
    builder.http1().keep_alive(false);
    builder.http1_only()
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // `Activity` enforces this timeout: unlike hyper's, it tells a slow head from an idle
        // connection.
        .header_read_timeout(None)
        .max_buf_size(HEAD_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX as u32)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_send_buf_size(SEND_MAX)
        .keep_alive_interval(PING_AFTER);
    builder
}

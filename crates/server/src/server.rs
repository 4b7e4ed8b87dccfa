//! The listeners: connections with timeouts and limits, and graceful shutdown.

pub mod activity;
pub mod certificate;
pub mod clients;
mod connection;
mod permits;
pub mod threads;
pub mod tls;
mod tracked;
mod write_deadline;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::server::activity::ClientTimeouts;
use crate::server::clients::Clients;
use crate::server::connection::Connection;
use crate::server::permits::ConnectionPermits;
use crate::server::threads::Threads;
use crate::server::tls::ServerTls;

/// Target of the log lines of the listener: filters name it (`docs/operations.md`).
pub(crate) const LOG_TARGET: &str = "extension_registry::server";

/// Maximum size of a request head, in bytes; hyper buffers as many bytes of a response.
const HEAD_MAX: usize = 28 * 1024;
/// Number of connections accepted beyond the limit, each for one request that needs no permit:
/// monitoring must not wait behind a flood. Further connections wait in the accept queue.
pub const SPARE: usize = 64;
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

/// A socket, and the services for its connections.
pub struct Listener<S> {
    socket: TcpListener,
    services: Arc<Services<S>>,
}

struct Services<S> {
    routers: Routers<S>,
    /// TLS, and the service that refuses requests in plain HTTP; `None` for plain HTTP.
    tls: Option<(Arc<ServerTls>, S)>,
}

impl<S> Listener<S> {
    /// Creates a listener for HTTP without TLS.
    #[must_use]
    pub fn plain(socket: TcpListener, routers: Routers<S>) -> Self {
        Self { socket, services: Arc::new(Services { routers, tls: None }) }
    }

    /// Creates a listener for HTTPS; `refusal` responds to requests in plain HTTP.
    #[must_use]
    pub fn encrypted(
        socket: TcpListener,
        routers: Routers<S>,
        tls: Arc<ServerTls>,
        refusal: S,
    ) -> Self {
        Self { socket, services: Arc::new(Services { routers, tls: Some((tls, refusal)) }) }
    }
}

/// A service for the requests of a connection.
pub trait ConnectionService: Clone + Send + Sync + 'static {
    /// A response, or the work on one.
    type Answering: Future<Output = Response> + Send;

    /// Returns the service for a connection with this peer.
    #[must_use]
    fn connected(&self, peer: SocketAddr) -> Self;

    /// Responds to a request.
    fn answer(&self, request: Request<Incoming>) -> Self::Answering;
}

/// Sockets and the services behind them, asked in turn.
struct Listeners<S> {
    all: Vec<Listener<S>>,
    next: usize,
}

impl<S> Listeners<S> {
    /// Accepts the next connection of any listener.
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr, Arc<Services<S>>)> {
        poll_fn(|context| {
            // Begins behind the listener of the last connection, so that a flood of one listener
            // keeps no connection of another waiting.
            let (before, after) = self.all.split_at(self.next);
            for (at, listener) in (self.next..).zip(after).chain((0..).zip(before)) {
                if let Poll::Ready(accepted) = listener.socket.poll_accept(context) {
                    let services = Arc::clone(&listener.services);
                    self.next = (at + 1) % self.all.len();
                    return Poll::Ready(accepted.map(|(stream, peer)| (stream, peer, services)));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Accepts the next connection; `None` if its client has too many.
    async fn connection(&mut self, permits: &ConnectionPermits) -> io::Result<Accepted<S>> {
        // Acquired before the accept: without a free permit, connections wait in the system's
        // queue.
        let spare = permits.spare().await?;
        let (stream, peer, services) = self.accept().await?;
        stream.set_nodelay(true)?;
        let Some(held) = permits.enter(peer, spare) else { return Ok(None) };
        // Deregistered here, because the runtime of another thread will poll it.
        Ok(Some((stream.into_std()?, Connection { peer, held }, services)))
    }
}

type Accepted<S> = Option<(std::net::TcpStream, Connection, Arc<Services<S>>)>;

/// Serves until told to stop, then drains. Returns once the last connection is closed or aborted.
/// The limits hold for all listeners together.
pub async fn serve<S: ConnectionService>(
    listeners: Vec<Listener<S>>,
    limits: Limits,
    clients: Clients,
    threads: &Threads,
    mut stop: watch::Receiver<Stop>,
) {
    let permits = ConnectionPermits::of(limits.max_connections, clients);
    let mut listeners = Listeners { all: listeners, next: 0 };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop, Stop::Drain) => break,
            accepted = listeners.connection(&permits) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok(None) => {
                debug!(target: LOG_TARGET, "connection closed: too many connections from this address");
            }
            Ok(Some((stream, connection, services))) => {
                let serving = connection.serve(stream, services, limits.patience, stop.clone());
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
                warn!(target: LOG_TARGET, "cannot accept a connection: {error}");
                // The failed connection stays in the queue: without a pause this loop would use a
                // whole core.
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listeners);
    drain(connections, limits.grace, stop).await;
}

/// Waits until the shutdown has reached this stage. Also returns if the sender was dropped.
async fn stopped(stop: &mut watch::Receiver<Stop>, at_least: Stop) {
    // An error means that the sender is gone, so an orderly shutdown can no longer be requested.
    let _ = stop.wait_for(|now| *now >= at_least).await;
}

async fn drain(mut connections: JoinSet<()>, grace: Duration, mut stop: watch::Receiver<Stop>) {
    info!(target: LOG_TARGET, connections = connections.len(), "shutting down: waiting for responses to finish");
    let finished = async { while connections.join_next().await.is_some() {} };
    let in_time = tokio::select! {
        finished = timeout(grace, finished) => finished.is_ok(),
        () = stopped(&mut stop, Stop::Now) => false,
    };
    if !in_time {
        warn!(target: LOG_TARGET, connections = connections.len(), "shutting down: aborting unfinished responses");
        connections.shutdown().await;
    }
}

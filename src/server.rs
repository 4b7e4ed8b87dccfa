//! The listener: connections with deadlines and a cap, and a stop that lets answers finish.

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

use crate::server::activity::{Activity, Held, Patience};
use crate::server::clients::{Clients, Counted};
use crate::server::threads::Threads;
use crate::server::tracked::{Answer, Tracked};

/// How much of a request's head is read before it is refused without a word, in bytes. hyper holds
/// as much of an answer's pieces for a client that takes none.
const HEAD_MAX: usize = 28 * 1024;
/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// Streams that an HTTP/2 client may open and take back before we have looked at them; beyond it
/// the connection ends. Each costs us work and the client none.
const RESETS_MAX: usize = 20;
/// Bytes of an answer that are held for one HTTP/2 stream beside the piece that waits for room.
const SEND_MAX: usize = 32 * 1024;
/// After this long without a word an HTTP/2 client is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Connections taken beyond the cap, each for one request that needs no room: whoever watches the
/// service must not wait behind a flood. Only beyond these do connections wait to be accepted.
pub const SPARE: usize = 64;
/// How long the clients of these may take for a head.
const SPARE_PATIENCE: Duration = Duration::from_secs(2);
/// Pause after the system refused us a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection takes, in bytes: both of its buffers, and its own state.
pub const CONNECTION_BYTES: usize = 2 * HEAD_MAX + 8 * 1024;
/// What an answer takes on its way: one that is not large, and its state.
pub const ANSWER_BYTES: usize = 32 * 1024;
/// What a stream of HTTP/2 takes: its heads and its state.
pub const STREAM_BYTES: usize = 8 * 1024;

/// Streams of all connections, so many of these there may be. One client has half of them.
#[must_use]
pub const fn streams(max_connections: usize) -> usize {
    max_connections.saturating_mul(2)
}

/// How far the service is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It runs.
    Not,
    /// It takes no more connections and finishes its answers.
    Drain,
    /// It ends at once.
    Now,
}

/// What a listener may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once; beyond them only what needs no room is answered.
    pub max_connections: usize,
    /// How long answers may go on after [`Stop::Drain`].
    pub grace: Duration,
    /// How long clients may take.
    pub patience: Patience,
}

/// What answers requests.
#[derive(Clone, Debug)]
pub struct Routers<S> {
    /// On the connections that are served.
    pub served: S,
    /// On connections beyond them.
    pub crowded: S,
}

/// What a request of a connection can be given to, at any time: it is always ready.
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

/// Serves until told to stop, then drains. Returns once the last connection is closed or cut.
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
                let Routers { served, crowded } = &routers;
                let router = if connection.crowded { crowded.clone() } else { served.clone() };
                let serving = connection.serve(stream, router, limits.patience, stop.clone());
                let (thread, held) = threads.idlest();
                let serving = async move {
                    serving.await;
                    drop(held);
                };
                connections.spawn_on(serving, &thread);
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drain(connections, limits.grace, stop).await;
}

/// Room for streams of HTTP/2, of which each connection may have many.
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

    /// A place for one more stream of this client; `None`: there is none.
    fn enter(&self, peer: SocketAddr) -> Option<Held> {
        let counted = self.clients.enter(peer.ip()).ok()?;
        Some(Box::new((Arc::clone(&self.all).try_acquire_owned().ok()?, counted)))
    }
}

/// Room for connections.
struct Places {
    served: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    clients: Clients,
    /// For connections beyond those that one client may have. Apart from the spare ones, so that
    /// nobody else waits for such a client.
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

    /// The next connection; `None`: its client has too many, and it is closed.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<Option<(std::net::TcpStream, Connection)>> {
        let spare = Arc::clone(&self.spare).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let Some((place, counted, crowded)) = self.place(peer, spare) else { return Ok(None) };
        // The thread that it will live on watches it from now on.
        let stream = stream.into_std()?;
        let streams = self.streams.clone();
        let connection = Connection { peer, crowded, streams, _place: place, _counted: counted };
        Ok(Some((stream, connection)))
    }

    /// The place of a connection from this address, and whether it is beyond those that are served.
    fn place(
        &self,
        peer: SocketAddr,
        spare: OwnedSemaphorePermit,
    ) -> Option<(OwnedSemaphorePermit, Option<Counted>, bool)> {
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

/// Resolves once the stop has come this far; also if nobody can tell any more.
async fn stopped(stop: &mut watch::Receiver<Stop>, at_least: Stop) {
    // An error means that the sender is gone, and with it whoever could stop us in order.
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

/// What the requests of one connection have in common.
struct Connection {
    peer: SocketAddr,
    /// Whether it is beyond those that are served.
    crowded: bool,
    streams: Streams,
    _place: OwnedSemaphorePermit,
    _counted: Option<Counted>,
}

impl Connection {
    /// Serves until the client ends it, takes too long, or is idle after the stop began.
    async fn serve<S: Answers>(
        self,
        stream: std::net::TcpStream,
        router: S,
        mut patience: Patience,
        mut stop: watch::Receiver<Stop>,
    ) {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => return warn!("cannot watch a connection: {error}"),
        };
        if self.crowded {
            patience.head = patience.head.min(SPARE_PATIENCE);
        }
        let activity = Activity::new(patience);
        let stream = Tracked::new(stream, Arc::clone(&activity), patience.stall);
        let service = service_fn(|request| self.answer(request, router.clone(), &activity));
        let builder = if self.crowded { once(builder()) } else { builder() };
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
    ) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<S> {
        let version = request.version();
        let stream = (version == Version::HTTP_2).then(|| self.streams.enter(self.peer));
        if matches!(stream, Some(None)) {
            // Nothing that can be said to it would take less than a stream.
            activity.give_up();
        }
        let ticket = activity.begin(version, stream.flatten());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answered = router.call(request);
        async move { Ok(answered.await?.map(|body| Answer::new(body, ticket, version))) }
    }
}

/// One answer a connection, and so in HTTP/1, whose connections end with it.
fn once(mut builder: auto::Builder<TokioExecutor>) -> auto::Builder<TokioExecutor> {
    builder.http1().keep_alive(false);
    builder.http1_only()
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Ours tells a slow head from an idle connection.
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

//! The listener: connections with deadlines and a cap, and a stop that lets answers finish.

pub mod activity;
mod tracked;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use crate::server::activity::{Activity, Patience};
use crate::server::tracked::{Answer, Tracked};

/// How much of a request's head is read before it is refused without a word, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// Headers of a request of HTTP/1 that are read before it is refused without a word.
const HEADERS_MAX: usize = 256;
/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// Streams that an HTTP/2 client may open and take back before we have looked at them; beyond it
/// the connection ends. Each costs us work and the client none.
const RESETS_MAX: usize = 20;
/// Bytes of answers that are held for one HTTP/2 stream.
const SEND_MAX: usize = 64 * 1024;
/// After this long without a word an HTTP/2 client is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Pause after the system refused us a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    /// Connections served at once; more wait to be accepted.
    pub max_connections: usize,
    /// How long answers may go on after [`Stop::Drain`].
    pub grace: Duration,
    /// How long clients may take.
    pub patience: Patience,
}

/// Serves until told to stop, then drains. Returns once the last connection is closed or cut.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<Stop>,
) {
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop, Stop::Drain) => break,
            accepted = accept(&listener, &permits) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let connection = Connection { peer, router: router.clone() };
                let connection = connection.serve(stream, limits.patience, stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
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

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

/// Resolves once the stop has come this far; also if nobody can tell any more.
async fn stopped(stop: &mut watch::Receiver<Stop>, at_least: Stop) {
    // An error means that the sender is gone, and with it whoever could stop us in order.
    let _ = stop.wait_for(|now| *now >= at_least).await;
}

async fn drain(mut connections: JoinSet<()>, grace: Duration, mut stop: watch::Receiver<Stop>) {
    info!(connections = connections.len(), "stopping: letting answers finish");
    let finished = async { while connections.join_next().await.is_some() {} };
    let in_time = tokio::select! {
        finished = timeout(grace, finished) => finished.is_ok(),
        () = stopped(&mut stop, Stop::Now) => false,
    };
    if !in_time {
        warn!(connections = connections.len(), "stopping: cutting what is not finished");
        connections.shutdown().await;
    }
}

/// What the requests of one connection have in common.
struct Connection {
    peer: SocketAddr,
    router: Router,
}

impl Connection {
    /// Serves until the client ends it, takes too long, or is idle after the stop began.
    async fn serve(self, stream: TcpStream, patience: Patience, mut stop: watch::Receiver<Stop>) {
        let activity = Activity::new(patience);
        let stream = Tracked::new(stream, Arc::clone(&activity), patience.stall);
        let service = service_fn(|request| self.answer(request, &activity));
        let builder = builder();
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut overdue = std::pin::pin!(activity.overdue());
        let mut draining = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = overdue.as_mut() => return debug!("connection cut: the client takes too long"),
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

    fn answer(
        &self,
        request: Request<Incoming>,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<> {
        let ticket = activity.begin(request.version());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answered = self.router.clone().oneshot(request);
        async move { Ok(answered.await?.map(|body| Answer { body, ticket })) }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Ours tells a slow head from an idle connection.
        .header_read_timeout(None)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX as u32)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_send_buf_size(SEND_MAX)
        .keep_alive_interval(PING_AFTER);
    builder
}

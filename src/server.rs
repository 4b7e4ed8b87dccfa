//! The listener: connections with deadlines and a cap, and a stop that lets answers finish.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

/// The longest that a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a request's head is read before it is refused, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
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
            Ok((stream, permit)) => {
                let connection = serve_connection(stream, router.clone(), stop.clone());
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
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
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

/// Serves one connection until it ends, or is idle after the stop began.
async fn serve_connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<Stop>) {
    let begun = Arc::new(AtomicBool::new(false));
    let service = {
        let begun = Arc::clone(&begun);
        service_fn(move |request: Request<Incoming>| {
            begun.store(true, Ordering::Relaxed);
            answer(router.clone(), request)
        })
    };
    let builder = builder();
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // hyper's own timer begins with the first byte: a client that never sends one is cut here.
    let silent = async {
        sleep(HEAD_TIMEOUT).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => return,
        () = stopped(&mut stop, Stop::Drain) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!("connection ended: {error}");
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
) -> Result<axum::response::Response, Infallible> {
    router.oneshot(request.map(Body::new)).await
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_AFTER);
    builder
}

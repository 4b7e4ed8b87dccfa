//! One connection: its handshake, its requests, and its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use futures_util::future::{Either as OneOf, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tracing::{debug, warn};

use crate::server::LOG_TARGET;
use crate::server::activity::{Activity, ClientTimeouts};
use crate::server::permits::HeldPermits;
use crate::server::tls::{Protocol, ServerTls, protocol_of};
use crate::server::tracked::{Tracked, TrackedResponse};
use crate::server::write_deadline::WriteDeadline;
use crate::server::{ConnectionService, HEAD_MAX, Services, Stop, stopped};

const STREAMS_MAX: u32 = 100;
/// Maximum number of streams that an HTTP/2 client may open and reset before they are processed;
/// beyond it the connection is closed. Each reset costs the server work and the client nothing.
const RESETS_MAX: usize = 20;
/// Maximum number of response bytes buffered per HTTP/2 stream, besides the piece waiting for room.
const SEND_MAX: usize = 32 * 1024;
/// Idle time after which an HTTP/2 client is pinged.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Time limit for handshakes and request heads on connections beyond the limit.
const SPARE_PATIENCE: Duration = Duration::from_secs(2);

type Socket = WriteDeadline<TcpStream>;
type OpenedStream = Either<Box<TlsStream<Socket>>, Socket>;

pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) held: HeldPermits,
}

impl Connection {
    /// Serves until the client closes, exceeds a timeout, or is idle during shutdown.
    pub(super) async fn serve<S: ConnectionService>(
        self,
        stream: std::net::TcpStream,
        services: Arc<Services<S>>,
        mut patience: ClientTimeouts,
        mut stop: watch::Receiver<Stop>,
    ) {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => return warn!(target: LOG_TARGET, "cannot watch a connection: {error}"),
        };
        let overflow = self.held.overflow;
        if overflow {
            patience.head = patience.head.min(SPARE_PATIENCE);
        }
        let activity = Activity::new(patience);
        let Services { routers, tls } = &*services;
        let router = if overflow { &routers.overflow } else { &routers.served };
        let builder = if overflow { once(builder()) } else { builder() };
        let stream = WriteDeadline::new(stream, Arc::clone(&activity), patience.stall);
        let Some((tls, refusal)) = tls else {
            return self.http(stream, builder, router, &activity, stop).await;
        };
        let opened = tokio::select! {
            opened = open(stream, tls, overflow) => opened,
            () = activity.overdue() => return debug!(target: LOG_TARGET, "connection closed: the client is too slow"),
            () = stopped(&mut stop, Stop::Drain) => return,
        };
        match opened {
            Ok(stream @ Either::Left(_)) => {
                self.http(stream, builder, router, &activity, stop).await;
            }
            Ok(stream @ Either::Right(_)) => {
                self.http(stream, once(builder), refusal, &activity, stop).await;
            }
            Err(error) => debug!(target: LOG_TARGET, "connection ended: TLS handshake: {error}"),
        }
    }

    async fn http<S: ConnectionService>(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        builder: auto::Builder<TokioExecutor>,
        router: &S,
        activity: &Arc<Activity>,
        mut stop: watch::Receiver<Stop>,
    ) {
        let stream = Tracked::new(stream, Arc::clone(activity));
        let router = router.connected(self.peer);
        let service = service_fn(|request| self.answer(request, &router, activity));
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        // Polled only when one of them wakes, unlike the connection, which each request wakes.
        let overdue = activity.overdue().map(|()| Interrupt::Overdue);
        let drain = stopped(&mut stop, Stop::Drain).map(|()| Interrupt::Drain);
        let mut interrupts =
            FuturesUnordered::from_iter([OneOf::Left(overdue), OneOf::Right(drain)]);
        let ended = loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => break ended,
                Some(interrupt) = interrupts.next() => match interrupt {
                    Interrupt::Overdue => return debug!(target: LOG_TARGET, "connection closed: the client is too slow"),
                    Interrupt::Drain => connection.as_mut().graceful_shutdown(),
                },
            }
        };
        if let Err(error) = ended {
            debug!(target: LOG_TARGET, "connection ended: {error}");
        }
    }

    fn answer<S: ConnectionService>(
        &self,
        request: Request<Incoming>,
        router: &S,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response<TrackedResponse>, Infallible>> + use<S> {
        let version = request.version();
        let stream = (version == Version::HTTP_2).then(|| self.held.streams.enter(self.peer));
        if matches!(stream, Some(None)) {
            // Even an error response would need a stream, so the connection is closed.
            activity.give_up();
        }
        let ticket = activity.begin(version, stream.flatten());
        let answered = router.answer(request);
        async move { Ok(answered.await.map(|body| TrackedResponse::new(body, ticket, version))) }
    }
}

/// Reason to end a connection that the client keeps open.
enum Interrupt {
    /// The client exceeds a timeout.
    Overdue,
    /// The service shuts down.
    Drain,
}

/// `Left` after a handshake; `Right` for a client that speaks plain HTTP.
async fn open(stream: Socket, tls: &ServerTls, overflow: bool) -> io::Result<OpenedStream> {
    Ok(match protocol_of(stream.get_ref()).await? {
        Protocol::Tls => Either::Left(Box::new(tls.accept(stream, overflow).await?)),
        Protocol::PlainHttp => Either::Right(stream),
    })
}

/// Limits a connection to one HTTP/1 response, after which it is closed.
fn once(mut builder: auto::Builder<TokioExecutor>) -> auto::Builder<TokioExecutor> {
    builder.http1().keep_alive(false);
    builder.http1_only()
}

#[expect(clippy::cast_possible_truncation, reason = "28 KiB")]
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

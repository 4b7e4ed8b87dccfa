//! Tracking of a client at both ends of the connection: the stream and the response bodies.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use bytes::Buf;
use hyper::Version;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, Sleep, sleep};

use crate::server::activity::{Activity, ActivityMark, RequestTicket};

/// Maximum size of a response piece in HTTP/2, in bytes: one frame.
const PIECE_MAX: usize = 16 * 1024;

/// Time for which responses to a half-closed client continue; the client may be gone.
const HALF_CLOSED: Duration = Duration::from_secs(5);
/// Interval between checks for pending responses to a half-closed client.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

struct HalfClosed {
    since: Instant,
    look_again: Pin<Box<Sleep>>,
}

/// A stream that reports received bytes, and hides that its client closed its half.
pub(super) struct Tracked<S> {
    stream: S,
    activity: Arc<Activity>,
    half_closed: Option<HalfClosed>,
}

impl<S> Tracked<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, half_closed: None }
    }

    /// Hides the client's end of stream from hyper, which would drop the responses in flight.
    /// Polled by a timer, since a written response wakes no reader.
    fn end_of_reading(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let half_closed = self.half_closed.get_or_insert_with(|| HalfClosed {
            since: Instant::now(),
            look_again: Box::pin(sleep(LOOK_AGAIN)),
        });
        while self.activity.is_answering() && half_closed.since.elapsed() < HALF_CLOSED {
            ready!(half_closed.look_again.as_mut().poll(context));
            half_closed.look_again.as_mut().reset(Instant::now() + LOOK_AGAIN);
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tracked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The end was read before: another read of the stream would only repeat it.
        if self.half_closed.is_none() {
            let before = buffer.filled().len();
            match ready!(Pin::new(&mut self.stream).poll_read(context, buffer)) {
                Ok(()) if buffer.filled().len() > before => {
                    self.activity.heard();
                    return Poll::Ready(Ok(()));
                }
                // Many clients of TLS close the socket without a word; it ends their half like any
                // other end.
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Err(error));
                }
                _ => {}
            }
        }
        ready!(self.end_of_reading(context));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tracked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A response body. Its pieces report when they are written: hyper drops a body as soon as it holds
/// the last piece, which may stay in buffers for as long as the client likes.
pub(super) struct TrackedResponse {
    body: Body,
    left: Bytes,
    /// Maximum size of a piece, in bytes.
    longest: usize,
    ticket: RequestTicket,
}

impl TrackedResponse {
    pub(super) fn new(body: Body, ticket: RequestTicket, version: Version) -> Self {
        // In HTTP/1 the socket shows the progress of the only response exactly.
        let longest = if version < Version::HTTP_2 { usize::MAX } else { PIECE_MAX };
        Self { body, left: Bytes::new(), longest, ticket }
    }
}

impl HttpBody for TrackedResponse {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        if self.left.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(bytes))) => self.left = bytes,
                Some(Ok(Err(trailers))) => {
                    let frame =
                        trailers.map_data(|bytes| Piece { bytes, _mark: self.ticket.give(0) });
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.left.len().min(self.longest);
        let bytes = self.left.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(Piece { bytes, _mark: self.ticket.give(length) }))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, left) = (self.body.size_hint(), self.left.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(left));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}

impl Drop for TrackedResponse {
    fn drop(&mut self) {
        // Kept by the ticket: the body holds the request's permit until the last piece is written.
        self.ticket.body = Some(mem::take(&mut self.body));
    }
}

pub(super) struct Piece {
    bytes: Bytes,
    _mark: ActivityMark,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

//! The two ends of a connection at which its client is watched: the socket and the answers.

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
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, Sleep, sleep};

use crate::server::activity::{Activity, LEAST, Mark, Ticket};

/// The longest piece in which answers are handed out in HTTP/2, in bytes: a frame.
const PIECE_MAX: usize = 16 * 1024;

/// A socket that fails once its client was waited for too long and took too little.
pub(super) struct Tracked {
    stream: TcpStream,
    activity: Arc<Activity>,
    patience: Duration,
    /// Runs while the client's end is full, since this instant.
    full: Option<(Instant, Pin<Box<Sleep>>)>,
    /// How long it was full before, and the bytes taken meanwhile.
    waited: Duration,
    taken: usize,
}

impl Tracked {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>, patience: Duration) -> Self {
        Self { stream, activity, patience, full: None, waited: Duration::ZERO, taken: 0 }
    }

    /// Judges what became of an attempt to write so many bytes.
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        offered: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.taken += count;
            if self.taken >= LEAST {
                (self.taken, self.waited, self.full) = (0, Duration::ZERO, None);
            }
            if count == offered || self.full.is_none() {
                let full = self.full.take();
                self.waited += full.map_or(Duration::ZERO, |(since, _)| since.elapsed());
                self.activity.full(false);
            }
        }
        if written.is_ready() {
            return written;
        }
        self.activity.full(true);
        let left = self.patience.saturating_sub(self.waited);
        let full = self.full.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(full.1.as_mut().poll(context));
        let message = format!("the client took less than {LEAST} bytes in {:?}", self.patience);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl AsyncRead for Tracked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, slices.iter().map(|slice| slice.len()).sum(), written)
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

/// The body of an answer. It is handed out in pieces that tell when they are written: hyper lets go
/// of a body as soon as it has its last piece, which may lie in its buffers for as long as the
/// client likes.
pub(super) struct Answer {
    body: Body,
    /// What is left of the body's last piece.
    left: Bytes,
    /// The longest piece that is handed out.
    longest: usize,
    ticket: Ticket,
}

impl Answer {
    pub(super) fn new(body: Body, ticket: Ticket, version: Version) -> Self {
        // In HTTP/1 the socket tells how far a client is, byte by byte.
        let longest = if version < Version::HTTP_2 { usize::MAX } else { PIECE_MAX };
        Self { body, left: Bytes::new(), longest, ticket }
    }
}

impl HttpBody for Answer {
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
                    let piece = |bytes| Piece { bytes, _mark: self.ticket.give(0) };
                    return Poll::Ready(Some(Ok(trailers.map_data(piece))));
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

impl Drop for Answer {
    fn drop(&mut self) {
        self.ticket.body = Some(mem::take(&mut self.body));
    }
}

/// Bytes of an answer on their way to the socket.
pub(super) struct Piece {
    bytes: Bytes,
    _mark: Mark,
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

//! Bodies of requests: bytes in memory, or a stream that is sent once or made again.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use registry_core::error::{Error, Result};
use tokio::time::Instant;

type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Body of a request. Clones share a stream that is sent once.
#[derive(Clone)]
pub struct RequestBody {
    source: BodySource,
    /// Length in bytes. Without it the body is sent in chunks.
    length: Option<u64>,
    /// Time at which the connection took the last piece.
    sent_at: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone)]
enum BodySource {
    Bytes(Bytes),
    Once(Arc<Mutex<Option<ByteStream>>>),
    Again(Arc<dyn Fn() -> ByteStream + Send + Sync>),
}

impl RequestBody {
    /// Creates a body of bytes in memory.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = Some(bytes.len() as u64);
        Self::new(BodySource::Bytes(bytes), length)
    }

    /// Creates a body of a stream. A request with it is never repeated.
    #[must_use]
    pub fn once(stream: ByteStream, length: Option<u64>) -> Self {
        Self::new(BodySource::Once(Arc::new(Mutex::new(Some(stream)))), length)
    }

    /// Creates a body of a stream that `make` opens for each attempt.
    #[must_use]
    pub fn again(
        make: impl Fn() -> ByteStream + Send + Sync + 'static,
        length: Option<u64>,
    ) -> Self {
        Self::new(BodySource::Again(Arc::new(make)), length)
    }

    fn new(source: BodySource, length: Option<u64>) -> Self {
        Self { source, length, sent_at: Arc::default() }
    }

    /// Returns true if the body can be sent any number of times.
    pub(super) const fn can_repeat(&self) -> bool {
        !matches!(self.source, BodySource::Once(_))
    }

    /// Returns the time at which the last piece of a stream was sent. Bytes in memory are one piece.
    pub(super) fn sent_at(&self) -> Option<Instant> {
        match self.source {
            BodySource::Bytes(_) => None,
            BodySource::Once(_) | BodySource::Again(_) => *self.sent_at.lock(),
        }
    }

    /// Opens the body for one attempt. Fails for a stream that was sent before.
    pub(super) fn open(&self) -> Result<OpenBody> {
        let pieces = match &self.source {
            BodySource::Bytes(bytes) => BodyPieces::Bytes(bytes.clone()),
            BodySource::Again(make) => BodyPieces::Stream(make()),
            BodySource::Once(stream) => match stream.lock().take() {
                Some(stream) => BodyPieces::Stream(stream),
                None => return Err(Error::faulty("A body cannot be sent a second time")),
            },
        };
        Ok(OpenBody { pieces, left: self.length, sent_at: Arc::clone(&self.sent_at) })
    }
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::bytes(Bytes::new())
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A body on its way. It fails if a stream is shorter or longer than its length.
pub(super) struct OpenBody {
    pieces: BodyPieces,
    left: Option<u64>,
    sent_at: Arc<Mutex<Option<Instant>>>,
}

enum BodyPieces {
    Bytes(Bytes),
    Stream(ByteStream),
}

impl OpenBody {
    fn count(&mut self, piece: &Bytes) -> Result<()> {
        *self.sent_at.lock() = Some(Instant::now());
        let Some(left) = &mut self.left else { return Ok(()) };
        let rest = left.checked_sub(piece.len() as u64);
        *left = rest.ok_or_else(|| Error::faulty("A body is longer than announced"))?;
        Ok(())
    }
}

impl Body for OpenBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let piece = match &mut this.pieces {
            BodyPieces::Bytes(bytes) if bytes.is_empty() => None,
            BodyPieces::Bytes(bytes) => Some(Ok(std::mem::take(bytes))),
            BodyPieces::Stream(stream) => ready!(stream.as_mut().poll_next(context)),
        };
        Poll::Ready(match piece {
            Some(piece) => Some(piece.and_then(|piece| {
                this.count(&piece)?;
                Ok(Frame::data(piece))
            })),
            None if this.left.is_some_and(|left| left > 0) => {
                Some(Err(Error::faulty("A body is shorter than announced")))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

//! Bodies of responses on their way to `object_store`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hyper::body::{Body, Frame};
use object_store::client::{HttpError, HttpErrorKind};
use parking_lot::Mutex;
use registry_core::error::{Error, Result};

/// A stream of bytes as a body.
pub(crate) struct ResponseBody {
    /// Never locked: the mutex makes the stream `Sync`, as `object_store` demands.
    bytes: Mutex<BoxStream<'static, Result<Bytes>>>,
}

impl ResponseBody {
    pub(crate) const fn new(bytes: BoxStream<'static, Result<Bytes>>) -> Self {
        Self { bytes: Mutex::new(bytes) }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let piece = self.get_mut().bytes.get_mut().poll_next_unpin(context);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(http_error)))
    }
}

/// Passes an error of ours through `object_store`, which retries none of this kind.
pub(crate) fn http_error(error: Error) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

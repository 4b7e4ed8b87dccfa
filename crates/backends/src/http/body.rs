//! Response bodies: read whole within a bound, or streamed with limits on silence and slowness.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use registry_core::error::Result;
use tokio::time::Instant;

use crate::http::body_buffer::BodyBuffer;
use crate::http::connect::Stream;
use crate::http::failure;
use crate::http::json::JsonSize;
use crate::http::memory_permit::{BODY_SHARE, JSON_SHARE, MemoryLimit, MemoryPermit};
use crate::http::peer::Peer;
use crate::http::stall::StallDetector;

/// Reads a whole body. Fails as soon as it is known to exceed `max_bytes`. A large body waits for the
/// memory permit until the deadline, and has it when it is returned. The size of the body as JSON is
/// known from its arrival, so that no parser has to look for it again.
pub(super) async fn read_whole(
    mut body: Incoming,
    max_bytes: usize,
    memory: &MemoryLimit,
    deadline: Instant,
) -> Result<(Bytes, JsonSize, Option<MemoryPermit>)> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    // A `Content-Length` beyond the bound fails before a byte is read.
    if announced > max_bytes {
        return Err(failure::too_long(max_bytes));
    }
    let mut permit = if announced > BODY_SHARE { memory.response(deadline).await? } else { None };
    let mut whole = BodyBuffer::new(announced, max_bytes)?;
    let (mut length, mut json) = (0, JsonSize::default());
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(failure::of_reading)?.into_data() else { continue };
        length += piece.len();
        json.add(&piece);
        // A call that waits here holds no more than its share.
        if permit.is_none() && (length > BODY_SHARE || json.bytes() > JSON_SHARE) {
            permit = memory.response(deadline).await?;
        }
        whole = whole.with(&piece)?.ok_or_else(|| failure::too_long(max_bytes))?;
    }
    Ok((whole.into_bytes(), json, permit))
}

/// Streams a body. The stream ends with an error after silence or too slow a rate.
pub(super) fn stream(
    body: Incoming,
    peer: Peer,
    silence: Duration,
    counted: Stream,
) -> BoxStream<'static, Result<Bytes>> {
    let pace = StallDetector::new(peer, silence);
    let pieces = stream::unfold(Some((body, pace, counted)), |state| async move {
        // The count lives in the state, so that dropping the stream ends it.
        let (mut body, mut pace, counted) = state?;
        match pace.next_piece(&mut body).await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some((body, pace, counted)))),
            Err(error) => Some((Err(error), None)),
        }
    });
    pieces.boxed()
}

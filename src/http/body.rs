//! Response bodies: read whole within a bound, or streamed with limits on silence and slowness.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::error::{Error, Result};
use crate::http::answer::UpstreamResponse;
use crate::http::body_buffer::BodyBuffer;
use crate::http::call::Call;
use crate::http::concurrency_limit::Permit;
use crate::http::connect::Stream;
use crate::http::failure;
use crate::http::memory_budget::MemoryBudget;
use crate::http::stall::StallDetector;

/// Reads a whole body. Fails as soon as the body is known to exceed `max_bytes` or `room`.
pub(super) async fn read_bounded(
    mut body: Incoming,
    max_bytes: usize,
    room: MemoryBudget,
) -> Result<Bytes> {
    let most = room.body(max_bytes);
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    // A `Content-Length` beyond the bound fails before a byte is read.
    if announced > most {
        return Err(too_long(most, max_bytes, room));
    }
    let mut whole = BodyBuffer::new(announced, most)?;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(failure::of_reading)?.into_data() else { continue };
        whole = whole.with(&piece)?.ok_or_else(|| too_long(most, max_bytes, room))?;
    }
    Ok(whole.into_bytes())
}

fn too_long(most: usize, max_bytes: usize, room: MemoryBudget) -> Error {
    let error = failure::too_long(most);
    // If the room is the limit, the error allows another attempt with more room.
    if most < max_bytes { room.lacks(error) } else { error }
}

/// Streams a body. The stream ends with an error after silence or too slow a rate.
pub(super) fn stream(
    body: Incoming,
    silence: Duration,
    call: Call,
    held: (Stream, Option<Permit>),
) -> BoxStream<'static, Result<Bytes>> {
    let pace = StallDetector::new(call.backend, silence);
    let pieces = stream::unfold(Some((body, pace, call, held)), |state| async move {
        // The guard and the permit live in the state, so that dropping the stream frees both.
        let (mut body, mut pace, call, held) = state?;
        match pace.next_piece(&mut body).await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some((body, pace, call, held)))),
            Err(error) => {
                call.ended::<UpstreamResponse>(Err(&error));
                Some((Err(error), None))
            }
        }
    });
    pieces.boxed()
}

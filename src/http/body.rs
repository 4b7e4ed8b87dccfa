//! Bodies: read whole within a bound, or passed on with a limit to silence.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::error::Result;
use crate::http::call::Call;
use crate::http::connect::Stream;
use crate::http::failure;
use crate::http::room::Room;
use crate::http::whole::Whole;

/// All of a body; an error as soon as it is known to be longer than `max_bytes`, or than there is
/// room for.
pub(super) async fn read_bounded(
    mut body: Incoming,
    max_bytes: usize,
    room: Room,
) -> Result<Bytes> {
    let most = room.body(max_bytes);
    let too_long = || {
        let error = failure::too_long(most);
        if most < max_bytes { room.lacks(error) } else { error }
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most {
        return Err(too_long());
    }
    let mut whole = Whole::new(announced, most)?;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(failure::of_reading)?.into_data() else { continue };
        whole = whole.with(&piece)?.ok_or_else(too_long)?;
    }
    Ok(whole.into_bytes())
}

/// A body as it comes; an error ends it, also one of longer silence than allowed.
pub(super) fn stream(
    body: Incoming,
    silence: Duration,
    call: Call,
    counted: Stream,
) -> BoxStream<'static, Result<Bytes>> {
    let pieces = stream::unfold(Some((body, call, counted)), move |state| async move {
        let (mut body, call, counted) = state?;
        match next_piece(&mut body, silence, &call).await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some((body, call, counted)))),
            Err(error) => {
                call.broke(&error);
                Some((Err(error), None))
            }
        }
    });
    pieces.boxed()
}

async fn next_piece(body: &mut Incoming, silence: Duration, call: &Call) -> Result<Option<Bytes>> {
    loop {
        let frame =
            timeout(silence, body.frame()).await.map_err(|_| failure::silent(call.backend))?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|error| failure::of_reading(error).at(call.backend))?;
        if let Ok(piece) = frame.into_data() {
            return Ok(Some(piece));
        }
    }
}

//! Bodies: read whole within a bound, or passed on with a limit to silence and slowness.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::error::Result;
use crate::http::call::Call;
use crate::http::connect::Stream;
use crate::http::failure;
use crate::http::pace::Pace;
use crate::http::room::Room;
use crate::http::turns::Permit;
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

/// A body as it comes; an error ends it, also one of longer silence than allowed, or of a backend
/// that keeps a download open with a byte now and then.
pub(super) fn stream(
    body: Incoming,
    silence: Duration,
    call: Call,
    held: (Stream, Option<Permit>),
) -> BoxStream<'static, Result<Bytes>> {
    let pace = Pace::new(call.backend, silence);
    let pieces = stream::unfold(Some((body, pace, call, held)), |state| async move {
        let (mut body, mut pace, call, held) = state?;
        match pace.next_piece(&mut body).await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some((body, pace, call, held)))),
            Err(error) => {
                call.broke(&error);
                Some((Err(error), None))
            }
        }
    });
    pieces.boxed()
}

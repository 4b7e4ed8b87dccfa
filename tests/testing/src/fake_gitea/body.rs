//! Bodies on the wire: whole, cut, stalled, endless.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::Reply;

pub(super) type WireBody = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

fn wire(pieces: BoxStream<'static, io::Result<Bytes>>) -> WireBody {
    StreamBody::new(pieces.map_ok(Frame::data).boxed())
}

fn head(reply: &Reply) -> hyper::http::response::Builder {
    let response = hyper::Response::builder().status(reply.status);
    reply.headers.iter().fold(response, |response, (name, value)| response.header(*name, value))
}

/// As the server means it.
pub(super) fn whole(reply: Reply, without_body: bool) -> hyper::Response<WireBody> {
    let mut response = head(&reply);
    if !reply.headers.iter().any(|(name, _)| *name == "Content-Length") {
        response = response.header("Content-Length", reply.body.len());
    }
    let body = if without_body { Vec::new() } else { reply.body };
    let pieces = stream::iter((!body.is_empty()).then(|| Ok(Bytes::from(body))));
    response.body(wire(pieces.boxed())).unwrap()
}

/// The first bytes of a longer body, then the end or silence.
pub(super) fn part(reply: Reply, bytes: usize, ends: bool) -> hyper::Response<WireBody> {
    let length = reply.body.len();
    let response = head(&Reply { body: Vec::new(), headers: without_length(&reply), ..reply });
    let piece = Bytes::from(reply.body).slice(..bytes.min(length));
    let begun = stream::iter([Ok(piece)]);
    let rest = if ends {
        let broken = async {
            // A pause is what makes the server send what it has.
            tokio::task::yield_now().await;
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        };
        stream::once(broken).boxed()
    } else {
        stream::pending().boxed()
    };
    response.header("Content-Length", length).body(wire(begun.chain(rest).boxed())).unwrap()
}

fn without_length(reply: &Reply) -> Vec<(&'static str, String)> {
    reply.headers.iter().filter(|(name, _)| *name != "Content-Length").cloned().collect()
}

/// `[0,0,…`, a mebibyte at a time, without a length.
pub(super) fn huge_json() -> hyper::Response<WireBody> {
    let piece = Bytes::from("0,".repeat(512 * 1024));
    let pieces = stream::iter(0..1024).map(move |_| Ok(piece.clone()));
    let opening = stream::iter([Ok(Bytes::from_static(b"["))]);
    let response = hyper::Response::builder().header("Content-Type", "application/json");
    response.body(wire(opening.chain(pieces).boxed())).unwrap()
}

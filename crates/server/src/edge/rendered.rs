//! Response bodies with their entity tag, encodings and headers, each computed once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::Digest;
use serde::Serialize;

use crate::edge::coding::Coding;

// Compressed directly on the connection's thread: a fraction of a millisecond.
const AT_ONCE: usize = 16 * 1024;
// Memory for encodings beyond the length of the body: short bodies are not compressed as well.
const SPARE: usize = 2048;
// Memory for the head: about 14 headers, without the values that others share.
const HEAD: usize = 2048;
const JSON: &str = "application/json";

/// A response body, cheap to clone.
#[derive(Clone, Debug)]
pub struct Rendered(Arc<RenderedBody>);

#[derive(Debug)]
struct RenderedBody {
    body: Bytes,
    etag: Option<HeaderValue>,
    content_type: HeaderValue,
    /// True if the bytes are sent as they are.
    is_exact: bool,
    /// Bytes left for encodings.
    spare: AtomicUsize,
    /// One cell per entry of [`Coding::ALL`]; empty if the encoding would not be shorter.
    encoded: [OnceLock<Bytes>; Coding::ALL.len()],
    head: OnceLock<HeaderMap>,
}

impl Rendered {
    /// Serializes a value as JSON, which fails for no type of this crate.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(unrendered)?;
        // `serde_json` doubles its buffer. A copy of the exact length keeps memory accounting true.
        Ok(Self::bytes(Bytes::copy_from_slice(&body)))
    }

    /// Serializes a value that changes with each request, as JSON without an entity tag.
    pub fn live(value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(unrendered)?;
        Ok(Self::of(body.into(), None, JSON))
    }

    /// Creates a body from JSON text.
    #[must_use]
    pub fn bytes(body: Bytes) -> Self {
        Self::new(body, JSON)
    }

    /// Creates a body from a text of this media type.
    #[must_use]
    pub fn text(text: String, content_type: &'static str) -> Self {
        Self::new(text.into(), content_type)
    }

    /// Creates a body from a text of this media type that changes with each request, without an
    /// entity tag.
    #[must_use]
    pub fn live_text(text: String, content_type: &'static str) -> Self {
        Self::of(text.into(), None, content_type)
    }

    /// Creates a body from the bytes of a file of this media type.
    #[must_use]
    pub fn file(bytes: &'static [u8], content_type: &'static str) -> Self {
        Self::new(Bytes::from_static(bytes), content_type)
    }

    fn new(body: Bytes, content_type: &'static str) -> Self {
        let digest = Digest::sha256(&body);
        let short = digest.hex().get(..32).unwrap_or_default();
        // Weak, because one tag stands for all encodings. 128 bits suffice against collisions.
        let etag = HeaderValue::from_str(&format!("W/\"{short}\""))
            .unwrap_or_else(|_| HeaderValue::from_static("W/\"\""));
        Self::of(body, Some(etag), content_type)
    }

    /// Creates a body whose bytes are its identity: with a strong entity tag, and never encoded.
    #[must_use]
    pub fn exact(body: Bytes, digest: &Digest, content_type: HeaderValue) -> Self {
        let etag = HeaderValue::from_str(&format!("\"{digest}\"")).ok();
        Self::made(body, etag, content_type, true)
    }

    fn of(body: Bytes, etag: Option<HeaderValue>, content_type: &'static str) -> Self {
        Self::made(body, etag, HeaderValue::from_static(content_type), false)
    }

    fn made(
        body: Bytes,
        etag: Option<HeaderValue>,
        content_type: HeaderValue,
        is_exact: bool,
    ) -> Self {
        let spare = AtomicUsize::new(body.len() + SPARE);
        let (encoded, head) = Default::default();
        Self(Arc::new(RenderedBody { body, etag, content_type, is_exact, spare, encoded, head }))
    }

    /// Returns the plain bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Returns the entity tag, which is weak if there are encodings; `None` for a live body.
    #[must_use]
    pub fn etag(&self) -> Option<&HeaderValue> {
        self.0.etag.as_ref()
    }

    /// Adds the headers of the plain body.
    pub fn describe(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, self.0.content_type.clone());
        self.etag().into_iter().for_each(|etag| drop(headers.insert(ETAG, etag.clone())));
    }

    /// Returns the headers that all responses with this body share. The first caller makes them.
    #[must_use]
    pub fn head(&self, make: impl FnOnce() -> HeaderMap) -> &HeaderMap {
        self.0.head.get_or_init(make)
    }

    /// Returns true if the encoded bytes exist or are cheap to compute.
    #[must_use]
    pub fn is_at_hand(&self, coding: Coding) -> bool {
        let made = self.0.encoded.get(coding as usize).is_some_and(|cell| cell.get().is_some());
        made || self.0.is_exact || self.0.body.len() <= AT_ONCE
    }

    /// The first caller computes while others wait. `None` if the result would not be shorter, or
    /// if all encodings together would be longer than the body and 2 KiB.
    #[must_use]
    pub fn encoded(&self, coding: Coding) -> Option<&Bytes> {
        let cell = self.0.encoded.get(coding as usize).filter(|_| !self.0.is_exact)?;
        let encoded = cell.get_or_init(|| {
            let encoded = coding.encode(&self.0.body).unwrap_or_default();
            let is_kept = encoded.len() < self.0.body.len() && self.reserve(encoded.len());
            if is_kept { encoded.into() } else { Bytes::new() }
        });
        (!encoded.is_empty()).then_some(encoded)
    }

    fn reserve(&self, bytes: usize) -> bool {
        let order = Ordering::Relaxed;
        self.0.spare.fetch_update(order, order, |spare| spare.checked_sub(bytes)).is_ok()
    }

    /// Returns the maximum memory use with head and all encodings, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let encodings = if self.0.is_exact { 0 } else { self.0.body.len() + SPARE };
        self.0.body.len() + encodings + HEAD + size_of::<RenderedBody>()
    }
}

fn unrendered(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "An answer cannot be rendered").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_made_once_and_only_if_it_is_shorter() {
        let long = Rendered::text("words and words ".repeat(100), "text/plain");
        let short = Rendered::bytes(Bytes::from_static(b"[]"));
        for coding in Coding::ALL {
            let first = long.encoded(coding).unwrap();
            assert!(first.len() < 200, "{coding:?}");
            let again = long.clone();
            assert_eq!(again.encoded(coding).unwrap().as_ptr(), first.as_ptr());
            assert_eq!(short.encoded(coding), None, "{coding:?}");
        }
    }

    #[test]
    fn exact_bytes_are_never_encoded() {
        let body = Bytes::from("words and words ".repeat(100_000));
        let digest = Digest::sha256(&body);
        let exact = Rendered::exact(body, &digest, HeaderValue::from_static("text/plain"));
        for coding in Coding::ALL {
            assert!(exact.is_at_hand(coding), "there is nothing to wait for");
            assert_eq!(exact.encoded(coding), None, "{coding:?}");
        }
        assert_eq!(exact.etag().unwrap(), &format!("\"{digest}\""));
    }

    #[test]
    fn encodings_take_no_more_memory_than_their_weight() {
        // Random bytes in hexadecimal digits shrink to a half, in each coding.
        let random: Vec<u8> = (0..40_000).map(|_| fastrand::u8(..)).collect();
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let body = Rendered::text(digits, "text/plain");
        let lengths = Coding::ALL.map(|coding| body.encoded(coding).map_or(0, Bytes::len));
        assert!(lengths[0] > 0, "the first one is kept");
        assert!(body.body().len() + lengths.iter().sum::<usize>() <= body.weight(), "{lengths:?}");
    }
}

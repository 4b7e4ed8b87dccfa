//! JSON or a text as bytes, with the entity tag of these bytes and the encodings that were asked
//! for; all of it is made once.

use std::sync::{Arc, OnceLock};

use axum::http::HeaderValue;
use bytes::Bytes;
use serde::Serialize;

use crate::api::coding::Coding;
use crate::error::{Error, ErrorKind, Result};
use crate::models::digest::Digest;

/// Bytes that are compressed where connections are served: that takes a fraction of a millisecond.
const AT_ONCE: usize = 16 * 1024;

/// Bytes as they are answered, cheap to clone.
#[derive(Clone, Debug)]
pub struct Rendered(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    body: Bytes,
    etag: HeaderValue,
    content_type: &'static str,
    /// One for each of [`Coding::ALL`]; empty where it would not be shorter.
    encoded: [OnceLock<Bytes>; Coding::ALL.len()],
}

impl Rendered {
    /// Renders a value.
    ///
    /// # Errors
    /// The value cannot be JSON, which none of ours is.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let internal = |error: serde_json::Error| {
            Error::new(ErrorKind::Internal, "An answer cannot be rendered").because(error)
        };
        let body = serde_json::to_vec(value).map_err(internal)?;
        // serde_json doubles its buffer as it writes. The copy is as long as bounds on memory count it.
        Ok(Self::bytes(Bytes::copy_from_slice(&body)))
    }

    /// Takes JSON as it is.
    #[must_use]
    pub fn bytes(body: Bytes) -> Self {
        Self::new(body, "application/json")
    }

    /// Takes a text of this media type.
    #[must_use]
    pub fn text(text: String, content_type: &'static str) -> Self {
        Self::new(text.into(), content_type)
    }

    fn new(body: Bytes, content_type: &'static str) -> Self {
        let digest = Digest::sha256(&body);
        let short = digest.hex().get(..32).unwrap_or_default();
        let etag = HeaderValue::from_str(&format!("W/\"{short}\""))
            .unwrap_or_else(|_| HeaderValue::from_static("W/\"\""));
        Self(Arc::new(Inner { body, etag, content_type, encoded: Default::default() }))
    }

    /// Its bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// The weak entity tag, the same in every encoding.
    #[must_use]
    pub fn etag(&self) -> &HeaderValue {
        &self.0.etag
    }

    /// Its media type.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.0.content_type
    }

    /// Whether its bytes in a coding are made, or made at once because they are few.
    #[must_use]
    pub fn is_at_hand(&self, coding: Coding) -> bool {
        let made = self.0.encoded.get(coding as usize).is_some_and(|cell| cell.get().is_some());
        made || self.0.body.len() <= AT_ONCE
    }

    /// Its bytes in a coding; made by the first who asks, while others wait. `None`: they would
    /// not be shorter.
    #[must_use]
    pub fn encoded(&self, coding: Coding) -> Option<&Bytes> {
        let cell = self.0.encoded.get(coding as usize)?;
        let encoded = cell.get_or_init(|| {
            let encoded = coding.encode(&self.0.body).unwrap_or_default();
            if encoded.len() < self.0.body.len() { encoded.into() } else { Bytes::new() }
        });
        (!encoded.is_empty()).then_some(encoded)
    }

    /// The most that it can take up, in bytes: an encoding is kept only if it is shorter.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.body.len() * (1 + Coding::ALL.len()) + size_of::<Inner>()
    }
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
}

//! Response extensions about the content coding of a body.

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::response::Response;

use crate::edge::coding::Coding;
use crate::edge::rendered::Rendered;

/// Response extension: the body is not encoded yet, and the client prefers this coding.
#[derive(Clone, Debug)]
pub struct Uncoded(pub Rendered, pub Coding);

impl Uncoded {
    /// Computes the encoded body, which is kept only if it is shorter. Takes milliseconds.
    pub fn make(&self) {
        let _ = self.0.encoded(self.1);
    }

    /// Replaces the body by the encoded one, if there is one.
    pub fn put(&self, response: &mut Response) {
        let Some(coded) = self.0.encoded(self.1) else { return };
        *response.body_mut() = coded.clone().into();
        // The length is that of the plain body; the server sets the new one.
        response.headers_mut().remove(CONTENT_LENGTH);
        let coding = HeaderValue::from_static(self.1.as_str());
        response.headers_mut().insert(CONTENT_ENCODING, coding);
    }
}

/// Response extension: the coding is final, so that no layer compresses the body again.
#[derive(Clone, Copy, Debug)]
pub struct Coded;

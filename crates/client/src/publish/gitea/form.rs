//! The form of an upload: `multipart/form-data` with one field, which every version of Gitea takes.

use registry_core::models::digest::Digest;

use crate::http::request_body::{BodyPart, UploadBody};

/// A file as it is uploaded.
#[derive(Clone, Debug)]
pub(super) struct UploadForm {
    pub(super) name: String,
    pub(super) content_type: String,
    /// The content, between the lines of the form.
    pub(super) body: UploadBody,
    /// Length of the content in bytes.
    pub(super) size: u64,
}

impl UploadForm {
    /// Makes the form of a file. `name` has no quotes and no control characters.
    pub(super) fn new(name: String, content: BodyPart, size: u64, digest: &Digest) -> Self {
        // No content has its own digest in it. A separator has at most 70 characters.
        let boundary = format!("extreg-{:.56}", digest.hex());
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"attachment\"; \
             filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        Self {
            name,
            content_type: format!("multipart/form-data; boundary={boundary}"),
            body: vec![head.into(), content, tail.into()].into(),
            size,
        }
    }

    /// Makes the form of bytes in memory.
    pub(super) fn of_bytes(name: String, bytes: Vec<u8>) -> Self {
        let (size, digest) = (bytes.len() as u64, Digest::sha256(&bytes));
        Self::new(name, bytes.into(), size, &digest)
    }
}

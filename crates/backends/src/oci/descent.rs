//! The way from an index to the manifest of a release.

use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;

use crate::oci::artifact::{DOCUMENTS_MAX, INDEX_DEPTH_MAX, children, has_archive};
use crate::oci::contents::{ContentReader, digest_of};
use crate::oci::failures::is_lasting;
use crate::oci::models::{Annotations, Document};
use crate::oci::repository::OciRepository;

/// A manifest, and the annotations of the indexes above it, the nearest first.
pub(super) struct FoundManifest {
    pub(super) manifest: Document,
    pub(super) above: Vec<Annotations>,
}

/// Search for one manifest, which reads a bounded number of documents.
pub(super) struct Descent<'a> {
    contents: &'a ContentReader,
    repository: &'a OciRepository,
    /// Number of documents that may still be read; indexes can refer to the same repeatedly.
    left: usize,
}

impl<'a> Descent<'a> {
    pub(super) const fn new(contents: &'a ContentReader, repository: &'a OciRepository) -> Self {
        Self { contents, repository, left: DOCUMENTS_MAX }
    }

    /// Finds the manifest at or below the document with this digest.
    pub(super) async fn find(mut self, digest: &Digest) -> Result<FoundManifest> {
        let document = self.document(digest).await?;
        self.descend(document, 0).await
    }

    /// Finds the manifest at or below a document.
    pub(super) async fn below(mut self, document: Document) -> Result<FoundManifest> {
        self.descend(document, 0).await
    }

    /// Finds the first manifest with an archive, or else the first readable one.
    async fn descend(&mut self, document: Document, depth: usize) -> Result<FoundManifest> {
        if !document.is_index() {
            return Ok(FoundManifest { manifest: document, above: Vec::new() });
        }
        if depth >= INDEX_DEPTH_MAX {
            let message = format!("More than {INDEX_DEPTH_MAX} indexes lie in each other");
            return Err(Error::faulty(message));
        }
        let mut failure = Error::faulty("The index leads to no manifest that can be read");
        let mut without = None;
        for child in children(&document) {
            let found = async {
                let inner = self.document(&digest_of(child)?).await?;
                Box::pin(self.descend(inner, depth + 1)).await
            };
            match found.await {
                Ok(mut found) => {
                    found.above.push(child.annotations.clone());
                    found.above.push(document.annotations.clone());
                    // The first entry may be for another purpose, such as an attestation without a
                    // mark.
                    if has_archive(&found.manifest) {
                        return Ok(found);
                    }
                    without.get_or_insert(found);
                }
                Err(error) if is_lasting(&error) && self.left > 0 => {
                    failure = failure.because(error);
                }
                // A missing part is not the absence of the whole.
                Err(error) if error.is_not_found() => return Err(failure.because(error)),
                Err(error) => return Err(error),
            }
        }
        without.ok_or(failure)
    }

    async fn document(&mut self, digest: &Digest) -> Result<Document> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| Error::faulty("Too many documents lead to a manifest"))?;
        self.contents.document(self.repository, digest).await
    }
}

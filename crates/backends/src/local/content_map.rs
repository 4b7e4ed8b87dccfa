//! What belongs to one image layout: every manifest and blob that its `index.json` leads to.

use std::collections::HashMap;

use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;

use crate::local::layout::{Layout, parse_digest};
use crate::oci::artifact::INDEX_DEPTH_MAX;
use crate::oci::manifest_type::manifest_type;
use crate::oci::models::{Descriptor, Document};

/// Maximum number of manifests of one layout; about as many tags fit into an `index.json`.
const MANIFESTS_MAX: usize = 50_000;
/// Maximum number of blobs of one layout.
const BLOBS_MAX: usize = 200_000;
/// Approximate memory of one digest and its size, in bytes.
const DIGEST_COST: usize = 160;

/// The objects of a layout. Layouts may share a directory of blobs by links, so that the existence of
/// a file does not show to which of them it belongs.
#[derive(Debug, Default)]
pub(super) struct ContentMap {
    /// Sizes and announced media types.
    manifests: HashMap<Digest, (u64, String)>,
    blobs: HashMap<Digest, u64>,
    /// Manifests with a subject, by its digest.
    referrers: HashMap<Digest, Vec<Descriptor>>,
    /// Reason why a part is unknown.
    gap: Option<Error>,
}

impl ContentMap {
    /// Reads every manifest that the index leads to. One that cannot be read is a gap, not an error.
    pub(super) fn read(layout: &Layout, index: &Document) -> Self {
        let mut map = Self::default();
        map.enter(layout, index, 0);
        map
    }

    /// Returns the descriptor of a manifest or index.
    ///
    /// # Errors
    /// `NotFound` for a digest that is not in the layout, `BackendFaulty` if that is not certain.
    pub(super) fn manifest(&self, digest: &Digest) -> Result<Descriptor> {
        let known = self.manifests.get(digest);
        let (size, media_type) = known.ok_or_else(|| self.missing("manifest", digest))?;
        Ok(Descriptor {
            media_type: media_type.clone(),
            digest: digest.to_string(),
            size: *size,
            ..Descriptor::default()
        })
    }

    /// Returns the size of a blob or manifest, with the errors of [`ContentMap::manifest`].
    pub(super) fn blob(&self, digest: &Digest) -> Result<u64> {
        let of_manifest = || self.manifests.get(digest).map(|(size, _)| size);
        let size = self.blobs.get(digest).or_else(of_manifest);
        size.copied().ok_or_else(|| self.missing("blob", digest))
    }

    /// Returns the manifests that refer to this digest. Fails if there may be others.
    pub(super) fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        match &self.gap {
            Some(gap) => Err(gap.clone()),
            None => Ok(self.referrers.get(subject).cloned().unwrap_or_default()),
        }
    }

    /// Returns true if everything could be read.
    pub(super) const fn is_whole(&self) -> bool {
        self.gap.is_none()
    }

    /// Returns the approximate size in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let referrers = self.referrers.values().flatten().map(Descriptor::weight);
        (self.manifests.len() + self.blobs.len()) * DIGEST_COST + referrers.sum::<usize>()
    }

    fn missing(&self, what: &str, digest: &Digest) -> Error {
        match &self.gap {
            // The unreadable manifest may be the one that names this digest.
            Some(gap) => Error::faulty(format!("Whether the layout has {digest} is unknown"))
                .because(gap.clone()),
            None => Error::not_found(format!("The layout has no {what} {digest}")),
        }
    }

    fn enter(&mut self, layout: &Layout, index: &Document, depth: usize) {
        for entry in index.manifests.iter().flatten() {
            let read = self.document(layout, entry, depth);
            if let Err(error) = read {
                self.gap.get_or_insert(error);
            }
        }
    }

    fn document(&mut self, layout: &Layout, entry: &Descriptor, depth: usize) -> Result<()> {
        let digest: Digest = parse_digest(entry)?;
        if self.manifests.contains_key(&digest) {
            return Ok(());
        }
        if depth > INDEX_DEPTH_MAX || self.manifests.len() >= MANIFESTS_MAX {
            return Err(Error::faulty("The layout has more manifests than are read"));
        }
        // Before the read: an unreadable manifest belongs to the layout, and a request for it fails.
        self.manifests.insert(digest.clone(), (entry.size, entry.media_type.clone()));
        // Tools copy an index without the manifests of other platforms.
        if depth > 0 && layout.lacks(&digest) {
            return Ok(());
        }
        let document = layout.document(entry)?;
        for blob in document.config.iter().chain(&document.layers) {
            if self.blobs.len() >= BLOBS_MAX {
                return Err(Error::faulty("The layout has more blobs than are read"));
            }
            self.blobs.insert(parse_digest(blob)?, blob.size);
        }
        if let Some(subject) = &document.subject {
            let referrer = referrer(&digest, entry.size, &document);
            self.referrers.entry(parse_digest(subject)?).or_default().push(referrer);
        }
        self.enter(layout, &document, depth + 1);
        Ok(())
    }
}

/// Returns the descriptor of a referrer (distribution-spec, "Listing Referrers").
fn referrer(digest: &Digest, size: u64, document: &Document) -> Descriptor {
    let of_config = document.config.as_ref().map(|config| config.media_type.clone());
    let artifact_type = match document.artifact_type.as_str() {
        "" => of_config.unwrap_or_default(),
        own => own.to_owned(),
    };
    Descriptor {
        media_type: manifest_type(document, ""),
        digest: digest.to_string(),
        size,
        annotations: document.annotations.clone(),
        artifact_type,
        platform: None,
    }
}

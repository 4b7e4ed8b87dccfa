//! A pinned file as readers see it.

use jiff::Timestamp;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;

use crate::pins::digest_origin::DigestOrigin;
use crate::pins::pin::Pin;

/// The file that was downloaded first of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedFile {
    /// The backend that had it.
    pub backend: BackendId,
    /// The version, or the tag if another tag stands for the version.
    pub version: String,
    /// File name from the publisher; `None` for a pin of version 0.1, which holds for any file.
    pub file: Option<String>,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Who stated the digest; `None` for a pin that was made before origins were recorded.
    pub origin: Option<DigestOrigin>,
    /// Time of the first download, in whole seconds; `None` like `origin`.
    pub since: Option<Timestamp>,
}

impl PinnedFile {
    pub(super) fn new(backend: BackendId, version: &str, pin: &Pin) -> Self {
        Self {
            backend,
            version: version.to_owned(),
            file: pin.file_name.as_deref().map(str::to_owned),
            digest: pin.digest.clone(),
            origin: pin.origin,
            since: pin.since,
        }
    }
}

/// Sorts pins of one backend as lists sort their versions; those of one version stay in order.
pub(super) fn newest_first(files: &mut Vec<PinnedFile>) {
    let release = |file: &PinnedFile| {
        // A name that is no tag comes from an edited state file. It goes last.
        file.version.parse().ok().map(|tag| Release::of_tag(file.backend, tag))
    };
    let mut placed: Vec<_> = files.drain(..).map(|file| (release(&file), file)).collect();
    placed.sort_by(|(some, _), (other, _)| match (some, other) {
        (Some(some), Some(other)) => some.cmp_listed(other),
        _ => other.is_some().cmp(&some.is_some()),
    });
    files.extend(placed.into_iter().map(|(_, file)| file));
}

//! Manifests, blobs and referrers of image layouts as they are stored.

use std::fs::File;
use std::ops::Range;

use async_trait::async_trait;
use registry_core::backend::download::Download;
use registry_core::backend::oci_content::{OciContent, Reference, StoredManifest};
use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::Tag;
use registry_core::models::truncate::printable;

use crate::local::backend::{LocalBackend, part_of};
use crate::local::layout::Layout;
use crate::local::release::entry_of;
use crate::oci::artifact::MANIFEST_MAX;
use crate::oci::manifest_type::manifest_type;
use crate::oci::models::{Descriptor, Document};
use crate::oci::object::from_object;
use crate::oci::referrers_index::referrers_index;

/// Maximum length of a reference in a message, in characters.
const SHOWN_MAX: usize = 128;

#[async_trait]
impl OciContent for LocalBackend {
    async fn manifest(&self, id: &ExtensionId, reference: &Reference) -> Result<StoredManifest> {
        let (id, reference) = (id.clone(), reference.clone());
        self.ask(move |this| {
            let (id, layout) = this.layout(&id)?;
            match &reference {
                Reference::Tag(text) => {
                    let tag: Tag = text.parse().map_err(|_| no_tag(&id, text))?;
                    stored(&layout, entry_of(&layout.index()?, &id, &tag)?)
                }
                Reference::Digest(digest) => {
                    let map = this.content_maps().of(&id, &layout)?;
                    stored(&layout, &map.manifest(digest)?)
                }
            }
        })
        .await
    }

    async fn blob(
        &self,
        id: &ExtensionId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        let (id, digest) = (id.clone(), digest.clone());
        let opened = self.ask(move |this| open(this, &id, &digest, range.as_ref()));
        let (file, part) = opened.await?;
        Ok(Download::from_file(file, part))
    }

    async fn referrers(&self, id: &ExtensionId, subject: &Digest) -> Result<StoredManifest> {
        let (id, subject) = (id.clone(), subject.clone());
        self.ask(move |this| {
            let (id, layout) = this.layout(&id)?;
            Ok(referrers_index(this.content_maps().of(&id, &layout)?.referrers(&subject)?))
        })
        .await
    }
}

fn stored(layout: &Layout, entry: &Descriptor) -> Result<StoredManifest> {
    let bytes = layout.blob_bytes(entry, MANIFEST_MAX)?;
    let document: Document = from_object(&bytes).map_err(|error| {
        Error::faulty(format!("blob {} is not a manifest", entry.digest)).because(error)
    })?;
    let media_type = manifest_type(&document, &entry.media_type);
    let digest = entry.digest.parse();
    let digest = digest.map_err(|error| Error::faulty("An entry has no digest").because(error))?;
    Ok(StoredManifest { bytes: bytes.into(), media_type, digest })
}

fn open(
    backend: &LocalBackend,
    id: &ExtensionId,
    digest: &Digest,
    range: Option<&Range<u64>>,
) -> Result<(File, Range<u64>)> {
    let (id, layout) = backend.layout(id)?;
    let size = backend.content_maps().of(&id, &layout)?.blob(digest)?;
    let (file, length) = layout.blob(digest)?;
    // A truncated upload is a fault of the layout, not a shorter blob.
    if length != size {
        let message = format!("blob {digest} has {length} bytes instead of {size}");
        return Err(Error::faulty(message));
    }
    Ok((file, part_of(size, range)?))
}

fn no_tag(id: &ExtensionId, text: &str) -> Error {
    // The text comes from a caller, who may have written anything of any length.
    Error::not_found(format!("Extension {id} has no tag {}", printable(text, SHOWN_MAX)))
}

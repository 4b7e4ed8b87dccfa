//! Converts an image layout to an extension. Unreadable tags become faults.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use registry_core::error::{Error, Result};
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::fault::ExtensionFault;
use registry_core::models::naming::ExtensionId;
use registry_core::models::oci_manifest::REF_NAME;
use registry_core::models::tag::Tag;
use registry_packing::layout::tag_of;

use crate::local::layout::Layout;
use crate::oci::artifact::{
    CONFIG_MAX, DOCUMENTS_MAX, HEAD_MAX, INDEX_DEPTH_MAX, children, choose_by_bytes, choose_layer,
    files, has_archive, lack_of_archive, untold_layer,
};
use crate::oci::claims::Claims;
use crate::oci::documents::notes;
use crate::oci::models::{Annotations, ConfigBlob, Descriptor, Document, EMPTY};
use crate::oci::object::from_object;
use crate::oci::unlisted::{Unfit, nothing_listed};

/// Reads every release. An unreadable tag becomes a fault; an unreadable index is an error.
pub fn read_extension(
    backend: BackendId,
    layout: &Layout,
    id: &ExtensionId,
    now: Timestamp,
) -> Result<Extension> {
    let index = layout.index()?;
    let reader = LayoutReader { backend, layout, id, now };
    let mut releases = Vec::new();
    let mut faults: Vec<ExtensionFault> = unfit(&index).fault().into_iter().collect();
    let tagged: Vec<(Tag, &Descriptor)> = tags(&index).collect();
    for (tag, entry) in tagged.iter().filter(|(tag, _)| !tag.is_housekeeping()) {
        match reader.release(tag.clone(), entry, &mut faults) {
            Ok(release) => releases.push(release),
            Err(error) => faults.push(ExtensionFault::unreadable_tag(tag, error.report())),
        }
    }
    let extension = Extension::new(id.clone(), releases);
    if extension.releases().is_empty() && faults.is_empty() {
        faults.extend(nothing_listed(tagged.iter().map(|(tag, _)| tag)));
    }
    // An entry without a readable descriptor may be any tag, so the list is incomplete.
    let nameless = index.manifests.iter().flatten().filter(|entry| entry.is_unreadable()).count();
    let coverage = match nameless {
        0 => Coverage::Complete,
        some => Coverage::Partial(format!("{some} entries of index.json cannot be read").into()),
    };
    Ok(extension.with_faults(faults).with_coverage(coverage))
}

fn unfit(index: &Document) -> Unfit {
    let mut unfit = Unfit::default();
    let names =
        index.manifests.iter().flatten().filter_map(|entry| entry.annotations.get(REF_NAME));
    names.filter(|name| tag_of(name).is_none()).for_each(|name| unfit.note(name));
    unfit
}

/// Reads one tag of a layout. `NotFound` without it; another kind if it cannot be read.
pub fn read_version(
    backend: BackendId,
    layout: &Layout,
    id: &ExtensionId,
    wanted: &Tag,
    now: Timestamp,
) -> Result<Release> {
    let index = layout.index()?;
    let entry = entry_of(&index, id, wanted)?;
    LayoutReader { backend, layout, id, now }.release(wanted.clone(), entry, &mut Vec::new())
}

pub(super) fn entry_of<'a>(
    index: &'a Document,
    id: &ExtensionId,
    wanted: &Tag,
) -> Result<&'a Descriptor> {
    let found = tags(index).find(|(tag, _)| tag == wanted).map(|(_, entry)| entry);
    found.ok_or_else(|| Error::not_found(format!("Extension {id} has no tag {wanted}")))
}

/// Iterates over the tagged entries of an index. For duplicate tags the first entry wins, as in
/// zot. Entries without a name are normal (signatures, attestations, manifests whose tag moved).
fn tags(index: &Document) -> impl Iterator<Item = (Tag, &Descriptor)> {
    let mut seen = HashSet::new();
    index.manifests.iter().flatten().filter_map(move |entry| {
        let tag = tag_of(entry.annotations.get(REF_NAME)?)?;
        seen.insert(tag.clone()).then_some((tag, entry))
    })
}

struct LayoutReader<'a> {
    backend: BackendId,
    layout: &'a Layout,
    id: &'a ExtensionId,
    now: Timestamp,
}

/// A manifest, and the annotations of the indexes on the path to it, nearest first.
pub(super) struct LocalManifest {
    pub(super) manifest: Document,
    pub(super) above: Vec<Annotations>,
}

impl LayoutReader<'_> {
    fn release(
        &self,
        tag: Tag,
        entry: &Descriptor,
        faults: &mut Vec<ExtensionFault>,
    ) -> Result<Release> {
        let LocalManifest { manifest, above } = manifest_of(self.layout, entry)?;
        // Metadata is optional: an unreadable config blob costs the release its description, not
        // its archive.
        let config = self.config(&manifest).unwrap_or_else(|error| {
            faults.push(ExtensionFault::unreadable_tag(&tag, error.report()));
            None
        });
        let claims = Claims {
            annotations: std::iter::once(&manifest.annotations).chain(&above).collect(),
            config: config.as_ref(),
        };
        let release = Release::of_tag(self.backend, tag);
        let artifact = self.artifact(release.version.as_str(), &manifest)?;
        if !artifact.is_usable() {
            let reason = lack_of_archive(&manifest);
            faults.push(ExtensionFault::unusable_tag(&release.tag, reason));
        }
        Ok(Release {
            published_at: claims.published_at(self.now),
            about: Arc::new(claims.about()),
            notes: notes(&claims),
            artifact,
            assets: files(&manifest.layers, |_| None),
            manifest_digest: entry.digest.parse().ok(),
            ..release
        })
    }

    fn config(&self, manifest: &Document) -> Result<Option<ConfigBlob>> {
        let Some(config) = &manifest.config else {
            return Ok(None);
        };
        if config.media_type == EMPTY || config.size > CONFIG_MAX || config.size <= 2 {
            return Ok(None);
        }
        let bytes = self.layout.blob_bytes(config, CONFIG_MAX)?;
        Ok(from_object(&bytes).ok())
    }

    fn artifact(&self, version: &str, manifest: &Document) -> Result<ArtifactChoice> {
        let mut choice = choose_layer(self.id, version, &manifest.layers, |_| None)?;
        // Only a layer without a telling media type or title is opened, to recognize it by its
        // first bytes.
        if let (ArtifactChoice::Nothing, Some(layer)) = (&choice, untold_layer(manifest)) {
            let head = self.layout.head_of(layer, HEAD_MAX)?;
            choice = choose_by_bytes(self.id, version, layer, &head, |_| None)?;
        }
        if let ArtifactChoice::Chosen(artifact) = &choice
            && let Some(digest) = &artifact.digest
        {
            // A missing blob makes the release unreadable now instead of failing its download
            // later.
            self.layout.check_blob(digest, artifact.size)?;
        }
        Ok(choice)
    }
}

/// Finds the first child with an archive, or else the first readable one. Fails without any.
pub(super) fn manifest_of(layout: &Layout, entry: &Descriptor) -> Result<LocalManifest> {
    let mut left = DOCUMENTS_MAX;
    descend(layout, entry, 0, &mut left)
}

/// `left` bounds the documents to read: nested indexes can refer to the same repeatedly.
fn descend(
    layout: &Layout,
    entry: &Descriptor,
    depth: usize,
    left: &mut usize,
) -> Result<LocalManifest> {
    if depth > INDEX_DEPTH_MAX {
        return Err(Error::faulty(format!("more than {INDEX_DEPTH_MAX} indexes in each other")));
    }
    let fewer = left.checked_sub(1);
    *left = fewer.ok_or_else(|| Error::faulty("too many documents lead to a manifest"))?;
    let document = layout.document(entry)?;
    if !document.is_index() {
        return Ok(LocalManifest { manifest: document, above: Vec::new() });
    }
    let mut failure = Error::faulty("its index has no manifest that can be served");
    let mut without = None;
    for child in children(&document) {
        match descend(layout, child, depth + 1, left) {
            Ok(mut found) => {
                found.above.push(child.annotations.clone());
                found.above.push(document.annotations.clone());
                // Indexes of multi-platform builds also list attestations, which contain no
                // archive.
                if has_archive(&found.manifest) {
                    return Ok(found);
                }
                without.get_or_insert(found);
            }
            Err(error) => failure = error,
        }
    }
    without.ok_or(failure)
}

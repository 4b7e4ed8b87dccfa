//! The OCI manifest that a publisher stores among the files of a release. No I/O.

use std::sync::Arc;

use bytes::Bytes;
use registry_core::models::artifact::{ARCHIVE_ENDINGS, Artifact};
use registry_core::models::digest::Digest;
use registry_core::models::extension::{About, FileFault, Release};
use registry_core::models::oci_manifest::{OciLayer, OciManifest, layer_type};

use crate::gitea::checksums::fault;
use crate::oci::claims::Claims;
use crate::oci::documents::notes;
use crate::oci::models::Document;
use crate::oci::object::from_object;

/// File name, after the name of the archive.
const ENDING: &str = ".manifest.json";

/// A manifest that describes one archive.
#[derive(Debug)]
pub(super) struct PublishedManifest {
    pub(super) bytes: Bytes,
    pub(super) digest: Digest,
    pub(super) document: Document,
    /// The only layer with the media type of an archive.
    pub(super) archive: OciLayer,
    /// Metadata as registries give it for the same manifest.
    pub(super) about: Arc<About>,
    pub(super) notes: Option<Arc<str>>,
}

impl PublishedManifest {
    /// Parses the content of the file. An error is a reason, after the file's name.
    pub(super) fn parse(bytes: Bytes) -> Result<Self, String> {
        let manifest = OciManifest::parse(&bytes)?;
        let document: Document =
            from_object(&bytes).map_err(|error| format!("is no manifest: {error}"))?;
        let mut archives = manifest.layers.into_iter().filter(|one| is_archive(&one.media_type));
        let (Some(archive), None) = (archives.next(), archives.next()) else {
            return Err("does not have exactly one layer of an archive type".to_owned());
        };
        let claims = Claims { annotations: vec![&document.annotations], config: None };
        let (about, notes) = (Arc::new(claims.about()), notes(&claims));
        let digest = Digest::sha256(&bytes);
        Ok(Self { bytes, digest, document, archive, about, notes })
    }

    /// Returns the reason why it is not the manifest of this archive, if it is not.
    pub(super) fn contradiction(&self, file: &Artifact, digest: Option<&Digest>) -> Option<String> {
        let OciLayer { size, digest: named, .. } = &self.archive;
        if let Some(found) = file.known_size().filter(|found| found != size) {
            return Some(format!("names an archive of {size} bytes, and the archive has {found}"));
        }
        // Digests of two algorithms cannot be compared; the blob is verified when it is read.
        let comparable = digest.filter(|digest| digest.algorithm() == named.algorithm());
        let other = comparable.filter(|digest| *digest != named)?;
        Some(format!("names the digest {named}, and the archive has {other}"))
    }

    /// Returns the approximate size in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let notes = self.notes.as_ref().map_or(0, |notes| notes.len());
        self.bytes.len() + self.document.weight() + self.about.weight() + notes + size_of::<Self>()
    }

    /// Describes a release as registries do. `page` stands in for a source that it does not name.
    pub(super) fn describe(&self, release: &mut Release, page: Option<&str>) {
        release.about = Arc::clone(&self.about);
        if self.about.repository.is_none() {
            Arc::make_mut(&mut release.about).repository = page.map(Into::into);
        }
    }
}

fn is_archive(media_type: &str) -> bool {
    let types = ARCHIVE_ENDINGS.iter().filter_map(|ending| layer_type(&format!("x{ending}")));
    types.into_iter().any(|archive| archive == media_type)
}

/// Finds the file with the manifest of a release's archive. `None` without one. Several of that name
/// are a fault: their order is the server's, which may change it.
pub(super) fn manifest_file(release: &Release) -> Option<Result<&Artifact, FileFault>> {
    let archive = release.artifact.chosen()?;
    let name = format!("{}{ENDING}", archive.file_name);
    // The content of a link to another server may change, so that it is no manifest.
    let is_manifest =
        |file: &&Arc<Artifact>| *file.file_name == *name && file.known_size().is_some();
    let mut files = release.assets.iter().filter(is_manifest);
    let first = files.next()?;
    Some(match files.next() {
        None => Ok(first),
        Some(_) => Err(fault("manifest", first, "is there more than once")),
    })
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::ArtifactKey;
    use registry_core::models::oci_manifest::README_TYPE;

    use super::*;

    fn layer(media_type: &str) -> OciLayer {
        let title = "../evil".to_owned();
        OciLayer { media_type: media_type.to_owned(), digest: Digest::sha256(b"x"), size: 7, title }
    }

    fn parse(types: &[&str]) -> Result<PublishedManifest, String> {
        let layers = types.iter().map(|media_type| layer(media_type)).collect();
        let manifest = OciManifest { layers, annotations: [].into() };
        PublishedManifest::parse(manifest.to_bytes().into())
    }

    #[test]
    fn exactly_one_layer_is_the_archive() {
        let (tar, zip) = (layer_type("a.tgz").unwrap(), layer_type("a.zip").unwrap());
        for (types, good) in [
            (&[tar][..], true),
            (&[tar, README_TYPE], true),
            (&[README_TYPE, zip], true),
            (&[tar, tar], false),
            (&[tar, zip], false),
            (&[README_TYPE], false),
            (&[], false),
            (&["application/x"], false),
        ] {
            assert_eq!(parse(types).is_ok(), good, "{types:?}");
        }
    }

    #[test]
    fn a_manifest_of_another_archive_says_so() {
        let manifest = parse(&[layer_type("a.tgz").unwrap()]).unwrap();
        let file = |size| Artifact {
            key: ArtifactKey::new("k"),
            file_name: "a.tgz".into(),
            size,
            digest: None,
            url: None,
        };
        let sha512 = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
        for (size, digest, contradicts) in [
            (7, None, false),
            (8, None, true),
            (Artifact::UNKNOWN_SIZE, None, false),
            (7, Some(Digest::sha256(b"x")), false),
            (7, Some(Digest::sha256(b"y")), true),
            (7, Some(sha512), false),
        ] {
            let found = manifest.contradiction(&file(size), digest.as_ref());
            assert_eq!(found.is_some(), contradicts, "{size} {digest:?}");
        }
    }
}

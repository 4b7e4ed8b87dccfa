//! The README of a release in a layout.

use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::{README_MAX, Readme};
use registry_core::models::tag::Tag;

use crate::local::layout::Layout;
use crate::local::release::{LocalManifest, entry_of, manifest_of};
use crate::oci::documents::{ReadmeAt, readme_of};

/// Reads the README of a tag's current manifest. `None` without one of a supported size;
/// `NotFound` without such a tag.
pub fn read_readme(layout: &Layout, id: &ExtensionId, tag: &Tag) -> Result<Option<Readme>> {
    let index = layout.index()?;
    let LocalManifest { manifest, above } = manifest_of(layout, entry_of(&index, id, tag)?)?;
    Ok(match readme_of(&manifest, &above) {
        None => None,
        Some(ReadmeAt::Text(text)) => {
            let digest = Digest::sha256(text.as_bytes());
            Some(Readme::new(digest.to_string(), text.as_bytes()))
        }
        Some(ReadmeAt::Layer(layer)) => {
            let bytes = layout
                .blob_bytes(layer, README_MAX)
                .map_err(|error| Error::faulty("The README cannot be read").because(error))?;
            Some(Readme::new(layer.digest.as_str(), &bytes))
        }
    })
}

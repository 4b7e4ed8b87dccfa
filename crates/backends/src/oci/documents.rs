//! Readable documents in a manifest. Shared by registries and image layouts; no I/O.

use std::sync::Arc;

use registry_core::models::notes::release_notes;
use registry_core::models::readme::{README_MAX, rank_of};

use crate::oci::claims::Claims;
use crate::oci::layers::title;
use crate::oci::models::{Annotations, Descriptor, Document};

/// Annotation with release notes. OCI defines none, so that Artifact Hub's is used.
const NOTES: &str = "io.artifacthub.package.changes";
/// Annotation with the text (not the address) of a README that is not a layer.
const README: &str = "io.artifacthub.package.readme";
/// Media type of a README layer without a title.
const MARKDOWN: &str = "text/markdown";

/// Location of the README in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadmeAt<'a> {
    /// A layer within the size limit.
    Layer(&'a Descriptor),
    /// The text of an annotation.
    Text(&'a str),
}

/// Finds the README of a manifest: the layer with the best title, a layer of Markdown, or an
/// annotation of the manifest or of an index above it.
#[must_use]
pub fn readme_of<'a>(manifest: &'a Document, above: &'a [Annotations]) -> Option<ReadmeAt<'a>> {
    let layers = manifest.layers.iter().filter(|layer| layer.size <= README_MAX);
    let ranked = layers.filter_map(|layer| Some((rank(layer)?, layer)));
    if let Some((_, layer)) = ranked.min_by_key(|(rank, _)| *rank) {
        return Some(ReadmeAt::Layer(layer));
    }
    let places = std::iter::once(&manifest.annotations).chain(above);
    let mut texts = places.filter_map(|place| place.get(README));
    let text = texts.find(|text| text.len() as u64 <= README_MAX)?;
    Some(ReadmeAt::Text(text))
}

/// Returns the rank of a layer that may be a README; the lowest is the best.
fn rank(layer: &Descriptor) -> Option<usize> {
    match title(layer).and_then(rank_of) {
        None if layer.media_type == MARKDOWN => Some(usize::MAX),
        rank => rank,
    }
}

/// Returns the release notes from the nearest source that has them.
#[must_use]
pub fn notes(claims: &Claims<'_>) -> Option<Arc<str>> {
    claims.annotations.iter().find_map(|annotations| release_notes(annotations.get(NOTES)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(layers: &[(&str, &str)]) -> Document {
        let layer = |(kind, title): &(&str, &str)| {
            let title = ("org.opencontainers.image.title".to_owned(), (*title).to_owned());
            Descriptor {
                media_type: (*kind).to_owned(),
                annotations: [title].into(),
                ..Descriptor::default()
            }
        };
        Document { layers: layers.iter().map(layer).collect(), ..Document::default() }
    }

    #[test]
    fn the_readme_is_the_layer_that_looks_most_like_one() {
        for (layers, expected) in [
            (&[("application/gzip", "a.tgz"), ("text/plain", "README.md")][..], Some(1)),
            (&[("text/markdown", "CHANGES.md"), ("x", "readme")], Some(1)),
            (&[("x", "a.tgz"), ("text/markdown", "about")], Some(1)),
            (&[("x", "README.de.md"), ("x", "README.md")], Some(1)),
            (&[("x", "a.tgz"), ("x", "README.tar.gz")], None),
        ] {
            let manifest = manifest(layers);
            let expected = expected.map(|at: usize| ReadmeAt::Layer(&manifest.layers[at]));
            let found = readme_of(&manifest, &[]);
            assert!(found == expected, "{layers:?}: {found:?}");
        }
    }

    #[test]
    fn without_a_layer_an_annotation_serves() {
        let above = [Annotations::from([(README.to_owned(), "# a".to_owned())])];
        let mut manifest = manifest(&[("text/plain", "README.md")]);
        manifest.layers[0].size = README_MAX + 1;
        assert!(readme_of(&manifest, &above) == Some(ReadmeAt::Text("# a")));
        let long = "x".repeat(usize::try_from(README_MAX).unwrap() + 1);
        assert!(readme_of(&manifest, &[Annotations::from([(README.to_owned(), long)])]).is_none());
        assert!(readme_of(&manifest, &[]).is_none(), "too large to be served");
    }
}

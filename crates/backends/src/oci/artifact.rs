//! Choice of the archive among a manifest's layers and of the manifest in an index. Shared by
//! registries and image layouts; no I/O.

use std::collections::HashSet;
use std::sync::Arc;

use registry_core::error::{Error, Result};
use registry_core::models::archive_name::{NameMark, is_named_after, mark_of};
use registry_core::models::artifact::{
    Artifact, ArtifactChoice, ArtifactKey, CANDIDATES_MAX, FILES_MAX, archive_stem, is_archive_name,
};
use registry_core::models::digest::{Digest, InvalidDigest};
use registry_core::models::naming::ExtensionId;

use crate::oci::layers::{
    ArchiveEvidence, archive_name, ending_of_bytes, evidence, is_opaque, title,
};
use crate::oci::models::{Descriptor, Document, EMPTY};

/// Maximum nesting depth of indexes.
pub const INDEX_DEPTH_MAX: usize = 3;
/// Maximum size of a manifest or index, in bytes; the limit of the distribution registry.
pub const MANIFEST_MAX: u64 = 4 * 1024 * 1024;
/// Maximum number of index entries tried; three times as many as in any known index.
pub const CHILDREN_MAX: usize = 32;
/// Maximum number of documents read between a tag and its manifest.
pub const DOCUMENTS_MAX: usize = 64;
/// Maximum size of a config blob, in bytes. A larger one is ignored.
pub const CONFIG_MAX: u64 = 64 * 1024;

/// Number of leading bytes of a layer that identify an archive format.
pub const HEAD_MAX: u64 = 512;
/// Maximum number of layers named in a message about a missing archive.
const LABELS_MAX: usize = 3;

/// Returns the index entries to try, in order, without attestations and unknown platforms.
pub fn children(index: &Document) -> impl Iterator<Item = &Descriptor> {
    index
        .manifests
        .iter()
        .flatten()
        .filter(|entry| {
            // BuildKit sets the platform `unknown/unknown` on its attestations.
            let nowhere = entry.platform.as_ref().is_some_and(|platform| {
                platform.os == "unknown" && platform.architecture == "unknown"
            });
            !nowhere && !entry.annotations.contains_key("vnd.docker.reference.type")
        })
        .take(CHILDREN_MAX)
}

/// Returns true if a manifest has a layer that may be an archive.
#[must_use]
pub fn has_archive(manifest: &Document) -> bool {
    manifest.layers.iter().any(|layer| evidence(layer) > ArchiveEvidence::Against)
}

/// Returns the reason why a manifest has no archive, for `/health`.
#[must_use]
pub fn lack_of_archive(manifest: &Document) -> String {
    if manifest.fs_layers {
        return "its manifest is of schema 1, which is not read; push it again".to_owned();
    }
    if manifest.blobs {
        return "it is an artifact manifest with blobs, which is not read; push it as an image \
                manifest"
            .to_owned();
    }
    if manifest.layers.is_empty() {
        return "its manifest has no layers".to_owned();
    }
    let named = manifest.layers.iter().take(LABELS_MAX).map(|layer| match title(layer) {
        Some(title) => printable(title),
        None => printable(&layer.media_type),
    });
    let named: Vec<String> = named.collect();
    format!("no layer is an archive, by title or media type: {}", named.join(", "))
}

/// Chooses the layer to download. If there are several archives, these rules narrow the choice, in
/// this order: explicit evidence of an archive; a name after the version; a name without marks of a
/// platform or a purpose; a title with an archive's file extension. If several remain, the caller
/// has to choose.
///
/// # Errors
/// Returns an error if a layer has an invalid digest, because then the whole manifest is untrusted,
/// or if there are too many layers.
pub fn choose_layer(
    id: &ExtensionId,
    version: &str,
    layers: &[Descriptor],
    url: impl Fn(&Digest) -> Option<String>,
) -> Result<ArtifactChoice> {
    if layers.len() > FILES_MAX {
        return Err(Error::faulty(format!("It has more than {FILES_MAX} layers")));
    }
    let stem = format!("{}-{version}", id.name);
    let mut archives = archives(layers);
    narrow(&mut archives, |layer| evidence(layer) == ArchiveEvidence::Given);
    let repository = id.oci_repository();
    let own = [id.name.as_str(), &repository];
    narrow(&mut archives, |layer| {
        let titled = title(layer).map(|_| archive_name(layer, &stem));
        let stem = titled.as_deref().and_then(archive_stem);
        stem.is_some_and(|stem| is_named_after(stem, &own, version))
    });
    // Each rule only prefers: a layer that is alone is served under any name.
    for worst in [NameMark::Doubtful, NameMark::Plain] {
        narrow(&mut archives, |layer| {
            let name = archive_name(layer, &stem);
            archive_stem(&name).is_none_or(|stem| mark_of(stem, &own, version) <= worst)
        });
    }
    narrow(&mut archives, |layer| title(layer).is_some_and(is_archive_name));
    match *archives.as_slice() {
        [] => Ok(ArtifactChoice::Nothing),
        [only] => {
            let file = file(only, archive_name(only, &stem), url)
                .map_err(|error| Error::faulty("A layer has no digest").because(error))?;
            Ok(ArtifactChoice::Chosen(file))
        }
        ref several => {
            let named = several.iter().take(CANDIDATES_MAX).map(|layer| label(layer));
            Ok(ArtifactChoice::Ambiguous(named.collect()))
        }
    }
}

/// Returns the only layer of a manifest if neither its title nor its media type identifies it.
/// regctl sets the artifact's type on the layer too. The leading bytes of the layer decide.
#[must_use]
pub fn untold_layer(manifest: &Document) -> Option<&Descriptor> {
    let mut content = manifest.layers.iter().filter(|layer| layer.media_type != EMPTY);
    let only = content.next()?;
    let is_untold = title(only).is_none() && is_opaque(&only.media_type);
    (is_untold && content.next().is_none()).then_some(only)
}

/// Chooses a layer by its leading bytes. Fails if the layer's digest is invalid.
pub fn choose_by_bytes(
    id: &ExtensionId,
    version: &str,
    layer: &Descriptor,
    head: &[u8],
    url: impl Fn(&Digest) -> Option<String>,
) -> Result<ArtifactChoice> {
    let Some(ending) = ending_of_bytes(head) else { return Ok(ArtifactChoice::Nothing) };
    let name = format!("{}-{version}{ending}", id.name);
    let file = file(layer, name.into(), url)
        .map_err(|error| Error::faulty("A layer has no digest").because(error))?;
    Ok(ArtifactChoice::Chosen(file))
}

fn archives(layers: &[Descriptor]) -> Vec<&Descriptor> {
    let mut seen = HashSet::new();
    let maybe = layers.iter().filter(|layer| evidence(layer) > ArchiveEvidence::Against);
    maybe.filter(|layer| seen.insert(layer.digest.as_str())).collect()
}

fn narrow(layers: &mut Vec<&Descriptor>, fits: impl Fn(&Descriptor) -> bool) {
    if layers.iter().any(|layer| fits(layer)) {
        layers.retain(|layer| fits(layer));
    }
}

/// Returns all separate layers. A layer without a title is named by its digest.
pub fn files(
    layers: &[Descriptor],
    url: impl Fn(&Digest) -> Option<String>,
) -> Box<[Arc<Artifact>]> {
    let content = layers.iter().filter(|layer| layer.media_type != EMPTY);
    content.filter_map(|layer| file(layer, file_name(layer).into(), &url).ok()).collect()
}

fn file_name(layer: &Descriptor) -> String {
    match title(layer) {
        Some(_) if evidence(layer) > ArchiveEvidence::Against => {
            archive_name(layer, &layer.digest).into()
        }
        title => title.unwrap_or(&layer.digest).to_owned(),
    }
}

fn file(
    layer: &Descriptor,
    file_name: Box<str>,
    url: impl Fn(&Digest) -> Option<String>,
) -> Result<Arc<Artifact>, InvalidDigest> {
    let digest: Digest = layer.digest.parse()?;
    Ok(Arc::new(Artifact {
        key: ArtifactKey::new(digest.to_string()),
        file_name,
        size: layer.size,
        url: url(&digest).map(Into::into),
        digest: Some(digest),
    }))
}

fn label(layer: &Descriptor) -> String {
    printable(&file_name(layer))
}

fn printable(text: &str) -> String {
    // The name goes into messages, and its publisher chose it freely.
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn layer(media_type: &str, title: &str) -> Descriptor {
        let mut layer = Descriptor {
            media_type: media_type.to_owned(),
            digest: DIGEST.to_owned(),
            size: 7,
            ..Descriptor::default()
        };
        if !title.is_empty() {
            layer.annotations.insert("org.opencontainers.image.title".to_owned(), title.to_owned());
        }
        layer
    }

    fn another(media_type: &str, title: &str) -> Descriptor {
        let digest = Digest::sha256(title.as_bytes()).to_string();
        Descriptor { digest, ..layer(media_type, title) }
    }

    fn choose(layers: &[Descriptor]) -> ArtifactChoice {
        let id = ExtensionId::from_oci_repository("aws-provider").unwrap();
        choose_layer(&id, "1.2.0", layers, |_| None).unwrap()
    }

    fn chosen_name(layers: &[Descriptor]) -> Option<Box<str>> {
        choose(layers).chosen().map(|artifact| artifact.file_name.clone())
    }

    #[test]
    fn every_layer_with_a_digest_is_a_file() {
        let mut bad = layer(TAR, "bad.tar");
        bad.digest = "md5:0".to_owned();
        let layers = [layer("text/markdown", "README.md"), layer(EMPTY, ""), bad, layer(TAR, "")];
        let files = files(&layers, |_| None);
        let names: Vec<&str> = files.iter().map(|file| &*file.file_name).collect();
        assert_eq!(names, ["README.md", DIGEST]);
    }

    const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

    #[test]
    fn the_only_archive_is_chosen_wherever_it_stands() {
        let layers =
            [layer("text/markdown", "README.md"), layer(TAR, "x.tgz"), another(TAR, "SUMS.sha256")];
        assert_eq!(chosen_name(&layers).as_deref(), Some("x.tgz"));
        let untitled = chosen_name(&[layer(EMPTY, ""), layer(TAR, "")]);
        assert_eq!(untitled.as_deref(), Some("aws-1.2.0.tar"));
        assert_eq!(chosen_name(&[layer(TAR, "../../etc/x.zip")]).as_deref(), Some("x.zip"));
        let helm = [
            layer("application/vnd.cncf.helm.chart.provenance.v1.prov", ""),
            layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip", ""),
        ];
        assert!(choose(&helm).chosen().is_some());
    }

    #[test]
    fn of_several_archives_the_one_titled_as_the_version_is_chosen() {
        let layers = [another(TAR, "docs.tar.gz"), another(TAR, "aws-1.2.0.tar.gz")];
        assert_eq!(chosen_name(&layers).as_deref(), Some("aws-1.2.0.tar.gz"));
        let unclear = [another(TAR, "a.tar.gz"), another(TAR, "b.zip"), layer(TAR, "")];
        let names = vec!["a.tar.gz".to_owned(), "b.zip".to_owned()];
        assert_eq!(choose(&unclear), ArtifactChoice::Ambiguous(names));
    }

    #[test]
    fn o05f_a_name_without_marks_goes_before_a_marked_one() {
        for (titles, expected) in [
            (&["aws-linux-amd64.tar.gz", "aws.tar.gz"][..], Some("aws.tar.gz")),
            (&["bundle.tar.gz", "bundle-darwin-arm64.tar.gz", "src.tar.gz"], Some("bundle.tar.gz")),
            (&["docs.tar.gz", "aws_windows.zip"], Some("docs.tar.gz")),
            (&["aws-linux-amd64.tar.gz"], Some("aws-linux-amd64.tar.gz")),
            (&["aws_v1.2.0.tar.gz", "aws.tar.gz"], Some("aws_v1.2.0.tar.gz")),
            (&["aws-linux.tar.gz", "aws-darwin.tar.gz"], None),
        ] {
            let mut layers: Vec<Descriptor> =
                titles.iter().map(|title| layer("application/gzip", title)).collect();
            for (number, layer) in layers.iter_mut().enumerate() {
                layer.digest = Digest::sha256(&number.to_be_bytes()).to_string();
            }
            assert_eq!(chosen_name(&layers).as_deref(), expected, "{titles:?}");
        }
    }

    #[test]
    fn a_manifest_without_an_archive_has_nothing() {
        assert_eq!(choose(&[]), ArtifactChoice::Nothing);
        assert_eq!(choose(&[layer("application/spdx+json", "")]), ArtifactChoice::Nothing);
        let mut bad = layer(TAR, "a.tar");
        bad.digest = "md5:0".to_owned();
        let id = ExtensionId::from_oci_repository("aws-provider").unwrap();
        assert!(choose_layer(&id, "1", &[bad], |_| None).is_err());
        let many: Vec<Descriptor> =
            (0..=FILES_MAX).map(|number| another(TAR, &format!("{number}.tar"))).collect();
        assert!(choose_layer(&id, "1", &many, |_| None).is_err(), "too many to serve");
        let several = choose_layer(&id, "1", &many[1..], |_| None).unwrap();
        let ArtifactChoice::Ambiguous(named) = several else { panic!("no rule chooses one") };
        assert_eq!(named.len(), CANDIDATES_MAX);
    }

    #[test]
    fn attestations_are_no_children() {
        let text = r#"{"manifests":[
            {"digest":"a","platform":{"os":"unknown","architecture":"unknown"}},
            {"digest":"b","annotations":{"vnd.docker.reference.type":"attestation-manifest"}},
            {"digest":"c","platform":{"os":"linux","architecture":"amd64"}},{"digest":"d"}]}"#;
        let index: Document = serde_json::from_str(text).unwrap();
        let digests: Vec<&str> = children(&index).map(|child| child.digest.as_str()).collect();
        assert_eq!(digests, ["c", "d"]);
    }
}

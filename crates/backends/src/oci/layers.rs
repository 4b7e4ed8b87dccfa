//! Archives among layers, and their file names. Shared by registries and layouts; no I/O.

use registry_core::models::artifact::is_archive_name;
use registry_core::models::oci_manifest::TITLE;

use crate::oci::models::{Descriptor, EMPTY};

/// Annotation with the path of a layer's file.
/// Annotation of a directory that oras packed.
const UNPACK: &str = "io.deis.oras.content.unpack";
/// Default media type of oras for files without a given type. It carries no information.
const UNTOLD: &str = "application/vnd.oci.image.layer.v1.tar";
/// Maximum length of a file name, in bytes.
const TITLE_MAX: usize = 255;
/// Maximum length of a file extension that identifies a format, in characters.
const ENDING_MAX: usize = 10;
/// First words in the names of files that accompany an archive.
const COMPANIONS: [&str; 8] =
    ["readme", "licence", "license", "copying", "notice", "changelog", "checksum", "checksums"];

/// Strength of the evidence that a layer is an archive, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ArchiveEvidence {
    Against,
    Missing,
    Given,
}

/// Returns the evidence of the title if it has a file extension, or else of the media type.
pub(super) fn evidence(layer: &Descriptor) -> ArchiveEvidence {
    if layer.media_type == EMPTY {
        return ArchiveEvidence::Against;
    }
    // oras packs a directory as a compressed archive under the directory's plain name.
    let is_packed = layer.annotations.get(UNPACK).is_some_and(|flag| flag == "true");
    let format = ending_of_type(&layer.media_type);
    let Some(title) = title(layer) else {
        return if is_packed || format.is_some() {
            ArchiveEvidence::Given
        } else {
            ArchiveEvidence::Against
        };
    };
    if is_packed || is_archive_name(title) {
        return ArchiveEvidence::Given;
    }
    if is_companion(title) {
        return ArchiveEvidence::Against;
    }
    // The default media type of oras also stands on text files, so that it supports only a title
    // without a file extension.
    match format {
        Some(_) if layer.media_type != UNTOLD => ArchiveEvidence::Given,
        Some(_) if !has_ending(title) => ArchiveEvidence::Missing,
        _ => ArchiveEvidence::Against,
    }
}

/// Returns the file name of a layer, without folders. `None` if it is not valid as a file name.
pub(crate) fn title(layer: &Descriptor) -> Option<&str> {
    let path = layer.annotations.get(TITLE)?.trim_end_matches(['/', '\\']);
    let name = path.rsplit(['/', '\\']).next()?;
    // Names of dots alone would refer to a folder on the client's side.
    let is_name = name.len() <= TITLE_MAX && name.chars().any(|c| c != '.');
    is_name.then_some(name)
}

/// Returns the title, or else the stem, with the file extension of the archive's format.
pub(super) fn archive_name(layer: &Descriptor, stem: &str) -> Box<str> {
    let ending = ending_of_type(&layer.media_type).unwrap_or(".tar.gz");
    match title(layer) {
        Some(title) if is_archive_name(title) => title.into(),
        Some(title) if title.len() + ending.len() <= TITLE_MAX => format!("{title}{ending}").into(),
        _ => format!("{stem}{ending}").into(),
    }
}

pub(super) fn is_opaque(media_type: &str) -> bool {
    media_type != EMPTY && !is_text(&words_of(media_type)) && ending_of_type(media_type).is_none()
}

pub(super) fn ending_of_bytes(head: &[u8]) -> Option<&'static str> {
    // All formats begin with their magic number, except tar, which has it at offset 257.
    let marks: [(usize, &[u8], &str); 6] = [
        (0, b"\x1f\x8b", ".tar.gz"),
        (0, b"PK\x03\x04", ".zip"),
        (0, b"\x28\xb5\x2f\xfd", ".tar.zst"),
        (0, b"\xfd7zXZ\0", ".tar.xz"),
        (0, b"BZh", ".tar.bz2"),
        (257, b"ustar", ".tar"),
    ];
    let found = marks
        .into_iter()
        .find(|(at, mark, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    found.map(|(_, _, ending)| ending)
}

/// Only for names without an archive's file extension.
fn is_companion(name: &str) -> bool {
    let word = name.split(['.', '-', '_', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    COMPANIONS.contains(&word.as_str()) || word.ends_with("sums")
}

/// Returns true if a name has a file extension. The `.0` of a version is not one.
fn has_ending(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    !stem.is_empty()
        && ending.len() <= ENDING_MAX
        && ending.starts_with(|c: char| c.is_ascii_alphabetic())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn ending_of_type(media_type: &str) -> Option<&'static str> {
    let words = words_of(media_type);
    let endings = [
        (&["zip"][..], ".zip"),
        (&["tgz", "gzip", "gz"], ".tar.gz"),
        (&["zstd", "zst"], ".tar.zst"),
        (&["xz"], ".tar.xz"),
        (&["bzip2", "bz2"], ".tar.bz2"),
        (&["tar", "gtar"], ".tar"),
    ];
    let found = endings
        .into_iter()
        .find(|(known, _)| words.iter().any(|word| known.contains(&word.as_str())));
    found.filter(|_| !is_text(&words)).map(|(_, ending)| ending)
}

fn words_of(media_type: &str) -> Vec<String> {
    let words = media_type.split(|c: char| !c.is_ascii_alphanumeric());
    words.map(str::to_ascii_lowercase).collect()
}

fn is_text(words: &[String]) -> bool {
    let text = ["json", "xml", "yaml", "text", "html", "markdown"];
    words.iter().any(|word| text.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_name_a_format_by_whole_words() {
        for (media_type, ending) in [
            ("application/vnd.oci.image.layer.v1.tar", Some(".tar")),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Some(".tar.gz")),
            ("application/vnd.docker.image.rootfs.diff.tar.zstd", Some(".tar.zst")),
            ("application/x-gtar", Some(".tar")),
            ("application/X-TGZ", Some(".tar.gz")),
            ("application/x-zip-compressed", Some(".zip")),
            ("application/spdx+json+gzip", None),
            ("application/vnd.starlark", None),
            ("application/octet-stream", None),
            ("", None),
        ] {
            assert_eq!(ending_of_type(media_type), ending, "{media_type}");
        }
    }

    #[test]
    fn archives_are_known_by_their_first_bytes() {
        let tar = [vec![b'a'; 257], b"ustar\0".to_vec()].concat();
        for (head, ending) in [
            (&b"\x1f\x8b\x08"[..], Some(".tar.gz")),
            (b"PK\x03\x04", Some(".zip")),
            (&tar, Some(".tar")),
            (b"\x7fELF", None),
            (b"{}", None),
            (b"", None),
        ] {
            assert_eq!(ending_of_bytes(head), ending, "{head:?}");
        }
    }

    #[test]
    fn endings_of_versions_say_nothing_of_a_file() {
        for (name, expected) in [
            ("notes.txt", true),
            ("aws-1.2.0", false),
            ("aws-1.2.0-rc1", false),
            (".hidden", false),
            ("aws", false),
            ("a.b-c", false),
        ] {
            assert_eq!(has_ending(name), expected, "{name}");
        }
    }
}

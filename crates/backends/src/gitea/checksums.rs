//! Digests of archives from checksum files among the assets. Gitea itself computes none.

use std::sync::Arc;

use bytes::Bytes;
use registry_core::error::{Error, Result};
use registry_core::models::artifact::{Artifact, archive_stem, is_archive_name};
use registry_core::models::digest::Digest;
use registry_core::models::extension::{FileFault, Release};
use registry_core::models::truncate::truncate;

use crate::gitea::checksum_file::{ChecksumScope, find};
use crate::gitea::client::GiteaClient;
use crate::gitea::download;

/// Maximum size of a checksum file, in bytes; enough for a thousand lines.
const SIZE_MAX: u64 = 128 * 1024;
const FILES_MAX: usize = 4;
const ENDINGS: [&str; 8] = [
    ".sha256",
    ".sha256sum",
    ".sha256.txt",
    ".sha512",
    ".sha512sum",
    ".sha512.txt",
    ".checksum",
    ".digest",
];
const LIST_WORDS: [&str; 12] = [
    "sha256sums",
    "sha256sum",
    "sha256",
    "sha512sums",
    "sha512sum",
    "sha512",
    "shasums",
    "checksums",
    "checksum",
    "sums",
    "digests",
    "hashes",
];
/// File extensions of other files, such as the signature of a list.
const OTHER: [&str; 9] =
    [".asc", ".sig", ".sign", ".pem", ".crt", ".json", ".minisig", ".sigstore", ".bundle"];

/// What the checksum files of a release state about its archive.
#[derive(Debug, Default)]
pub(super) struct StatedDigest {
    pub(super) digest: Option<Digest>,
    /// The first file that cannot be used, if no other file states a digest.
    pub(super) fault: Option<FileFault>,
    /// Failure of a request; without it, the same files state the same at any time.
    pub(super) failure: Option<Error>,
}

/// Reads the checksum files of a release until one states the digest of its archive.
pub(super) async fn stated_digest(client: &GiteaClient, release: &Release) -> StatedDigest {
    let mut stated = StatedDigest::default();
    let Some(archive) = release.artifact.chosen() else { return stated };
    for (file, scope) in candidates(&archive.file_name, &release.assets) {
        let why = match read(client, file).await {
            Ok(Ok(bytes)) => match find(&bytes, &archive.file_name, scope) {
                Ok(Some(digest)) => {
                    return StatedDigest { digest: Some(digest), ..StatedDigest::default() };
                }
                Ok(None) => continue,
                Err(why) => why.to_owned(),
            },
            Ok(Err(why)) => why,
            Err(error) => {
                let why = format!("cannot be read: {}", error.report());
                stated.failure.get_or_insert(error);
                why
            }
        };
        stated.fault.get_or_insert_with(|| fault("checksum", file, &why));
    }
    stated
}

/// Returns the content, or the reason why it cannot be used. Fails if a request does.
async fn read(client: &GiteaClient, file: &Artifact) -> Result<Result<Bytes, String>> {
    let too_long = || Ok(Err(format!("is longer than {SIZE_MAX} bytes")));
    // The declared size avoids a request; external files declare none and are checked below.
    if file.known_size().is_some_and(|size| size > SIZE_MAX) {
        return too_long();
    }
    let download = download::open(client, file, None).await?;
    if download.length > SIZE_MAX {
        return too_long();
    }
    download.collect().await.map(Ok)
}

/// Describes a file beside the archive that cannot be used.
pub(super) fn fault(what: &str, file: &Artifact, why: &str) -> FileFault {
    // The name goes into a message, and its publisher chose it freely.
    let name: String = file.file_name.chars().filter(|c| !c.is_control()).collect();
    FileFault {
        file: file.key.clone(),
        reason: truncate(format!("the {what} {name} {why}")).into(),
    }
}

/// Returns the files that may state the digest, those for the archive alone before lists.
fn candidates<'a>(
    archive: &'a str,
    assets: &'a [Arc<Artifact>],
) -> impl Iterator<Item = (&'a Artifact, ChecksumScope)> {
    let own = ENDINGS.into_iter().flat_map(move |ending| {
        let own = assets.iter().filter(move |file| is_of(archive, &file.file_name, ending));
        own.map(|file| (Arc::as_ref(file), ChecksumScope::Archive))
    });
    let lists = assets.iter().filter(move |file| {
        // The archive's own files would be read twice: their names contain words of lists.
        let is_own = ENDINGS.iter().any(|ending| is_of(archive, &file.file_name, ending));
        !is_own && is_list(&file.file_name)
    });
    own.chain(lists.map(|file| (Arc::as_ref(file), ChecksumScope::List))).take(FILES_MAX)
}

fn is_of(archive: &str, file: &str, ending: &str) -> bool {
    without_ending(file, ending)
        .is_some_and(|base| base == archive || Some(base) == archive_stem(archive))
}

fn without_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (base, tail) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    tail.eq_ignore_ascii_case(ending).then_some(base)
}

fn is_list(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let of_another =
        ENDINGS.iter().filter_map(|ending| without_ending(name, ending)).any(is_archive_name);
    let other = of_another || is_archive_name(name) || OTHER.iter().any(|end| lower.ends_with(end));
    let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    !other && words.any(|word| LIST_WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::ArtifactKey;

    use super::*;

    fn asset(name: &str) -> Arc<Artifact> {
        Arc::new(Artifact {
            key: ArtifactKey::new(name),
            file_name: name.into(),
            size: 80,
            digest: None,
            url: None,
        })
    }

    #[test]
    fn the_archives_own_checksums_go_before_lists() {
        for (names, expected) in [
            (&["SHA256SUMS", "x.tgz.sha256"][..], &["x.tgz.sha256", "SHA256SUMS"][..]),
            (&["SHA256SUMS", "y.tgz.sha256"], &["SHA256SUMS"]),
            (&["x_1.0.0_checksums.txt", "checksums.txt.asc"], &["x_1.0.0_checksums.txt"]),
            (&["x.sha512", "x.tgz.SHA256"], &["x.tgz.SHA256", "x.sha512"]),
            (&["x.tgz.asc", "x.tgz", "notes.txt", "sbom.json"], &[]),
            (&["sums.txt"; 9], &["sums.txt"; 4]),
        ] {
            let assets: Vec<Arc<Artifact>> = names.iter().map(|name| asset(name)).collect();
            let found: Vec<&str> =
                candidates("x.tgz", &assets).map(|(asset, _)| &*asset.file_name).collect();
            assert_eq!(found, expected, "{names:?}");
        }
    }
}

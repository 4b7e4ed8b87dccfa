//! What a repository has of a version already.

use registry_core::models::artifact::is_archive_name;
use registry_core::models::digest::{Algorithm, Digest};
use registry_core::models::tag::Tag;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::publish::gitea::mark::DraftMark;
use crate::publish::gitea::models::{GiteaAsset, GiteaRelease};
use crate::publish::gitea::releases::RepositoryReleases;
use crate::publish::publication::ArchiveFile;

/// Longest checksum file that is read, in bytes.
const CHECKSUM_MAX: usize = 64 * 1024;

/// What is there of a version.
#[derive(Debug)]
pub(super) enum ExistingRelease {
    /// Nothing.
    Nothing,
    /// A draft of an earlier run of this program.
    LeftBehind(GiteaRelease),
    /// A published release with the same archive.
    Same,
    /// A published release with another archive, or without exactly one.
    Other(GiteaRelease, Option<Digest>),
}

/// Looks for the release of a tag, or of the same version with or without `v`. A draft of somebody
/// else is a conflict.
pub(super) async fn look(
    releases: RepositoryReleases<'_>,
    tag: &Tag,
    ours: &ArchiveFile,
) -> Result<ExistingRelease> {
    if let Some(found) = releases.of_tag(tag.as_str()).await? {
        return judge(releases, tag, found, ours).await;
    }
    let Some(other) = with_or_without_v(tag) else { return Ok(ExistingRelease::Nothing) };
    match releases.of_tag(&other).await? {
        // Its author may still publish a draft under the other spelling, but does not have to.
        Some(found) if !found.draft => compare(releases, found, ours).await,
        _ => Ok(ExistingRelease::Nothing),
    }
}

async fn judge(
    releases: RepositoryReleases<'_>,
    tag: &Tag,
    found: GiteaRelease,
    ours: &ArchiveFile,
) -> Result<ExistingRelease> {
    let place = releases.full_name();
    let conflict = |message: String| ClientFailure::new(FailureKind::Conflict, message);
    if found.tag_name != tag.as_str() {
        let message = format!(
            "{place} has {}, which differs from {tag} in case only: Gitea takes them for one",
            found.tag_name
        );
        return Err(conflict(message).hint("publish under the spelling that is there"));
    }
    if !found.draft {
        return compare(releases, found, ours).await;
    }
    if DraftMark::is_in(&found.name) {
        return Ok(ExistingRelease::LeftBehind(found));
    }
    let message = format!("{place} has a draft of {tag} that extreg did not make");
    Err(conflict(message).hint("publish or delete the draft, then run it again"))
}

async fn compare(
    releases: RepositoryReleases<'_>,
    found: GiteaRelease,
    ours: &ArchiveFile,
) -> Result<ExistingRelease> {
    let Some(archive) = archive_of(&found, releases.repository) else {
        return Ok(ExistingRelease::Other(found, None));
    };
    let there = published_digest(releases, &found, archive, ours.digest.algorithm()).await?;
    // A checksum file may be that of a former archive.
    Ok(if there == ours.digest && archive.size == ours.size {
        ExistingRelease::Same
    } else {
        ExistingRelease::Other(found, Some(there))
    })
}

/// Reads the digest from the checksum file of the archive, else computes it.
async fn published_digest(
    releases: RepositoryReleases<'_>,
    release: &GiteaRelease,
    archive: &GiteaAsset,
    algorithm: Algorithm,
) -> Result<Digest> {
    let name = format!("{}.{}", archive.name, algorithm.as_str());
    if let Some(checksum) = release.assets.iter().find(|asset| asset.name == name)
        && let Some(digest) =
            parse_checksum(&releases.content_of(checksum, CHECKSUM_MAX).await?, algorithm)
    {
        return Ok(digest);
    }
    releases.digest_of(archive, algorithm).await
}

fn parse_checksum(file: &[u8], algorithm: Algorithm) -> Option<Digest> {
    let text = std::str::from_utf8(file).ok()?;
    let mut words = text.split_whitespace();
    words.find_map(|word| {
        format!("{}:{}", algorithm.as_str(), word.to_ascii_lowercase()).parse().ok()
    })
}

/// Finds the archive: the one named after the repository, else the only one.
fn archive_of<'a>(release: &'a GiteaRelease, repository: &str) -> Option<&'a GiteaAsset> {
    let archives = || release.assets.iter().filter(|asset| is_archive_name(&asset.name));
    let named = archives().filter(|asset| {
        let stem = registry_core::models::artifact::archive_stem(&asset.name);
        stem.is_some_and(|stem| stem.eq_ignore_ascii_case(repository))
    });
    let named: Vec<&GiteaAsset> = named.collect();
    match named.as_slice() {
        [one] => Some(one),
        [] if archives().count() == 1 => archives().next(),
        _ => None,
    }
}

fn with_or_without_v(tag: &Tag) -> Option<String> {
    let bare = tag.as_str().strip_prefix('v');
    let is_version = |text: &str| text.parse::<registry_core::models::version::Version>().is_ok();
    match bare {
        Some(bare) => is_version(bare).then(|| bare.to_owned()),
        None => is_version(tag.as_str()).then(|| format!("v{tag}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(names: &[&str]) -> GiteaRelease {
        let assets: Vec<serde_json::Value> = names
            .iter()
            .map(|name| serde_json::json!({"id": 1, "name": name, "size": 1, "uuid": "u"}))
            .collect();
        let release = serde_json::json!({"id": 1, "tag_name": "1.0.0", "assets": assets});
        serde_json::from_value(release).unwrap()
    }

    #[test]
    fn the_archive_is_the_one_of_the_repository_or_the_only_one() {
        for (names, expected) in [
            (&["README.md", "aws_prov.tar.gz", "other.zip"][..], Some("aws_prov.tar.gz")),
            (&["AWS_prov.tar.gz", "aws_prov.tar.gz.sha256"], Some("AWS_prov.tar.gz")),
            (&["aws-1.0.0.tgz", "notes.txt"], Some("aws-1.0.0.tgz")),
            (&["aws_prov.tar.gz", "aws_prov.tar.gz"], None),
            (&["a.zip", "b.zip"], None),
            (&["README.md"], None),
        ] {
            let release = release(names);
            let found = archive_of(&release, "aws_prov").map(|asset| asset.name.as_str());
            assert_eq!(found, expected, "{names:?}");
        }
    }

    #[test]
    fn a_checksum_is_read_from_the_forms_of_common_tools() {
        let digest = Digest::sha256(b"x");
        let hex = digest.hex();
        for text in [
            hex.to_owned(),
            format!("{hex}  a.tar.gz\n"),
            format!("SHA256 (a.tar.gz) = {}", hex.to_uppercase()),
        ] {
            let found = parse_checksum(text.as_bytes(), Algorithm::Sha256);
            assert_eq!(found.as_ref(), Some(&digest), "{text}");
        }
        for text in ["", "<html>", "abc  a.tar.gz"] {
            assert_eq!(parse_checksum(text.as_bytes(), Algorithm::Sha256), None);
        }
    }

    #[test]
    fn a_version_has_two_spellings_as_a_tag_and_other_tags_have_one() {
        for (tag, expected) in
            [("1.2.0", Some("v1.2.0")), ("v1.2.0", Some("1.2.0")), ("nightly", None), ("vim", None)]
        {
            assert_eq!(with_or_without_v(&tag.parse().unwrap()).as_deref(), expected);
        }
    }
}

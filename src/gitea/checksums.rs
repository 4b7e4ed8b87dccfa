//! The digest of an archive, where its publisher put one beside it. Gitea itself has none.

use std::sync::Arc;

use crate::error::Result;
use crate::gitea::client::GiteaClient;
use crate::gitea::download;
use crate::models::artifact::Artifact;
use crate::models::digest::Digest;
use crate::models::extension::Release;

/// Largest checksum file read, in bytes: a thousand lines.
const SIZE_MAX: u64 = 128 * 1024;
/// Files with a line for each asset, as common tools name them; compared without case.
const LISTS: [&str; 4] = ["sha256sums", "sha256sums.txt", "sha256sum.txt", "checksums.txt"];

/// The same release with the digest of its archive, if a checksum among its assets names it.
/// One that cannot be read is as good as none: the release is no worse without it.
pub(super) async fn with_digest(client: &GiteaClient, mut release: Release) -> Release {
    let Some(archive) = release.artifact.chosen().cloned() else { return release };
    let Some(file) = checksum_file(&archive.file_name, &release.assets) else { return release };
    match read(client, file).await {
        Ok(text) => {
            let digest = find(&text, &archive.file_name);
            release.learn_digests(|file| digest.clone().filter(|_| file.key == archive.key));
        }
        Err(error) => tracing::debug!(cause = %error.report(), "a checksum cannot be read"),
    }
    release
}

/// The file's own checksum before a list of many; of two files of one name, neither.
fn checksum_file<'a>(archive: &str, assets: &'a [Arc<Artifact>]) -> Option<&'a Artifact> {
    let own = [format!("{archive}.sha256"), format!("{archive}.sha256sum")];
    let names = own.iter().map(String::as_str).chain(LISTS);
    names.into_iter().find_map(|name| {
        let mut found = assets.iter().filter(|asset| {
            asset.file_name.eq_ignore_ascii_case(name) && (1..=SIZE_MAX).contains(&asset.size)
        });
        found.next().filter(|_| found.next().is_none()).map(Arc::as_ref)
    })
}

async fn read(client: &GiteaClient, file: &Artifact) -> Result<String> {
    let bytes = download::open(client, file, None).await?.collect().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The digest in `{hex}  {name}`, or in a file that holds nothing but one digest.
fn find(text: &str, archive: &str) -> Option<Digest> {
    let digest = |hex: &str| format!("sha256:{}", hex.to_ascii_lowercase()).parse().ok();
    let of_line = |line: &str| {
        let (hex, name) = line.trim().split_once(char::is_whitespace)?;
        let name = name.trim_start().trim_start_matches('*');
        let name = name.rsplit(['/', '\\']).next()?;
        if name == archive { digest(hex) } else { None }
    };
    text.lines().find_map(of_line).or_else(|| digest(text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::artifact::ArtifactKey;

    #[test]
    fn digests_are_found_by_the_name_of_the_archive() {
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        let upper = one.to_uppercase();
        let expected = Some(format!("sha256:{one}").parse().unwrap());
        for text in [
            format!("{one}  x.tar.gz\n"),
            format!("{other}  y.tar.gz\r\n{one} *dist/x.tar.gz\r\n"),
            format!("{upper}\tx.tar.gz"),
            format!("{one}\n"),
        ] {
            assert_eq!(find(&text, "x.tar.gz"), expected, "{text}");
        }
        for text in [String::new(), format!("{other}  y.tar.gz"), "12  x.tar.gz".to_owned()] {
            assert_eq!(find(&text, "x.tar.gz"), None, "{text}");
        }
    }

    #[test]
    fn the_archives_own_checksum_goes_before_lists() {
        let asset = |name: &str| {
            Arc::new(Artifact {
                key: ArtifactKey::new(name),
                file_name: name.into(),
                size: 80,
                digest: None,
                url: None,
            })
        };
        for (names, expected) in [
            (&["SHA256SUMS", "x.tgz.sha256"][..], Some("x.tgz.sha256")),
            (&["SHA256SUMS", "y.tgz.sha256"], Some("SHA256SUMS")),
            (&["checksums.txt", "checksums.txt"], None),
            (&["x.tgz.asc"], None),
        ] {
            let assets: Vec<Arc<Artifact>> = names.iter().map(|name| asset(name)).collect();
            let found = checksum_file("x.tgz", &assets).map(|asset| &*asset.file_name);
            assert_eq!(found, expected, "{names:?}");
        }
    }
}

//! Which file of a release is the archive to download.

use std::sync::Arc;

use crate::models::artifact::{Artifact, ArtifactChoice, CANDIDATES_MAX, archive_stem};

/// Words in a file's name that say it is for one platform.
const PLATFORMS: [&str; 22] = [
    "linux", "darwin", "macos", "windows", "freebsd", "openbsd", "netbsd", "win32", "win64",
    "amd64", "x64", "x86_64", "i386", "i686", "arm64", "aarch64", "armv6", "armv7", "riscv64",
    "ppc64le", "s390x", "musl",
];
/// Words in a file's name that say it is about the archive, not the archive.
const COMPANIONS: [&str; 6] =
    ["sbom", "checksums", "sha256sums", "signature", "provenance", "source"];

/// The archive among the assets of one release: the first of these rules that finds any.
/// `{repository}.tar.gz`; `{repository}-{version}.tar.gz` or `{name}-{version}.tar.gz`; the only
/// archive that is neither a companion nor for one platform.
///
/// Empty files are none: an upload that has only begun looks like this.
pub(super) fn choose(
    repository: &str,
    name: &str,
    version: &str,
    assets: &[Arc<Artifact>],
) -> ArtifactChoice {
    let plain = [format!("{repository}.tar.gz")];
    let versioned = [format!("{repository}-{version}.tar.gz"), format!("{name}-{version}.tar.gz")];
    let named = |names: &[String]| -> Vec<&Arc<Artifact>> {
        let is_named = |asset: &&Arc<Artifact>| names.iter().any(|name| **name == *asset.file_name);
        of_content(assets).filter(is_named).collect()
    };
    let rules =
        [named(&plain), named(&versioned), of_content(assets).filter(is_plain_archive).collect()];
    match rules.iter().find(|candidates| !candidates.is_empty()).map(Vec::as_slice) {
        None => ArtifactChoice::Nothing,
        Some([only]) => ArtifactChoice::Chosen(Arc::clone(only)),
        Some(several) => {
            let named = several.iter().take(CANDIDATES_MAX);
            ArtifactChoice::Ambiguous(named.map(|asset| label(asset)).collect())
        }
    }
}

fn of_content(assets: &[Arc<Artifact>]) -> impl Iterator<Item = &Arc<Artifact>> {
    assets.iter().filter(|asset| asset.size > 0)
}

/// Whether this can be chosen without anybody having named it.
fn is_plain_archive(asset: &&Arc<Artifact>) -> bool {
    let Some(stem) = archive_stem(&asset.file_name) else { return false };
    let hostile = stem.starts_with('.')
        || stem.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '"'));
    let stem = stem.to_ascii_lowercase();
    // `x86_64` holds a separator itself.
    let words = || stem.split(['-', '.', '_']);
    let marked = stem.contains("x86_64")
        || words().any(|word| PLATFORMS.contains(&word) || COMPANIONS.contains(&word));
    !hostile && !marked
}

/// A candidate by its name and by what can be asked for.
fn label(asset: &Artifact) -> String {
    let name: String = asset.file_name.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("{name} ({})", asset.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::artifact::ArtifactKey;

    fn choose_of(names: &[&str]) -> ArtifactChoice {
        let assets: Vec<Arc<Artifact>> = names
            .iter()
            .enumerate()
            .map(|(number, name)| {
                Arc::new(Artifact {
                    key: ArtifactKey::new(format!("uuid-{number}")),
                    file_name: (*name).into(),
                    size: u64::from(!name.contains("empty")),
                    digest: None,
                    url: None,
                })
            })
            .collect();
        choose("aws_prov", "aws", "1.2.0", &assets)
    }

    #[test]
    fn the_archive_is_chosen_by_the_first_rule_that_fits() {
        for (names, expected) in [
            (&["other.tar.gz", "aws_prov.tar.gz"][..], Some("aws_prov.tar.gz")),
            (&["aws_prov.tar.gz", "aws-1.2.0.tar.gz"], Some("aws_prov.tar.gz")),
            (&["z.tgz", "aws-1.2.0.tar.gz"], Some("aws-1.2.0.tar.gz")),
            (&["z.tgz", "aws_prov-1.2.0.tar.gz"], Some("aws_prov-1.2.0.tar.gz")),
            (&["old_prov.tar.gz", "SHA256SUMS", "old_prov.tar.gz.asc"], Some("old_prov.tar.gz")),
            (&["a.zip", "a-linux-amd64.zip", "a_x86_64.zip", "a.sbom.zip"], Some("a.zip")),
            (&["a.tgz", "../../evil.tar.gz", "evil\r\nX: y.tar.gz", "\".zip"], Some("a.tgz")),
            (&["a.tgz", "empty.tgz"], Some("a.tgz")),
            (&["a.tgz", "b.tgz"], None),
            (&["aws_prov-1.2.0.tar.gz", "aws-1.2.0.tar.gz"], None),
            (&["aws_prov.tar.gz", "aws_prov.tar.gz"], None),
        ] {
            let choice = choose_of(names);
            let chosen = choice.chosen().map(|artifact| &*artifact.file_name);
            assert_eq!(chosen, expected, "{names:?}");
            assert!(choice.is_usable(), "{names:?}");
        }
        for nothing in [&[][..], &["notes.txt"], &["a-linux-arm64.tar.gz"], &["empty.tar.gz"]] {
            assert_eq!(choose_of(nothing), ArtifactChoice::Nothing, "{nothing:?}");
        }
    }

    #[test]
    fn twins_are_told_apart_by_what_can_be_asked_for() {
        let ArtifactChoice::Ambiguous(names) = choose_of(&["aws_prov.tar.gz"; 2]) else {
            panic!("two of the right name are no choice")
        };
        assert_eq!(names, ["aws_prov.tar.gz (uuid-0)", "aws_prov.tar.gz (uuid-1)"]);
    }
}

//! Selection of the archive among the assets of a release.

use std::sync::Arc;

use registry_core::models::archive_name::{NameMark, is_named_after, mark_of};
use registry_core::models::artifact::{Artifact, ArtifactChoice, CANDIDATES_MAX, archive_stem};

/// Chooses the archive among the assets of one release, by the first rule that matches:
///
/// 1. `{repository}.tar.gz`
/// 2. an archive named after the version, such as `{name}-{version}.tar.gz`; a `.tar.gz` first
/// 3. an archive whose name has no mark of other content
/// 4. an archive of documentation, examples or similar
///
/// Archives for one platform and archives of other content are ignored. Empty files are ignored
/// too, because an unfinished upload looks like one.
pub(super) fn choose(
    repository: &str,
    name: &str,
    version: &str,
    assets: &[Arc<Artifact>],
) -> ArtifactChoice {
    let plain = format!("{repository}.tar.gz");
    let own = [repository, name];
    let mut rules: [Vec<&Arc<Artifact>>; 5] = Default::default();
    for asset in assets.iter().filter(|asset| asset.size > 0) {
        if *asset.file_name == *plain {
            rules[0].push(asset);
        }
        let Some(stem) = safe_stem(asset) else { continue };
        if is_named_after(stem, &own, version) {
            if is_gzipped_tar(asset) {
                rules[1].push(asset);
            }
            rules[2].push(asset);
        }
        match mark_of(stem, &own, version) {
            NameMark::Plain => rules[3].push(asset),
            NameMark::Doubtful => rules[4].push(asset),
            NameMark::Foreign => {}
        }
    }
    match rules.iter().find(|candidates| !candidates.is_empty()).map(Vec::as_slice) {
        None => ArtifactChoice::Nothing,
        Some([only]) => ArtifactChoice::Chosen(Arc::clone(only)),
        // Several candidates are never resolved by their order, which the server may change.
        Some(several) => {
            // Bounded, because the names end up in an error message.
            let named = several.iter().take(CANDIDATES_MAX);
            ArtifactChoice::Ambiguous(named.map(|asset| label(asset)).collect())
        }
    }
}

fn is_gzipped_tar(asset: &Artifact) -> bool {
    let name = asset.file_name.to_ascii_lowercase();
    name.ends_with(".tar.gz")
}

/// Returns an archive's file name without its extension. `None` for other or deceptive names.
fn safe_stem(asset: &Artifact) -> Option<&str> {
    let stem = archive_stem(&asset.file_name)?;
    let hostile = stem.starts_with('.')
        // Such names would pass for a hidden file, a path or a quoted header value at the client.
        || stem.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '"'));
    (!hostile).then_some(stem)
}

fn label(asset: &Artifact) -> String {
    let name: String = asset.file_name.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("{name} ({})", asset.key)
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::ArtifactKey;

    use super::*;

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

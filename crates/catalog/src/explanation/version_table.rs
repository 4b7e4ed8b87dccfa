//! The versions of one name at every backend, side by side.

use std::collections::HashMap;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{Release, ReleaseVersion};

use crate::explanation::Explanation;

/// Versions by backend: a row for each version, a column for each backend.
#[derive(Clone, Debug)]
pub struct VersionTable {
    /// The backends, in order.
    pub backends: Vec<BackendId>,
    /// The versions, newest first; tags that are not versions come last.
    pub rows: Vec<VersionRow>,
}

/// One version at every backend.
#[derive(Clone, Debug)]
pub struct VersionRow {
    /// The release of each backend, in the order of the table; `None` where it has none.
    pub releases: Vec<Option<Arc<Release>>>,
}

/// Comparison of the archives of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// Every backend that has the version has the same bytes.
    Same,
    /// Two backends have different bytes.
    Different,
    /// Only one backend has it, or a digest is not known, or of another algorithm.
    Unknown,
}

impl Explanation {
    /// Puts the releases of all backends side by side.
    #[must_use]
    pub fn version_table(&self) -> VersionTable {
        let columns = self.backends.iter().enumerate();
        let mut placed: Vec<(usize, &Arc<Release>)> = columns
            .filter_map(|(column, report)| Some((column, report.extension.as_ref()?)))
            .flat_map(|(column, extension)| {
                extension.releases().iter().map(move |one| (column, one))
            })
            .collect();
        placed.sort_by(|(_, some), (_, other)| some.cmp_listed(other));
        let width = self.backends.len();
        let mut rows: Vec<VersionRow> = Vec::new();
        // Tags that are not versions are ordered by date, so equal ones may lie apart.
        let mut unversioned: HashMap<&str, usize> = HashMap::new();
        for (column, release) in placed {
            let at = match &release.version {
                ReleaseVersion::Version(_) => rows
                    .last()
                    .filter(|row| row.is_of(&release.version))
                    .map_or(rows.len(), |_| rows.len() - 1),
                ReleaseVersion::Unversioned(tag) => {
                    *unversioned.entry(tag.as_str()).or_insert(rows.len())
                }
            };
            if at == rows.len() {
                rows.push(VersionRow { releases: vec![None; width] });
            }
            let cell = rows.get_mut(at).and_then(|row| row.releases.get_mut(column));
            if let Some(cell) = cell {
                *cell = Some(Arc::clone(release));
            }
        }
        VersionTable { backends: self.backends.iter().map(|one| one.backend).collect(), rows }
    }
}

impl VersionRow {
    /// Returns the version, as the first backend that has it spells it.
    #[must_use]
    pub fn version(&self) -> &str {
        self.known().next().map_or("", |release| release.version.as_str())
    }

    /// Compares the archives by their digests.
    #[must_use]
    pub fn sameness(&self) -> Sameness {
        let known: Vec<_> = self
            .known()
            .filter_map(|release: &Arc<Release>| {
                release.artifact.chosen().and_then(|archive| archive.digest.clone())
            })
            .collect();
        let pairs = || known.iter().zip(known.iter().skip(1));
        // Digests of different algorithms cannot be compared.
        if pairs().any(|(some, other)| some.algorithm() != other.algorithm()) {
            return Sameness::Unknown;
        }
        if pairs().any(|(some, other)| some != other) {
            return Sameness::Different;
        }
        let is_compared = known.len() > 1 && known.len() == self.known().count();
        if is_compared { Sameness::Same } else { Sameness::Unknown }
    }

    fn is_of(&self, version: &ReleaseVersion) -> bool {
        self.known().next().is_some_and(|release| release.version.is_same(version))
    }

    fn known(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.releases.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
    use registry_core::models::digest::Digest;
    use registry_core::models::scope::Scope;
    use registry_testing::ids::{about, id, tag};
    use registry_testing::memory::MemoryBackend;

    use super::*;
    use crate::{Catalog, Rules};

    fn backend(of: BackendId, releases: &[(&str, &str)]) -> Arc<MemoryBackend> {
        let backend = MemoryBackend::new(of);
        for (version, bytes) in releases {
            backend.publish(&id("provider/aws"), tag(version), about("d", &[]), bytes.to_string());
        }
        Arc::new(backend)
    }

    #[tokio::test]
    async fn versions_of_all_backends_stand_side_by_side() {
        let gitea = backend(BackendId::GITEA, &[("v1.2.0", "a"), ("1.0.0", "b"), ("nightly", "c")]);
        let oci = backend(BackendId::OCI, &[("1.2.0", "a"), ("1.0", "x"), ("2.0.0", "d")]);
        let local = backend(BackendId::LOCAL, &[("edge", "e"), ("nightly", "c")]);
        let nightly = tag("nightly");
        local.date(&id("provider/aws"), &nightly, Some("2025-01-01T00:00:00Z".parse().unwrap()));
        let catalog = Catalog::new(vec![gitea, oci, local], Rules::for_tests());
        catalog.syncer.sync(Scope::All).await.unwrap();
        let table = catalog.explainer.explain(&id("provider/aws")).unwrap().version_table();
        let order = [BackendId::GITEA, BackendId::OCI, BackendId::LOCAL];
        assert_eq!(table.backends, order);
        let rows = table.rows.iter().map(|row| {
            let tags =
                row.releases.iter().map(|one| one.as_ref().map_or("-", |one| one.tag.as_str()));
            (row.version(), tags.collect::<Vec<_>>().join(" "), row.sameness())
        });
        let expected = [
            ("2.0.0", "- 2.0.0 -", Sameness::Unknown),
            ("1.2.0", "v1.2.0 1.2.0 -", Sameness::Same),
            ("1.0.0", "1.0.0 1.0 -", Sameness::Different),
            ("nightly", "nightly - nightly", Sameness::Same),
            ("edge", "- - edge", Sameness::Unknown),
        ];
        let expected = expected.map(|(version, tags, same)| (version, tags.to_owned(), same));
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn digests_of_two_algorithms_prove_nothing() {
        let release = |digest: Option<Digest>| {
            let digest_text = digest.as_ref().map_or_else(String::new, Digest::to_string);
            let archive = Artifact {
                key: ArtifactKey::new(digest_text),
                file_name: "a.tar.gz".into(),
                size: 1,
                digest,
                url: None,
            };
            Some(Arc::new(Release {
                artifact: ArtifactChoice::Chosen(Arc::new(archive)),
                ..Release::of_tag(BackendId::GITEA, tag("1.0.0"))
            }))
        };
        let sha256 = || release(Some(Digest::sha256(b"a")));
        let sha512 = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
        for releases in [vec![sha256(), release(Some(sha512))], vec![sha256(), release(None)]] {
            assert_eq!(VersionRow { releases }.sameness(), Sameness::Unknown);
        }
        assert_eq!(
            VersionRow { releases: vec![sha256(), None, sha256()] }.sameness(),
            Sameness::Same
        );
    }
}

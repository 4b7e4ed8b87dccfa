//! Entry point for fuzzing the conversion of releases.

use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::backend_id::BackendId;

use crate::gitea::models::{ReleaseRow, RepositoryRow};
use crate::gitea::releases::ReleaseReader;
use crate::gitea::repository::GiteaRepository;
use crate::gitea::urls::Urls;

const REPOSITORY: &[u8] = br#"{"id": 1, "name": "aws_prov", "owner": {"id": 1, "login": "team"}}"#;

/// Converts one release or a list, and asserts that a chosen archive is one of the assets.
#[expect(clippy::missing_panics_doc, reason = "a violated invariant must stop the run")]
pub fn release(bytes: &[u8]) {
    let rows = serde_json::from_slice::<Vec<ReleaseRow>>(bytes)
        .or_else(|_| serde_json::from_slice::<ReleaseRow>(bytes).map(|row| vec![row]));
    let (Ok(rows), Some((repository, urls))) = (rows, repository()) else { return };
    let reader = ReleaseReader::new(BackendId::GITEA, &repository, &urls, &[]);
    for release in rows.into_iter().filter_map(|row| reader.read(row).ok().flatten()) {
        if let ArtifactChoice::Chosen(artifact) = &release.artifact {
            assert!(release.assets.iter().any(|asset| asset.key == artifact.key));
        }
    }
}

fn repository() -> Option<(GiteaRepository, Urls)> {
    let base = "https://git.test/".parse().ok()?;
    let urls = Urls::new(base, "team".parse().ok()?).ok()?;
    let row: RepositoryRow = serde_json::from_slice(REPOSITORY).ok()?;
    Some((GiteaRepository::from_row(row, &urls)?, urls))
}

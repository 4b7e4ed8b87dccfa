//! A release and its files in the stored vocabulary.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::snapshot::stored::{damaged, parsed};
use crate::error::Result;
use crate::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use crate::models::extension::{About, Release};
use crate::models::source::Source;

/// What its publisher says of a release.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredAbout {
    description: Option<String>,
    author: Option<String>,
    repository: Option<String>,
    keywords: Vec<String>,
    license: Option<String>,
}

/// One release; its version is read from the tag again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredRelease {
    tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_at: Option<Timestamp>,
    artifact: StoredChoice,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assets: Vec<StoredArtifact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest_digest: Option<String>,
    /// Place among what the extension's releases say, from 0.
    about: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredChoice {
    /// The asset of this place, from 0.
    Asset(usize),
    /// A file that is not among the assets.
    Chosen(StoredArtifact),
    Ambiguous(Vec<String>),
    Unread,
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredArtifact {
    key: String,
    file_name: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl StoredAbout {
    pub(super) fn of(about: &About) -> Self {
        Self {
            description: about.description.as_deref().map(Into::into),
            author: about.author.as_deref().map(Into::into),
            repository: about.repository.as_deref().map(Into::into),
            keywords: about.keywords.iter().map(|word| word.to_string()).collect(),
            license: about.license.as_deref().map(Into::into),
        }
    }
}

impl From<StoredAbout> for About {
    fn from(stored: StoredAbout) -> Self {
        let StoredAbout { description, author, repository, keywords, license } = stored;
        // It ends in a page as a link: only what was one when it was read first.
        let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        Self {
            description: description.map(Into::into),
            author: author.map(Into::into),
            repository: repository.filter(web).map(Into::into),
            keywords: keywords.into_iter().map(Into::into).collect(),
            license: license.map(Into::into),
        }
    }
}

impl StoredRelease {
    /// Stores a release; what it says goes to the others' words, unless it is among them.
    pub(super) fn of<'a>(release: &'a Release, abouts: &mut Vec<&'a About>) -> Self {
        let known = abouts.iter().position(|about| **about == *release.about);
        let about = known.unwrap_or_else(|| {
            abouts.push(&release.about);
            abouts.len() - 1
        });
        let assets = &release.assets;
        let artifact = match &release.artifact {
            ArtifactChoice::Chosen(artifact) => assets
                .iter()
                .position(|asset| asset == artifact)
                .map_or_else(|| StoredChoice::Chosen(stored(artifact)), StoredChoice::Asset),
            ArtifactChoice::Ambiguous(names) => StoredChoice::Ambiguous(names.clone()),
            ArtifactChoice::Unread => StoredChoice::Unread,
            ArtifactChoice::Nothing => StoredChoice::Nothing,
        };
        Self {
            tag: release.tag.to_string(),
            published_at: release.published_at,
            artifact,
            assets: assets.iter().map(|asset| stored(asset)).collect(),
            manifest_digest: release.manifest_digest.as_ref().map(ToString::to_string),
            about,
        }
    }
}

fn stored(artifact: &Artifact) -> StoredArtifact {
    StoredArtifact {
        key: artifact.key.to_string(),
        file_name: artifact.file_name.to_string(),
        size: artifact.size,
        digest: artifact.digest.as_ref().map(ToString::to_string),
        url: artifact.url.as_deref().map(Into::into),
    }
}

/// A release of this backend, which shares its words with others.
///
/// # Errors
/// The first value that the domain does not accept, or a place where nothing is.
pub(super) fn read_release(
    source: Source,
    stored: StoredRelease,
    abouts: &[Arc<About>],
) -> Result<Release> {
    let assets: Box<[Arc<Artifact>]> =
        stored.assets.into_iter().map(read).collect::<Result<_>>()?;
    let nowhere = || damaged(format!("the release {:?} names what is not there", stored.tag));
    let artifact = match stored.artifact {
        StoredChoice::Asset(at) => {
            ArtifactChoice::Chosen(assets.get(at).cloned().ok_or_else(nowhere)?)
        }
        StoredChoice::Chosen(artifact) => ArtifactChoice::Chosen(read(artifact)?),
        StoredChoice::Ambiguous(names) => ArtifactChoice::Ambiguous(names),
        StoredChoice::Unread => ArtifactChoice::Unread,
        StoredChoice::Nothing => ArtifactChoice::Nothing,
    };
    let digest = stored.manifest_digest.as_deref().map(|text| parsed("digest", text));
    Ok(Release {
        published_at: stored.published_at,
        artifact,
        assets,
        manifest_digest: digest.transpose()?,
        about: Arc::clone(abouts.get(stored.about).ok_or_else(nowhere)?),
        ..Release::of_tag(source, parsed("tag", &stored.tag)?)
    })
}

fn read(stored: StoredArtifact) -> Result<Arc<Artifact>> {
    let digest = stored.digest.as_deref().map(|text| parsed("digest", text));
    Ok(Arc::new(Artifact {
        key: ArtifactKey::new(stored.key),
        file_name: stored.file_name.into(),
        size: stored.size,
        digest: digest.transpose()?,
        url: stored.url.map(Into::into),
    }))
}

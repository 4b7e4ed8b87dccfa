//! A release and its files in the stored vocabulary.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::snapshot::damage::{damaged, parsed};
use crate::catalog::snapshot::text::Text;
use crate::error::Result;
use crate::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use crate::models::backend_id::BackendId;
use crate::models::extension::{About, Release};

/// What its publisher says of a release.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredAbout<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    description: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    author: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    license: Option<Text<'a>>,
}

/// One release; its version is read from the tag again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredRelease<'a> {
    #[serde(borrow)]
    tag: Text<'a>,
    /// Not in files of older releases.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    marked_prerelease: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_at: Option<Timestamp>,
    artifact: StoredChoice<'a>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assets: Vec<StoredArtifact<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest_digest: Option<Text<'a>>,
    /// Place among what the extension's releases say, from 0.
    about: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredChoice<'a> {
    /// The asset of this place, from 0.
    Asset(usize),
    /// A file that is not among the assets.
    #[serde(borrow)]
    Chosen(StoredArtifact<'a>),
    Ambiguous(Vec<Text<'a>>),
    Unread,
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredArtifact<'a> {
    /// Where it is not the digest, as it is in registries.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    key: Option<Text<'a>>,
    file_name: Text<'a>,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<Text<'a>>,
}

impl<'a> StoredAbout<'a> {
    pub(super) fn of(about: &'a About) -> Self {
        Self {
            description: about.description.as_deref().map(Into::into),
            author: about.author.as_deref().map(Into::into),
            repository: about.repository.as_deref().map(Into::into),
            keywords: about.keywords.iter().map(|word| (&**word).into()).collect(),
            license: about.license.as_deref().map(Into::into),
        }
    }
}

impl From<StoredAbout<'_>> for About {
    fn from(stored: StoredAbout<'_>) -> Self {
        let StoredAbout { description, author, repository, keywords, license } = stored;
        // It ends in a page as a link: only what was one when it was read first.
        let web = |url: &Text<'_>| url.starts_with("https://") || url.starts_with("http://");
        Self {
            description: description.map(Into::into),
            author: author.map(Into::into),
            repository: repository.filter(web).map(Into::into),
            keywords: keywords.into_iter().map(Into::into).collect(),
            license: license.map(Into::into),
        }
    }
}

impl<'a> StoredRelease<'a> {
    /// Stores a release; what it says goes to the others' words, unless it is among them.
    pub(super) fn of(release: &'a Release, abouts: &mut Vec<&'a About>) -> Self {
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
            ArtifactChoice::Ambiguous(names) => {
                StoredChoice::Ambiguous(names.iter().map(|name| name.as_str().into()).collect())
            }
            ArtifactChoice::Unread => StoredChoice::Unread,
            ArtifactChoice::Nothing => StoredChoice::Nothing,
        };
        Self {
            tag: release.tag.as_str().into(),
            marked_prerelease: release.marked_prerelease,
            published_at: release.published_at,
            artifact,
            assets: assets.iter().map(|asset| stored(asset)).collect(),
            manifest_digest: release.manifest_digest.as_ref().map(|d| d.to_string().into()),
            about,
        }
    }
}

fn stored(artifact: &Artifact) -> StoredArtifact<'_> {
    let digest = artifact.digest.as_ref().map(ToString::to_string);
    let key = artifact.key.as_str();
    StoredArtifact {
        key: (digest.as_deref() != Some(key)).then(|| key.into()),
        file_name: (&*artifact.file_name).into(),
        size: artifact.size,
        digest: digest.map(Into::into),
        url: artifact.url.as_deref().map(Into::into),
    }
}

/// A release of this backend, which shares its words with others.
///
/// # Errors
/// The first value that the domain does not accept, or a place where nothing is.
pub(super) fn read_release(
    backend: BackendId,
    stored: StoredRelease<'_>,
    abouts: &[Arc<About>],
) -> Result<Release> {
    let assets: Box<[Arc<Artifact>]> =
        stored.assets.into_iter().map(read).collect::<Result<_>>()?;
    let nowhere = || damaged(format!("the release {:?} names what is not there", &*stored.tag));
    let artifact = match stored.artifact {
        StoredChoice::Asset(at) => {
            ArtifactChoice::Chosen(assets.get(at).cloned().ok_or_else(nowhere)?)
        }
        StoredChoice::Chosen(artifact) => ArtifactChoice::Chosen(read(artifact)?),
        StoredChoice::Ambiguous(names) => {
            ArtifactChoice::Ambiguous(names.into_iter().map(Into::into).collect())
        }
        StoredChoice::Unread => ArtifactChoice::Unread,
        StoredChoice::Nothing => ArtifactChoice::Nothing,
    };
    let digest = stored.manifest_digest.as_deref().map(|text| parsed("digest", text));
    Ok(Release {
        marked_prerelease: stored.marked_prerelease,
        published_at: stored.published_at,
        artifact,
        assets,
        manifest_digest: digest.transpose()?,
        about: Arc::clone(abouts.get(stored.about).ok_or_else(nowhere)?),
        ..Release::of_tag(backend, parsed("tag", &stored.tag)?)
    })
}

fn read(stored: StoredArtifact<'_>) -> Result<Arc<Artifact>> {
    let digest = stored.digest.as_deref().map(|text| parsed("digest", text)).transpose()?;
    let key = stored.key.or(stored.digest);
    Ok(Arc::new(Artifact {
        key: ArtifactKey::new(key.ok_or_else(|| damaged("a file has neither key nor digest"))?),
        file_name: stored.file_name.into(),
        size: stored.size,
        digest,
        url: stored.url.map(Into::into),
    }))
}

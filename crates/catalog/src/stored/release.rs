//! Stored form of a release and its files.

use std::sync::Arc;

use jiff::Timestamp;
use registry_core::error::Result;
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{About, Change, Release};
use serde::{Deserialize, Serialize};

use crate::stored::text::Text;
use crate::stored::{damaged, parsed};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredAbout<'a> {
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

/// One release; its version is parsed from the tag again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredRelease<'a> {
    #[serde(borrow)]
    tag: Text<'a>,
    /// Absent in files of older versions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    marked_prerelease: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_at: Option<Timestamp>,
    artifact: StoredChoice<'a>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assets: Vec<StoredArtifact<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest_digest: Option<Text<'a>>,
    /// Index into the `abouts` of the extension, from 0.
    about: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<StoredChange<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredChange<'a> {
    #[serde(borrow)]
    first: Text<'a>,
    first_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<Text<'a>>,
    now_size: u64,
    in_place: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredChoice<'a> {
    /// Index into `assets`, from 0.
    Asset(usize),
    #[serde(borrow)]
    Chosen(StoredArtifact<'a>),
    Ambiguous(Vec<Text<'a>>),
    Unread,
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredArtifact<'a> {
    /// Identity of the file; absent if it equals the digest, as in registries.
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
    pub(crate) fn of(about: &'a About) -> Self {
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
        // Pages link to this URL: an edited file must not bring in a scheme such as `javascript:`.
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
    /// Converts a release. Its description is added to `abouts` unless an equal one is there.
    pub(crate) fn of(release: &'a Release, abouts: &mut Vec<&'a About>) -> Self {
        let known = abouts.iter().position(|about| **about == *release.about);
        let about = known.unwrap_or_else(|| {
            abouts.push(&release.about);
            abouts.len() - 1
        });
        let assets = &release.assets;
        let artifact = match &release.artifact {
            // Stored once as an index: the archive is almost always one of the assets.
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
            change: release.change.as_deref().map(StoredChange::of),
        }
    }
}

impl<'a> StoredChange<'a> {
    fn of(change: &'a Change) -> Self {
        Self {
            first: change.first.to_string().into(),
            first_size: change.first_size,
            now: change.now.as_ref().map(|digest| digest.to_string().into()),
            now_size: change.now_size,
            in_place: change.in_place,
        }
    }

    fn read(self) -> Result<Box<Change>> {
        let now = self.now.as_deref().map(|text| parsed("digest", text));
        Ok(Box::new(Change {
            first: parsed("digest", &self.first)?,
            first_size: self.first_size,
            now: now.transpose()?,
            now_size: self.now_size,
            in_place: self.in_place,
        }))
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

pub(crate) fn read_release(
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
        change: stored.change.map(StoredChange::read).transpose()?,
        about: Arc::clone(abouts.get(stored.about).ok_or_else(nowhere)?),
        ..Release::of_tag(backend, parsed("tag", &stored.tag)?)
    })
}

fn read(stored: StoredArtifact<'_>) -> Result<Arc<Artifact>> {
    // Without a key the digest is the identity, as in registries.
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

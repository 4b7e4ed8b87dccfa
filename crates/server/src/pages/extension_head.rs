//! Head of the pages of one extension: its names, its standing, notices.

use std::sync::Arc;

use registry_catalog::index::entry::Entry;
use registry_catalog::index::view::View;
use registry_catalog::ownership::Ownership;
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{Change, Release, ReleaseVersion};
use registry_core::models::scope::Scope;
use registry_web::extension_ref::ExtensionRef;
use registry_web::head::{ExtensionHead, VersionStanding};
use registry_web::notice::{Level, Notice};
use registry_web::notices::{self, Candidate};
use registry_web::site::Site;

use crate::pages::models::{page_digest, reference_within, text, version_name};
use crate::pages::seen_backends::SeenBackends;

/// One version of an extension, as a page shows it.
#[derive(Clone, Debug)]
pub struct ShownVersion {
    /// The catalog.
    pub view: Arc<View>,
    /// The extension.
    pub entry: Arc<Entry>,
    /// The release.
    pub release: Arc<Release>,
    /// Backends that were asked.
    pub scope: Scope,
    /// True if the address of the page names the version.
    pub is_pinned: bool,
    /// Number of files of the archive, if it was read.
    pub files: Option<usize>,
}

impl ShownVersion {
    /// Returns a key that is equal for equal versions of one view. It contains the state of a release
    /// that was read for this page alone.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {:?}", self.key_without_files(), self.files)
    }

    /// Returns the key of a page whose number of files follows from the archive that it shows.
    #[must_use]
    pub fn key_without_files(&self) -> String {
        let Self { entry, release, scope, is_pinned, .. } = self;
        let (id, tag, digest) = (entry.id(), &release.tag, &release.manifest_digest);
        format!("{id} {tag} {scope:?} {is_pinned} {digest:?}")
    }

    /// Refers to the extension.
    #[must_use]
    pub fn id(&self) -> ExtensionRef {
        reference_within(&self.entry, self.scope)
    }

    /// Returns the backend that owns the name; `None` while it is not determined, or lost the name.
    #[must_use]
    pub fn owner(&self) -> Option<BackendId> {
        match self.view.get(self.entry.id(), Scope::All)?.ownership {
            Ownership::Owned(owner) => Some(owner),
            _ => None,
        }
    }

    /// Returns the head of the page.
    #[must_use]
    pub fn head(&self, site: &Site, seen: &SeenBackends) -> ExtensionHead {
        let description = self.release.about.description.as_deref();
        ExtensionHead {
            id: self.id(),
            version: version_name(&self.release),
            is_pinned: self.is_pinned,
            standing: standing(&self.entry, &self.release),
            description: text(description),
            notices: self.notices(site, seen),
            versions: self.entry.extension.releases().len(),
            files: self.files,
        }
    }

    fn notices(&self, site: &Site, seen: &SeenBackends) -> Vec<Notice> {
        let (id, tag) = (self.id(), self.release.tag.as_str());
        let ownership = self.view.get(self.entry.id(), Scope::All).map(|entry| entry.ownership);
        let uncertain = match ownership {
            Some(Ownership::Undetermined(holder, awaited)) => {
                Some(notices::undetermined(site, &id, holder.as_str(), awaited.as_str()))
            }
            Some(Ownership::Orphaned(former)) => {
                let holders: Vec<String> = self.entry.backends().map(ToString::to_string).collect();
                Some(notices::orphaned(site, &id, former.as_str(), &holders))
            }
            _ => None,
        };
        let changed = self.release.change.as_ref();
        let changed = changed.map(|change| changed_notice(site, &id, tag, change));
        let ambiguous = matches!(self.release.artifact, ArtifactChoice::Ambiguous(_));
        let ambiguous = ambiguous.then(|| {
            let files = self.release.assets.iter();
            let candidates = files.map(|file| Candidate {
                id: file.key.as_str().to_owned(),
                name: file.file_name.to_string(),
            });
            notices::ambiguous(site, &id, tag, &candidates.collect::<Vec<_>>())
        });
        // Backends that do not have the extension do not matter here.
        let stale = seen.of(self.entry.backends()).stale(site, self.owner()).collect::<Vec<_>>();
        uncertain.into_iter().chain(changed).chain(ambiguous).chain(stale).collect()
    }
}

fn changed_notice(site: &Site, id: &ExtensionRef, tag: &str, change: &Change) -> Notice {
    let now = change.now.as_ref().and_then(page_digest);
    match page_digest(&change.first) {
        Some(first) => notices::archive_changed(site, id, tag, &first, now.as_ref()),
        // Pages show SHA-256 alone.
        None => Notice::new(Level::Problem, "The archive of this version changed.", ""),
    }
}

fn standing(entry: &Entry, release: &Release) -> VersionStanding {
    let Some(latest) = entry.extension.latest().filter(|latest| latest.tag != release.tag) else {
        return VersionStanding::Latest;
    };
    let name = version_name(latest);
    match release.version {
        ReleaseVersion::Unversioned(_) => VersionStanding::Unversioned(name),
        ReleaseVersion::Version(_) if release.is_prerelease() && !latest.is_prerelease() => {
            VersionStanding::PreRelease(name)
        }
        // Another tag of the latest version is not older.
        ReleaseVersion::Version(_) if latest.version.as_str() == release.version.as_str() => {
            VersionStanding::Latest
        }
        ReleaseVersion::Version(_) => VersionStanding::Older(name),
    }
}

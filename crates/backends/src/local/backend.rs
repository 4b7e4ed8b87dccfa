//! The backend for a directory of image layouts.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::backend::download::Download;
use registry_core::backend::oci_content::OciContent;
use registry_core::backend::{Backend, Fault, Listing, no_readme};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::files::lane::Lane;
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::fault::FaultSubject;
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;
use tokio::time::sleep;

use crate::local::content_maps::ContentMaps;
use crate::local::layout::{IndexStamp, Layout};
use crate::local::overlooked;
use crate::local::readme::read_readme;
use crate::local::release::{read_extension, read_version};
use crate::local::root::{Root, RootStamp};

/// Maximum number of concurrent file system operations.
const QUESTIONS_MAX: usize = 32;
/// Timeout of each operation, the default of HTTP backends as well.
const PATIENCE: Duration = Duration::from_secs(30);
/// Interval between checks of the directory for added and removed entries.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Serves the layouts below one directory. A layout is read again if its `index.json` changed.
#[derive(Clone)]
pub struct LocalBackend {
    id: BackendId,
    root: Root,
    known: Arc<Mutex<HashMap<ExtensionId, (IndexStamp, Extension)>>>,
    content: Arc<ContentMaps>,
    listed: Arc<Mutex<DirectoryState>>,
    /// Device number of the directory when it last contained an extension.
    device: Arc<Mutex<Option<u64>>>,
    lane: Lane,
    /// Separate lane for change detection, so that a check that hangs does not delay requests.
    looks: Lane,
}

/// State of the directory when it was last listed. The default stands for a missing directory.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct DirectoryState {
    look: Option<RootStamp>,
    /// True if the directory may have changed since without a visible difference.
    unsettled: bool,
}

impl DirectoryState {
    fn of(root: &Root) -> Self {
        let look = root.look();
        let now = Timestamp::now();
        Self { look, unsettled: look.is_some_and(|look| !look.is_settled(now)) }
    }
}

impl LocalBackend {
    /// Serves this directory. It need not exist yet: until it does, every request fails with
    /// [`Error::is_of_missing_place`].
    #[must_use]
    pub fn new(id: BackendId, path: impl Into<PathBuf>) -> Self {
        let lane = Lane::new(QUESTIONS_MAX, PATIENCE);
        let looks = Lane::new(1, PATIENCE);
        let (known, content, listed, device) = Default::default();
        Self { id, root: Root::new(path), known, content, listed, device, lane, looks }
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        let answer = self.lane.run(move || question(&this)).await;
        answer.unwrap_or_else(|error| {
            let (kind, message) = match error.kind() {
                io::ErrorKind::TimedOut => (
                    ErrorKind::BackendTimeout,
                    "Reading the directory of local extensions timed out",
                ),
                _ => (ErrorKind::Internal, "The directory of local extensions cannot be read"),
            };
            Err(Error::new(kind, message).because(error))
        })
    }

    fn list(&self) -> Result<Listing> {
        // Taken before the entries are read: a change during the read differs from it at the next
        // check.
        *self.listed.lock() = DirectoryState::of(&self.root);
        let mut found: BTreeMap<ExtensionId, String> = BTreeMap::new();
        let mut faults = Vec::new();
        let names = self.names()?;
        for name in &names {
            let Some(id) = ExtensionId::from_oci_repository(name) else { continue };
            // An unreadable layout is listed anyway; reading the extension reports the reason. Left
            // out, it would count as removed.
            if self.root.layout(name).is_err_and(|error| error.is_not_found()) {
                continue;
            }
            if let Some(first) = found.get(&id) {
                let reason = format!("has the name of {first}, which is served");
                let repository = name.clone();
                faults.push(Fault { repository, subject: FaultSubject::Listing, reason });
            } else {
                found.insert(id, name.clone());
            }
        }
        faults.extend(overlooked::advice(&self.root, &names, &found));
        Ok(Listing { ids: found.into_keys().collect(), coverage: Coverage::Complete, faults })
    }

    fn names(&self) -> Result<Vec<String>> {
        let device = self.root.look().map(|look| look.device());
        let names = self.root.names()?;
        let has_extension =
            names.iter().any(|name| ExtensionId::from_oci_repository(name).is_some());
        // An unmounted volume leaves an empty directory on another device. Taken as a complete
        // list, it would remove every extension.
        let mut before = self.device.lock();
        if has_extension {
            *before = device;
        } else if before.is_some() && device != *before {
            return Err(self.root.unmounted());
        }
        Ok(names)
    }

    pub(super) fn content_maps(&self) -> &ContentMaps {
        &self.content
    }

    /// Returns the layout of an extension, and its id as the directory spells it.
    pub(super) fn layout(&self, id: &ExtensionId) -> Result<(ExtensionId, Layout)> {
        match self.root.layout(&id.oci_repository()) {
            Err(error) if error.is_not_found() => {}
            other => return Ok((id.clone(), other?)),
        }
        // Names ignore case but file systems may not, so the entries are compared one by one.
        let spelled = self.names()?.into_iter().find_map(|name| {
            let spelled = ExtensionId::from_oci_repository(&name)?;
            (spelled == *id).then_some((spelled, name))
        });
        let (spelled, name) =
            spelled.ok_or_else(|| Error::not_found(format!("Extension {id} not found")))?;
        Ok((spelled, self.root.layout(&name)?))
    }

    fn read(&self, id: &ExtensionId) -> Result<Extension> {
        let (id, layout) = self.layout(id).inspect_err(|_| {
            self.known.lock().remove(id);
        })?;
        let stamp = layout.stamp()?;
        if let Some((known, extension)) = self.known.lock().get(&id)
            && *known == stamp
        {
            return Ok(extension.clone());
        }
        let now = Timestamp::now();
        let extension = read_extension(self.id, &layout, &id, now)?;
        // Some faults heal without a new index, and an index modified just now may change again
        // unnoticed.
        if extension.faults().is_empty() && stamp.is_settled(now) {
            self.known.lock().insert(id, (stamp, extension.clone()));
        }
        Ok(extension)
    }

    fn open_blob(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<&Range<u64>>,
    ) -> Result<(std::fs::File, Range<u64>)> {
        let digest = artifact.key.as_str().parse().map_err(|error| {
            Error::new(ErrorKind::Internal, "The artifact has no digest").because(error)
        })?;
        let (file, size) = self.layout(id)?.1.blob(&digest)?;
        Ok((file, part_of(size, range)?))
    }
}

/// Returns the whole, or the requested part of it. `RangeNotSatisfiable` outside.
pub(super) fn part_of(size: u64, range: Option<&Range<u64>>) -> Result<Range<u64>> {
    let part = range.cloned().unwrap_or(0..size);
    if range.is_some() && (part.start >= part.end || part.end > size) {
        let kind = ErrorKind::RangeNotSatisfiable { size };
        return Err(Error::new(kind, "Range outside the artifact"));
    }
    Ok(part)
}

#[async_trait]
impl Backend for LocalBackend {
    fn id(&self) -> BackendId {
        self.id
    }

    async fn listing(&self) -> Result<Listing> {
        self.ask(Self::list).await
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        let id = id.clone();
        self.ask(move |this| this.read(&id)).await
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let (id, tag) = (id.clone(), tag.clone());
        self.ask(move |this| {
            let (id, layout) = this.layout(&id)?;
            read_version(this.id, &layout, &id, &tag, Timestamp::now())
        })
        .await
    }

    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        let (id, artifact) = (id.clone(), artifact.clone());
        let (file, part) =
            self.ask(move |this| this.open_blob(&id, &artifact, range.as_ref())).await?;
        Ok(Download::from_file(file, part))
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let (id, release) = (id.clone(), release.clone());
        self.ask(move |this| {
            let (id, layout) = this.layout(&id)?;
            let found = read_readme(&layout, &id, &release.tag)?;
            found.ok_or_else(|| no_readme(&id, &release))
        })
        .await
    }

    /// A check of every `index.json` is as cheap as a list of changes would be.
    async fn changes(&self, _: Option<&ChangeCursor>) -> Result<Changes> {
        Ok(Changes::CannotTell)
    }

    async fn changed(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            let root = self.root.clone();
            // A failed or hanging check proves no change.
            let Ok(seen) = self.looks.run(move || DirectoryState::of(&root)).await else {
                continue;
            };
            // A directory that is still settling may get further entries or content; one refresh
            // covers them all.
            if !seen.unsettled && seen != *self.listed.lock() {
                return;
            }
        }
    }

    fn oci_content(&self) -> Option<&dyn OciContent> {
        Some(self)
    }

    async fn probe(&self) -> Result<()> {
        self.ask(|this| this.names().map(drop)).await
    }

    /// The directory's device number. Without extensions on another device, it is unmounted.
    fn identity(&self) -> Option<String> {
        self.device.lock().map(|device| device.to_string())
    }

    fn resume(&self, identity: &str) {
        *self.device.lock() = identity.parse().ok();
    }
}

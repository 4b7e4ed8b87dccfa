//! The backend over a directory of image layouts.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::backend::changes::{ChangeCursor, Changes};
use crate::backend::download::Download;
use crate::backend::{Backend, Fault, Listing, no_readme};
use crate::error::{Error, ErrorKind, Result};
use crate::files::lane::Lane;
use crate::local::layout::{Layout, Stamp};
use crate::local::overlooked;
use crate::local::readme::read_readme;
use crate::local::release::{read_extension, read_version};
use crate::local::root::{Look, Root};
use crate::models::artifact::Artifact;
use crate::models::backend_id::BackendId;
use crate::models::coverage::Coverage;
use crate::models::extension::{Extension, Release};
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::tag::Tag;

/// Questions that the file system is asked at once.
const QUESTIONS_MAX: usize = 32;
/// How long each may take, as a backend over HTTP has unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the directory is looked at for entries that came or went.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Serves the layouts below one directory. Reads a layout again only when its `index.json` changed.
#[derive(Clone)]
pub struct LocalBackend {
    id: BackendId,
    root: Root,
    known: Arc<Mutex<HashMap<ExtensionId, (Stamp, Extension)>>>,
    listed: Arc<Mutex<Seen>>,
    /// The file system on which the directory lay when it last had an extension.
    device: Arc<Mutex<Option<u64>>>,
    lane: Lane,
    /// For looks alone, so that one that hangs keeps no other question waiting.
    looks: Lane,
}

/// What the directory looked like when it was last listed; the default is one that is not there.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    look: Option<Look>,
    /// Whether it may have changed since without looking otherwise.
    unsettled: bool,
}

impl Seen {
    fn of(root: &Root) -> Self {
        let look = root.look();
        let now = Timestamp::now();
        Self { look, unsettled: look.is_some_and(|look| !look.is_settled(now)) }
    }
}

impl LocalBackend {
    /// Serves this directory. It need not exist yet: until it does, every question fails with
    /// [`Error::is_of_missing_place`].
    #[must_use]
    pub fn new(id: BackendId, path: impl Into<PathBuf>) -> Self {
        let lane = Lane::new(QUESTIONS_MAX, PATIENCE);
        let looks = Lane::new(1, PATIENCE);
        let (known, listed, device) = Default::default();
        Self { id, root: Root::new(path), known, listed, device, lane, looks }
    }

    /// Runs one blocking question where blocking is allowed, for as long as it has patience.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        let answer = self.lane.run(move || question(&this)).await;
        let answer = answer.unwrap_or_else(|error| {
            let (kind, message) = match error.kind() {
                io::ErrorKind::TimedOut => {
                    (ErrorKind::BackendTimeout, "The directory of local extensions does not answer")
                }
                _ => (ErrorKind::Internal, "Reading local extensions failed"),
            };
            Err(Error::new(kind, message).because(error))
        });
        answer
    }

    fn list(&self) -> Result<Listing> {
        // Before its entries are read: what changes meanwhile is seen by the next look.
        *self.listed.lock() = Seen::of(&self.root);
        let mut found: BTreeMap<ExtensionId, String> = BTreeMap::new();
        let mut faults = Vec::new();
        let names = self.names()?;
        for name in &names {
            let Some(id) = ExtensionId::from_oci_repository(name) else { continue };
            // One that cannot be read is there all the same: its read names the reason.
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

    /// The names of all entries of the directory that has our extensions.
    fn names(&self) -> Result<Vec<String>> {
        let device = self.root.look().map(|look| look.device());
        let names = self.root.names()?;
        let has_extension =
            names.iter().any(|name| ExtensionId::from_oci_repository(name).is_some());
        let mut before = self.device.lock();
        if has_extension {
            *before = device;
        } else if before.is_some() && device != *before {
            return Err(self.root.unmounted());
        }
        Ok(names)
    }

    /// The layout of an extension, and its id as the directory spells it.
    fn layout(&self, id: &ExtensionId) -> Result<(ExtensionId, Layout)> {
        match self.root.layout(&id.oci_repository()) {
            Err(error) if error.is_not_found() => {}
            other => return Ok((id.clone(), other?)),
        }
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
        // Faults may heal without the index changing, and a fresh index may change unnoticed.
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
        let Some(range) = range else { return Ok((file, 0..size)) };
        if range.start >= range.end || range.end > size {
            let kind = ErrorKind::RangeNotSatisfiable { size };
            return Err(Error::new(kind, "Range outside the artifact"));
        }
        Ok((file, range.clone()))
    }
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

    /// Looking at every `index.json` is a round already, and a cheap one.
    async fn changes(&self, _: Option<&ChangeCursor>) -> Result<Changes> {
        Ok(Changes::CannotTell)
    }

    async fn changed(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            let root = self.root.clone();
            // A look that fails or hangs tells nothing.
            let Ok(seen) = self.looks.run(move || Seen::of(&root)).await else { continue };
            // Who adds one entry may be about to add another, or to fill it.
            if !seen.unsettled && seen != *self.listed.lock() {
                return;
            }
        }
    }

    async fn probe(&self) -> Result<()> {
        self.ask(|this| this.names().map(drop)).await
    }

    /// Where its extensions lie. The same path without them on another file system is a mount that is
    /// missing.
    fn identity(&self) -> Option<String> {
        self.device.lock().map(|device| device.to_string())
    }

    fn resume(&self, identity: &str) {
        *self.device.lock() = identity.parse().ok();
    }
}

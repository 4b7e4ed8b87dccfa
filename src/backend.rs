//! What every upstream must be able to answer, whatever it speaks.

pub mod changes;
pub mod coalesce;
pub mod contact;
pub mod download;
pub mod memory;
pub mod naming;
pub mod webhook;
pub mod weighted;

use std::future::pending;
use std::ops::Range;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::backend::changes::{ChangeCursor, Changes};
use crate::backend::contact::Contact;
use crate::backend::download::Download;
use crate::error::{Error, Result};
use crate::models::artifact::Artifact;
use crate::models::backend_id::BackendId;
use crate::models::coverage::Coverage;
use crate::models::extension::{Extension, Release};
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::tag::Tag;

/// One configured upstream.
///
/// Absence is an error of the kind `NotFound`, never an empty success; "cannot tell" is any other
/// kind. Not in here: which release is the latest, search, memos, retries, metrics, ownership.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Its kind. There is at most one backend of each kind.
    fn id(&self) -> BackendId;

    /// Everything it has, by name. An error means that nothing can be said of it.
    async fn listing(&self) -> Result<Listing>;

    /// One extension: its latest release in full, every other one as far as it is cheap.
    ///
    /// What could not be read of it is in its faults; an extension without a usable release is
    /// one with an empty list, not an error.
    async fn extension(&self, id: &ExtensionId) -> Result<Extension>;

    /// One extension with every release in full.
    ///
    /// Asked when a caller wants all of them. The same as [`Backend::extension`] where that leaves
    /// nothing unread, which is what this does unless a backend says otherwise.
    async fn releases(&self, id: &ExtensionId) -> Result<Extension> {
        self.extension(id).await
    }

    /// One release in full, by its raw tag. Hidden tags are answered too: hiding is the catalog's.
    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release>;

    /// The bytes of an artifact, or the given part of them, counted from 0, the end excluded.
    ///
    /// A part outside the artifact is the error `RangeNotSatisfiable`.
    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download>;

    /// The README of a release, at most [`README_MAX`](crate::models::readme::README_MAX) bytes.
    ///
    /// A release without one is `NotFound`, see [`no_readme`].
    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme>;

    /// What may have changed since the cursor was given out; since `None`, only a cursor of now.
    ///
    /// A cursor taken before a listing misses nothing that the listing misses.
    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes>;

    /// Waits until something may have changed that the next round would find. Never returns where a
    /// backend does not notice by itself.
    async fn changed(&self) {
        pending().await
    }

    /// Whether it answers at all, and accepts our credentials.
    async fn probe(&self) -> Result<()>;

    /// Who this backend is, by something that outlives its name; `None` before that was seen, and
    /// where a backend has nothing of that kind. May be stored and shown again after a restart.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Takes the identity that was seen before a restart: another one under the same name is refused.
    fn resume(&self, _identity: &str) {}

    /// How contact with it stands, now and as it changes; `None` where nothing stands between it
    /// and us.
    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        None
    }
}

/// What a backend says of a release that has no README.
#[must_use]
pub fn no_readme(id: &ExtensionId, release: &Release) -> Error {
    Error::not_found(format!("Extension {id} {} has no README", release.version.as_str()))
}

/// What a backend says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Every extension seen, each once.
    pub ids: Vec<ExtensionId>,
    /// How much of the list is proven. Absence from `ids` means absence only if it is complete.
    pub coverage: Coverage,
    /// Repositories that look like ours and are not served, and why.
    pub faults: Vec<Fault>,
}

/// Something at a backend that cannot be served as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The repository, as the backend names it.
    pub repository: String,
    /// The part of the repository that the fault is about.
    pub subject: FaultSubject,
    /// What is wrong, in one sentence.
    pub reason: String,
}

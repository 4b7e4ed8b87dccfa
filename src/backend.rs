//! The interface of all backends, independent of their protocol.

pub mod changes;
pub mod contact;
pub mod download;
pub mod naming;
pub mod webhook;

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
/// A missing object is an error of the kind `NotFound`, never an empty success; an unknown state is
/// any other kind. Not part of a backend: selection of the latest release, search, caches, retries,
/// metrics, ownership.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Returns the kind of backend. At most one backend of each kind exists.
    fn id(&self) -> BackendId;

    /// Lists all extensions by name. An error means that the state of the backend is unknown.
    async fn listing(&self) -> Result<Listing>;

    /// Reads one extension: the latest release in full, other releases as far as that is cheap.
    ///
    /// Parts that could not be read are reported as faults. An extension without a usable release
    /// is a success with an empty list, not an error.
    async fn extension(&self, id: &ExtensionId) -> Result<Extension>;

    /// Reads one extension with every release in full.
    ///
    /// Called when a request needs every release. The default calls [`Backend::extension`], which
    /// is right for backends that leave no release unread.
    async fn releases(&self, id: &ExtensionId) -> Result<Extension> {
        self.extension(id).await
    }

    /// Reads one release in full, by its raw tag. Includes hidden tags: the catalog hides them.
    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release>;

    /// Opens an artifact, or the given byte range: offsets from 0, the end excluded.
    ///
    /// A range outside the artifact is the error `RangeNotSatisfiable`.
    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download>;

    /// Reads the README of a release, at most [`README_MAX`](crate::models::readme::README_MAX)
    /// bytes.
    ///
    /// A release without one is `NotFound`, see [`no_readme`].
    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme>;

    /// Returns the extensions that may have changed since the cursor was issued. With `None`,
    /// returns only a cursor for the current state.
    ///
    /// A change after a listing is never lost if the cursor was taken before the listing.
    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes>;

    /// Waits until a change is likely that the next refresh would find. Never returns for a backend
    /// that does not detect changes itself.
    async fn changed(&self) {
        pending().await
    }

    /// Checks that the backend answers and accepts the configured credentials.
    async fn probe(&self) -> Result<()>;

    /// Returns a stable identity of the upstream, which survives a rename. `None` until it was
    /// observed, and for backends without one. May be persisted across restarts.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Restores an identity observed before a restart. A different upstream under this name is then
    /// refused.
    fn resume(&self, _identity: &str) {}

    /// Returns the current state of the connection and its changes; `None` if no network lies
    /// between.
    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        None
    }
}

/// Returns the error of a backend for a release without a README.
#[must_use]
pub fn no_readme(id: &ExtensionId, release: &Release) -> Error {
    Error::not_found(format!("Extension {id} {} has no README", release.version.as_str()))
}

/// The extensions of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// All extensions found, each once.
    pub ids: Vec<ExtensionId>,
    /// Coverage of the list. A missing entry does not exist only if the coverage is complete.
    pub coverage: Coverage,
    /// Repositories that look like extensions and are not served, with the reason.
    pub faults: Vec<Fault>,
}

/// A repository, or a part, that a backend cannot serve.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Name of the repository at the backend.
    pub repository: String,
    /// Part of the repository that the fault concerns.
    pub subject: FaultSubject,
    /// Reason, in one sentence.
    pub reason: String,
}

//! The interface of all backends, independent of their protocol.

pub mod changes;
pub mod contact;
pub mod download;
pub mod naming;
pub mod oci_content;
pub mod webhook;

use std::future::pending;
use std::ops::Range;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backend::changes::{ChangeCursor, Changes};
use crate::backend::contact::Contact;
use crate::backend::download::Download;
use crate::backend::oci_content::{OciContent, StoredManifest};
use crate::error::{Error, Result};
use crate::models::artifact::Artifact;
use crate::models::backend_id::BackendId;
use crate::models::coverage::Coverage;
use crate::models::extension::{Extension, Release};
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::tag::Tag;

/// One configured upstream. A missing object is the error `NotFound`, never an empty success; other
/// errors mean an unknown state. Selection, search, caches, retries and ownership lie elsewhere.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Returns the name and the kind.
    fn id(&self) -> BackendId;

    /// Lists all extensions by name. An error means that the state of the backend is unknown.
    async fn listing(&self) -> Result<Listing>;

    /// Reads one extension: the latest release in full, others as far as that is cheap.
    /// Unreadable parts are faults. Without a usable release the list is empty, not an error.
    async fn extension(&self, id: &ExtensionId) -> Result<Extension>;

    /// Reads every release in full. The default is right if [`Backend::extension`] does so already.
    async fn releases(&self, id: &ExtensionId) -> Result<Extension> {
        self.extension(id).await
    }

    /// Reads one release in full, by its raw tag. Includes hidden tags: the catalog hides them.
    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release>;

    /// Opens an artifact or a byte range, the end excluded; beyond it is `RangeNotSatisfiable`.
    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download>;

    /// Reads a README of at most `README_MAX` bytes. [`no_readme`] is the error without one.
    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme>;

    /// Returns the extensions that may have changed since the cursor; with `None`, only a cursor.
    /// A change after a listing is never lost if the cursor was taken before the listing.
    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes>;

    /// Waits until a refresh would likely find a change; never returns without such detection.
    async fn changed(&self) {
        pending::<()>().await;
    }

    /// Checks that the backend answers and accepts the configured credentials.
    async fn probe(&self) -> Result<()>;

    /// Returns a stable identity of the upstream, kept across renames; `None` until it is observed.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Restores an identity from disk. A different upstream under this name is then refused.
    fn resume(&self, _identity: &str) {}

    /// Sends no request before this time, because the backend demanded a pause of another replica. `None`
    /// ends such a pause, but none that this replica was told.
    fn hold(&self, _until: Option<Instant>) {}

    /// Reads the manifest that the publisher stored as a file of the release; `None` if the release
    /// has no valid one. An error means that there may be one.
    async fn published_manifest(
        &self,
        _id: &ExtensionId,
        _release: &Release,
    ) -> Result<Option<StoredManifest>> {
        Ok(None)
    }

    /// Returns the manifests and blobs as they are stored; `None` if the backend has no manifests.
    fn oci_content(&self) -> Option<&dyn OciContent> {
        None
    }

    /// Returns the state of the connection and its changes; `None` if no network lies between.
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

//! Deltas: the only changes of the index. They carry decisions, not observations, so that a second
//! process which applies them needs neither a clock nor a backend.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

use crate::index::capacity::Refusals;
use crate::persistent_instant::PersistentInstant;

/// A change of the index.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// A change of one backend's extensions.
    Backend(BackendId, BackendDelta),
    /// New owners of names, in order.
    Owners(Vec<OwnerChange>),
}

/// A change of one backend's extensions.
#[derive(Clone, Debug, PartialEq)]
pub enum BackendDelta {
    /// The backend was listed: extensions that it lacks are absent from now on, not unknown.
    Listed,
    /// Extensions that were read, with the time. They replace those of their names and end doubts.
    Put(Vec<(Arc<Extension>, PersistentInstant)>),
    /// The extension was read at this time and stays as it is. That ends a doubt.
    Read(ExtensionId, PersistentInstant),
    /// The extension changed without a read: a digest was learned, or a tag read by itself.
    Amended(Arc<Extension>),
    /// The extension was reported as gone at this time. It stays until that is confirmed.
    Missing(ExtensionId, Instant),
    /// The extension is gone.
    Removed(ExtensionId),
    /// Extensions do not fit into the memory limit, or fit again.
    Refused(Refusals),
}

/// A change of a name's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerChange {
    /// The backend owns the name.
    Owned(ExtensionId, BackendId),
    /// The owner lost the name, which does not pass on.
    Lost(ExtensionId),
}

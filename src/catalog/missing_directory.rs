//! Backends whose place does not exist, such as a missing directory. They are empty, or fail if the
//! catalog holds extensions from there.

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::backend::{Fault, Listing};
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::evidence::listing_fault;
use crate::catalog::index::CapacityUse;
use crate::error::{Error, Result};
use crate::models::coverage::Coverage;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

/// The reason why a backend is vacant; `None` while its place exists.
#[derive(Debug, Default)]
pub(super) struct MissingDirectory(Mutex<Option<String>>);

impl BackendHandle {
    /// Returns the backend's listing; a complete and empty one while it is vacant.
    pub(super) async fn listing(&self) -> Result<Listing> {
        match self.backend.listing().await {
            Err(error) if self.is_vacant(&error) => {
                let reason = error.report();
                // Logged once per vacancy, not in every round.
                if self.vacancy.0.lock().replace(reason.clone()).is_none() {
                    warn!(backend = %self.id(), "backend serves nothing: {reason}");
                }
                let (ids, faults) = (Vec::new(), Vec::new());
                Ok(Listing { ids, coverage: Coverage::Complete, faults })
            }
            answer => {
                if self.vacancy.0.lock().take().is_some() && answer.is_ok() {
                    info!(backend = %self.id(), "the directory exists now and is read");
                }
                answer
            }
        }
    }

    pub(super) async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.backend.extension(id).await.map_err(|error| match self.is_vacant(&error) {
            true => Error::not_found(format!("Extension {id} not found")).because(error),
            false => error,
        })
    }

    /// Probes the backend. A vacant one counts as reachable.
    pub(super) async fn contact(&self) -> Result<()> {
        match self.backend.probe().await {
            Err(error) if self.is_vacant(&error) => Ok(()),
            answer => answer,
        }
    }

    pub(super) fn vacancy(&self) -> Option<Fault> {
        self.vacancy.0.lock().as_deref().map(listing_fault)
    }

    /// Returns true if a failure means "nothing there yet" rather than "lost". A backend before
    /// others owns the names that it has, so its absence would give them away.
    fn is_vacant(&self, error: &Error) -> bool {
        error.is_of_missing_place() && self.is_last && self.held() == CapacityUse::default()
    }
}

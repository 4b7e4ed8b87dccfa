//! A backend whose place does not exist, such as a directory that is yet to be made. It has nothing,
//! unless something is known of it: then its place is lost, and the backend fails.

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::backend::{Fault, Listing};
use crate::catalog::evidence::listing_fault;
use crate::catalog::index::Held;
use crate::catalog::member::Member;
use crate::error::{Error, Result};
use crate::models::coverage::Coverage;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

/// Why a backend has no place, while it has none and that is no failure.
#[derive(Debug, Default)]
pub(super) struct VacancyCell(Mutex<Option<String>>);

impl Member {
    /// Everything the backend lists: nothing, while it is vacant.
    pub(super) async fn listing(&self) -> Result<Listing> {
        match self.backend.listing().await {
            Err(error) if self.is_vacant(&error) => {
                let reason = error.report();
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

    /// One extension of the backend: none, while it is vacant.
    pub(super) async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.backend.extension(id).await.map_err(|error| match self.is_vacant(&error) {
            true => Error::not_found(format!("Extension {id} not found")).because(error),
            false => error,
        })
    }

    /// Whether the backend answers, which one that is vacant does.
    pub(super) async fn contact(&self) -> Result<()> {
        match self.backend.probe().await {
            Err(error) if self.is_vacant(&error) => Ok(()),
            answer => answer,
        }
    }

    /// The fault of a vacant backend, for `/health`.
    pub(super) fn vacancy(&self) -> Option<Fault> {
        self.vacancy.0.lock().as_deref().map(listing_fault)
    }

    /// Whether a failure says that there is nothing, rather than that something is lost. A backend
    /// before others owns the names that it has: its absence would give them away.
    fn is_vacant(&self, error: &Error) -> bool {
        error.is_of_missing_place() && self.is_last && self.held() == Held::default()
    }
}

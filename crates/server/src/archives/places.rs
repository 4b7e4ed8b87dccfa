//! Places for fetches of archives that no download began: of manifests, pages and HEAD requests.

use std::sync::Arc;

use registry_core::error::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of places, apart from those of downloads.
const PLACES: usize = 4;

/// Places for fetches of archives.
#[derive(Clone, Debug)]
pub struct ArchivePlaces(Arc<Semaphore>);

impl Default for ArchivePlaces {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

impl ArchivePlaces {
    /// Takes a place until the permit is dropped.
    ///
    /// # Errors
    ///
    /// `Overloaded` if none is free.
    pub fn take(&self) -> Result<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.0).try_acquire_owned();
        permit.map_err(|_| {
            let message = "Too many archives are fetched to be read; retry later";
            Error::new(ErrorKind::Overloaded, message)
        })
    }
}

//! Stored form of an extension.

use std::sync::Arc;

use jiff::Timestamp;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use serde::{Deserialize, Serialize};

use crate::stored::evidence::{StoredCoverage, StoredFault};
use crate::stored::release::{StoredAbout, StoredRelease, read_release};
use crate::stored::text::Text;

/// An extension, and when it was last read.
pub type ReadExtension = (Arc<Extension>, Timestamp);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredExtension<'a> {
    /// Only in version 2; the key of the record has it now.
    #[serde(borrow, default, skip_serializing)]
    pub(crate) id: Option<Text<'a>>,
    read: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    awaits_archive: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    faults: Vec<StoredFault<'a>>,
    #[serde(default, skip_serializing_if = "StoredCoverage::is_complete")]
    coverage: StoredCoverage<'a>,
    /// Descriptions of releases, each once: most releases of an extension have equal ones.
    abouts: Vec<StoredAbout<'a>>,
    releases: Vec<StoredRelease<'a>>,
}

impl<'a> StoredExtension<'a> {
    pub(crate) fn of(extension: &'a Extension, read: Timestamp) -> Self {
        let mut abouts = Vec::new();
        let releases = extension.all_releases();
        let releases = releases.map(|release| StoredRelease::of(release, &mut abouts)).collect();
        Self {
            id: None,
            read,
            awaits_archive: extension.awaits_archive(),
            faults: extension.faults().iter().map(StoredFault::of).collect(),
            coverage: StoredCoverage::of(extension.coverage()),
            abouts: abouts.into_iter().map(StoredAbout::of).collect(),
            releases,
        }
    }

    pub(crate) fn read(self, backend: BackendId, id: ExtensionId) -> Result<ReadExtension> {
        let abouts: Vec<_> = self.abouts.into_iter().map(|about| Arc::new(about.into())).collect();
        let releases = self.releases.into_iter();
        let releases =
            releases.map(|one| read_release(backend, one, &abouts)).collect::<Result<_>>()?;
        let faults = self.faults.into_iter().map(StoredFault::read);
        // The constructor sorts the releases, so an edited order does no harm.
        let extension = Extension::new(id, releases)
            .awaiting_archive(self.awaits_archive)
            .with_faults(faults.collect::<Result<_>>()?)
            .with_coverage(self.coverage.into());
        Ok((Arc::new(extension), self.read))
    }
}

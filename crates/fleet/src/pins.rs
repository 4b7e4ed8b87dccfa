//! The ledger of pins: the digest that each file of a version had at its first download.

use async_trait::async_trait;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;

use crate::failure::Away;

/// The file that a pin is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinKey {
    /// The backend.
    pub backend: BackendId,
    /// The extension.
    pub extension: ExtensionId,
    /// Version, or tag where another tag stands for the version.
    pub version: String,
    /// Name of the file.
    pub file_name: String,
}

/// The first bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPin {
    /// Their digest.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// True if the ledger has returned this pin before. Such a pin replaces one that is not.
    pub confirmed: bool,
}

/// The pins of one fleet.
#[async_trait]
pub trait PinLedger: Send + Sync {
    /// Offers a pin and returns the one that stands from now on: the offer if there was none, or if it
    /// is confirmed and the present one is not; else the present one.
    async fn pin(&self, key: &PinKey, offer: &SharedPin) -> Result<SharedPin, Away>;
}

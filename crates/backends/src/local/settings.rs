//! The configuration of a directory of image layouts.

use std::path::PathBuf;

use registry_core::config_reader::Section;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;

/// One directory of image layouts.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// Name of the backend; by default the name of the kind.
    pub id: BackendId,
    /// The directory whose sub-directories are the layouts.
    pub path: PathBuf,
}

impl LocalSettings {
    /// Reads `[local]`, or an entry of `[[local]]`.
    pub fn read(keys: &mut Section<'_>) -> Option<Self> {
        let path = keys.text("path").required(
            "extensions",
            "Directory, relative to the working directory of the service.",
        )?;
        Some(Self { id: keys.id(BackendKind::Local), path })
    }
}

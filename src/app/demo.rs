//! The sample catalog that `--demo` serves.

use std::io;

use registry_backends::local::samples::unpack_samples;
use tempfile::TempDir;

use crate::config::{BackendSettings, Config};

/// The unpacked samples. They are removed with this value.
pub(super) struct SampleCatalog {
    _dir: TempDir,
    pub(super) count: usize,
}

impl SampleCatalog {
    /// Unpacks the samples and makes `[local]` serve them. Fails without a directory to write to.
    pub(super) fn unpack(config: &mut Config) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("extension-registry-").tempdir();
        let dir = dir.map_err(|error| {
            let message =
                format!("--demo needs a directory to write to, which TMPDIR names: {error}");
            io::Error::new(error.kind(), message)
        })?;
        let count = unpack_samples(dir.path())?;
        for backend in &mut config.backends {
            if let BackendSettings::Local(local) = &mut backend.settings {
                dir.path().clone_into(&mut local.path);
            }
        }
        Ok(Self { _dir: dir, count })
    }
}
